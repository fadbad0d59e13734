//! `DIR/pending`: the largest checkpoint that entries were verified under.
//!
//! It is durable before the first of those entries is stored. When a catch-up is interrupted and the log shows something
//! else afterwards, this note says what the log signed before.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    note::VerifierKey,
};

const NAME: &str = "pending";

/// Why the pending checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PendingError {
    /// The file.
    #[error("the file {NAME} of the mirror could not be read or written")]
    Io(#[from] io::Error),
    /// What is in it.
    #[error("the file {NAME} of the mirror holds no checkpoint of the log")]
    Checkpoint(#[from] CheckpointError),
}

/// Reads it, where there is one.
pub fn read(data: &Path, log: &VerifierKey) -> Result<Option<LogCheckpoint>, PendingError> {
    match fs::read(data.join(NAME)) {
        Ok(note) => Ok(Some(UnverifiedCheckpoint::parse(&note)?.verify(log)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Replaces it, durably on return. If we crash in here, the old one is there or the new one, whole.
pub fn write(data: &Path, checkpoint: &LogCheckpoint) -> Result<(), PendingError> {
    let temporary = data.join("pending.tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(checkpoint.note().to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, data.join(NAME))?;
    File::open(data)?.sync_all()?;
    Ok(())
}
