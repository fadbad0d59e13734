//! Why the tree could not be read or sealed.

use std::{io, path::PathBuf};

use attest_core::{
    checkpoint::CheckpointError,
    merkle::{LeafIndex, ProofError, TreeSize},
    tile::TileError,
};

use crate::store::{index::IndexError, tiles::PutError};

/// Why something of the tree could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not in the published tree.
    #[error("entry {} is not in the published tree of size {}", index.get(), size.get())]
    NotPublished {
        /// What was asked for.
        index: LeafIndex,
        /// The size it was asked of.
        size: TreeSize,
    },
    /// A sealed file is gone.
    #[error(
        "{} is missing\nhint: sealed files never change; copy it from a mirror or a backup, both are checked against the \
         signed root",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A tile or bundle that does not decode.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// Tiles that do not lead to the published root.
    #[error("the stored tiles do not prove the entry")]
    Proof(#[source] ProofError),
    /// The published checkpoint is none.
    #[error("the published checkpoint does not parse")]
    Note(#[source] CheckpointError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Why a round of sealing did not happen. All of it stays in the database; trying again is safe.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Files were not stored.
    #[error(transparent)]
    Put(#[from] PutError),
    /// What had to be stored could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
