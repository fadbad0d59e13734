//! The public record: what the published entries say, so that it can be found by project, file, commit and rebuilder.
//!
//! `DIR/record.db` is an SQLite database and all of it is derived: it can be deleted at any time, is filled from the entry
//! bundles, and holds nothing that is not in the log but whose key signed an entry, which the list of rebuilders says.
//!
//! ```text
//! published tree -> one thread: entry -> statement -> signature -> rows, in index order -> queries -> views
//! ```
//!
//! Nothing waits for it, and no failure in it reaches the log: a record that cannot be written stops where it is, says so,
//! and goes on when it can.

mod book;
mod codes;
pub mod coverage;
mod facts;
mod follow;
mod names;
mod parties;
mod policies;
pub(crate) mod query;
mod schema;
mod settle;
mod snapshot;
mod tally;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use attest_core::{artifact::ProjectName, merkle::TreeSize, policy::Policy};
use rusqlite::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::{coverage::CoverageError, policies::Policies, snapshot::Snapshots};
use crate::{
    config::RecordConfig,
    reader::{ReadError, Reader},
    rebuilders::Rebuilders,
    recover::Room,
};

/// Views that are worked out at a time: submissions, tiles and proofs use the same threads and the same processors.
const TURNS: usize = 8;

/// Name of the file in a data folder; SQLite adds `-wal` and `-shm` beside it.
pub const FILE: &str = "record.db";

/// The record of one log. Cheap to clone; queries block, so they are for threads that may. The thread that follows the log
/// ends with the last clone.
#[derive(Clone, Debug)]
pub struct Record {
    shared: Arc<Shared>,
    /// Its end is the end of the follower.
    _going_on: Arc<watch::Sender<()>>,
}

/// What a record is made from.
#[derive(Debug)]
pub struct Source {
    /// The log.
    pub reader: Reader,
    /// Its verifier key.
    pub vkey: String,
    /// Whose statements are whose.
    pub rebuilders: watch::Receiver<Arc<Rebuilders>>,
    /// Projects of which the home page shows how many are rebuilt.
    pub coverage: Option<Vec<ProjectName>>,
    /// Bytes of disk that it leaves free for the log.
    pub floor: u64,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    source: Source,
    snapshots: Snapshots,
    status: Mutex<Status>,
    policies: Policies,
    turns: Arc<Semaphore>,
}

/// How following the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Entries that are in the record.
    pub recorded: TreeSize,
    /// Why it does not go on for now.
    pub stopped: Option<String>,
}

impl Record {
    /// Starts to follow the log with the record in the folder `data`; there need not be one.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(data: &Path, source: Source) -> io::Result<Self> {
        let path = data.join(FILE);
        let status = Status { recorded: TreeSize::ZERO, stopped: None };
        let snapshots = Snapshots::new(path.clone());
        let shared = Arc::new(Shared {
            path,
            source,
            snapshots,
            status: Mutex::new(status),
            policies: Policies::default(),
            turns: Arc::new(Semaphore::new(TURNS)),
        });
        let (going_on, end) = watch::channel(());
        follow::start(Arc::clone(&shared), end)?;
        Ok(Self { shared, _going_on: Arc::new(going_on) })
    }

    /// As configured: none where none is kept, or where the system gives no thread, which is no reason to keep a log from
    /// running.
    ///
    /// # Errors
    /// The list of projects cannot be used.
    pub(crate) fn configured(
        config: &RecordConfig,
        data: &Path,
        source: impl FnOnce(Option<Vec<ProjectName>>) -> Source,
    ) -> Result<Option<Self>, CoverageError> {
        if !config.kept {
            return Ok(None);
        }
        let coverage = config.coverage.as_deref().map(coverage::read).transpose()?;
        Ok(Self::start(data, source(coverage))
            .inspect_err(|error| tracing::error!(%error, "there is no thread for the public record"))
            .ok())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// How following the log goes.
    pub fn status(&self) -> Status {
        self.shared.status().clone()
    }

    /// The log that it is of.
    pub(crate) fn reader(&self) -> &Reader {
        &self.shared.source.reader
    }

    /// Projects of which the home page shows how many are rebuilt.
    pub(crate) fn coverage(&self) -> Option<&[ProjectName]> {
        self.shared.source.coverage.as_deref()
    }

    /// Of somebody who believes everybody on the list and asks for one group, for two groups, and so on.
    pub(crate) fn policies(&self) -> Arc<Vec<Policy>> {
        let Source { rebuilders, vkey, .. } = &self.shared.source;
        let list = Arc::clone(&rebuilders.borrow());
        self.shared.policies.of(&list, vkey)
    }

    /// Who decides about the list of rebuilders.
    pub(crate) fn operator(&self) -> Option<String> {
        self.shared.source.rebuilders.borrow().operator().map(ToString::to_string)
    }

    /// To be had before a view is worked out, and kept until it is.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.shared.turns).acquire_owned().await.ok()
    }

    /// All that `ask` asks is answered as of one moment. Blocks.
    pub(crate) fn read<T>(
        &self,
        ask: impl FnOnce(&query::Moment<'_>) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        self.shared.snapshots.read(|connection| ask(&query::Moment::new(connection, self.reader())?))
    }
}

impl Shared {
    fn status(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with a record. It is never the log's failure.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// SQLite said so.
    #[error("the record cannot be read or written")]
    Sqlite(#[from] rusqlite::Error),
    /// There is no file yet.
    #[error("the record is being made")]
    NotYet,
    /// A value that this program cannot have written.
    #[error("the record is damaged in {what}")]
    Damaged {
        /// Where.
        what: &'static str,
    },
    /// An entry or a tile cannot be had.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be deleted to be filled again.
    #[error("{}: could not be deleted", path.display())]
    Delete {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is left on the disk is for the log.
    #[error("less than {floor} bytes are free on the disk: the rest is for the log")]
    NoRoom {
        /// Bytes that are left to it.
        floor: u64,
    },
}

impl RecordError {
    /// Whether the file has to be filled again; otherwise the same file may do later.
    fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => matches!(
                error.code,
                // A table or column that is not there is unknown to SQLite; a second row for an entry is a violation.
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::Unknown
            ),
            // Rows that are missing, or of another type.
            Self::Sqlite(_) | Self::Damaged { .. } => true,
            Self::NotYet | Self::Read(_) | Self::Delete { .. } | Self::NoRoom { .. } => false,
        }
    }
}

/// Bytes of disk that a record leaves free: twice what a log does, so that the record is what stops first.
pub(crate) const fn floor(room: Room) -> u64 {
    room.floor.saturating_mul(2)
}

/// A count or an index as SQLite has it: no tree is larger than 2^63 - 1.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
