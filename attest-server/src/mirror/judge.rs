//! What a checkpoint that the log shows now means for what it showed before.
//!
//! Known are the checkpoint that is served, the entries that are stored (more than are served when a catch-up was
//! interrupted), and every checkpoint that was seen and is not part of what is served ([`super::pending`]). All of them have
//! to be of one growing tree: [`judge`] holds a new checkpoint to what we have, [`in_line`] to what was seen. Of two trees
//! the smaller one is shown to be the beginning of the larger one by tiles of the larger one, each checked against its
//! signed root: so what differs is proven, and what cannot be had is an outage, which stops the mirror and accuses nobody.

use std::sync::Arc;

use attest_core::{
    checkpoint::LogCheckpoint,
    merkle::{NodeHash, RootHash, TreeHead, TreeSize},
    tile::{Resource, TileId, decode_tile},
};

use super::{
    evidence::Fork,
    pending::Pending,
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
    /// What was seen beyond that.
    pub pending: Pending,
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
    /// Nor could the one that shows how it and an earlier one go together: an outage, too.
    #[error(
        "the log does not show that its trees of {} and {} entries, both of which it signed, go together",
        large.size, small.size
    )]
    Unproven {
        /// The smaller tree.
        small: TreeHead,
        /// The larger one, whose tiles were asked for.
        large: TreeHead,
        /// What could not be had.
        source: Box<TreeError>,
    },
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
    if theirs.size <= stored.size {
        let root = stored_root(held, theirs.size).await?;
        if root == theirs.root {
            return Ok(Judgement::Stored);
        }
        let signed = signed_by(held, served.as_ref(), stored)?;
        // It is proven to us, who hashed every entry. For others we add the tiles, where the log still has them.
        let tiles = match SignedTree::open(signed.head(), upstream).await {
            Ok(mut tree) => tree.root_at(theirs.size).await.map(|_| kept(&tree)).unwrap_or_default(),
            Err(_) => vec![],
        };
        return Ok(fork(&signed, seen, theirs, root, tiles));
    }
    let mut tree = SignedTree::open(theirs, upstream).await.map_err(JudgeError::Upstream)?;
    let root = tree.root_at(stored.size).await.map_err(JudgeError::Upstream)?;
    // The empty tree is stored before anything is, and is the beginning of every tree.
    if root != stored.root {
        return Ok(fork(&signed_by(held, served.as_ref(), stored)?, seen, stored, root, kept(&tree)));
    }
    Ok(Judgement::Ahead(tree))
}

/// Holds `seen` and every other checkpoint that was seen and is not part of what is served to each other: before entries
/// are stored, and before anything is cosigned. All of them have to be beginnings of the largest.
pub async fn in_line(held: &Held, seen: &LogCheckpoint, upstream: &Upstream) -> Result<Option<Box<Fork>>, JudgeError> {
    // In the order in which they were seen.
    let all: Vec<&LogCheckpoint> =
        held.pending.iter().filter(|known| known.head() != seen.head()).chain([seen]).collect();
    let Some((last, largest)) = all.iter().enumerate().max_by_key(|(_, known)| known.head().size) else {
        return Ok(None);
    };
    let large = largest.head();
    let mut tree = None;
    for (at, known) in all.iter().enumerate().filter(|(at, _)| *at != last) {
        let small = known.head();
        let (older, newer) = if at < last { (known, largest) } else { (largest, known) };
        if small.size == large.size {
            return Ok(Some(found(older, newer, small, large.root, vec![])));
        }
        let unproven = |source| JudgeError::Unproven { small, large, source: Box::new(source) };
        let tree = match &mut tree {
            Some(tree) => tree,
            None => tree.insert(SignedTree::open(large, upstream).await.map_err(unproven)?),
        };
        let root = tree.root_at(small.size).await.map_err(unproven)?;
        if root != small.root {
            return Ok(Some(found(older, newer, small, root, kept(tree))));
        }
    }
    Ok(None)
}

/// Who signed what is stored. What is stored beyond what is served was verified under a pending checkpoint, and all that
/// were seen before that one are in line with it: the first that is large enough has these entries.
fn signed_by(held: &Held, served: Option<&LogCheckpoint>, stored: TreeHead) -> Result<LogCheckpoint, JudgeError> {
    let served = served.filter(|served| served.head() == stored);
    let pending = || held.pending.iter().find(|pending| pending.head().size >= stored.size);
    served.or_else(pending).cloned().ok_or(JudgeError::Unexplained { size: stored.size })
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
    Judgement::Fork(found(held, seen, smaller, root, tiles))
}

fn found(
    held: &LogCheckpoint,
    seen: &LogCheckpoint,
    smaller: TreeHead,
    root: RootHash,
    tiles: Vec<(TileId, Vec<NodeHash>)>,
) -> Box<Fork> {
    let (size, signed) = (smaller.size, smaller.root);
    Box::new(Fork { held: held.clone(), seen: seen.clone(), size, signed, found: root, tiles })
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
