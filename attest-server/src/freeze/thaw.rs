//! When a restored log may sign again: once it was shown that nobody has seen more of it than it holds.

use std::{path::Path, sync::Arc};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    merkle::{RootHash, TreeSize},
    tile::root_from_tiles,
    time::Timestamp,
};

use crate::fsck::{DataError, DataFolder, Findings, SourceError};

/// A note that was seen elsewhere, and where.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) place: String,
    pub(crate) note: Vec<u8>,
}

/// Why a log stays frozen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThawError {
    /// Nobody was asked.
    #[error(
        "this log was restored, and stays frozen until it is shown that nobody has seen more of it\nhint: name every \
         witness with --witness URL, and every mirror and saved checkpoint with --seen URL or --seen FILE"
    )]
    NothingShown,
    /// The folder is in use, or no log.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The folder is damaged.
    #[error("{faults} faults were found first\nhint: `attest-server fsck --data DIR` names them")]
    Damaged {
        /// How many.
        faults: u64,
    },
    /// What was shown is not a checkpoint of this log.
    #[error("{place}: expected a checkpoint of this log")]
    Note {
        /// Where it is from.
        place: String,
        /// Why.
        #[source]
        source: CheckpointError,
    },
    /// More was seen than is held.
    #[error(
        "{place} has seen {seen} entries, and this folder holds {held}: signing would fork the log\nhint: restore again, \
         into another folder, from something that has all {seen} entries (`restore --entries-from URL`); if nothing has, \
         start a new log under a new name"
    )]
    Behind {
        /// Who has seen more.
        place: String,
        /// How many.
        seen: TreeSize,
        /// What is here.
        held: TreeSize,
    },
    /// Another history.
    #[error(
        "{place} has a checkpoint of {size} entries with the root {seen}, and the first {size} entries here have {held}: \
         the log was forked, or this is another one's data\nhint: keep both, and start a new log under a new name"
    )]
    Forked {
        /// Who has seen it.
        place: String,
        /// Size of that tree.
        size: TreeSize,
        /// Its root there.
        seen: RootHash,
        /// Its root here.
        held: RootHash,
    },
    /// The tree could not be read.
    #[error("the tree could not be read")]
    Read(#[from] SourceError),
}

/// Checks that none of `seen` is ahead of the log in `data`, or contradicts it. Blocks. Returns the size of the log.
pub(crate) fn check(data: &Path, seen: &[Seen], now: Timestamp) -> Result<TreeSize, ThawError> {
    if seen.is_empty() {
        return Err(ThawError::NothingShown);
    }
    let mut findings = Findings::default();
    let folder = DataFolder::examine(data, now, &mut findings)?;
    let (Some(folder), 0) = (folder, findings.total()) else {
        return Err(ThawError::Damaged { faults: findings.total() });
    };
    let files = Arc::new(folder.files);
    let held = folder.head.tree.size;
    for Seen { place, note } in seen {
        let note = UnverifiedCheckpoint::parse(note).and_then(|note| note.verify(folder.identity.log()));
        let note: LogCheckpoint = note.map_err(|source| ThawError::Note { place: place.clone(), source })?;
        let tree = note.head();
        if tree.size > held {
            return Err(ThawError::Behind { place: place.clone(), seen: tree.size, held });
        }
        let root = root_from_tiles(tree.size, |tile| files.hashes(tile))?;
        if root != tree.root {
            let (place, size) = (place.clone(), tree.size);
            return Err(ThawError::Forked { place, size, seen: tree.root, held: root });
        }
    }
    Ok(held)
}
