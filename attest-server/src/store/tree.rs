//! The whole tree as one thing, wherever its parts lie: sealed files, or the tail in memory.
//!
//! What moves from the tail to the files is in the file (and in the index) before it leaves the tail. So every reader
//! looks into the tail first and into the files second, and misses nothing.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    merkle::{Frontier, LeafIndex, NodeHash, TreeSize},
    tile::{
        BundleId, Entry, Resource, TILE_WIDTH, TileId, decode_bundle, decode_tile, edge_tiles, encode_bundle,
        encode_tile, new_tiles, tile_root,
    },
};

pub use self::error::{ReadError, SealError};
use super::{bundle, index::Index, record::Record, tail::Tail, tiles::TileStore};

mod error;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Height of a tile in levels of the tree.
const HEIGHT: u32 = 8;
/// Bundles that one round of sealing makes at most: enough to share the directory syncs.
const BUNDLES_PER_ROUND: u64 = 16;
/// Decoded bundles kept for lookups that read one entry after the other.
const CACHED_BUNDLES: usize = 8;

/// Tail, tiles and index of one log.
#[derive(Debug)]
pub struct LogTree {
    tail: RwLock<Tail>,
    tiles: TileStore,
    index: Index,
    cache: Mutex<VecDeque<(u64, Arc<Vec<Entry>>)>>,
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
        let mut staged = Self { frontier: frontier.clone(), hashes: Vec::with_capacity(records.len() + 2) };
        let Self { frontier, hashes } = &mut staged;
        for record in records {
            frontier.append_with(record.leaf(), |height, hash| {
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
        let tree = Self { tail: RwLock::new(tail), tiles, index, cache: Mutex::default() };
        let frontier = Frontier::from_tiles(sealed, |tile| tree.hashes(tile))?;
        tree.index_sealed(sealed)?;
        let records: Vec<_> = pending.into_iter().map(|entry| Arc::new(Record::of_entry(entry))).collect();
        let frontier = tree.extend(&records, Staged::new(&frontier, &records));
        Ok((tree, frontier))
    }

    /// Adds to the index what was sealed and is not in it: after a crash the end of it, after a deletion everything.
    fn index_sealed(&self, sealed: TreeSize) -> Result<(), ReadError> {
        let covered = self.index.covered().get();
        if covered >= sealed.get() {
            return Ok(());
        }
        tracing::info!(from = covered, to = sealed.get(), "adding sealed entries to the index");
        for number in covered / WIDTH..sealed.get() / WIDTH {
            let entries = self.stored_bundle(number)?;
            let keys: Vec<_> = entries.iter().map(|entry| super::index::Keys::of_entry(entry.as_bytes())).collect();
            self.index.add(LeafIndex::new(number * WIDTH), &keys)?;
        }
        Ok(())
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

    /// Writes the next full bundles and tiles as files and their entries to the index, all that the tail has up to a
    /// limit; returns up to where, `None` if there was nothing to do. To be followed by [`super::Database::seal`] and
    /// [`LogTree::forget`], in that order.
    ///
    /// If we crash in here, files exist that nothing points to: the next start finds their entries still pending, and
    /// seals them to the same content.
    pub fn seal(&self) -> Result<Option<TreeSize>, SealError> {
        let tail = self.read();
        let base = tail.base();
        let full = (tail.size() - base) / WIDTH;
        let upto = base + full.min(BUNDLES_PER_ROUND) * WIDTH;
        let records = tail.records(base, upto).unwrap_or_default();
        drop(tail);
        if records.is_empty() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for (number, records) in (base / WIDTH..).zip(records.chunks(usize::from(TILE_WIDTH))) {
            let raw = encode_bundle(records.iter().map(|record| record.entry()));
            let id = BundleId::new(number, TILE_WIDTH).map_err(ReadError::from)?;
            files.push((Resource::Bundle(id), bundle::compress(&raw)));
        }
        for tile in new_tiles(TreeSize::new(base), TreeSize::new(upto)).filter(|tile| tile.is_full()) {
            files.push((Resource::Tile(tile), encode_tile(&self.hashes(tile)?)));
        }
        self.tiles.put(&files)?;
        let keys = records.iter().map(|record| record.keys());
        self.index.add(LeafIndex::new(base), keys).map_err(ReadError::from)?;
        Ok(Some(TreeSize::new(upto)))
    }

    /// Drops sealed entries from memory.
    pub fn forget(&self, sealed: TreeSize) {
        self.write().forget(sealed);
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

    /// The stored form of a bundle of this tree.
    pub fn bundle(&self, id: BundleId) -> Result<Vec<u8>, ReadError> {
        let from = id.index() * WIDTH;
        let records = self.read().records(from, from + u64::from(id.width()));
        if let Some(records) = records {
            let raw = encode_bundle(records.iter().map(|record| record.entry()));
            return Ok(bundle::compress(&raw));
        }
        if id.is_full() {
            let resource = Resource::Bundle(id);
            let stored = self.tiles.get(resource).map_err(|source| self.io(resource, source))?;
            return stored.ok_or_else(|| missing(&self.tiles, resource));
        }
        let entries = self.stored_bundle(id.index())?;
        let raw = encode_bundle(entries.iter().take(usize::from(id.width())));
        Ok(bundle::compress(&raw))
    }

    /// The entry at `index`.
    pub fn entry(&self, index: LeafIndex) -> Result<Vec<u8>, ReadError> {
        if let Some(record) = self.unsealed(index) {
            return Ok(record.entry().as_bytes().to_vec());
        }
        let (number, at) = (index.get() / WIDTH, index.get() % WIDTH);
        let entries = self.cached_bundle(number)?;
        let entry = usize::try_from(at).ok().and_then(|at| entries.get(at));
        let entry = entry.ok_or(ReadError::NotPublished { index, size: self.size() })?;
        Ok(entry.as_bytes().to_vec())
    }

    fn cached_bundle(&self, number: u64) -> Result<Arc<Vec<Entry>>, ReadError> {
        let lock = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entries)) = lock().iter().find(|(cached, _)| *cached == number) {
            return Ok(Arc::clone(entries));
        }
        // Not under the lock: two readers may both decode it, and nobody waits.
        let entries = Arc::new(self.stored_bundle(number)?);
        let mut cache = lock();
        cache.push_back((number, Arc::clone(&entries)));
        if cache.len() > CACHED_BUNDLES {
            cache.pop_front();
        }
        Ok(entries)
    }

    /// Entries about this artifact with `from` <= index < `below`, at most `limit`, in index order.
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

    fn stored_bundle(&self, number: u64) -> Result<Vec<Entry>, ReadError> {
        let id = BundleId::new(number, TILE_WIDTH)?;
        let resource = Resource::Bundle(id);
        let stored = self.tiles.get(resource).map_err(|source| self.io(resource, source))?;
        let stored = stored.ok_or_else(|| missing(&self.tiles, resource))?;
        let raw = bundle::decompress(&stored).map_err(|source| self.io(resource, source))?;
        Ok(decode_bundle(id, &raw)?)
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
