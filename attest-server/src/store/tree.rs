//! The whole tree as one thing, wherever its parts lie: sealed files, or the tail in memory.
//!
//! What moves from the tail to the files is in the file (and in the index) before it leaves the tail. So every reader
//! looks into the tail first and into the files second, and misses nothing.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    envelope::StatementId,
    merkle::{Frontier, LeafHash, LeafIndex, NodeHash, TreeSize},
    tile::{BundleId, Entry, Resource, TILE_WIDTH, TileId, decode_tile, edge_tiles, tile_root},
};
use axum::body::Bytes;

use self::kept::Kept;
pub use self::{
    error::{ReadError, SealError},
    serve::Content,
};
use super::{index::Index, record::Record, tail::Tail, tiles::TileStore};

mod error;
mod kept;
mod negatives;
mod seal;
mod serve;
pub mod whole;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Height of a tile in levels of the tree.
const HEIGHT: u32 = 8;
/// Decoded bundles kept for lookups that read one entry after the other.
const DECODED_BUNDLES: usize = 8;
/// Compressed bundles kept that are no files: everybody who follows the log asks for the newest partial one.
const COMPRESSED_BUNDLES: usize = 8;

/// Tail, tiles and index of one log.
#[derive(Debug)]
pub struct LogTree {
    tail: RwLock<Tail>,
    sealed: seal::Rounds,
    tiles: TileStore,
    index: Index,
    decoded: Kept<u64, Arc<Vec<Entry>>>,
    compressed: Kept<BundleId, Bytes>,
}

/// Leaves on top of a frontier, and the tile hashes that they complete; nothing else knows of them yet.
#[derive(Debug)]
pub struct Staged {
    /// The frontier with the leaves on it.
    pub frontier: Frontier,
    hashes: Vec<(u8, NodeHash)>,
}

impl Staged {
    /// Appends the leaves of `records` to a copy of `frontier`.
    pub fn new(frontier: &Frontier, records: &[Arc<Record>]) -> Self {
        Self::of_leaves(frontier, records.iter().map(|record| record.leaf()))
    }

    fn of_leaves(frontier: &Frontier, leaves: impl Iterator<Item = LeafHash>) -> Self {
        let mut staged = Self { frontier: frontier.clone(), hashes: Vec::with_capacity(leaves.size_hint().0 + 2) };
        let Self { frontier, hashes } = &mut staged;
        for leaf in leaves {
            frontier.append_with(leaf, |height, hash| {
                if let (0, Ok(level)) = (height % HEIGHT, u8::try_from(height / HEIGHT)) {
                    hashes.push((level, hash));
                }
            });
        }
        staged
    }
}

impl LogTree {
    /// Puts the tree together from the files below `sealed` and the entries that follow. The files are believed: compare
    /// the frontier's head with the stored one.
    ///
    /// # Errors
    /// When a file of the right edge is missing or damaged.
    pub fn load(
        tiles: TileStore,
        index: Index,
        sealed: TreeSize,
        pending: Vec<Entry>,
    ) -> Result<(Self, Frontier), ReadError> {
        let mut partial = Vec::new();
        for tile in edge_tiles(sealed) {
            let mut hashes = Vec::new();
            // Level 0 is full where a sealed part ends; above it, every hash is the root of a full tile below.
            if tile.level() > 0 && !tile.is_full() {
                for below in (tile.index() * WIDTH..).take(usize::from(tile.width())) {
                    let below = TileId::new(tile.level() - 1, below, TILE_WIDTH)?;
                    let full = stored_hashes(&tiles, below)?;
                    let full = full.try_into().map_err(|_| missing(&tiles, Resource::Tile(below)))?;
                    hashes.push(tile_root(&full));
                }
                partial.push((tile, hashes));
            }
        }
        let tail = Tail::new(sealed, partial);
        let tree = Self {
            tail: RwLock::new(tail),
            sealed: seal::Rounds::default(),
            tiles,
            index,
            decoded: Kept::new(DECODED_BUNDLES),
            compressed: Kept::new(COMPRESSED_BUNDLES),
        };
        let frontier = Frontier::from_tiles(sealed, |tile| tree.hashes(tile))?;
        tree.index_sealed(sealed)?;
        let records: Vec<_> = pending.into_iter().map(|entry| Arc::new(Record::of_entry(entry))).collect();
        let frontier = tree.extend(&records, Staged::new(&frontier, &records));
        Ok((tree, frontier))
    }

