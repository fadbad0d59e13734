//! Tiles, bundles and entries as bytes, from memory or from files.

use std::sync::Arc;

use attest_core::{
    merkle::{LeafIndex, TreeSize},
    tile::{BundleId, Entry, Resource, TILE_WIDTH, TileError, TileId, decode_bundle, encode_bundle, encode_tile},
};
use axum::body::Bytes;

use super::{LogTree, ReadError, WIDTH, missing};
use crate::store::{bundle, tiles::StoredFile};

/// Bytes of a hash in a tile.
const HASH: usize = 32;
/// Bytes of a full tile.
const MAX_TILE: usize = HASH * TILE_WIDTH as usize;

/// A tile or bundle to send.
#[derive(Debug)]
pub enum Content {
    /// All of it.
    Bytes(Bytes),
    /// A file to send as it is.
    File(StoredFile),
}

impl LogTree {
    /// The bytes of a tile of this tree.
    pub fn tile(&self, tile: TileId) -> Result<Bytes, ReadError> {
        if let Some(bytes) = self.tile_at_once(tile)? {
            return Ok(bytes);
        }
        let resource = Resource::Tile(tile.full());
        let stored = self.tiles.get(resource).map_err(|source| self.io(resource, source))?;
        Ok(beginning(tile, stored.ok_or_else(|| missing(&self.tiles, resource))?)?)
    }

    /// As [`LogTree::tile`], where that does not wait for the disk.
    pub fn tile_at_once(&self, tile: TileId) -> Result<Option<Bytes>, ReadError> {
        if let Some(hashes) = self.read().hashes(tile) {
            return Ok(Some(encode_tile(&hashes).into()));
        }
        let resource = Resource::Tile(tile.full());
        let file = self.tiles.open_file(resource).map_err(|source| self.io(resource, source))?;
        let stored = file.and_then(|file| file.read_at_once(0, MAX_TILE));
        Ok(stored.map(|stored| beginning(tile, stored)).transpose()?)
    }

    /// The stored form of a bundle of this tree: a sealed one as it lies on the disk.
    pub fn bundle(&self, id: BundleId) -> Result<Bytes, ReadError> {
        if let Some(bytes) = self.compressed.get(&id) {
            return Ok(bytes);
        }
        let from = id.index() * WIDTH;
        let records = self.read().records(from, from + u64::from(id.width()));
        let raw = if let Some(records) = records {
            encode_bundle(records.iter().map(|record| record.entry()))
        } else if id.is_full() {
            let resource = Resource::Bundle(id);
            let stored = self.tiles.get(resource).map_err(|source| self.io(resource, source))?;
            return Ok(stored.ok_or_else(|| missing(&self.tiles, resource))?.into());
        } else {
            encode_bundle(self.cached_bundle(id.index())?.iter().take(usize::from(id.width())))
        };
        let bytes = Bytes::from(bundle::compress(&raw));
        self.compressed.put(id, bytes.clone());
        Ok(bytes)
    }

    /// As [`LogTree::bundle`], where that neither waits for the disk nor compresses anything: a sealed bundle as the file
    /// that it is.
    pub fn bundle_at_once(&self, id: BundleId) -> Result<Option<Content>, ReadError> {
        if id.is_full() {
            let resource = Resource::Bundle(id);
            let file = self.tiles.open_file(resource).map_err(|source| self.io(resource, source))?;
            if let Some(file) = file {
                return Ok(Some(Content::File(file)));
            }
        }
        Ok(self.compressed.get(&id).map(Content::Bytes))
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

    /// Entries from `from` on in order, at most those of one bundle and none from `below` on; for those who read everything
    /// once, so nothing is kept.
    pub fn entries(&self, from: LeafIndex, below: TreeSize) -> Result<Vec<Entry>, ReadError> {
        let number = from.get() / WIDTH;
        let below = below.get().min((number + 1) * WIDTH);
        if let Some(records) = self.read().records(from.get(), below) {
            return Ok(records.iter().map(|record| record.entry().clone()).collect());
        }
        let mut entries = self.stored_bundle(number)?;
        let (skip, end) = (from.get() % WIDTH, below - number * WIDTH);
        entries.truncate(usize::try_from(end).unwrap_or(usize::MAX));
        entries.drain(..usize::try_from(skip).unwrap_or(usize::MAX).min(entries.len()));
        Ok(entries)
    }

    fn cached_bundle(&self, number: u64) -> Result<Arc<Vec<Entry>>, ReadError> {
        if let Some(entries) = self.decoded.get(&number) {
            return Ok(entries);
        }
        let entries = Arc::new(self.stored_bundle(number)?);
        self.decoded.put(number, Arc::clone(&entries));
        Ok(entries)
    }

    pub(super) fn stored_bundle(&self, number: u64) -> Result<Vec<Entry>, ReadError> {
        let id = BundleId::new(number, TILE_WIDTH)?;
        let resource = Resource::Bundle(id);
        let stored = self.tiles.get(resource).map_err(|source| self.io(resource, source))?;
        let stored = stored.ok_or_else(|| missing(&self.tiles, resource))?;
        let raw = bundle::decompress(&stored).map_err(|source| self.io(resource, source))?;
        Ok(decode_bundle(id, &raw)?)
    }
}

/// The beginning of a full tile that is a partial one.
fn beginning(tile: TileId, mut full: Vec<u8>) -> Result<Bytes, TileError> {
    if full.len() != MAX_TILE {
        return Err(TileError::TileLength { expected: MAX_TILE, found: full.len() });
    }
    full.truncate(HASH * usize::from(tile.width()));
    Ok(full.into())
}
