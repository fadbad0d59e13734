//! Fetching, verifying and storing what a log has and a mirror has not.
//!
//! ```text
//! bundles in order -> many fetches in flight -> decompress, hash, compare (all cores) -> in order -> one writer, many a step
//! ```
//!
//! While the writer waits for the disk, the others go on; what came meanwhile is its next step. A step is all there after
//! a crash or not at all, so that a catch-up that is cut off anywhere goes on where it was.
//!
//! Leaf tiles are not fetched: the entries give them, and the tiles above are what they are compared with.

use std::{collections::VecDeque, sync::Arc, thread};

use attest_core::{
    merkle::{LeafHash, NodeHash, TreeSize},
    tile::{BundleId, Entry, Resource, TILE_WIDTH, encode_bundle, new_bundles},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
};

use super::{
    follow::{FollowError, OwnError, UpstreamError},
    tree::{Anchor, SignedTree},
};
use crate::{
    fetch::{OpenedBundle, SentBundle, Upstream},
    mirror_store::{
        MirrorError, MirrorStore,
        stages::{Stage, Stages},
    },
    store::{bundle, index::Keys, tree::whole::WholeBundle},
};

/// Fetches in flight: with 100 ms to the log and back, 80,000 entries a second.
const FETCHES: usize = 32;
/// Fetches in flight, however large the bundles are.
const FEWEST_FETCHES: usize = 4;
/// Bytes that may be in flight if the next bundles are as large as the last one, and as many that wait for the writer.
const MEMORY: usize = 64 << 20;
/// Bundles that are stored in one step: 128 files that are synced together.
const STEP: usize = 64;

/// Stores everything of the signed `tree` that `store` has not. On an error, what came before it is stored.
pub(super) async fn catch_up(
    store: &Arc<MirrorStore>,
    tree: &mut SignedTree<'_, Upstream>,
    upstream: &Upstream,
) -> Result<(), FollowError> {
    let (sender, receiver) = mpsc::channel(STEP);
    let writer = Arc::clone(store);
    let writer = tokio::task::spawn_blocking(move || write(&writer, receiver));
    let fetched = fetch(store, tree, upstream, sender).await;
    // What the writer could not store is why nobody takes what is fetched any more.
    writer.await.map_err(|_| OwnError::Interrupted)?.map_err(OwnError::from)?;
    Ok(fetched?)
}

/// A bundle that is in the signed tree.
#[derive(Debug)]
enum Verified {
    Whole(WholeBundle),
    /// The entries from this index on: of a partial bundle, or of one whose beginning is stored already.
    Entries(u64, Vec<Entry>),
}

/// What the writer takes, with the memory that it keeps until it is stored.
type Queued = (Verified, OwnedSemaphorePermit);

async fn fetch(
    store: &Arc<MirrorStore>,
    tree: &mut SignedTree<'_, Upstream>,
    upstream: &Upstream,
    writer: mpsc::Sender<Queued>,
) -> Result<(), UpstreamError> {
    let stored = store.head().size;
    let cores = Arc::new(Semaphore::new(thread::available_parallelism().map_or(1, usize::from)));
    let memory = Arc::new(Semaphore::new(MEMORY));
    let mut bundles = new_bundles(stored, tree.head().size);
    let mut fetching: VecDeque<Fetch> = VecDeque::with_capacity(FETCHES);
    let mut last = 0;
    loop {
        while fetching.len() < fetches(last)
            && let Some(bundle) = bundles.next()
        {
            let anchor = tree.anchor(bundle).await?;
            let check = Check { store: Arc::clone(store), stored, bundle, anchor };
            fetching.push_back(Fetch(tokio::spawn(check.run(upstream.clone(), Arc::clone(&cores)))));
        }
        let Some(first) = fetching.pop_front() else {
            return Ok(());
        };
        let (verified, size) = first.join().await?;
        last = size;
        let bytes = u32::try_from(size.min(MEMORY)).unwrap_or(u32::MAX);
        let Ok(kept) = Arc::clone(&memory).acquire_many_owned(bytes).await else {
            return Err(UpstreamError::Interrupted);
        };
        if writer.send((verified, kept)).await.is_err() {
            // The writer stopped, and says why.
            return Ok(());
        }
    }
}

fn fetches(last: usize) -> usize {
    (MEMORY / last.max(1)).clamp(FEWEST_FETCHES, FETCHES)
}

