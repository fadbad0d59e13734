//! One round of following a log: look, judge, verify, and only then store.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    merkle::TreeSize,
    note::VerifierKey,
    tile::Resource,
    time::Timestamp,
};
use sha2::{Digest as _, Sha256};

use super::{
    catch_up::catch_up,
    evidence::{self, Fork},
    judge::{Held, JudgeError, Judgement, in_line, judge},
    pending::{Pending, PendingError},
    tree::{SignedTree, TreeError},
};
use crate::{
    clock::Clock,
    fetch::{FetchError, Upstream},
    mirror_store::{MirrorError, MirrorStore, stages},
    reader::Reader,
};

/// A checkpoint has no time of its own: the cosignature of an idle log is renewed, so that clients can tell idle from
/// cut off.
const RENEW_AFTER: Duration = Duration::from_secs(600);

/// A mirror at work.
#[derive(Debug)]
pub struct Follower {
    data: PathBuf,
    log: VerifierKey,
    upstream: Upstream,
    held: Held,
    clock: Clock,
    cosigned: Option<Instant>,
    /// SHA-256 of the note that was fetched last, and when it was seen for the first time.
    note: Option<([u8; 32], Timestamp)>,
    /// A fork whose evidence could not be written yet. It counts all the same.
    unkept: Option<Box<Fork>>,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// The log grew, and this mirror with it.
    Advanced {
        /// Entries now.
        size: TreeSize,
    },
    /// The log has what this mirror has.
    Current,
    /// The log shows an older tree than it did before, in line with what this mirror has: stale, not a fork.
    Behind {
        /// Entries that the log shows.
        seen: TreeSize,
        /// Entries that this mirror serves.
        held: TreeSize,
    },
}

/// Why a round did not work, by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Proven: the log contradicts itself.
    #[error("fork: {fork}; evidence: {}", kept(.evidence))]
    Fork {
        /// The two checkpoints.
        fork: Box<Fork>,
        /// Where they are kept.
        evidence: Result<PathBuf, std::io::Error>,
    },
    /// Proven by an earlier round, and nobody moved the evidence away.
    #[error(
        "fork: the log contradicted itself before, see {}\nhint: publish the evidence; to follow the log again all the \
         same, move it out of that folder",
        evidence.display()
    )]
    ForkedBefore {
        /// Where that is kept.
        evidence: PathBuf,
    },
    /// The log cannot be reached, or what it gives cannot be used. Nothing is proven.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// This mirror's own side.
    #[error(transparent)]
    Own(#[from] OwnError),
}

/// What is wrong with what came from the log's URL.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Nothing came.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// No checkpoint signed by the log.
    #[error("what the log serves as its checkpoint is not usable")]
    Checkpoint(#[from] CheckpointError),
    /// Tiles that are not in the signed tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Two signed trees, and nothing that shows that one is the beginning of the other.
    #[error(transparent)]
    Unproven(JudgeError),
    /// Entries that are not in the signed tree.
    #[error("{0} does not hash to what the checkpoint signs")]
    Entries(Resource),
    /// A task ended early.
    #[error("the fetch was interrupted")]
    Interrupted,
}

/// What is wrong on this side.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// Our tree cannot be read.
    #[error(transparent)]
    Judge(JudgeError),
    /// Not stored.
    #[error("this mirror could not store what it verified")]
    Store(#[from] MirrorError),
    /// The note that goes before the entries.
    #[error(transparent)]
    Pending(#[from] PendingError),
    /// Whether there is evidence is not known: then the mirror must not go on.
    #[error("the evidence folder could not be read")]
    Evidence(#[source] std::io::Error),
    /// A task ended early.
    #[error("the work was interrupted")]
    Interrupted,
}

fn kept(evidence: &Result<PathBuf, std::io::Error>) -> String {
    match evidence {
        Ok(path) => path.display().to_string(),
        Err(error) => format!("could not be written ({error})"),
    }
}

impl From<JudgeError> for FollowError {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Upstream(error) => Self::Upstream(error.into()),
            JudgeError::Unproven { .. } => Self::Upstream(UpstreamError::Unproven(error)),
            error => Self::Own(OwnError::Judge(error)),
        }
    }
}

impl Follower {
    /// Follows `log` at `upstream` into `store`.
    ///
    /// # Errors
    /// The pending checkpoint of an earlier run cannot be read.
    pub fn new(
        data: PathBuf,
        upstream: Upstream,
        (store, reader): (MirrorStore, Reader),
        clock: Clock,
    ) -> Result<Self, PendingError> {
        let log = store.upstream().clone();
        let held = Held { store: Arc::new(store), reader, pending: Pending::open(&data, &log)? };
        Ok(Self { data, log, upstream, held, clock, cosigned: None, note: None, unkept: None })
    }

