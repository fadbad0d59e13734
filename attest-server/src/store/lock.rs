//! `DIR/lock`: one process at a time, for as long as it lives.
//!
//! The kernel drops the lock with the process, however it ends; the file itself stays and means nothing.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// Held until dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Locks `data`, without waiting.
    pub fn take(data: &Path) -> Result<Self, LockError> {
        let path = data.join("lock");
        let io = |source| LockError::Io { path: path.clone(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held { data: data.to_owned() }),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{} is in use by another process\nhint: only one server may write a log; stop the other one, or give this one \
         its own --data",
        data.display()
    )]
    Held {
        /// The data folder.
        data: PathBuf,
    },
    /// The lock file could not be opened.
    #[error("{}: cannot be locked", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}
