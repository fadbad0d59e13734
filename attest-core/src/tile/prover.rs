//! Proofs and roots from tiles.

use std::collections::HashMap;

use super::layout::place_of;
use super::{TILE_HEIGHT, TileError, TileId};
use crate::merkle::subtree::{Subtree, consistency_path, inclusion_path};
use crate::merkle::{Frontier, LeafIndex, NodeHash, RootHash, TreeSize};

/// Makes any number of proofs about one tree, reading and hashing every tile at most once.
///
/// `read` hands out the hashes of a tile; more than asked for is fine (the full tile where a partial one is gone), and
/// they are believed: a proof from wrong tiles does not verify.
#[derive(Debug)]
pub struct Prover<R> {
    size: TreeSize,
    read: R,
    tiles: HashMap<TileId, Vec<Vec<NodeHash>>>,
}

impl<R, E> Prover<R>
where
    R: FnMut(TileId) -> Result<Vec<NodeHash>, E>,
    E: From<TileError>,
{
    /// A prover for the tree of `size` that `read` has the tiles of.
    pub fn new(size: TreeSize, read: R) -> Self {
        Self { size, read, tiles: HashMap::new() }
    }

    /// The inclusion proof of leaf `index`, leaf's sibling first.
    pub fn inclusion(&mut self, index: LeafIndex) -> Result<Vec<NodeHash>, E> {
        if !self.size.contains(index) {
            return Err(TileError::IndexNotInTree { index, size: self.size }.into());
        }
        inclusion_path(index, self.size).into_iter().map(|subtree| self.hash(subtree)).collect()
    }

    /// The consistency proof from the tree of size `old`; empty from size 0 and from the same size.
    pub fn consistency(&mut self, old: TreeSize) -> Result<Vec<NodeHash>, E> {
        if old > self.size {
            return Err(TileError::Shrunk { old, new: self.size }.into());
        }
        consistency_path(old, self.size).into_iter().map(|subtree| self.hash(subtree)).collect()
    }

    /// The root.
    pub fn root(&mut self) -> Result<RootHash, E> {
        match Subtree::whole(self.size) {
            Some(whole) => Ok(RootHash::of_top(self.hash(whole)?)),
            None => Ok(RootHash::of_empty()),
        }
    }

    /// The frontier of the tree, to append to.
    pub fn frontier(&mut self) -> Result<Frontier, E> {
        let nodes = Subtree::whole(self.size).map_or(Ok(Vec::new()), |whole| self.nodes(whole))?;
        Ok(Frontier::from_nodes(self.size, nodes).map_err(TileError::from)?)
    }

    /// MTH of a subtree: the hashes of its perfect subtrees, folded from the right.
    fn hash(&mut self, subtree: Subtree) -> Result<NodeHash, E> {
        let mut nodes = self.nodes(subtree)?;
        let Some(mut hash) = nodes.pop() else { unreachable!("a subtree has at least one leaf") };
        while let Some(left) = nodes.pop() {
            hash = NodeHash::of_children(&left, &hash);
        }
        Ok(hash)
    }

    fn nodes(&mut self, subtree: Subtree) -> Result<Vec<NodeHash>, E> {
        let mut hashes = Vec::new();
        for node in subtree.nodes() {
            let (tile, position) = place_of(node, self.size);
            let within = (node.height % TILE_HEIGHT) as usize;
            hashes.push(self.tile(tile)?[within][position]);
        }
        Ok(hashes)
    }

    /// The hashes of a tile, and above them those of every perfect subtree inside it.
    fn tile(&mut self, tile: TileId) -> Result<&[Vec<NodeHash>], E> {
        if !self.tiles.contains_key(&tile) {
            let mut hashes = (self.read)(tile)?;
            let found = hashes.len();
            if found < usize::from(tile.width()) {
                return Err(TileError::TileNarrow { tile, found }.into());
            }
            hashes.truncate(usize::from(tile.width()));
            let mut heights = vec![hashes];
            while let Some(below) = heights.last().filter(|below| below.len() > 1) {
                let (pairs, _) = below.as_chunks::<2>();
                let parents = pairs.iter().map(|[left, right]| NodeHash::of_children(left, right)).collect();
                heights.push(parents);
            }
            self.tiles.insert(tile, heights);
        }
        Ok(&self.tiles[&tile])
    }
}

/// The inclusion proof of leaf `index` in the tree of `size`, leaf's sibling first.
///
/// For many proofs of one tree, [`Prover`] hashes less.
pub fn prove_inclusion<E: From<TileError>>(
    index: LeafIndex,
    size: TreeSize,
    read: impl FnMut(TileId) -> Result<Vec<NodeHash>, E>,
) -> Result<Vec<NodeHash>, E> {
    Prover::new(size, read).inclusion(index)
}

/// The consistency proof between the trees of sizes `old` <= `new`; empty from size 0 and between equal sizes.
pub fn prove_consistency<E: From<TileError>>(
    old: TreeSize,
    new: TreeSize,
    read: impl FnMut(TileId) -> Result<Vec<NodeHash>, E>,
) -> Result<Vec<NodeHash>, E> {
    Prover::new(new, read).consistency(old)
}

/// The root of the tree of `size`.
pub fn root_from_tiles<E: From<TileError>>(
    size: TreeSize,
    read: impl FnMut(TileId) -> Result<Vec<NodeHash>, E>,
) -> Result<RootHash, E> {
    Prover::new(size, read).root()
}

impl Frontier {
    /// The frontier of a tree of `size` from the tiles on its right edge. Compare its [`head`](Self::head) with a signed
    /// checkpoint before appending: the tiles are believed.
    pub fn from_tiles<E: From<TileError>>(
        size: TreeSize,
        read: impl FnMut(TileId) -> Result<Vec<NodeHash>, E>,
    ) -> Result<Self, E> {
        Prover::new(size, read).frontier()
    }
}
