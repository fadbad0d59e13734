//! The data folder of a rebuilder.
//!
//! ```text
//! rebuilder.toml      settings
//! card.json           the introduction
//! signer.key          the key, unless gpg has it (0600)
//! lock                one process at a time changes anything of the following
//! queue/journal       every job and what became of it
//! inbox/              what commands ask of the process that has the lock
//! incoming/J-A/       the result of job J, attempt A, as it arrives
//! results/SHA256/     results, by digest of their build.json
//! statements/         signed envelopes, and the proofs of logs beside them
//! workers/NAME        SHA-256 of the token of a worker on another host
//! logs/               newest checkpoints seen of followed logs
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use attest_core::artifact::ArtifactDigest;

use super::job::Given;
use crate::host;

/// A rebuilder's data folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// Held as long as a process may change the folder; the kernel gives it back when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("cannot lock {}", .path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("another process works in {}", .folder.display())]
    Taken { folder: PathBuf },
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.0.join("rebuilder.toml")
    }

    pub(crate) fn card(&self) -> PathBuf {
        self.0.join("card.json")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("queue/journal")
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.0.join("inbox")
    }

    pub(crate) fn all_incoming(&self) -> PathBuf {
        self.0.join("incoming")
    }

    /// Where the result of an attempt arrives.
    pub(crate) fn incoming(&self, given: Given) -> PathBuf {
        self.all_incoming().join(given.to_string())
    }

    /// A result, by the digest of its `build.json`.
    pub(crate) fn result(&self, build: ArtifactDigest) -> PathBuf {
        self.0.join("results").join(build.to_string())
    }

    pub(crate) fn statements(&self) -> PathBuf {
        self.0.join("statements")
    }

    pub(crate) fn workers(&self) -> PathBuf {
        self.0.join("workers")
    }

    /// Two coordinators would build everything twice.
    pub(crate) fn lock(&self) -> Result<Lock, FolderError> {
        let path = self.0.join("lock");
        let failed = |source| FolderError::Lock { path: path.clone(), source };
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Taken { folder: self.0.clone() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Bytes that may still be written here.
    pub(crate) fn free(&self) -> io::Result<u64> {
        host::free(&self.0)
    }
}

/// Makes files and names in a folder last.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    sync_names(folder)
}

/// Makes renames into and out of a folder last.
pub(crate) fn sync_names(folder: &Path) -> io::Result<()> {
    host::sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_refused_and_a_dead_one_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let lock = folder.lock().unwrap();
        assert!(matches!(folder.lock(), Err(FolderError::Taken { .. })));
        drop(lock);
        folder.lock().unwrap();
    }
}
