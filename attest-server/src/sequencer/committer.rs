//! Decides on indexes, and makes them durable.

use std::{
    sync::{Arc, mpsc},
    time::Instant,
};

use attest_core::merkle::{Frontier, LeafIndex, TreeSize};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    duplicates::Recent,
    pool::{Item, Outcome, Pool},
};
use crate::{
    clock::Clock,
    metrics::instruments,
    reader::ReadError,
    store::{
        Commit, CommitError, Database, Head,
        tree::{LogTree, Staged},
    },
};

/// A durable head, and who waits for it to be published: in index order, all below its size.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) head: Head,
    pub(super) waiters: Vec<(LeafIndex, Item)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Committer {
    pool: Arc<Pool>,
    database: Arc<dyn Database>,
    tree: Arc<LogTree>,
    head: Head,
    frontier: Frontier,
    recent: Recent,
    clock: Clock,
    committed: UnboundedSender<Committed>,
    grown: mpsc::Sender<()>,
}

impl Committer {
    pub(super) fn new(
        pool: Arc<Pool>,
        database: Arc<dyn Database>,
        tree: Arc<LogTree>,
        (head, frontier): (Head, Frontier),
        clock: Clock,
        (committed, grown): (UnboundedSender<Committed>, mpsc::Sender<()>),
    ) -> Self {
        let recent = Recent::recovered(&tree);
        Self { pool, database, tree, head, frontier, recent, clock, committed, grown }
    }

    /// Commits batch after batch until the pool is closed and empty, or until it must stop.
    pub(super) fn run(mut self) {
        while let Some(items) = self.pool.take() {
            // Where sealing does not keep pace, whoever submits waits, and then hears that too many do.
            self.tree.wait_for_room(|| self.pool.is_open());
            if let Err(error) = self.commit(items) {
                // Everybody who waits gets no answer (their senders are dropped), which says: not known.
                tracing::error!(error = &error as &dyn std::error::Error, "the log has stopped");
                break;
            }
        }
    }

    fn commit(&mut self, items: Vec<Item>) -> Result<(), StopError> {
        let taken = Instant::now();
        for item in &items {
            instruments().stages.queue.observe(taken.saturating_duration_since(item.permit.since()));
        }
        let looked_below = items.iter().map(|item| item.looked_below).min().unwrap_or(TreeSize::ZERO);
        let Sorted { fresh, duplicates } = self.sort(items)?;
        if !fresh.is_empty() {
            match self.append(fresh) {
                Ok(()) => {}
                Err(CommitError::NotApplied(error)) => {
                    // Nothing happened: those of this batch may try again, and so may their duplicates.
                    tracing::error!(error = &error as &dyn std::error::Error, "a batch was not stored");
                    self.recent.truncate(self.head.tree.size);
                }
                Err(error) => return Err(error.into()),
            }
        }
        for (index, item) in duplicates {
            let logged = self.head.tree.size.contains(index);
            let outcome = if logged { Outcome::Duplicate(index) } else { Outcome::NotStored };
            // Whoever hung up does not hear it.
            let _ = item.reply.send(outcome);
        }
        self.recent.forget(looked_below);
        Ok(())
    }

    /// Tells what is new from what is logged, or is in this batch already; the new ones get the next indexes.
    fn sort(&mut self, items: Vec<Item>) -> Result<Sorted, ReadError> {
        let mut sorted = Sorted { fresh: Vec::with_capacity(items.len()), duplicates: Vec::new() };
        for item in items {
            if let Some(index) = self.recent.find(&self.tree, &item)? {
                sorted.duplicates.push((index, item));
            } else {
                self.recent.push(Some(item.id), Some(item.signer));
                sorted.fresh.push(item);
            }
        }
        Ok(sorted)
    }

    fn append(&mut self, fresh: Vec<Item>) -> Result<(), CommitError> {
        let start = Instant::now();
        let first = self.head.tree.size.get();
        let records: Vec<_> = fresh.iter().map(|item| Arc::clone(&item.record)).collect();
        let staged = Staged::new(&self.frontier, &records);
        let time = self.clock.now().max(self.head.time);
        let head = Head { tree: staged.frontier.head(), time, ..self.head };
        let entries: Vec<&[u8]> = records.iter().map(|record| record.entry().as_bytes()).collect();
        let commit = Commit { head, sealed: TreeSize::ZERO, entries: &entries };
        if let Err(error) = self.database.commit(&self.head, &commit) {
            if let CommitError::NotApplied(_) = error {
                for item in fresh {
                    let _ = item.reply.send(Outcome::NotStored);
                }
            } else {
                // Closed before anybody hears of it.
                self.pool.abandon();
            }
            return Err(error);
        }
        // If we crash here, the next start finds the entries and publishes them, and nobody was told anything.
        instruments().stages.commit.since(start);
        instruments().batch.observe(entries.len());
        self.head = head;
        self.frontier = self.tree.extend(&records, staged);
        let waiters = (first..).map(LeafIndex::new).zip(fresh).collect();
        if let Err(unpublished) = self.committed.send(Committed { head, waiters }) {
            // The publisher has stopped. Closed first; then the waiters learn it from their dropped senders.
            self.pool.abandon();
            drop(unpublished);
        }
        let _ = self.grown.send(());
        Ok(())
    }
}

impl Drop for Committer {
    /// However it ends: nobody takes from the pool any more, so nobody may wait in it.
    fn drop(&mut self) {
        self.pool.abandon();
    }
}

/// A batch, told apart.
struct Sorted {
    fresh: Vec<Item>,
    /// With where they are logged, or will be with this batch.
    duplicates: Vec<(LeafIndex, Item)>,
}

/// Why the log cannot go on.
#[derive(Debug, thiserror::Error)]
enum StopError {
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("what is logged already cannot be read")]
    Read(#[from] ReadError),
}
