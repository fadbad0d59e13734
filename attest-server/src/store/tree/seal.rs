//! Moving what is full from memory to files, and holding the writer back when that falls behind.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use attest_core::{
    merkle::{LeafIndex, TreeSize},
    tile::{BundleId, Resource, TILE_WIDTH, encode_bundle, encode_tile, new_tiles},
};

use super::{LogTree, ReadError, SealError, WIDTH};
use crate::store::{bundle, index::Keys};

/// Bundles that one round of sealing makes at most: enough to share the directory syncs.
const BUNDLES_PER_ROUND: u64 = 16;
/// Entries that may wait to be sealed, in number and in bytes: beyond, the log accepts only as fast as it seals. Memory
/// and the database hold all of them.
const MAX_UNSEALED: u64 = 32_768;
const MAX_UNSEALED_BYTES: usize = 48 << 20;
/// How often a writer that waits for the sealer looks whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The rounds of sealing, for whoever waits for them.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    waiting: Mutex<()>,
    done: Condvar,
}

impl Rounds {
    fn done(&self) {
        // Not between the look and the wait of somebody else.
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.done.notify_all();
    }

    fn wait_while(&self, condition: impl Fn() -> bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while condition() {
            waiting = self.done.wait_timeout(waiting, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl LogTree {
    /// Adds to the index what was sealed and is not in it: after a crash the end of it, after a deletion everything.
    pub(super) fn index_sealed(&self, sealed: TreeSize) -> Result<(), ReadError> {
        let covered = self.index.covered().get();
        if covered >= sealed.get() {
            return Ok(());
        }
        tracing::info!(from = covered, to = sealed.get(), "adding sealed entries to the index");
        let (mut next, end) = (covered / WIDTH, sealed.get() / WIDTH);
        while next < end {
            let first = next;
            let mut keys = Vec::new();
            while next < end.min(first + BUNDLES_PER_ROUND) {
                let entries = self.stored_bundle(next)?;
                keys.extend(entries.iter().map(|entry| Keys::of_entry(entry.as_bytes())));
                next += 1;
            }
            self.index.add(LeafIndex::new(first * WIDTH), &keys)?;
        }
        Ok(())
    }

    /// Writes the next full bundles and tiles as files and their entries to the index, all that the tail has up to a
    /// limit; returns up to where, `None` if there was nothing to do. To be followed by [`crate::store::Database::seal`] and
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
        self.sealed.done();
    }

    /// Waits until the sealer has caught up so far that more may be committed, or until `going_on` says that there is no
    /// point in waiting.
    pub fn wait_for_room(&self, going_on: impl Fn() -> bool) {
        self.sealed.wait_while(|| self.is_behind() && going_on());
    }

    /// Whether as much waits to be sealed as may.
    fn is_behind(&self) -> bool {
        let tail = self.read();
        tail.size() - tail.base() > MAX_UNSEALED || tail.bytes() > MAX_UNSEALED_BYTES
    }
}
