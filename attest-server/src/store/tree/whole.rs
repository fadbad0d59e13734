//! Whole bundles that come from another copy of the log: into files and index without a stay in the tail.
//!
//! A mirror gets bundles that are full, compressed, and already checked against a signed root. Nothing has to wait in the
//! database or in memory for others, as a log's entries do.

use attest_core::{
    merkle::{Frontier, LeafHash, LeafIndex, NodeHash, TreeSize},
    tile::{BundleId, Resource, TILE_WIDTH, TileId, encode_tile},
};

use super::{LogTree, ReadError, SealError, Staged, WIDTH};
use crate::store::index::Keys;

/// A full bundle: 256 entries that somebody checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeBundle {
    index: u64,
    stored: Vec<u8>,
    leaves: Box<[LeafHash; TILE_WIDTH as usize]>,
    keys: Vec<Keys>,
}

impl WholeBundle {
    /// The `index`th bundle from its stored form, the hashes of its entries and what they are found by. All three have to
    /// be of the same entries.
    pub fn new(index: u64, stored: Vec<u8>, leaves: Box<[LeafHash; TILE_WIDTH as usize]>, keys: Vec<Keys>) -> Self {
        Self { index, stored, leaves, keys }
    }

    /// Position among the bundles.
    pub const fn index(&self) -> u64 {
        self.index
    }
}

impl Staged {
    /// Appends the leaves of `bundles`, which are in order, to a copy of `frontier`.
    pub fn whole(frontier: &Frontier, bundles: &[WholeBundle]) -> Self {
        Self::of_leaves(frontier, bundles.iter().flat_map(|bundle| bundle.leaves.iter().copied()))
    }
}

impl LogTree {
    /// Writes `bundles`, which follow `old` in order, and every tile that is full with them; durable on return. They are
    /// not part of the tree before [`LogTree::skip`].
    ///
    /// If we crash in here, files exist that nothing points to: the same content is stored again.
    pub fn put_whole(&self, old: TreeSize, bundles: Vec<WholeBundle>, staged: &Staged) -> Result<Vec<Keys>, SealError> {
        let mut files = self.full_tiles(old, staged)?;
        let mut keys = Vec::with_capacity(bundles.len() * usize::from(TILE_WIDTH));
        for bundle in bundles {
            let id = BundleId::new(bundle.index, TILE_WIDTH).map_err(ReadError::from)?;
            files.push((Resource::Bundle(id), bundle.stored));
            keys.extend(bundle.keys);
        }
        self.tiles.put(&files)?;
        Ok(keys)
    }

    /// The tiles that are full in the staged tree and were not in the tree of `old`.
    fn full_tiles(&self, old: TreeSize, staged: &Staged) -> Result<Vec<(Resource, Vec<u8>)>, ReadError> {
        let levels = staged.hashes.iter().map(|(level, _)| *level).max().unwrap_or(0);
        let mut files = Vec::new();
        for level in 0..=levels {
            let nodes = old.get() >> (8 * u32::from(level));
            let mut hashes: Vec<NodeHash> = match u16::try_from(nodes % WIDTH) {
                Ok(width) if width > 0 => self.hashes(TileId::new(level, nodes / WIDTH, width)?)?,
                _ => Vec::new(),
            };
            hashes.extend(staged.hashes.iter().filter(|(at, _)| *at == level).map(|(_, hash)| *hash));
            let (full, _) = hashes.as_chunks::<{ TILE_WIDTH as usize }>();
            for (index, full) in (nodes / WIDTH..).zip(full) {
                files.push((Resource::Tile(TileId::new(level, index, TILE_WIDTH)?), encode_tile(full)));
            }
        }
        Ok(files)
    }

    /// Takes bundles that were put and committed into the tree.
    pub fn skip(&self, bundles: u64, staged: Staged) -> Frontier {
        self.write().skip(bundles, &staged.hashes);
        staged.frontier
    }

    /// Adds the entries from `first` on to the index. If an earlier addition failed, what is missing is read back from the
    /// files first: the index has no holes.
    pub fn index_whole(&self, first: LeafIndex, keys: &[Keys]) -> Result<(), ReadError> {
        self.index_sealed(TreeSize::new(first.get()))?;
        Ok(self.index.add(first, keys)?)
    }

    /// Adds to the index what is sealed and not in it yet.
    pub fn index_rest(&self) -> Result<(), ReadError> {
        let sealed = self.read().base();
        self.index_sealed(TreeSize::new(sealed))
    }
}
