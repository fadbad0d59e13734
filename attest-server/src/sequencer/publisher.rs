//! Signs what is durable, and answers.

use std::sync::{Arc, mpsc};

use attest_core::{
    checkpoint::{Checkpoint, CheckpointError, LogCheckpoint},
    merkle::{LeafIndex, TreeSize},
    note::SignerKey,
    tile::{Prover, TILE_WIDTH, TileId},
};
use tokio::sync::watch;

use super::{
    Ack,
    committer::Committed,
    pool::{Item, Outcome, Pool},
    proofs::TileProofs,
};
use crate::{
    clock::Clock,
    reader::{Published, ReadError},
    store::{
        CommitError, Database, Head, StoredCheckpoint,
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

impl Publisher {
    pub(super) fn new(
        database: Arc<dyn Database>,
        tree: Arc<LogTree>,
        highwater: Highwater,
        key: SignerKey,
        published: Option<LogCheckpoint>,
        clock: Clock,
    ) -> Self {
        let published = published.map(|checkpoint| checkpoint.head().size);
        Self { database, tree, highwater, key, published, clock }
    }

    /// Publishes and answers until the committer is gone, or until it must stop.
    pub(super) fn run(
        mut self,
        committed: &mpsc::Receiver<Committed>,
        sender: &watch::Sender<Arc<Published>>,
        pool: &Pool,
    ) {
        while let Ok(first) = committed.recv() {
            // The newest head is signed; whoever waits for an older one is below it.
            let mut batches = vec![first];
            batches.extend(committed.try_iter());
            if let Err(error) = self.round(batches, sender, pool) {
                // Everybody who waits gets no answer (their senders are dropped), which says: not known.
                tracing::error!(error = &error as &dyn std::error::Error, "publishing has stopped");
                break;
            }
        }
    }

    fn round(
        &mut self,
        batches: Vec<Committed>,
        sender: &watch::Sender<Arc<Published>>,
        pool: &Pool,
    ) -> Result<(), PublishError> {
        let Some(newest) = batches.last() else {
            return Ok(());
        };
        // Closed before anybody hears of it: who comes after that must not be committed by a log that has stopped.
        let published = self.publish(&newest.head).inspect_err(|_| pool.abandon())?;
        sender.send_replace(Arc::clone(&published));
        let waiters = batches.into_iter().flat_map(|batch| batch.waiters);
        answer(&self.tree, &published, waiters)
    }

    /// Signs a durable head and stores the checkpoint.
    ///
    /// The highwater mark is durable before the signature exists: whatever can have left this machine is recorded. The
    /// checkpoint itself becomes durable with the next commit. If we crash before that, the next start finds the head,
    /// which is at least as large, and signs it; Ed25519 gives the same bytes for the same size.
    pub(super) fn publish(&mut self, head: &Head) -> Result<Arc<Published>, PublishError> {
        let time = self.clock.now().max(head.time).max(self.highwater.mark().time);
        self.highwater.raise(Mark { epoch: head.epoch, tree: head.tree, time });
        let origin = self.key.verifier().name().as_str().to_owned();
        let note = Checkpoint { origin, head: head.tree }.sign(&self.key)?.note().to_string();
        let stored = StoredCheckpoint { size: head.tree.size, note };
        self.database.publish(head.epoch, self.published, &stored)?;
        self.published = Some(stored.size);
        Ok(Arc::new(Published { note: stored.note, head: head.tree, time }))
    }
}

/// Gives everybody a finished proof; they come in index order.
fn answer(
    tree: &LogTree,
    published: &Published,
    waiters: impl Iterator<Item = (LeafIndex, Item)>,
) -> Result<(), PublishError> {
    let size = published.head.size;
    let mut prover = Prover::new(size, |tile| tree.hashes(tile));
    let mut current: Option<(u64, TileProofs)> = None;
    for (index, item) in waiters {
        let number = index.get() / u64::from(TILE_WIDTH);
        let proofs = match current.take() {
            Some((of, proofs)) if of == number => proofs,
            _ => {
                let first = number * u64::from(TILE_WIDTH);
                let width = (size.get() - first).min(u64::from(TILE_WIDTH));
                let width = u16::try_from(width).unwrap_or(TILE_WIDTH);
                let leaves = tree.hashes(TileId::new(0, number, width).map_err(ReadError::from)?)?;
                let path = prover.inclusion(LeafIndex::new(first))?;
                TileProofs::new(leaves, &path, &published.note)
            }
        };
        let Item { reply, permit, .. } = item;
        // Whoever hung up does not hear it.
        let _ = reply.send(Outcome::Logged(Ack { index, duplicate: None, proof: proofs.proof(index) }));
        drop(permit);
        current = Some((number, proofs));
    }
    Ok(())
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