    /// Looks at the log once, and catches up with what it shows.
    pub async fn round(&mut self) -> Result<Round, FollowError> {
        if let Some(evidence) = evidence::found(&self.data).map_err(OwnError::Evidence)? {
            return Err(FollowError::ForkedBefore { evidence });
        }
        if let Some(fork) = self.unkept.take() {
            return Err(self.forked(fork));
        }
        let seen = match self.held.pending.overdue() {
            Some(overdue) => overdue.clone(),
            None => self.look().await?,
        };
        let (upstream, size) = (self.upstream.clone(), seen.head().size);
        let served = self.held.store.checkpoint().map(|served| served.head().size);
        if served.is_none_or(|served| size > served) {
            // If we crash from here on, this note stays what the log is held to, and explains every entry that is stored
            // beyond what is served.
            self.held.pending.add(&seen, served).map_err(OwnError::from)?;
        }
        let judgement = judge(&self.held, &seen, &upstream).await?;
        match &judgement {
            Judgement::Behind => {
                let held = served.unwrap_or(TreeSize::ZERO);
                return Ok(Round::Behind { seen: size, held });
            }
            Judgement::Same if !self.is_due() => return Ok(Round::Current),
            Judgement::Same | Judgement::Stored | Judgement::Ahead(_) => {
                if let Some(fork) = in_line(&self.held, &seen, &upstream).await? {
                    return Err(self.forked(fork));
                }
            }
            Judgement::Fork(_) => {}
        }
        match judgement {
            Judgement::Same => {
                self.advance(seen).await?;
                return Ok(Round::Current);
            }
            Judgement::Fork(fork) => return Err(self.forked(fork)),
            Judgement::Stored | Judgement::Behind => {}
            Judgement::Ahead(mut tree) => self.replicate(&mut tree).await?,
        }
        self.advance(seen).await?;
        Ok(Round::Advanced { size })
    }

    /// When the log's note, cosignatures and all, was first seen to be what it is; `None` before the first look.
    pub fn unchanged_since(&self) -> Option<Timestamp> {
        self.note.map(|(_, since)| since)
    }

    /// Whether the cosignature of what is served has to be renewed.
    fn is_due(&self) -> bool {
        self.cosigned.is_none_or(|last| last.elapsed() >= RENEW_AFTER)
    }

    fn forked(&mut self, fork: Box<Fork>) -> FollowError {
        let evidence = fork.keep(&self.data, self.upstream.url(), self.clock.now());
        // What is in the evidence need not be held against the log again, once an operator has taken that away.
        let dropped = evidence.as_ref().ok().map(|_| self.held.pending.drop_tree(fork.seen.head()));
        if let Some(Err(error)) = dropped {
            tracing::warn!(error = &error as &dyn std::error::Error, "the contradicting checkpoint stays pending, too");
        }
        if evidence.is_err() {
            self.unkept = Some(fork.clone());
        }
        FollowError::Fork { fork, evidence }
    }

    async fn look(&mut self) -> Result<LogCheckpoint, UpstreamError> {
        let note = self.upstream.checkpoint().await?;
        let digest = Sha256::digest(&note).into();
        if self.note.is_none_or(|(known, _)| known != digest) {
            self.note = Some((digest, self.clock.now()));
        }
        Ok(UnverifiedCheckpoint::parse(&note)?.verify(&self.log)?)
    }

    async fn replicate(&self, tree: &mut SignedTree<'_, Upstream>) -> Result<(), FollowError> {
        let store = &self.held.store;
        let (from, began, cpu) = (store.head().size, Instant::now(), stages::process_time());
        store.stages().take();
        let done = catch_up(store, tree, &self.upstream).await;
        let entries = store.head().size.get() - from.get();
        tracing::debug!(
            entries,
            milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            cpu = u64::try_from(stages::process_time().saturating_sub(cpu).as_millis()).unwrap_or(u64::MAX),
            stages = %store.stages().take(),
            "replicated"
        );
        done
    }

    /// Makes `seen` the checkpoint that is served and cosigned; the store checks its root once more.
    async fn advance(&mut self, seen: LogCheckpoint) -> Result<(), OwnError> {
        let (store, size) = (Arc::clone(&self.held.store), seen.head().size);
        let advanced = tokio::task::spawn_blocking(move || {
            let expected = store.checkpoint().map(|served| served.head());
            store.advance(expected, seen)
        });
        advanced.await.map_err(|_| OwnError::Interrupted)??;
        self.held.pending.forget(size)?;
        self.cosigned = Some(Instant::now());
        Ok(())
    }
}
