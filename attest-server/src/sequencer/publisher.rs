//! Signs what is durable, and answers.

use std::{sync::Arc, time::Instant};

use attest_core::{
    checkpoint::{Checkpoint, CheckpointError, LogCheckpoint},
    merkle::{Frontier, TreeHead, TreeSize},
    note::{SignerKey, VerifierKey},
    time::Timestamp,
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{answers::answer, committer::Committed, publishing::Listeners};
use crate::{
    clock::Clock,
    metrics::instruments,
    reader::{Published, ReadError},
    store::{
        CommitError, Database, Epoch, Head, StoredCheckpoint,
        highwater::{Highwater, Mark},
        tree::LogTree,
    },
};

/// See the module.
#[derive(Debug)]
pub(super) struct Publisher {
    database: Arc<dyn Database>,
    tree: Arc<LogTree>,
    highwater: Highwater,
    key: SignerKey,
    published: Option<TreeSize>,
    clock: Clock,
}

/// A checkpoint that was signed here, with the cosignatures that were verified so far. Not seen by anybody yet, unless by
/// witnesses.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) checkpoint: LogCheckpoint,
    pub(super) epoch: Epoch,
    pub(super) time: Timestamp,
}

impl Publisher {
    pub(super) fn new(
        database: Arc<dyn Database>,
        tree: Arc<LogTree>,
        highwater: Highwater,
        key: SignerKey,
        published: Option<TreeSize>,
        clock: Clock,
    ) -> Self {
        Self { database, tree, highwater, key, published, clock }
    }

    /// Publishes and answers until the committer is gone, or until it must stop.
    pub(super) fn run(mut self, mut committed: UnboundedReceiver<Committed>, listeners: &Listeners) {
        while let Some(first) = committed.blocking_recv() {
            // The newest head is signed; whoever waits for an older one is below it.
            let mut batches = vec![first];
            while let Ok(batch) = committed.try_recv() {
                batches.push(batch);
            }
            if let Err(error) = self.round(batches, listeners) {
                // Everybody who waits gets no answer (their senders are dropped), which says: not known.
                tracing::error!(error = &error as &dyn std::error::Error, "publishing has stopped");
                break;
            }
        }
    }

    fn round(&mut self, batches: Vec<Committed>, listeners: &Listeners) -> Result<(), PublishError> {
        let Some(newest) = batches.last() else {
            return Ok(());
        };
        let start = Instant::now();
        // Closed before anybody hears of it: who comes after that must not be committed by a log that has stopped.
        let published = self.publish(&newest.head).inspect_err(|_| listeners.pool.abandon())?;
        listeners.published.send_replace(Arc::clone(&published));
        self.answer(&published, batches)?;
        instruments().stages.publish.since(start);
        Ok(())
    }

    /// Signs a durable head and stores the checkpoint.
    pub(super) fn publish(&mut self, head: &Head) -> Result<Arc<Published>, PublishError> {
        let signed = self.sign(head)?;
        self.store(&signed)
    }

    /// Signs a durable head.
    ///
    /// The highwater mark is durable before the signature exists: whatever can have left this machine is recorded. If we
    /// crash after that, the next start finds the head, which is at least as large, and signs it; Ed25519 gives the same
    /// bytes for the same size.
    pub(super) fn sign(&mut self, head: &Head) -> Result<Signed, PublishError> {
        let time = self.clock.now().max(head.time).max(self.highwater.mark().time);
        self.highwater.raise(Mark { epoch: head.epoch, tree: head.tree, time });
        let checkpoint = self.checkpoint(head.tree)?;
        Ok(Signed { checkpoint, epoch: head.epoch, time })
    }

    /// The checkpoint of the empty tree, which is of every history: signing it needs no record.
    pub(super) fn empty(&self) -> Result<LogCheckpoint, PublishError> {
        self.checkpoint(Frontier::new().head())
    }

    fn checkpoint(&self, head: TreeHead) -> Result<LogCheckpoint, PublishError> {
        let origin = self.key.verifier().name().as_str().to_owned();
        Ok(Checkpoint { origin, head }.sign(&self.key)?)
    }

    /// Stores a signed checkpoint, the same one again when it got another cosignature. It becomes durable with the next
    /// commit: if we crash before, the next start publishes its own.
    pub(super) fn store(&mut self, signed: &Signed) -> Result<Arc<Published>, PublishError> {
        let head = signed.checkpoint.head();
        let stored = StoredCheckpoint { size: head.size, note: signed.checkpoint.note().to_string() };
        self.database.publish(signed.epoch, self.published, &stored)?;
        self.published = Some(stored.size);
        Ok(Arc::new(Published { note: stored.note, head, time: signed.time }))
    }

    /// Gives everybody in `batches`, all of which are below the published size, a finished proof.
    pub(super) fn answer(&self, published: &Published, batches: Vec<Committed>) -> Result<(), PublishError> {
        answer(&self.tree, published, batches.into_iter().flat_map(|batch| batch.waiters))
    }

    pub(super) fn log(&self) -> &VerifierKey {
        self.key.verifier()
    }

    pub(super) fn tree(&self) -> &Arc<LogTree> {
        &self.tree
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Why a head was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The key does not sign this log's checkpoints.
    #[error("the checkpoint could not be signed")]
    Sign(#[from] CheckpointError),
    /// The checkpoint could not be stored.
    #[error("the checkpoint could not be stored")]
    Store(#[from] CommitError),
    /// The tiles for the proofs could not be read.
    #[error("the proofs could not be made")]
    Read(#[from] ReadError),
}
