//! What is published: the same for a log and for a mirror.
//!
//! The store may hold more than was published; a reader never shows it. Every published size has its partial tiles and
//! bundles for free: they are the beginning of a wider one.

use std::sync::Arc;

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    envelope::StatementId,
    merkle::{LeafIndex, NodeHash, TreeHead, TreeSize},
    tile::{BundleId, Entry, Resource, TileId, prove_inclusion},
    time::Timestamp,
};
use axum::body::Bytes;
use tokio::sync::watch;

use crate::store::tree::LogTree;
pub use crate::store::tree::{Content, ReadError};

/// A signed checkpoint, as served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The note, byte for byte. Empty in a mirror that has not synced yet; then there is nothing to serve.
    pub note: String,
    /// What it signs.
    pub head: TreeHead,
    /// When this process published it.
    pub time: Timestamp,
}

/// Reads what is published. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    tree: Arc<LogTree>,
    published: watch::Receiver<Arc<Published>>,
}

impl Reader {
    /// Of a tree whose newest published checkpoint is always there.
    pub const fn new(tree: Arc<LogTree>, published: watch::Receiver<Arc<Published>>) -> Self {
        Self { tree, published }
    }

    /// The newest published checkpoint.
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }

    /// Entries that are stored, published or not.
    pub fn stored(&self) -> TreeSize {
        self.tree.size()
    }

    /// Entries that are sealed into files and indexed; what is stored beyond them waits for that.
    pub fn sealed(&self) -> TreeSize {
        self.tree.index().covered()
    }

    /// Tells when another checkpoint is published.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Published>> {
        self.published.clone()
    }

    /// The stored tree, published or not.
    pub(crate) const fn tree(&self) -> &Arc<LogTree> {
        &self.tree
    }

    /// Whether the published tree has a tile or bundle, and that wide. The checkpoint is neither.
    pub fn has(&self, resource: Resource) -> bool {
        match resource {
            Resource::Tile(id) => has(self.size(), id.level(), id.index(), id.width()),
            Resource::Bundle(id) => has(self.size(), 0, id.index(), id.width()),
            Resource::Checkpoint => false,
        }
    }

    /// The bytes of a tile; `None` where the published tree does not have it, or not that wide.
    pub fn tile(&self, id: TileId) -> Result<Option<Bytes>, ReadError> {
        self.has(Resource::Tile(id)).then(|| self.tree.tile(id)).transpose()
    }

    /// An entry bundle, always compressed with gzip; `None` where the published tree does not have it, or not that wide.
    pub fn bundle(&self, id: BundleId) -> Result<Option<Bytes>, ReadError> {
        self.has(Resource::Bundle(id)).then(|| self.tree.bundle(id)).transpose()
    }

    /// As [`Reader::tile`] and [`Reader::bundle`], for threads that may not block: `None` also where the answer has to
    /// wait for the disk or for the compressor.
    pub fn at_once(&self, resource: Resource) -> Result<Option<Content>, ReadError> {
        match resource {
            Resource::Tile(id) if self.has(resource) => Ok(self.tree.tile_at_once(id)?.map(Content::Bytes)),
            Resource::Bundle(id) if self.has(resource) => self.tree.bundle_at_once(id),
            _ => Ok(None),
        }
    }

    /// The bytes of a published entry.
    pub fn entry(&self, index: LeafIndex) -> Result<Vec<u8>, ReadError> {
        self.check(index, self.size())?;
        self.tree.entry(index)
    }

    /// Published entries from `from` on, in order: at least one, and at most those of one bundle.
    pub(crate) fn entries(&self, from: LeafIndex, below: TreeSize) -> Result<Vec<Entry>, ReadError> {
        let below = below.min(self.size());
        self.check(from, below)?;
        self.tree.entries(from, below)
    }

    /// Published entries that may be about an artifact, with `from` <= index < `below`, at most `limit`, in index order.
    /// The index has hints of 64 bits: look at what the entry says.
    ///
    /// Take `below` from the checkpoint that goes into the same answer, so that the answer is about one tree.
    pub fn lookup(
        &self,
        digest: ArtifactDigest,
        from: LeafIndex,
        below: TreeSize,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, ReadError> {
        self.tree.artifact(&digest, from, below.min(self.size()), limit)
    }

    /// Published entries about a project, as [`Reader::lookup`].
    pub fn lookup_project(
        &self,
        project: &ProjectName,
        from: LeafIndex,
        below: TreeSize,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, ReadError> {
        self.tree.project(project, from, below.min(self.size()), limit)
    }

    /// Published entries that may be this statement, in index order.
    pub(crate) fn lookup_statement(&self, id: StatementId, limit: usize) -> Result<Vec<LeafIndex>, ReadError> {
        let size = self.size();
        let found = self.tree.statement(id)?.into_iter().filter(|index| size.contains(*index));
        Ok(found.take(limit).collect())
    }

    /// The inclusion proof of an entry in the tree of `size`, which was published; leaf's sibling first.
    pub fn prove(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<NodeHash>, ReadError> {
        self.check(index, size.min(self.size()))?;
        prove_inclusion(index, size, |tile| self.tree.hashes(tile))
    }

    fn size(&self) -> TreeSize {
        self.published.borrow().head.size
    }

    fn check(&self, index: LeafIndex, size: TreeSize) -> Result<(), ReadError> {
        if size > self.size() || !size.contains(index) {
            return Err(ReadError::NotPublished { index, size });
        }
        Ok(())
    }
}

/// Whether a tree of `size` has `width` hashes of that level in the tile of that index.
fn has(size: TreeSize, level: u8, index: u64, width: u16) -> bool {
    let nodes = size.get().checked_shr(8 * u32::from(level)).unwrap_or(0);
    let end = index.checked_mul(256).and_then(|first| first.checked_add(u64::from(width)));
    end.is_some_and(|end| end <= nodes)
}
