//! What is durable, where it lies, and in which order it became so.
//!
//! | in `DIR` | what it holds | module |
//! |---|---|---|
//! | `lock` | one process at a time | [`lock`] |
//! | `log.id` | which log this is; written last by `init` | [`identity`] |
//! | `log.key` | the secret key, mode 0600 | [`identity`] |
//! | `db/` | what changes: the head, entries that are not sealed yet, the signed checkpoint | [`sled`] |
//! | `db.found/` | `db/` as this start found it, until the first write | [`sled`] |
//! | `tile/` | what never changes again: full tiles and compressed entry bundles | [`tiles`] |
//! | `index/` | derived: statement, artifact and project to leaf index | [`index`] |
//! | `negatives/` | derived: where what speaks against files is | [`negatives`] |
//! | `record.db` | derived: what the published entries say, for pages and queries | [`crate::record`] |
//! | `highwater` | the largest tree that was ever signed | [`highwater`] |
//! | `evidence/` | what proves that a log contradicted itself | `evidence` |
//! | `reserve` | bytes to give back when the disk is full | [`space`] |
//!
//! The [`Database`] port is shaped by what the sequencer needs, not by what sled offers: compare-and-swap of the head
//! together with the entries under it, durable on return. An outcome that is not known is a value
//! ([`CommitError::Unknown`]), so that a store behind a network fits later. One conformance suite runs on every
//! implementation.

use attest_core::{
    checkpoint::CheckpointError,
    merkle::{TreeHead, TreeSize},
    tile::Entry,
    time::Timestamp,
};

pub mod bundle;
#[cfg(test)]
mod conformance;
pub mod durable;
pub(crate) mod evidence;
pub mod highwater;
pub mod identity;
pub mod index;
pub mod lock;
#[cfg(test)]
pub(crate) mod memory;
pub mod negatives;
pub mod record;
mod run;
pub mod sled;
pub mod space;
mod tail;
pub mod tiles;
pub mod tree;

/// Counts the writers that ever had this database: a newer one fences all older ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a database that `init` made and no writer has had yet.
    pub const FIRST: Self = Self(0);

    /// The epoch with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The epoch of the next writer.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What was durably committed: the tree, who wrote it, and when.
///
/// Within one epoch there is one writer and every commit grows the tree, so a head names the batch that made it: this
/// is what a writer compares after [`CommitError::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The writer's epoch.
    pub epoch: Epoch,
    /// Size and root, over every entry committed so far.
    pub tree: TreeHead,
    /// When it was committed, by this machine's clock; never decreases.
    pub time: Timestamp,
}

/// One commit: a new head, and the entries that lead to it.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// The head after this commit.
    pub head: Head,
    /// Everything below is sealed (durable in tile files); the entries of this commit start at this index or at the
    /// size of the expected head, whichever is larger.
    pub sealed: TreeSize,
    /// The entries up to `head.tree.size`.
    pub entries: &'a [&'a [u8]],
}

impl Commit<'_> {
    /// Index of the first entry of this commit, on top of `expected`.
    pub(crate) fn first(&self, expected: &Head) -> u64 {
        expected.tree.size.get().max(self.sealed.get())
    }
}

/// A signed checkpoint as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Size of the tree that it signs.
    pub size: TreeSize,
    /// The note, byte for byte as served.
    pub note: String,
}

impl StoredCheckpoint {
    /// Checkpoints follow each other only from the expected one, and never get smaller.
    pub(crate) fn check_follows(&self, stored: Option<&Self>, expected: Option<TreeSize>) -> Result<(), CommitError> {
        let found = stored.map(|checkpoint| checkpoint.size);
        if found == expected && found.is_none_or(|found| found <= self.size) {
            return Ok(());
        }
        let name = |size: Option<TreeSize>| match size {
            None => "no checkpoint".to_owned(),
            Some(size) => format!("a checkpoint of size {}", size.get()),
        };
        let expected = format!("{}, before one of size {}", name(expected), self.size.get());
        Err(CommitError::Conflict { expected, found: name(found) })
    }
}

/// The database of one origin. Never created by opening: only `init` creates.
///
/// Called from threads that may block, never from async workers.
pub trait Database: Send + Sync + std::fmt::Debug {
    /// Starts a new epoch, durably. Commits that expect an older one are conflicts from now on.
    fn lease(&self) -> Result<Epoch, DatabaseError>;

    /// The newest committed head.
    fn head(&self) -> Result<Head, DatabaseError>;

