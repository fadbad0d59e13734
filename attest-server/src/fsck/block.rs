//! One bundle and the tile over it: read, decoded, hashed, compared. Blocks do not need each other, so they are checked on
//! all cores.

use std::sync::Arc;

use attest_core::{
    merkle::NodeHash,
    tile::{BundleId, Entry, Resource, TILE_WIDTH, tile_root},
};

use super::{
    finding::Fault,
    inspect::{Counts, Inspector},
    source::{Source, SourceError},
};
use crate::logging::chain;

/// What the two files of a block say.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) id: BundleId,
    /// Leaf hashes of the entries, if they could be read.
    pub(crate) by_entries: Option<Vec<NodeHash>>,
    /// Hashes of the tile: the same as `by_entries` where the source keeps no tile.
    pub(crate) by_tile: Option<Vec<NodeHash>>,
    pub(crate) counts: Counts,
    /// Files that cannot be read. That the two contradict each other is not decided here.
    pub(crate) faults: Vec<Fault>,
}

impl Block {
    /// Reads and checks one.
    ///
    /// # Errors
    /// Only outages: whatever the bytes are, they make a block.
    pub(crate) async fn read(source: Source, id: BundleId, inspector: Arc<Inspector>) -> Result<Self, SourceError> {
        let (tile, bundle) = tokio::join!(source.tile(id.tile()), source.bundle(id));
        let (tile, bundle) = (damage(tile)?, damage(bundle)?);
        let block = move || Self::new(id, tile, bundle, &inspector);
        tokio::task::spawn_blocking(block).await.map_err(|_| SourceError::Interrupted)
    }

    fn new(
        id: BundleId,
        tile: Result<Option<Vec<NodeHash>>, SourceError>,
        bundle: Result<Vec<Entry>, SourceError>,
        inspector: &Inspector,
    ) -> Self {
        let mut faults = Vec::new();
        let width = id.width();
        let (mut counts, mut not_found) = (Counts::default(), Vec::new());
        let by_entries = match bundle {
            Ok(entries) => {
                (counts, not_found) = inspector.look(id.index() * u64::from(TILE_WIDTH), &entries);
                Some(entries.iter().map(|entry| entry.leaf_hash().into()).collect::<Vec<NodeHash>>())
            }
            Err(error) => {
                faults.push(Fault::new(&Resource::Bundle(id), format!("{width} entries"), chain(&error)));
                None
            }
        };
        let by_tile = match tile {
            Ok(hashes) => hashes.or_else(|| by_entries.clone()),
            Err(error) => {
                faults.push(Fault::new(&Resource::Tile(id.tile()), format!("{width} hashes"), chain(&error)));
                None
            }
        };
        let mut block = Self { id, by_entries, by_tile, counts, faults };
        // What is in the wrong bundle is not in the index either: one fault, not hundreds.
        if block.conflict().is_none() {
            block.faults.extend(not_found);
        }
        block
    }

    /// The first place where the two files contradict each other.
    pub(crate) fn conflict(&self) -> Option<Conflict> {
        let (entries, tile) = (self.by_entries.as_ref()?, self.by_tile.as_ref()?);
        let (at, (entry, tile)) = entries.iter().zip(tile).enumerate().find(|(_, (entry, tile))| entry != tile)?;
        Some(Conflict { id: self.id, at, by_entry: *entry, by_tile: *tile })
    }
}

/// A bundle and a tile that cannot both be right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conflict {
    id: BundleId,
    at: usize,
    by_entry: NodeHash,
    by_tile: NodeHash,
}

impl Conflict {
    /// The tile is wrong.
    pub(crate) fn blame_tile(&self) -> Fault {
        let Self { id, at, by_entry, by_tile } = self;
        let entry = self.entry();
        Fault::new(
            &Resource::Tile(id.tile()),
            format!("hash {at} to be {by_entry}, which entry {entry} hashes to"),
            by_tile.to_string(),
        )
    }

    /// The bundle is wrong.
    pub(crate) fn blame_bundle(&self) -> Fault {
        let Self { id, at, by_entry, by_tile } = self;
        let (entry, tile) = (self.entry(), Resource::Tile(id.tile()));
        Fault::new(
            &Resource::Bundle(*id),
            format!("entry {entry} to hash to {by_tile}, which is hash {at} of {tile}"),
            by_entry.to_string(),
        )
    }

    /// One of them is wrong, and nothing says which.
    pub(crate) fn blame_both(&self) -> Fault {
        let Fault { path, expected, found } = self.blame_bundle();
        Fault { path: format!("{path} or {}", Resource::Tile(self.id.tile())), expected, found }
    }

    fn entry(&self) -> u64 {
        self.id.index() * u64::from(TILE_WIDTH) + self.at as u64
    }
}

/// The root of a full block's hashes.
pub(crate) fn root(hashes: Option<&Vec<NodeHash>>) -> Option<NodeHash> {
    hashes.and_then(|hashes| hashes.as_slice().try_into().ok()).map(tile_root)
}

/// Tells damage from outages.
fn damage<T>(read: Result<T, SourceError>) -> Result<Result<T, SourceError>, SourceError> {
    match read {
        Err(error) if error.is_outage() => Err(error),
        other => Ok(other),
    }
}