/// A fetch that ends when nobody waits for it any more.
struct Fetch(JoinHandle<Result<(Verified, usize), UpstreamError>>);

impl Fetch {
    async fn join(mut self) -> Result<(Verified, usize), UpstreamError> {
        (&mut self.0).await.unwrap_or(Err(UpstreamError::Interrupted))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What one bundle is held to.
struct Check {
    store: Arc<MirrorStore>,
    stored: TreeSize,
    bundle: BundleId,
    anchor: Anchor,
}

impl Check {
    /// The bundle, once it hashes to what the signed tree has, and about how many bytes it keeps in memory. What the
    /// entries say is not judged: an entry that is no statement is no vote, and never a reason to stop.
    async fn run(self, upstream: Upstream, cores: Arc<Semaphore>) -> Result<(Verified, usize), UpstreamError> {
        let sent = upstream.bundle(self.bundle).await?;
        let Ok(_core) = cores.acquire().await else {
            return Err(UpstreamError::Interrupted);
        };
        let checked = tokio::task::spawn_blocking(move || self.check(sent));
        checked.await.unwrap_or(Err(UpstreamError::Interrupted))
    }

    fn check(self, sent: SentBundle) -> Result<(Verified, usize), UpstreamError> {
        let stages = self.store.stages();
        let OpenedBundle { entries, gzip } = stages.measure(Stage::Decompress, || sent.open())?;
        let hashed = stages.measure(Stage::Hash, || {
            let leaves: Vec<LeafHash> = entries.iter().map(Entry::leaf_hash).collect();
            let nodes: Vec<NodeHash> = leaves.iter().copied().map(NodeHash::from).collect();
            self.anchor.holds(&nodes).then_some(leaves)
        });
        let leaves = hashed.ok_or(UpstreamError::Entries(Resource::Bundle(self.bundle)))?;
        let first = self.bundle.index() * u64::from(TILE_WIDTH);
        match leaves.try_into() {
            Ok(leaves) if first >= self.stored.get() => Ok(whole(stages, self.bundle, &entries, gzip, leaves)),
            _ => Ok(rest(first, self.stored, entries)),
        }
    }
}

fn whole(
    stages: &Stages,
    id: BundleId,
    entries: &[Entry],
    gzip: Option<Vec<u8>>,
    leaves: Box<[LeafHash; TILE_WIDTH as usize]>,
) -> (Verified, usize) {
    let keys = stages.measure(Stage::Parse, || entries.iter().map(|entry| Keys::of_entry(entry.as_bytes())).collect());
    let stored = gzip.unwrap_or_else(|| stages.measure(Stage::Compress, || bundle::compress(&encode_bundle(entries))));
    let size = stored.len();
    (Verified::Whole(WholeBundle::new(id.index(), stored, leaves, keys)), size)
}

/// The entries that are not stored yet.
fn rest(first: u64, stored: TreeSize, mut entries: Vec<Entry>) -> (Verified, usize) {
    let have = usize::try_from(stored.get().saturating_sub(first)).unwrap_or(usize::MAX).min(entries.len());
    entries.drain(..have);
    let size = entries.iter().map(|entry| entry.as_bytes().len()).sum();
    (Verified::Entries(first + have as u64, entries), size)
}

/// Stores what comes, in order, until nothing comes any more.
fn write(store: &MirrorStore, mut verified: mpsc::Receiver<Queued>) -> Result<(), MirrorError> {
    let mut next = verified.blocking_recv();
    while let Some((first, kept)) = next.take() {
        match first {
            Verified::Entries(index, entries) => {
                let stored = store.head().size;
                if stored.get() != index {
                    return Err(MirrorError::OutOfOrder { stored, bundle: index / u64::from(TILE_WIDTH) });
                }
                store.append(entries)?;
            }
            Verified::Whole(first) => {
                let (mut step, mut kept) = (vec![first], vec![kept]);
                // What came meanwhile is stored in the same step: steps are synced, and syncs are what costs.
                while step.len() < STEP {
                    match verified.try_recv() {
                        Ok((Verified::Whole(bundle), memory)) => {
                            step.push(bundle);
                            kept.push(memory);
                        }
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                store.append_whole(step)?;
            }
        }
        if next.is_none() {
            next = verified.blocking_recv();
        }
    }
    Ok(())
}
