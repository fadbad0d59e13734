//! `DIR/index`: statement, artifact and project to leaf index, over the sealed part of the log.
//!
//! All of it is derived: it can be deleted at any time and is rebuilt from the entry bundles. So nothing here is ever
//! synced; after a crash the index covers a little less than the sealed part, and the start adds what is missing.
//! The engine is [fjall](https://docs.rs/fjall) and not sled: sorted runs take random 40-byte keys at a constant price,
//! where sled's cost per key grows with the log.
//!
//! | key | value |
//! |---|---|
//! | `s` statementId | leaf indexes, 8 bytes each (several when several keys signed the same statement) |
//! | `a` artifact sha256, leaf index | nothing |
//! | `p` project name, 0, leaf index | nothing |
//! | `n` | how many entries are covered |
//!
//! The statementId is a full SHA-256, but it does not say who signed: whoever looks for a duplicate reads the entry and
//! verifies it with the submitter's key. A public key is not part of an entry, so an index by (statement, key) could
//! not be rebuilt from the log alone.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    envelope::{Envelope, StatementId},
    merkle::{LeafIndex, TreeSize},
    statement::Statement,
};

/// Memory for blocks and filters.
const CACHE_BYTES: u64 = 64 << 20;
/// What is not in sorted files yet; a start reads it back from the journal, so it is small.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// The least that the engine takes.
const JOURNAL_BYTES: u64 = 64 << 20;
const COVERED: &[u8] = b"n";

/// What an entry is found by. An entry that is no statement is found by nothing: it is no vote, and never a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// SHA-256 of the bytes that were signed.
    pub statement: Option<StatementId>,
    /// The subject's digest and project.
    pub subject: Option<(ArtifactDigest, ProjectName)>,
}

impl Keys {
    /// The keys of an entry of the log.
    pub fn of_entry(entry: &[u8]) -> Self {
        let Ok(envelope) = Envelope::parse(entry) else {
            return Self { statement: None, subject: None };
        };
        let subject = Statement::parse(envelope.payload()).ok().map(|statement| Self::subject(&statement));
        Self { statement: Some(envelope.statement_id()), subject }
    }

    /// The keys of a statement that was verified.
    pub fn of_statement(id: StatementId, statement: &Statement) -> Self {
        Self { statement: Some(id), subject: Some(Self::subject(statement)) }
    }

    fn subject(statement: &Statement) -> (ArtifactDigest, ProjectName) {
        (statement.subject().digest, statement.subject().name.project.clone())
    }
}

/// The open index.
#[derive(Debug)]
pub struct Index {
    database: Engine,
    covered: AtomicU64,
}

