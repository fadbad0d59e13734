//! A database in memory that fails on request, and that a test can crash.
//!
//! What the port promises as durable survives [`MemoryDatabase::crash`]; what it allows to be lost is lost.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use attest_core::{
    merkle::{RootHash, TreeHead, TreeSize},
    tile::Entry,
    time::Timestamp,
};

use super::{Commit, CommitError, Database, DatabaseError, Epoch, Head, StoredCheckpoint};

/// Which operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Commit,
    Publish,
    Seal,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not applied, and known not to be.
    NotApplied,
    /// Not applied, but nobody knows.
    Lost,
    /// Applied, but nobody knows.
    Applied,
}

#[derive(Debug)]
pub(crate) struct MemoryDatabase {
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
struct State {
    live: Content,
    durable: Content,
    fault: Option<(Operation, Fault)>,
}

#[derive(Clone, Debug)]
struct Content {
    head: Head,
    sealed: TreeSize,
    entries: BTreeMap<u64, Vec<u8>>,
    published: Option<StoredCheckpoint>,
}

impl MemoryDatabase {
    pub(crate) fn new(time: Timestamp) -> Self {
        let tree = TreeHead { size: TreeSize::ZERO, root: RootHash::of_empty() };
        let head = Head { epoch: Epoch::FIRST, tree, time };
        let content = Content { head, sealed: TreeSize::ZERO, entries: BTreeMap::new(), published: None };
        Self { state: Mutex::new(State { live: content.clone(), durable: content, fault: None }) }
    }

    /// The database that a start after a crash at this moment finds.
    pub(crate) fn crash(&self) -> Self {
        self.crash_after(|| {})
    }

    /// As [`MemoryDatabase::crash`], with nothing written to the database while `copy` copies what else there is.
    pub(crate) fn crash_after(&self, copy: impl FnOnce()) -> Self {
        let state = self.state();
        copy();
        let durable = state.durable.clone();
        Self { state: Mutex::new(State { live: durable.clone(), durable, fault: None }) }
    }

    /// Makes the next `operation` fail.
    pub(crate) fn fail(&self, operation: Operation, fault: Fault) {
        self.state().fault = Some((operation, fault));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Runs an operation that may be told to fail.
    fn run(
        &mut self,
        operation: Operation,
        apply: impl FnOnce(&mut Self) -> Result<(), CommitError>,
    ) -> Result<(), CommitError> {
        match self.fault.take_if(|(of, _)| *of == operation) {
            None => apply(self),
            Some((_, Fault::NotApplied)) => Err(CommitError::NotApplied(DatabaseError::Injected)),
            Some((_, Fault::Lost)) => Err(CommitError::Unknown(DatabaseError::Injected)),
            Some((_, Fault::Applied)) => {
                apply(self)?;
                self.durable = self.live.clone();
                Err(CommitError::Unknown(DatabaseError::Injected))
            }
        }
    }
}

impl Database for MemoryDatabase {
    fn lease(&self) -> Result<Epoch, DatabaseError> {
        let mut state = self.state();
        state.live.head.epoch = state.live.head.epoch.next();
        state.durable = state.live.clone();
        Ok(state.live.head.epoch)
    }

    fn head(&self) -> Result<Head, DatabaseError> {
        Ok(self.state().live.head)
    }

    fn commit(&self, expected: &Head, commit: &Commit<'_>) -> Result<(), CommitError> {
        self.state().run(Operation::Commit, |state| {
            if state.live.head != *expected {
                return Err(CommitError::other_head(expected, &state.live.head));
            }
            let entries = commit.entries.iter().map(|entry| entry.to_vec());
            state.live.entries.extend((commit.first(expected)..).zip(entries));
            state.live.head = commit.head;
            state.live.sealed = state.live.sealed.max(commit.sealed);
            state.durable = state.live.clone();
            Ok(())
        })
    }

    fn sealed(&self) -> Result<TreeSize, DatabaseError> {
        Ok(self.state().live.sealed)
    }

    fn pending(&self) -> Result<Vec<Entry>, DatabaseError> {
        let state = self.state();
        let mut pending = Vec::new();
        for index in state.live.sealed.get()..state.live.head.tree.size.get() {
            let entry = state.live.entries.get(&index).ok_or(DatabaseError::Gap { expected: index, found: index })?;
            pending.push(Entry::new(entry.clone()).map_err(|_| DatabaseError::Injected)?);
        }
        Ok(pending)
    }

    fn seal(&self, epoch: Epoch, upto: TreeSize) -> Result<(), CommitError> {
        self.state().run(Operation::Seal, |state| {
            if state.live.head.epoch != epoch {
                return Err(CommitError::fenced(epoch, state.live.head.epoch));
            }
            state.live.sealed = state.live.sealed.max(upto);
            state.live.entries = state.live.entries.split_off(&state.live.sealed.get());
            Ok(())
        })
    }

    fn publish(
        &self,
        epoch: Epoch,
        expected: Option<TreeSize>,
        checkpoint: &StoredCheckpoint,
    ) -> Result<(), CommitError> {
        self.state().run(Operation::Publish, |state| {
            if state.live.head.epoch != epoch {
                return Err(CommitError::fenced(epoch, state.live.head.epoch));
            }
            checkpoint.check_follows(state.live.published.as_ref(), expected)?;
            state.live.published = Some(checkpoint.clone());
            Ok(())
        })
    }

    fn published(&self) -> Result<Option<StoredCheckpoint>, DatabaseError> {
        Ok(self.state().live.published.clone())
    }

    fn barrier(&self) -> Result<(), DatabaseError> {
        let mut state = self.state();
        state.durable = state.live.clone();
        Ok(())
    }
}
