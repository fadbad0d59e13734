//! What is published: the same for a log and for a mirror.
//!
//! The store may hold more than was published; a reader never shows it. Every published size has its partial tiles and
//! bundles for free: they are the beginning of a wider one.

use std::sync::Arc;

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    merkle::{LeafIndex, NodeHash, TreeHead, TreeSize},
    tile::{BundleId, TileId, encode_tile, prove_inclusion},
    time::Timestamp,
};
use tokio::sync::watch;

use crate::store::tree::LogTree;
pub use crate::store::tree::ReadError;

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
    pub(crate) const fn new(tree: Arc<LogTree>, published: watch::Receiver<Arc<Published>>) -> Self {
        Self { tree, published }
    }

    /// The newest published checkpoint.
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }

    /// The bytes of a tile; `None` where the published tree does not have it, or not that wide.
    pub fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, ReadError> {
        if !has(self.size(), id.level(), id.index(), id.width()) {
            return Ok(None);
        }
        self.tree.hashes(id).map(|hashes| Some(encode_tile(&hashes)))
    }

    /// An entry bundle, always compressed with gzip; `None` where the published tree does not have it, or not that wide.
    pub fn bundle(&self, id: BundleId) -> Result<Option<Vec<u8>>, ReadError> {
        if !has(self.size(), 0, id.index(), id.width()) {
            return Ok(None);
        }
        self.tree.bundle(id).map(Some)
    }

    /// The bytes of a published entry.
    pub fn entry(&self, index: LeafIndex) -> Result<Vec<u8>, ReadError> {
        self.check(index, self.size())?;
        self.tree.entry(index)
    }

    /// Published entries about an artifact with `from` <= index < `below`, at most `limit`, in index order.
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
