//! The write side of a mirror: verified entries, then the checkpoint over them.
//!
//! A mirror stores as a log does (same files, same [`Reader`]), but decides nothing: indexes and checkpoints are the
//! upstream log's. The order is that of C2SP tlog-mirror: entries and tiles durable, then the mirror's checkpoint
//! durable, then the cosignature, which says that all of it is there.
//!
//! Full bundles go straight to files, many in one step, in the gzip that they came in where that is of the plain form; only
//! the entries of partial bundles pass through the database. The mirror computes every tile itself: what it serves is what
//! it hashed.
//!
//! Everything here blocks; call it from a thread that may.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use attest_core::{
    checkpoint::LogCheckpoint,
    cosignature::cosign,
    merkle::{Frontier, RootHash, TreeHead, TreeSize},
    note::{SignerKey, VerifierKey},
    tile::{Entry, root_from_tiles},
    time::Timestamp,
};
use tokio::sync::watch;

pub use self::error::MirrorError;
use self::stages::{Stage, Stages};
use crate::{
    clock::Clock,
    reader::{Published, Reader},
    recover::{Folder, Recovered, Room},
    store::{
        Commit, Database, Head, StoredCheckpoint,
        highwater::{Highwater, Mark},
        identity::Kind,
        lock::DirectoryLock,
        record::Record,
        space::Space,
        tree::{LogTree, Staged},
    },
};

mod error;
pub mod stages;
mod whole;

/// Bytes of entries that are committed in one step through the database.
const MAX_STEP_BYTES: usize = 4 << 20;

/// A mirror's data folder, open for writing.
#[derive(Debug)]
pub struct MirrorStore {
    upstream: VerifierKey,
    key: SignerKey,
    database: Arc<dyn Database>,
    tree: Arc<LogTree>,
    space: Space,
    clock: Clock,
    /// Whose lines are passed on.
    witnesses: Vec<VerifierKey>,
    state: Mutex<State>,
    published: watch::Sender<Arc<Published>>,
    stages: Stages,
    _lock: DirectoryLock,
}

#[derive(Debug)]
struct State {
    /// What is committed in the database.
    head: Head,
    /// The same, to append to.
    frontier: Frontier,
    highwater: Highwater,
    checkpoint: Option<LogCheckpoint>,
    last_cosigned: Timestamp,
}

impl MirrorStore {
    /// Opens the mirror in `data`, made by [`crate::init::init_mirror`]. Until the first [`MirrorStore::advance`], the
    /// reader's published note is empty.
    pub fn open(data: &Path, room: Room, clock: Clock) -> Result<(Self, Reader), MirrorError> {
        let folder = Folder::open(data, Kind::Mirror).map_err(MirrorError::Open)?;
        let database = Arc::new(folder.database(room).map_err(MirrorError::Open)?);
        let recovered = folder.recover(database, clock.now()).map_err(MirrorError::Open)?;
        let Recovered { lock, identity, key, highwater, database, tree, frontier, head, published } = recovered;
        // docs/TRUST.md 1.3: one key, one role. A log that mirrors itself would add nothing to what it says.
        if key.verifier().public() == identity.log().public() {
            return Err(MirrorError::SharedKey { key: key.verifier().to_string() });
        }
        let empty = TreeHead { size: TreeSize::ZERO, root: RootHash::of_empty() };
        let nothing = Published { note: String::new(), head: empty, time: clock.now() };
        let (sender, receiver) = watch::channel(Arc::new(nothing));
        let reader = Reader::new(Arc::clone(&tree), receiver);
        let last_cosigned = highwater.mark().time;
        let state = State { head, frontier, highwater, checkpoint: None, last_cosigned };
        let store = Self {
            upstream: identity.log().clone(),
            key,
            database,
            tree,
            space: Space::new(data, room.floor),
            clock,
            witnesses: Vec::new(),
            state: Mutex::new(state),
            published: sender,
            stages: Stages::default(),
            _lock: lock,
        };
        if let Some(checkpoint) = published {
            store.restore(checkpoint)?;
        }
        Ok((store, reader))
    }

    /// Serves the stored checkpoint again; if a crash came between storing and cosigning it, cosigns it now.
    fn restore(&self, checkpoint: LogCheckpoint) -> Result<(), MirrorError> {
        let mut state = self.state();
        let cosigned = checkpoint.cosignatures(&[self.key.verifier().clone()])?;
        if cosigned.is_empty() {
            state.checkpoint = Some(checkpoint.clone());
            self.cosign(&mut state, checkpoint)?;
        } else {
            self.show(&mut state, checkpoint);
        }
        Ok(())
    }

    /// Passes on the lines of these witnesses, those that verify. Lines by anybody else are dropped: one that does not verify
    /// would make a client refuse the whole note.
    #[must_use]
    pub fn passing_on(self, witnesses: Vec<VerifierKey>) -> Self {
        Self { witnesses, ..self }
    }

    /// Key of the log that is mirrored.
    pub const fn upstream(&self) -> &VerifierKey {
        &self.upstream
    }

    /// Key of this mirror's cosignatures.
    pub fn cosigner(&self) -> &VerifierKey {
        self.key.verifier()
    }

    /// What is stored, published or not: the next entry to append is the one at this size.
    pub fn head(&self) -> TreeHead {
        self.state().frontier.head()
    }

    /// Where the time goes.
    pub const fn stages(&self) -> &Stages {
        &self.stages
    }

    /// The checkpoint that is served, cosigned.
    pub fn checkpoint(&self) -> Option<LogCheckpoint> {
        self.state().checkpoint.clone()
    }

