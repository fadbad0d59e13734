//! Evidence that a log contradicts itself: two checkpoints that it signed and that cannot both be of one growing tree.
//!
//! As long as one is kept, the mirror does not advance. [`attest_core::fork`] has the form, and checks it.

use std::{
    io,
    path::{Path, PathBuf},
};

use attest_core::{
    checkpoint::LogCheckpoint,
    fork::ForkEvidence,
    merkle::{NodeHash, RootHash, TreeSize},
    tile::TileId,
    time::Timestamp,
};

use crate::store::evidence;

const PREFIX: &str = "fork-";

/// Two checkpoints of one log that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// What this mirror holds.
    pub held: LogCheckpoint,
    /// What the log showed.
    pub seen: LogCheckpoint,
    /// Size of the smaller of the two.
    pub size: TreeSize,
    /// The root that the smaller one signs.
    pub signed: RootHash,
    /// The root at that size in the tree of the larger one.
    pub found: RootHash,
    /// Tiles of the larger tree that show this, each checked against its root.
    pub tiles: Vec<(TileId, Vec<NodeHash>)>,
}

impl std::fmt::Display for Fork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (held, seen) = (self.held.head().size, self.seen.head().size);
        write!(
            f,
            "the log contradicts itself: it signed checkpoints of size {held} (held here) and {seen} (seen now) that \
             disagree about the first {} entries: root {} and root {}",
            self.size, self.signed, self.found
        )
    }
}

impl Fork {
    /// Writes the evidence under `data`, durable on return, and gives the file's path.
    ///
    /// # Errors
    /// The file could not be written. The caller must treat the log as forked all the same.
    pub fn keep(&self, data: &Path, upstream: &str, now: Timestamp) -> io::Result<PathBuf> {
        let tiles = self.tiles.iter().map(|(tile, hashes)| (*tile, hashes.as_slice()));
        let text = ForkEvidence::new((&self.held, &self.seen), self.found, tiles, upstream, now).to_json();
        evidence::keep(data, PREFIX, now, text.as_bytes())
    }
}

/// Evidence that an earlier run left and that nobody moved away yet.
///
/// # Errors
/// The folder could not be read: then it is not known whether there is any, and the mirror must not go on.
pub fn found(data: &Path) -> io::Result<Option<PathBuf>> {
    evidence::found(data, PREFIX)
}