    /// Makes committed entries readable. Nobody serves them before they are published.
    pub fn extend(&self, records: &[Arc<Record>], staged: Staged) -> Frontier {
        self.write().extend(records, &staged.hashes);
        staged.frontier
    }

    /// Number of entries, published or not.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.read().size())
    }

    /// The index over the sealed part.
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// Where the sealed files lie.
    pub const fn tiles(&self) -> &TileStore {
        &self.tiles
    }

    /// An entry that is not sealed.
    pub fn unsealed(&self, index: LeafIndex) -> Option<Arc<Record>> {
        self.read().record(index).cloned()
    }

    /// The entries from `first` on, none of which is sealed.
    pub fn unsealed_from(&self, first: TreeSize) -> Vec<Arc<Record>> {
        let tail = self.read();
        tail.records(first.get(), tail.size()).unwrap_or_default()
    }

    /// The hashes of a tile of this tree.
    pub fn hashes(&self, tile: TileId) -> Result<Vec<NodeHash>, ReadError> {
        if let Some(hashes) = self.read().hashes(tile) {
            return Ok(hashes);
        }
        let mut hashes = stored_hashes(&self.tiles, tile)?;
        hashes.truncate(usize::from(tile.width()));
        Ok(hashes)
    }

    /// Entries that may be about this artifact (the index has only hints) with `from` <= index < `below`, at most `limit`, in index order.
    pub fn artifact(
        &self,
        digest: &ArtifactDigest,
        from: LeafIndex,
        below: TreeSize,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, ReadError> {
        let tail = self.read().artifact(digest, from, below);
        Ok(merge(self.index.artifact(digest, from, below, limit)?, tail, limit))
    }

    /// Entries that may be this statement, in index order.
    pub fn statement(&self, id: StatementId) -> Result<Vec<LeafIndex>, ReadError> {
        let (base, records) = {
            let tail = self.read();
            (tail.base(), tail.records(tail.base(), tail.size()).unwrap_or_default())
        };
        let is_it = |(_, record): &(u64, Arc<Record>)| record.keys().statement == Some(id);
        let tail = (base..).zip(records).filter(is_it).map(|(index, _)| LeafIndex::new(index)).collect();
        Ok(merge(self.index.statement(id)?, tail, usize::MAX))
    }

    /// Entries about this project, as [`LogTree::artifact`].
    pub fn project(
        &self,
        project: &ProjectName,
        from: LeafIndex,
        below: TreeSize,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, ReadError> {
        let tail = self.read().project(project, from, below);
        Ok(merge(self.index.project(project, from, below, limit)?, tail, limit))
    }

    fn io(&self, resource: Resource, source: io::Error) -> ReadError {
        ReadError::Io { path: self.tiles.path(resource), source }
    }

    fn read(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All hashes of the full tile in the place of `tile`.
fn stored_hashes(tiles: &TileStore, tile: TileId) -> Result<Vec<NodeHash>, ReadError> {
    let full = tile.full();
    let resource = Resource::Tile(full);
    let stored = tiles.get(resource);
    let stored = stored.map_err(|source| ReadError::Io { path: tiles.path(resource), source })?;
    Ok(decode_tile(full, &stored.ok_or_else(|| missing(tiles, resource))?)?)
}

fn missing(tiles: &TileStore, resource: Resource) -> ReadError {
    ReadError::Missing { path: tiles.path(resource) }
}

/// The tail was asked before the index, so an entry that was sealed in between is in both.
fn merge(sealed: Vec<LeafIndex>, tail: Vec<LeafIndex>, limit: usize) -> Vec<LeafIndex> {
    let found: BTreeSet<_> = sealed.into_iter().chain(tail).collect();
    found.into_iter().take(limit).collect()
}

#[cfg(test)]
mod tests;
