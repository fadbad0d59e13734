//! One round of following a log: look, judge, verify, and only then store.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    merkle::{NodeHash, TreeSize},
    note::VerifierKey,
    tile::{BundleId, Entry, Resource, TILE_WIDTH, new_bundles},
};
use tokio::task::JoinHandle;

use super::{
    evidence::{self, Fork},
    judge::{Held, JudgeError, Judgement, judge},
    pending::{self, PendingError},
    tree::{Anchor, SignedTree, TreeError},
};
use crate::{
    clock::Clock,
    fetch::{FetchError, Upstream},
    mirror_store::{MirrorError, MirrorStore},
    reader::Reader,
};

/// Bundles that are fetched at a time. The largest ones have 16 MiB each; usual ones a few hundred KiB.
const WINDOW: usize = 8;
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
        let held = Held { store: Arc::new(store), reader, pending: pending::read(&data, &log)? };
        Ok(Self { data, log, upstream, held, clock, cosigned: None, unkept: None })
    }

    /// Looks at the log once, and catches up with what it shows.
    pub async fn round(&mut self) -> Result<Round, FollowError> {
        if let Some(evidence) = evidence::found(&self.data).map_err(OwnError::Evidence)? {
            return Err(FollowError::ForkedBefore { evidence });
        }
        if let Some(fork) = self.unkept.take() {
            return Err(self.forked(fork));
        }
        let seen = self.look().await?;
        let upstream = self.upstream.clone();
        let served = self.held.store.checkpoint().map(|served| served.head());
        match judge(&self.held, &seen, &upstream).await? {
            Judgement::Same => {
                if self.cosigned.is_none_or(|last| last.elapsed() >= RENEW_AFTER) {
                    self.advance(seen).await?;
                }
                return Ok(Round::Current);
            }
            Judgement::Behind => {
                let held = served.map_or(TreeSize::ZERO, |served| served.size);
                let seen = seen.head().size;
                return Ok(Round::Behind { seen, held });
            }
            Judgement::Fork(fork) => return Err(self.forked(fork)),
            Judgement::Stored => {}
            Judgement::Ahead(mut tree) => {
                // If we crash from here on, this note explains every entry that is stored beyond what is served.
                self.remember(&seen)?;
                self.replicate(&mut tree).await?;
            }
        }
        let size = seen.head().size;
        self.advance(seen).await?;
        Ok(Round::Advanced { size })
    }

    fn forked(&mut self, fork: Box<Fork>) -> FollowError {
        let evidence = fork.keep(&self.data, &self.log, self.upstream.url(), self.clock.now());
        if evidence.is_err() {
            self.unkept = Some(fork.clone());
        }
        FollowError::Fork { fork, evidence }
    }

    async fn look(&self) -> Result<LogCheckpoint, UpstreamError> {
        let note = self.upstream.checkpoint().await?;
        Ok(UnverifiedCheckpoint::parse(&note)?.verify(&self.log)?)
    }

    fn remember(&mut self, seen: &LogCheckpoint) -> Result<(), OwnError> {
        let larger = |pending: &LogCheckpoint| pending.head().size >= seen.head().size;
        if !self.held.pending.as_ref().is_some_and(larger) {
            let seen = seen.clone().log_signed_only();
            pending::write(&self.data, &seen)?;
            self.held.pending = Some(seen);
        }
        Ok(())
    }

    /// Fetches the entries that are not stored yet, checks each bundle against `tree`, and appends them in order.
    async fn replicate(&self, tree: &mut SignedTree<'_, Upstream>) -> Result<(), FollowError> {
        let mut bundles = new_bundles(self.held.store.head().size, tree.head().size);
        let mut fetching: VecDeque<Fetch> = VecDeque::with_capacity(WINDOW);
        loop {
            while fetching.len() < WINDOW
                && let Some(bundle) = bundles.next()
            {
                let anchor = tree.anchor(bundle).await.map_err(UpstreamError::Tree)?;
                let fetch = verified(self.upstream.clone(), bundle, anchor);
                fetching.push_back(Fetch(tokio::spawn(fetch)));
            }
            let Some(first) = fetching.pop_front() else {
                return Ok(());
            };
            let mut fetched = vec![first.join().await?];
            // What came meanwhile is stored in the same step: steps are synced, and syncs are what costs.
            while fetching.front().is_some_and(Fetch::is_finished)
                && let Some(next) = fetching.pop_front()
            {
                fetched.push(next.join().await?);
            }
            self.append(fetched).await?;
        }
    }

    async fn append(&self, fetched: Vec<(BundleId, Vec<Entry>)>) -> Result<(), OwnError> {
        let store = Arc::clone(&self.held.store);
        let stored = tokio::task::spawn_blocking(move || {
            let mut next = store.head().size.get();
            let mut new = Vec::new();
            for (bundle, mut entries) in fetched {
                // The first bundle may have been stored in part.
                let have = next.saturating_sub(bundle.index() * u64::from(TILE_WIDTH));
                let have = usize::try_from(have).unwrap_or(usize::MAX).min(entries.len());
                next += (entries.len() - have) as u64;
                new.extend(entries.drain(have..));
            }
            store.append(new)
        });
        stored.await.map_err(|_| OwnError::Interrupted)??;
        Ok(())
    }

    /// Makes `seen` the checkpoint that is served and cosigned; the store checks its root once more.
    async fn advance(&mut self, seen: LogCheckpoint) -> Result<(), OwnError> {
        let store = Arc::clone(&self.held.store);
        let advanced = tokio::task::spawn_blocking(move || {
            let expected = store.checkpoint().map(|served| served.head());
            store.advance(expected, seen)
        });
        advanced.await.map_err(|_| OwnError::Interrupted)??;
        self.cosigned = Some(Instant::now());
        Ok(())
    }
}

/// A fetch that ends when nobody waits for it any more.
struct Fetch(JoinHandle<Result<(BundleId, Vec<Entry>), UpstreamError>>);

impl Fetch {
    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    async fn join(mut self) -> Result<(BundleId, Vec<Entry>), UpstreamError> {
        (&mut self.0).await.unwrap_or(Err(UpstreamError::Interrupted))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The entries of a bundle, once they hash to what the signed tree has. What they say is not looked at: an entry that is
/// no statement is no vote, and never a reason to stop.
async fn verified(
    upstream: Upstream,
    bundle: BundleId,
    anchor: Anchor,
) -> Result<(BundleId, Vec<Entry>), UpstreamError> {
    let entries = upstream.bundle(bundle).await?;
    let checked = tokio::task::spawn_blocking(move || {
        let leaves: Vec<NodeHash> = entries.iter().map(|entry| entry.leaf_hash().into()).collect();
        anchor.holds(&leaves).then_some(entries)
    });
    let entries = checked.await.map_err(|_| UpstreamError::Interrupted)?;
    let entries = entries.ok_or(UpstreamError::Entries(Resource::Bundle(bundle)))?;
    Ok((bundle, entries))
}
