//! Moves full bundles out of the database, off the path of the answers.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use crate::store::{
    CommitError, Database, Epoch,
    index::IndexError,
    tiles::PutError,
    tree::{LogTree, ReadError, SealError},
};

/// How long to wait after a file could not be written, before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Sealer {
    database: Arc<dyn Database>,
    tree: Arc<LogTree>,
    epoch: Epoch,
}

impl Sealer {
    pub(super) const fn new(database: Arc<dyn Database>, tree: Arc<LogTree>, epoch: Epoch) -> Self {
        Self { database, tree, epoch }
    }

    /// Seals whenever the tree has grown, until the committer is gone, or until it must stop.
    pub(super) fn run(self, grown: &mpsc::Receiver<()>) {
        while grown.recv().is_ok() {
            while grown.try_recv().is_ok() {}
            while let Err(error) = self.seal() {
                if !error.may_pass() {
                    // Going on would let the database grow without end.
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "sealing has stopped, and so does the log"
                    );
                    return;
                }
                tracing::warn!(error = &error as &dyn std::error::Error, "tiles could not be written; trying again");
                // Entries stay in the database meanwhile. When the log ends, they are sealed by the next start.
                match grown.recv_timeout(RETRY_AFTER) {
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    Ok(()) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                }
            }
        }
    }

    /// Everything full: files, index, then the mark in the database, then memory.
    fn seal(&self) -> Result<(), StopError> {
        while let Some(sealed) = self.tree.seal()? {
            // The files are durable. If we crash here, the next start seals the same entries to the same files.
            self.database.seal(self.epoch, sealed)?;
            self.tree.forget(sealed);
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum StopError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Database(#[from] CommitError),
}

impl StopError {
    /// A full disk may be emptied, whichever file it had no room for; a sealed file with other content stays what it is.
    const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Seal(SealError::Put(PutError::Io { .. }) | SealError::Read(ReadError::Index(IndexError::Io { .. })))
        )
    }
}
