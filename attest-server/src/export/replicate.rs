//! Takes the entries of a log from one place to another, and computes every tile on the way: what is written is what was
//! hashed, and it ends in the signed root or not at all.

use std::sync::Arc;

use attest_core::{
    merkle::{LeafHash, NodeHash, RootHash, TreeHead, TreeSize},
    tile::{BundleId, Edge, Entry, Resource, TILE_WIDTH, TileId, new_bundles},
};
use tokio::task::{JoinError, JoinSet};

use super::files::{Files, WriteError};
use crate::fsck::{
    Source, SourceError,
    ahead::{Ahead, IN_FLIGHT},
    progress::Progress,
};

const WIDTH: u64 = TILE_WIDTH as u64;

/// What is written besides what is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partial {
    /// The partial tiles and the partial bundle of the new size: for whoever serves it.
    Write,
    /// Nothing: the entries of the partial bundle are returned.
    Leave,
}

/// Why it did not get there. Some files may have been written; without a checkpoint over them they mean nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicateError {
    /// A piece could not be had.
    #[error("{path} could not be read")]
    Read {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: SourceError,
    },
    /// The entries are not those that were signed.
    #[error(
        "the first {size} entries have the root {found}, and {signed} was signed\nhint: the place they come from is damaged \
         or serves something else (`attest-server fsck` says which file), or the log forked"
    )]
    Root {
        /// Size of the tree.
        size: TreeSize,
        /// Its root, as signed.
        signed: RootHash,
        /// What the entries give.
        found: RootHash,
    },
    /// Entries that were taken before are other ones now.
    #[error("{path} does not begin with the entries that are here already\nhint: it is damaged, or the log forked")]
    Changed {
        /// The bundle.
        path: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A task of this process ended early.
    #[error("a task ended early")]
    Task(#[from] JoinError),
}

/// A bundle on its way.
struct Piece {
    entries: Vec<Entry>,
    leaves: Vec<LeafHash>,
}

/// Takes everything from the size of `edge` to the largest of `signed`, all of which it passes through. Returns the
/// entries of the last bundle, if that is partial.
pub(crate) async fn replicate(
    source: &Source,
    edge: &mut Edge,
    signed: &[TreeHead],
    files: &Arc<Files>,
    partial: Partial,
) -> Result<Vec<Entry>, ReplicateError> {
    let from = edge.size();
    let to = signed.iter().map(|head| head.size).max().unwrap_or(from);
    let tasks = new_bundles(from, to).map(|id| {
        let source = source.clone();
        tokio::spawn(async move {
            let entries = source.bundle(id).await;
            let path = Resource::Bundle(id).to_string();
            let entries = entries.map_err(|source| ReplicateError::Read { path, source })?;
            let leaves = entries.iter().map(Entry::leaf_hash).collect();
            Ok::<_, ReplicateError>((id, Piece { entries, leaves }))
        })
    });
    let mut pieces = Ahead::new(tasks);
    let mut writes = Writes { files: Arc::clone(files), running: JoinSet::new() };
    let mut progress = Progress::new("copied", to.get());
    let mut tail = Vec::new();
    check(edge, signed)?;
    while let Some(piece) = pieces.next().await {
        let (id, Piece { entries, leaves }) = piece??;
        let mut full = Vec::new();
        append(edge, id, &leaves, signed, &mut full)?;
        for (tile, hashes) in full {
            writes.start(move |files| files.tile(tile, &hashes)).await?;
        }
        if id.is_full() || partial == Partial::Write {
            writes.start(move |files| files.bundle(Resource::Bundle(id), &entries)).await?;
        } else {
            tail = entries;
        }
        progress.at(edge.size().get());
    }
    if partial == Partial::Write {
        let partial: Vec<_> = edge.partial_tiles().map(|(tile, hashes)| (tile, hashes.to_vec())).collect();
        for (tile, hashes) in partial {
            writes.start(move |files| files.tile(tile, &hashes)).await?;
        }
    }
    writes.finish().await?;
    Ok(tail)
}

/// Appends what is new of a bundle; the beginning of it may be there already.
fn append(
    edge: &mut Edge,
    id: BundleId,
    leaves: &[LeafHash],
    signed: &[TreeHead],
    full: &mut Vec<(TileId, Vec<NodeHash>)>,
) -> Result<(), ReplicateError> {
    let path = || Resource::Bundle(id).to_string();
    let known = usize::try_from(edge.size().get() - id.index() * WIDTH).unwrap_or(usize::MAX);
    let held = edge.partial_tiles().find(|(tile, _)| tile.level() == 0).map_or(&[][..], |(_, hashes)| hashes);
    let Some((again, new)) = leaves.split_at_checked(known).filter(|_| leaves.len() == usize::from(id.width())) else {
        return Err(ReplicateError::Read { path: path(), source: SourceError::Missing });
    };
    if known > 0 && !again.iter().copied().map(NodeHash::from).eq(held.iter().copied()) {
        return Err(ReplicateError::Changed { path: path() });
    }
    for leaf in new {
        edge.append(*leaf, |tile, hashes| full.push((tile, hashes.to_vec())));
        check(edge, signed)?;
    }
    Ok(())
}

/// Compares the root, where one was signed for this size.
fn check(edge: &Edge, signed: &[TreeHead]) -> Result<(), ReplicateError> {
    for head in signed.iter().filter(|head| head.size == edge.size()) {
        let found = edge.head().root;
        if found != head.root {
            return Err(ReplicateError::Root { size: head.size, signed: head.root, found });
        }
    }
    Ok(())
}

/// Files being written, a bounded number at a time.
struct Writes {
    files: Arc<Files>,
    running: JoinSet<Result<(), WriteError>>,
}

impl Writes {
    async fn start(
        &mut self,
        write: impl FnOnce(&Files) -> Result<(), WriteError> + Send + 'static,
    ) -> Result<(), ReplicateError> {
        while self.running.len() >= IN_FLIGHT {
            if let Some(written) = self.running.join_next().await {
                written??;
            }
        }
        let files = Arc::clone(&self.files);
        self.running.spawn_blocking(move || write(&files));
        Ok(())
    }

    /// Everything is written and durable, names included, on return.
    async fn finish(mut self) -> Result<(), ReplicateError> {
        while let Some(written) = self.running.join_next().await {
            written??;
        }
        let files = Arc::clone(&self.files);
        Ok(tokio::task::spawn_blocking(move || files.sync()).await??)
    }
}
