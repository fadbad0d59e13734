//! Why a mirror does not go on.

use attest_core::{
    checkpoint::CheckpointError,
    merkle::{RootHash, TreeHead, TreeSize},
    note::NoteError,
};

use crate::{
    reader::ReadError,
    recover::OpenError,
    store::{CommitError, DatabaseError, tree::SealError},
};

/// Why a mirror did not store or advance.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The folder did not open.
    #[error(transparent)]
    Open(OpenError),
    /// No room on the disk.
    #[error("the mirror has no disk space left and stores nothing new")]
    Full,
    /// Another caller advanced.
    #[error("the mirror was advanced by another caller: expected {expected:?}, found {found:?}")]
    Conflict {
        /// What the caller believed is served.
        expected: Option<TreeHead>,
        /// What is served.
        found: Option<TreeHead>,
    },
    /// A checkpoint of another log.
    #[error("expected a checkpoint by {expected}, found one by {found}")]
    OtherLog {
        /// The log that is mirrored.
        expected: String,
        /// Who signed.
        found: String,
    },
    /// A checkpoint older than the one that is served.
    #[error("expected a checkpoint of at least {} entries, found one of {}", served.get(), new.get())]
    Smaller {
        /// Size that is served.
        served: TreeSize,
        /// Size of the new one.
        new: TreeSize,
    },
    /// Entries are missing.
    #[error("{} entries are asked for, but only {} are stored", size.get(), stored.get())]
    NotStored {
        /// Entries asked for.
        size: TreeSize,
        /// Entries that are stored.
        stored: TreeSize,
    },
    /// Bundles that do not follow what is stored.
    #[error("bundle {bundle} does not follow the {} entries that are stored", stored.get())]
    OutOfOrder {
        /// Entries that are stored.
        stored: TreeSize,
        /// The first bundle.
        bundle: u64,
    },
    /// The mirror would sign with the key of the log.
    #[error(
        "expected a key of this mirror's own, found that of the log: {key}\nhint: a mirror makes its key at its first start"
    )]
    SharedKey {
        /// The mirror's.
        key: String,
    },
    /// The signed root is not the one of the stored entries.
    #[error("the stored tree of size {} has the root {stored}, but {signed} was signed", size.get())]
    Root {
        /// The tree.
        size: TreeSize,
        /// Root of the stored entries.
        stored: RootHash,
        /// Root in the checkpoint.
        signed: RootHash,
    },
    /// Files could not be written.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The database could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The stored tree could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The checkpoint could not be cosigned.
    #[error(transparent)]
    Cosign(#[from] NoteError),
    /// The stored checkpoint has a cosignature by this mirror that does not hold.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
