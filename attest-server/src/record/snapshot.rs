//! Connections for reading: each answer is of one moment, whatever is written meanwhile.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::Connection;
use tokio::sync::Notify;

use super::{RecordError, schema};

/// Connections that are kept when nobody asks.
const KEPT: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Snapshots {
    path: PathBuf,
    idle: Mutex<Vec<(u64, Connection)>>,
    /// Counts the files: odd while there is one to ask, even while it is being made.
    file: AtomicU64,
    /// The file in which a reader found damage.
    damaged: AtomicU64,
    /// Tells the writer of that.
    pub(super) found_damage: Notify,
}

impl Snapshots {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
            file: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            found_damage: Notify::new(),
        }
    }

    /// Asks with one connection for itself.
    pub(super) fn read<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, RecordError>) -> Result<T, RecordError> {
        let file = self.file.load(Ordering::Acquire);
        if file.is_multiple_of(2) {
            return Err(RecordError::NotYet);
        }
        let answer = self.answer(file, ask);
        // What is wrong with a file that was replaced meanwhile says nothing of the new one.
        if answer.as_ref().is_err_and(RecordError::is_damage) && self.damaged.swap(file, Ordering::Relaxed) != file {
            self.found_damage.notify_one();
        }
        answer
    }

    fn answer<T>(&self, file: u64, ask: impl FnOnce(&Connection) -> Result<T, RecordError>) -> Result<T, RecordError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some((of, connection)) if of == file => connection,
            _ => self.connect()?,
        };
        let transaction = connection.unchecked_transaction()?;
        let answer = ask(&transaction)?;
        drop(transaction);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT && file == self.file.load(Ordering::Acquire) {
            idle.push((file, connection));
        }
        Ok(answer)
    }

    /// Where the file was deleted, the writer goes on with one that has no name any more: that does not get better.
    fn connect(&self) -> Result<Connection, RecordError> {
        schema::open_to_read(&self.path).map_err(|error| match self.path.try_exists() {
            Ok(false) => RecordError::Damaged { what: "its file, which was deleted" },
            _ => error,
        })
    }

    /// There is a file to ask.
    pub(super) fn open(&self) {
        if self.file.load(Ordering::Acquire).is_multiple_of(2) {
            self.file.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// From now on nobody begins to ask the file that was there.
    pub(super) fn close(&self) {
        if !self.file.load(Ordering::Acquire).is_multiple_of(2) {
            self.file.fetch_add(1, Ordering::AcqRel);
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether a reader found damage in this file.
    pub(super) fn are_damaged(&self) -> bool {
        let file = self.file.load(Ordering::Acquire);
        !file.is_multiple_of(2) && self.damaged.load(Ordering::Relaxed) == file
    }
}