    /// The root of the stored tree at an earlier size: an upstream checkpoint that is smaller than ours and has this root
    /// is stale, and one that has another is a fork.
    pub fn root_at(&self, size: TreeSize) -> Result<RootHash, MirrorError> {
        let stored = self.head();
        if size > stored.size {
            return Err(MirrorError::NotStored { size, stored: stored.size });
        }
        Ok(root_from_tiles(size, |tile| self.tree.hashes(tile))?)
    }

    /// Stores entries that follow [`MirrorStore::head`], durably on return. The caller has verified that they are the
    /// log's, down from a signed root.
    ///
    /// If we crash in here, some of them are stored; the next start says how many, and is asked for the rest.
    ///
    /// # Errors
    /// After [`MirrorError::Seal`] (a full disk, for example) the entries are stored, and the next call seals them.
    pub fn append(&self, entries: Vec<Entry>) -> Result<TreeHead, MirrorError> {
        if !self.space.has_room() {
            return Err(MirrorError::Full);
        }
        let mut state = self.state();
        let mut step = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.as_bytes().len();
            step.push(Arc::new(Record::of_entry(entry)));
            if bytes >= MAX_STEP_BYTES {
                self.store(&mut state, &std::mem::take(&mut step))?;
                bytes = 0;
            }
        }
        self.store(&mut state, &step)?;
        Ok(state.frontier.head())
    }

    fn store(&self, state: &mut State, records: &[Arc<Record>]) -> Result<(), MirrorError> {
        if !records.is_empty() {
            let staged = Staged::new(&state.frontier, records);
            let tree = staged.frontier.head();
            let head = Head { tree, time: self.clock.now().max(state.head.time), ..state.head };
            let entries: Vec<&[u8]> = records.iter().map(|record| record.entry().as_bytes()).collect();
            let commit = Commit { head, sealed: self.database.sealed()?, entries: &entries };
            self.stages.measure(Stage::Commit, || self.database.commit(&state.head, &commit))?;
            state.head = head;
            state.frontier = self.tree.extend(records, staged);
        }
        // As a log does: files and index, then the mark, then memory. If we crash in here, the next start seals them.
        while let Some(upto) = self.stages.measure(Stage::Files, || self.tree.seal())? {
            self.database.seal(state.head.epoch, upto)?;
            self.tree.forget(upto);
        }
        Ok(())
    }

    /// Makes `checkpoint` the one that is served, and cosigns it; returns it with the cosignature.
    ///
    /// `expected` is the tree that is served now (`None`: nothing yet), so that of two callers only one succeeds.
    ///
    /// # Errors
    /// When its entries are not all stored, when the stored ones have another root, or when it is smaller than what is
    /// served: the caller decides whether that is a fork.
    pub fn advance(&self, expected: Option<TreeHead>, checkpoint: LogCheckpoint) -> Result<LogCheckpoint, MirrorError> {
        let mut state = self.state();
        let served = state.checkpoint.as_ref().map(LogCheckpoint::head);
        if served != expected {
            return Err(MirrorError::Conflict { expected, found: served });
        }
        if checkpoint.log() != &self.upstream {
            let expected = self.upstream.to_string();
            return Err(MirrorError::OtherLog { expected, found: checkpoint.log().to_string() });
        }
        let new = checkpoint.head();
        if let Some(served) = served.filter(|served| served.size > new.size) {
            return Err(MirrorError::Smaller { served: served.size, new: new.size });
        }
        let stored = state.frontier.head();
        if state.head.tree.size < new.size {
            return Err(MirrorError::NotStored { size: new.size, stored: state.head.tree.size });
        }
        let root = if stored.size == new.size {
            stored.root
        } else {
            root_from_tiles(new.size, |tile| self.tree.hashes(tile))?
        };
        if root != new.root {
            return Err(MirrorError::Root { size: new.size, stored: root, signed: new.root });
        }
        // What is served answers lookups in full: never a size that the index has not reached.
        self.tree.index_rest()?;
        // Recorded outside of the database first, as a log does before it signs.
        let time = self.now(&state);
        let epoch = state.head.epoch;
        state.highwater.raise(Mark { epoch, tree: new, time });
        let checkpoint = checkpoint.signed_only_by(&self.witnesses);
        self.persist(&mut state, &checkpoint)?;
        // If we crash here, the next start finds a checkpoint without our line, and cosigns it.
        self.cosign(&mut state, checkpoint)
    }

    fn cosign(&self, state: &mut State, checkpoint: LogCheckpoint) -> Result<LogCheckpoint, MirrorError> {
        let time = self.now(state);
        let line = cosign(&checkpoint, &self.key, time)?;
        state.last_cosigned = time;
        let cosigned = checkpoint.with_cosignature(line)?;
        self.persist(state, &cosigned)?;
        self.show(state, cosigned.clone());
        Ok(cosigned)
    }

    /// Replaces the stored checkpoint, durably on return.
    fn persist(&self, state: &mut State, checkpoint: &LogCheckpoint) -> Result<(), MirrorError> {
        let expected = state.checkpoint.as_ref().map(|checkpoint| checkpoint.head().size);
        let stored = StoredCheckpoint { size: checkpoint.head().size, note: checkpoint.note().to_string() };
        self.database.publish(state.head.epoch, expected, &stored)?;
        self.database.barrier()?;
        state.checkpoint = Some(checkpoint.clone());
        Ok(())
    }

    fn show(&self, state: &mut State, checkpoint: LogCheckpoint) {
        let note = checkpoint.note().to_string();
        let published = Published { note, head: checkpoint.head(), time: self.clock.now() };
        state.checkpoint = Some(checkpoint);
        self.published.send_replace(Arc::new(published));
    }

    /// The time of a cosignature; never decreases (tlog-cosignature).
    fn now(&self, state: &State) -> Timestamp {
        self.clock.now().max(state.last_cosigned)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
