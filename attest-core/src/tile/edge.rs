//! Growing tiles.

use super::layout::level_of;
use super::{TILE_HEIGHT, TILE_WIDTH, TileError, TileId, edge_tiles};
use crate::merkle::{Frontier, LeafHash, NodeHash, TreeHead, TreeSize};

/// The right edge of a tree as its tiles: what a log or a mirror keeps in memory while it appends.
///
/// At most 255 hashes a level; they are the ones that the frontier computes anyway, so no tile is hashed twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    frontier: Frontier,
    /// For each level, the hashes of its last tile, if that is partial.
    levels: Vec<Vec<NodeHash>>,
}

impl Edge {
    /// The empty tree.
    pub const fn new() -> Self {
        Self { frontier: Frontier::new(), levels: Vec::new() }
    }

    /// The edge of a tree of `size` from its [`edge_tiles`]. Compare its [`head`](Self::head) with a signed checkpoint
    /// before appending: the tiles are believed.
    pub fn from_tiles<E: From<TileError>>(
        size: TreeSize,
        mut read: impl FnMut(TileId) -> Result<Vec<NodeHash>, E>,
    ) -> Result<Self, E> {
        let frontier = Frontier::from_tiles(size, &mut read)?;
        let mut levels = Vec::new();
        for tile in edge_tiles(size) {
            let mut hashes = Vec::new();
            if !tile.is_full() {
                hashes = read(tile)?;
                let found = hashes.len();
                if found < usize::from(tile.width()) {
                    return Err(TileError::TileNarrow { tile, found }.into());
                }
                hashes.truncate(usize::from(tile.width()));
            }
            levels.push(hashes);
        }
        Ok(Self { frontier, levels })
    }

    /// Number of leaves so far, which is the index of the next one.
    pub const fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// Size and root of the tree so far.
    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// The perfect subtrees of the tree so far.
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Appends one leaf and hands out each tile that it fills, lowest level first.
    pub fn append(&mut self, leaf: LeafHash, mut full: impl FnMut(TileId, &[NodeHash])) {
        let size = self.frontier.size().get();
        let levels = &mut self.levels;
        self.frontier.append_with(leaf, |height, hash| {
            if !height.is_multiple_of(TILE_HEIGHT) {
                return;
            }
            let level = level_of(height);
            if levels.len() <= usize::from(level) {
                levels.push(Vec::with_capacity(usize::from(TILE_WIDTH)));
            }
            let hashes = &mut levels[usize::from(level)];
            hashes.push(hash);
            if hashes.len() == usize::from(TILE_WIDTH) {
                // The tile of this level that covers the leaf just appended.
                let index = size.checked_shr(height + TILE_HEIGHT).unwrap_or(0);
                full(TileId { level, index, width: TILE_WIDTH }, hashes);
                hashes.clear();
            }
        });
    }

    /// The partial tiles of the tree so far, lowest level first: to be served for every published size (tlog-tiles,
    /// "Partial Tiles").
    pub fn partial_tiles(&self) -> impl Iterator<Item = (TileId, &[NodeHash])> {
        edge_tiles(self.size())
            .into_iter()
            .zip(&self.levels)
            .filter(|(tile, _)| !tile.is_full())
            .map(|(tile, hashes)| (tile, hashes.as_slice()))
    }
}

// Not a decision about trust: the empty tree is the only tree that is known without evidence.
impl Default for Edge {
    fn default() -> Self {
        Self::new()
    }
}