struct Engine {
    database: fjall::Database,
    keys: fjall::Keyspace,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index of a data folder, or makes an empty one.
    pub fn open(data: &Path) -> Result<Self, IndexError> {
        let path = data.join("index");
        let open = || -> Result<Engine, fjall::Error> {
            let database = fjall::Database::builder(&path)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(JOURNAL_BYTES)
                .worker_threads(1)
                .open()?;
            let keys = database
                .keyspace("keys", || fjall::KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))?;
            Ok(Engine { database, keys })
        };
        let database = open().or_else(|error| {
            // A crash while the engine made its files leaves some that it does not open again. Nothing is lost with
            // them: the start adds what the index does not cover.
            tracing::warn!(path = %path.display(), %error, "the index does not open: making it anew");
            std::fs::remove_dir_all(&path).map_err(fjall::Error::from)?;
            open()
        });
        let database = database.map_err(|source| IndexError::Open { path: path.clone(), source })?;
        let covered = match database.keys.get(COVERED)? {
            None => 0,
            Some(value) => number(&value).ok_or(IndexError::Damaged { key: "n", found: value.len() })?,
        };
        Ok(Self { database, covered: AtomicU64::new(covered) })
    }

    /// Every entry below this index is in it.
    pub fn covered(&self) -> TreeSize {
        TreeSize::new(self.covered.load(Ordering::Acquire))
    }

    /// Adds the entries that follow [`Index::covered`]; what is covered already is skipped.
    pub fn add<'a>(&self, first: LeafIndex, entries: impl IntoIterator<Item = &'a Keys>) -> Result<(), IndexError> {
        let covered = self.covered().get();
        let mut batch = self.database.database.batch();
        let mut next = first.get();
        // Entries of this batch by statement: the engine does not see them yet.
        let mut recent: std::collections::HashMap<StatementId, Vec<u8>> = std::collections::HashMap::new();
        for keys in entries {
            let index = next;
            next += 1;
            if index < covered {
                continue;
            }
            if let Some(statement) = keys.statement {
                let key = statement_key(statement);
                let value = match recent.entry(statement) {
                    std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::hash_map::Entry::Vacant(new) => {
                        let stored = self.database.keys.get(key)?;
                        new.insert(stored.map(|value| value.to_vec()).unwrap_or_default())
                    }
                };
                value.extend_from_slice(&index.to_be_bytes());
                batch.insert(&self.database.keys, key, value.as_slice());
            }
            if let Some((artifact, project)) = &keys.subject {
                batch.insert(&self.database.keys, artifact_key(artifact, index), Vec::new());
                batch.insert(&self.database.keys, project_key(project, index), Vec::new());
            }
        }
        if next <= covered {
            return Ok(());
        }
        batch.insert(&self.database.keys, COVERED, next.to_be_bytes());
        batch.commit()?;
        self.covered.store(next, Ordering::Release);
        Ok(())
    }

    /// Entries with this statement, whoever signed them.
    pub fn statement(&self, id: StatementId) -> Result<Vec<LeafIndex>, IndexError> {
        let Some(value) = self.database.keys.get(statement_key(id))? else {
            return Ok(Vec::new());
        };
        let (indexes, rest) = value.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(IndexError::Damaged { key: "s", found: value.len() });
        }
        Ok(indexes.iter().map(|index| LeafIndex::new(u64::from_be_bytes(*index))).collect())
    }

    /// Entries about this artifact with `from` <= index < `below`, at most `limit`, in index order.
    pub fn artifact(
        &self,
        digest: &ArtifactDigest,
        from: LeafIndex,
        below: TreeSize,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, IndexError> {
        self.range(artifact_key(digest, from.get()).to_vec(), artifact_key(digest, below.get()).to_vec(), limit)
    }

    /// Entries about this project, as [`Index::artifact`].
    pub fn project(
        &self,
        project: &ProjectName,
        from: LeafIndex,
        below: TreeSize,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, IndexError> {
        self.range(project_key(project, from.get()), project_key(project, below.get()), limit)
    }

    fn range(&self, from: Vec<u8>, below: Vec<u8>, limit: usize) -> Result<Vec<LeafIndex>, IndexError> {
        if from >= below {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for item in self.database.keys.range(from..below).take(limit) {
            let key = item.key()?;
            let index = key.last_chunk::<8>().ok_or(IndexError::Damaged { key: "a", found: key.len() })?;
            found.push(LeafIndex::new(u64::from_be_bytes(*index)));
        }
        Ok(found)
    }

    /// Every key and value, for tests that compare two indexes.
    #[cfg(test)]
    pub(crate) fn dump(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.database
            .keys
            .iter()
            .map(|item| item.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap())
            .collect()
    }
}

fn statement_key(id: StatementId) -> [u8; 33] {
    let mut key = [b's'; 33];
    key[1..].copy_from_slice(id.as_bytes());
    key
}

fn artifact_key(digest: &ArtifactDigest, index: u64) -> [u8; 41] {
    let mut key = [b'a'; 41];
    key[1..33].copy_from_slice(digest.as_bytes());
    key[33..].copy_from_slice(&index.to_be_bytes());
    key
}

fn project_key(project: &ProjectName, index: u64) -> Vec<u8> {
    let name = project.as_str().as_bytes();
    let mut key = Vec::with_capacity(name.len() + 10);
    key.push(b'p');
    key.extend_from_slice(name);
    // A normalised name has no zero byte, so no name is the beginning of another key.
    key.push(0);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// What is wrong with the index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It does not open.
    #[error(
        "{}: the index does not open\nhint: it is derived data; delete the folder, and the next start rebuilds it",
        path.display()
    )]
    Open {
        /// The folder.
        path: PathBuf,
        /// The engine's words.
        #[source]
        source: fjall::Error,
    },
    /// A value of the wrong length.
    #[error(
        "the index is damaged: a value under {key:?} has {found} bytes\nhint: it is derived data; delete DIR/index, and \
         the next start rebuilds it"
    )]
    Damaged {
        /// Prefix of the key.
        key: &'static str,
        /// Length of the value.
        found: usize,
    },
    /// The engine failed.
    #[error("the index failed")]
    Engine(#[from] fjall::Error),
}

impl IndexError {
    /// Whether making the index again helps.
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::Engine(source) => {
                !matches!(source, fjall::Error::Io(_) | fjall::Error::Locked)
            }
            Self::Damaged { .. } => true,
        }
    }
}
