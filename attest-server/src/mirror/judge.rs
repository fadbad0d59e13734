//! What a checkpoint that the log shows now means for what it showed before.
//!
//! Known are the checkpoint that is served, the entries that are stored (more than are served when a catch-up was
//! interrupted), and the pending checkpoint that those were verified under. All of them are beginnings of one tree, and
//! a new checkpoint has to be in line with each: a smaller one by our own tree, a larger one by the tiles of the log.

use std::sync::Arc;

use attest_core::{
    checkpoint::LogCheckpoint,
    merkle::{NodeHash, RootHash, TreeHead, TreeSize},
    tile::{Resource, TileId, decode_tile},
};

use super::{
    evidence::Fork,
    tree::{SignedTree, SourceError, TileSource, TreeError},
};
use crate::{
    fetch::Upstream,
    mirror_store::{MirrorError, MirrorStore},
    reader::Reader,
};

/// What this mirror has.
#[derive(Clone, Debug)]
pub struct Held {
    /// Stored entries.
    pub store: Arc<MirrorStore>,
    /// The published part of them.
    pub reader: Reader,
    /// The largest checkpoint that entries were verified under.
    pub pending: Option<LogCheckpoint>,
}

/// What a checkpoint is; only `Fork` says something about the log, and it is proven.
#[derive(Debug)]
pub enum Judgement<'a> {
    /// The tree that is served.
    Same,
    /// Larger than what is served, but all its entries are stored.
    Stored,
    /// Larger than what is stored.
    Ahead(SignedTree<'a, Upstream>),
    /// A beginning of what is served: old news.
    Behind,
    /// Not in line with what the log signed before.
    Fork(Box<Fork>),
}

/// Why there is no judgement.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The tree of the new checkpoint could not be read: an outage.
    #[error(transparent)]
    Upstream(TreeError),
    /// Our own could not.
    #[error("this mirror cannot read its own tree")]
    Held(#[source] TreeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] MirrorError),
    /// Entries are stored beyond what is served, the log's tree has others, and no checkpoint says what they were.
    #[error("{} entries are stored that no checkpoint here covers, and the log has others", size.get())]
    Unexplained {
        /// How many are stored.
        size: TreeSize,
    },
    /// A task ended early.
    #[error("the work was interrupted")]
    Interrupted,
}

/// Judges `seen`, whose signature holds, against what is `held`.
pub async fn judge<'a>(held: &Held, seen: &LogCheckpoint, upstream: &'a Upstream) -> Result<Judgement<'a>, JudgeError> {
    let theirs = seen.head();
    let served = held.store.checkpoint();
    if let Some(served) = served.as_ref().filter(|served| theirs.size <= served.head().size) {
        return judge_smaller(held, served, seen).await;
    }
    let stored = held.store.head();
    let signed_by = |head: TreeHead| match (&served, &held.pending) {
        (Some(served), _) if served.head() == head => Ok(served),
        // What is stored beyond what is served was verified under the pending checkpoint.
        (_, Some(pending)) => Ok(pending),
        _ => Err(JudgeError::Unexplained { size: head.size }),
    };
    if theirs.size <= stored.size {
        let root = stored_root(held, theirs.size).await?;
        if root == theirs.root {
            return Ok(Judgement::Stored);
        }
        return Ok(fork(signed_by(stored)?, seen, theirs, root, vec![]));
    }
    let mut tree = SignedTree::open(theirs, upstream).await.map_err(JudgeError::Upstream)?;
    let pending = held.pending.as_ref().map(LogCheckpoint::head);
    let known = [Some(stored), pending.filter(|pending| pending.size <= theirs.size)];
    for known in known.into_iter().flatten() {
        let root = tree.root_at(known.size).await.map_err(JudgeError::Upstream)?;
        // The empty tree is stored before anything is, and is the beginning of every tree.
        if root != known.root {
            return Ok(fork(signed_by(known)?, seen, known, root, kept(&tree)));
        }
    }
    Ok(Judgement::Ahead(tree))
}

/// Against a tree that we have whole.
async fn judge_smaller(
    held: &Held,
    served: &LogCheckpoint,
    seen: &LogCheckpoint,
) -> Result<Judgement<'static>, JudgeError> {
    let (ours, theirs) = (served.head(), seen.head());
    if ours == theirs {
        return Ok(Judgement::Same);
    }
    if ours.size == theirs.size {
        return Ok(fork(served, seen, theirs, ours.root, vec![]));
    }
    let tiles = HeldTiles(held.reader.clone());
    let mut tree = SignedTree::open(ours, &tiles).await.map_err(JudgeError::Held)?;
    let root = tree.root_at(theirs.size).await.map_err(JudgeError::Held)?;
    if root == theirs.root {
        return Ok(Judgement::Behind);
    }
    Ok(fork(served, seen, theirs, root, kept(&tree)))
}

async fn stored_root(held: &Held, size: TreeSize) -> Result<RootHash, JudgeError> {
    let store = Arc::clone(&held.store);
    let root = tokio::task::spawn_blocking(move || store.root_at(size)).await;
    Ok(root.map_err(|_| JudgeError::Interrupted)??)
}

fn kept<S: TileSource>(tree: &SignedTree<'_, S>) -> Vec<(TileId, Vec<NodeHash>)> {
    tree.evidence().map(|(tile, hashes)| (tile, hashes.to_vec())).collect()
}

/// `smaller` is the head that is contradicted, `root` what the larger tree has at its size.
fn fork(
    held: &LogCheckpoint,
    seen: &LogCheckpoint,
    smaller: TreeHead,
    root: RootHash,
    tiles: Vec<(TileId, Vec<NodeHash>)>,
) -> Judgement<'static> {
    Judgement::Fork(Box::new(Fork {
        held: held.clone(),
        seen: seen.clone(),
        size: smaller.size,
        signed: smaller.root,
        found: root,
        tiles,
    }))
}

/// The tiles of our own published tree.
#[derive(Clone, Debug)]
struct HeldTiles(Reader);

impl TileSource for HeldTiles {
    async fn read(&self, tile: TileId) -> Result<Vec<NodeHash>, SourceError> {
        let (reader, resource) = (self.0.clone(), Resource::Tile(tile));
        let bytes = tokio::task::spawn_blocking(move || reader.tile(tile))
            .await
            .map_err(|_| SourceError::Interrupted)??
            .ok_or(SourceError::NotHeld(resource))?;
        decode_tile(tile, &bytes).map_err(|source| SourceError::Malformed { resource, source })
    }
}