    /// Compare-and-swap of the head, together with the entries under it. Atomic, and durable on return.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] and [`CommitError::NotApplied`] leave the database as it was. After
    /// [`CommitError::Unknown`] the caller must stop, and may only go on from what a fresh start finds.
    fn commit(&self, expected: &Head, commit: &Commit<'_>) -> Result<(), CommitError>;

    /// Everything below this is sealed, and its entries need not be here any more.
    fn sealed(&self) -> Result<TreeSize, DatabaseError>;

    /// The entries from [`Database::sealed`] to the head's size, in order and without a gap.
    fn pending(&self) -> Result<Vec<Entry>, DatabaseError>;

    /// Advances `sealed`; the entries below may be forgotten. Durable at some later point, which is enough: their
    /// files are durable already. Going back is ignored.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when `epoch` was fenced.
    fn seal(&self, epoch: Epoch, upto: TreeSize) -> Result<(), CommitError>;

    /// Replaces the signed checkpoint, if the stored one has the size `expected` (`None`: there is none). Durable
    /// after the next commit or [`Database::barrier`].
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when `epoch` was fenced, another checkpoint is stored, or the new one is smaller.
    fn publish(
        &self,
        epoch: Epoch,
        expected: Option<TreeSize>,
        checkpoint: &StoredCheckpoint,
    ) -> Result<(), CommitError>;

    /// The signed checkpoint that was published last.
    fn published(&self) -> Result<Option<StoredCheckpoint>, DatabaseError>;

    /// Everything written before is durable on return.
    fn barrier(&self) -> Result<(), DatabaseError>;
}

/// Why a commit did not (or may not) have happened.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another writer was here. Nothing was applied.
    #[error("the database was changed by another writer: expected {expected}, found {found}")]
    Conflict {
        /// What this writer believed.
        expected: String,
        /// What is stored.
        found: String,
    },
    /// It failed before anything was applied.
    #[error("the commit was not applied")]
    NotApplied(#[source] DatabaseError),
    /// It failed, and may have been applied all the same.
    #[error("the commit failed, and whether it was applied is not known")]
    Unknown(#[source] DatabaseError),
}

impl CommitError {
    /// A writer whose head is not the stored one.
    pub(crate) fn other_head(expected: &Head, found: &Head) -> Self {
        let name = |head: &Head| format!("size {} of epoch {}", head.tree.size.get(), head.epoch.get());
        Self::Conflict { expected: name(expected), found: name(found) }
    }

    /// A writer that a newer one fenced.
    pub(crate) fn fenced(expected: Epoch, found: Epoch) -> Self {
        let name = |epoch: Epoch| format!("epoch {}", epoch.get());
        Self::Conflict { expected: name(expected), found: name(found) }
    }
}

/// What is wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Nothing in it.
    #[error(
        "{path}: the database is empty, but {path}/../log.id says that a log was made here\n\
         hint: it was emptied or replaced; restore db/ and tile/ from the same backup, or start a new log under a new \
         name. Going on from an empty tree would fork the log"
    )]
    Empty {
        /// The database's folder.
        path: String,
    },
    /// A value that this program cannot have written.
    #[error("{what} in the database is damaged: expected {expected}, found {found}")]
    Damaged {
        /// Which value.
        what: &'static str,
        /// Its form.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// Entries are missing between the sealed part and the head.
    #[error("entries are missing in the database: expected entry {expected} next, found {found}")]
    Gap {
        /// The index that had to come next.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// Files in `blobs/`: values of 8 KiB or more, which no barrier covers. Never written by this program.
    #[error(
        "{path} holds {found}, which this program never writes: expected an empty folder\n\
         hint: something else wrote into the database; restore db/ and tile/ from the same backup"
    )]
    Blobs {
        /// The folder.
        path: String,
        /// The first file in it.
        found: String,
    },
    /// A commit larger than the database takes at once.
    #[error("a commit of {found} keys: expected at most {limit}")]
    TooLarge {
        /// Keys in the commit.
        found: usize,
        /// Keys that one commit may have.
        limit: usize,
    },
    /// A stored checkpoint that does not parse.
    #[error("the stored checkpoint does not parse")]
    Checkpoint(#[from] CheckpointError),
    /// sled said so, while opening.
    #[error("{path}: the database does not open")]
    Sled {
        /// The database's folder.
        path: String,
        /// sled's words.
        #[source]
        source: ::sled::Error,
    },
    /// A file operation failed, while opening.
    #[error("{path}: {operation} failed")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// A fault that a test asked for.
    #[cfg(test)]
    #[error("injected fault")]
    Injected,
}
