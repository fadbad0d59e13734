//! A tree that is known by its signed head and read from tiles that are not believed.
//!
//! Every tile is checked before it is used: the partial ones by recomputing the root from them, a full one by the hash
//! that the tile above has for it. What comes out is therefore in the tree that the log signed, whoever served it. That
//! is what tells a log that contradicts itself (proven) from a server that sends garbage (an outage).

use std::{collections::BTreeMap, future::Future};

use attest_core::{
    merkle::{NodeHash, RootHash, TreeHead, TreeSize},
    tile::{BundleId, Resource, TILE_WIDTH, TileError, TileId, edge_tiles, root_from_tiles, tile_root, tiles_for_root},
};

use crate::fetch::{FetchError, Upstream};

/// Where tiles come from.
pub trait TileSource: Sync {
    /// The hashes of `tile`, at least its width of them.
    fn read(&self, tile: TileId) -> impl Future<Output = Result<Vec<NodeHash>, SourceError>> + Send;
}

/// Why a source has no tile.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The log did not give it.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Our own storage did not.
    #[error("our own copy could not be read")]
    Held(#[from] crate::reader::ReadError),
    /// Our own storage has no such tile.
    #[error("our own copy has no {0}")]
    NotHeld(Resource),
    /// Our own storage has something else in a tile's place.
    #[error("our own copy of {resource} is malformed")]
    Malformed {
        /// Which.
        resource: Resource,
        /// Why.
        source: TileError,
    },
    /// A task ended early.
    #[error("the read was interrupted")]
    Interrupted,
}

/// Why a tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// No tile.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A tile with the wrong number of hashes.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// A tile that is not in the signed tree.
    #[error("{0} does not belong to the tree that the checkpoint signs")]
    Foreign(Resource),
    /// The tiles of the right edge do not give the signed root.
    #[error("the tiles of the right edge give the root {found}, the checkpoint of size {size} signs {signed}")]
    Edge {
        /// Size of the signed tree.
        size: TreeSize,
        /// Its root.
        signed: RootHash,
        /// What the tiles give.
        found: RootHash,
    },
}

/// A signed head and the checked tiles under it that were needed so far.
#[derive(Debug)]
pub struct SignedTree<'a, S> {
    head: TreeHead,
    source: &'a S,
    /// By level and index; each as wide as it is in this tree.
    checked: BTreeMap<(u8, u64), (TileId, Vec<NodeHash>)>,
}

/// What the entries of one bundle have to hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The root of the 256 leaves.
    Full(NodeHash),
    /// The leaves of a partial bundle, one by one.
    Partial(Vec<NodeHash>),
}

impl Anchor {
    /// Whether these leaf hashes are those of the bundle.
    pub fn holds(&self, leaves: &[NodeHash]) -> bool {
        match self {
            Self::Full(root) => leaves.try_into().is_ok_and(|leaves| tile_root(leaves) == *root),
            Self::Partial(hashes) => leaves == hashes,
        }
    }
}

impl<'a, S: TileSource> SignedTree<'a, S> {
    /// Reads the right edge and checks it against the root.
    pub async fn open(head: TreeHead, source: &'a S) -> Result<Self, TreeError> {
        let mut tree = Self { head, source, checked: BTreeMap::new() };
        for tile in tiles_for_root(head.size) {
            let hashes = tree.read(tile).await?;
            tree.checked.insert((tile.level(), tile.index()), (tile, hashes));
        }
        let found = tree.fold(head.size)?;
        if found != head.root {
            return Err(TreeError::Edge { size: head.size, signed: head.root, found });
        }
        Ok(tree)
    }

    /// The head that it was opened with.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The root that the first `size` entries of this tree have.
    pub async fn root_at(&mut self, size: TreeSize) -> Result<RootHash, TreeError> {
        for tile in tiles_for_root(size) {
            self.tile(tile.level(), tile.index()).await?;
        }
        self.fold(size)
    }

    /// What the entries of `bundle`, as wide as it is in this tree, have to hash to.
    pub async fn anchor(&mut self, bundle: BundleId) -> Result<Anchor, TreeError> {
        if !bundle.is_full() {
            return Ok(Anchor::Partial(self.tile(0, bundle.index()).await?.to_vec()));
        }
        let (parent, position) = parent_of(bundle.index());
        let hashes = self.tile(1, parent).await?;
        hashes.get(position).map(|root| Anchor::Full(*root)).ok_or(TreeError::Foreign(Resource::Bundle(bundle)))
    }

    /// Every checked tile so far: with the head they prove to anyone what was read from this tree.
    pub fn evidence(&self) -> impl Iterator<Item = (TileId, &[NodeHash])> {
        self.checked.values().map(|(tile, hashes)| (*tile, hashes.as_slice()))
    }

    /// One tile, checked by way of the tiles above it.
    async fn tile(&mut self, level: u8, index: u64) -> Result<&[NodeHash], TreeError> {
        // Up to the nearest tile that is checked already: the topmost is, since the root was computed from it.
        let mut path = vec![];
        let mut at = (level, index);
        while !self.checked.contains_key(&at) {
            let missing = TileId::new(at.0, at.1, TILE_WIDTH)?;
            if path.len() > edge_tiles(self.head.size).len() {
                return Err(TreeError::Foreign(Resource::Tile(missing)));
            }
            path.push(missing);
            at = (at.0 + 1, parent_of(at.1).0);
        }
        for tile in path.into_iter().rev() {
            let hashes = self.read(tile).await?;
            let (parent, position) = parent_of(tile.index());
            let signed = self.checked.get(&(tile.level() + 1, parent)).and_then(|(_, hashes)| hashes.get(position));
            let full = hashes.as_slice().try_into().ok().map(tile_root);
            if signed.is_none() || full.as_ref() != signed {
                return Err(TreeError::Foreign(Resource::Tile(tile)));
            }
            self.checked.insert((tile.level(), tile.index()), (tile, hashes));
        }
        Ok(self.checked.get(&(level, index)).map_or(&[], |(_, hashes)| hashes))
    }

    async fn read(&self, tile: TileId) -> Result<Vec<NodeHash>, TreeError> {
        let mut hashes = self.source.read(tile).await?;
        let (width, found) = (usize::from(tile.width()), hashes.len());
        if found < width {
            return Err(TileError::TileNarrow { tile, found }.into());
        }
        hashes.truncate(width);
        Ok(hashes)
    }

    fn fold(&self, size: TreeSize) -> Result<RootHash, TreeError> {
        root_from_tiles(size, |tile| {
            let known = self.checked.get(&(tile.level(), tile.index()));
            known.map(|(_, hashes)| hashes.clone()).ok_or(TreeError::Foreign(Resource::Tile(tile)))
        })
    }
}

fn parent_of(index: u64) -> (u64, usize) {
    let width = u64::from(TILE_WIDTH);
    // A remainder below 256 fits any usize.
    (index / width, usize::try_from(index % width).unwrap_or(0))
}

impl TileSource for Upstream {
    async fn read(&self, tile: TileId) -> Result<Vec<NodeHash>, SourceError> {
        Ok(self.tile(tile).await?)
    }
}

#[cfg(test)]
mod tests {
    use attest_core::{
        merkle::{Frontier, LeafHash},
        tile::new_bundles,
    };

    use super::*;

    /// A log's tiles, all of them as wide as they are.
    #[derive(Clone, Debug)]
    struct Tiles(BTreeMap<(u8, u64), Vec<NodeHash>>);

    impl TileSource for Tiles {
        async fn read(&self, tile: TileId) -> Result<Vec<NodeHash>, SourceError> {
            self.0.get(&(tile.level(), tile.index())).cloned().ok_or(SourceError::NotHeld(Resource::Tile(tile)))
        }
    }

    fn leaf(n: u64) -> LeafHash {
        LeafHash::of(&n.to_be_bytes())
    }

    fn head(size: u64) -> TreeHead {
        let mut frontier = Frontier::new();
        (0..size).for_each(|n| frontier.append(leaf(n)));
        frontier.head()
    }

    fn tiles(size: u64) -> Tiles {
        let mut all = BTreeMap::new();
        let mut hashes: Vec<NodeHash> = (0..size).map(|n| leaf(n).into()).collect();
        for level in 0.. {
            for (index, tile) in (0..).zip(hashes.chunks(256)) {
                all.insert((level, index), tile.to_vec());
            }
            hashes = hashes.as_chunks::<256>().0.iter().map(tile_root).collect();
            if hashes.is_empty() {
                break;
            }
        }
        Tiles(all)
    }

    #[tokio::test]
    async fn the_beginning_of_a_tree_has_the_root_it_had() {
        for size in [1, 2, 255, 256, 257, 511, 512, 700, 65_536, 66_000] {
            let source = tiles(size);
            let mut tree = SignedTree::open(head(size), &source).await.unwrap();
            for old in [0, 1, 3, 255, 256, 257, 512, 650, 65_535, 65_536, size] {
                if old <= size {
                    let root = tree.root_at(TreeSize::new(old)).await.unwrap();
                    assert_eq!(root, head(old).root, "{old} of {size}");
                }
            }
        }
    }

    #[tokio::test]
    async fn one_changed_hash_in_any_tile_is_noticed() {
        let size = 66_000;
        let whole = tiles(size);
        // Every level, the edges, and of the many full tiles between them some.
        for (level, index) in whole.0.keys().filter(|(_, index)| index % 85 < 2 || *index > 254) {
            let mut source = whole.clone();
            let hashes = source.0.get_mut(&(*level, *index)).unwrap();
            let last = hashes.len() - 1;
            hashes[last] = leaf(u64::MAX).into();
            let checked = async {
                let mut tree = SignedTree::open(head(size), &source).await?;
                tree.tile(*level, *index).await.map(drop)
            };
            let error = checked.await.unwrap_err();
            assert!(matches!(error, TreeError::Foreign(_) | TreeError::Edge { .. }), "tile/{level}/{index}: {error}");
        }
    }

    #[tokio::test]
    async fn a_narrow_tile_and_a_tile_that_the_tree_does_not_have_are_errors() {
        let source = tiles(600);
        let mut tree = SignedTree::open(head(600), &source).await.unwrap();
        for (level, index) in [(0, 3), (1, 1), (5, 0)] {
            tree.tile(level, index).await.unwrap_err();
        }
        let mut narrow = tiles(600);
        narrow.0.get_mut(&(0, 2)).unwrap().pop();
        let error = SignedTree::open(head(600), &narrow).await.unwrap_err();
        assert!(matches!(error, TreeError::Tile(TileError::TileNarrow { .. })), "{error}");
    }

    #[tokio::test]
    async fn entries_are_held_to_what_the_tree_has_for_them() {
        let size = 66_000;
        let source = tiles(size);
        let mut tree = SignedTree::open(head(size), &source).await.unwrap();
        for bundle in new_bundles(TreeSize::new(65_000), TreeSize::new(size)) {
            let anchor = tree.anchor(bundle).await.unwrap();
            let first = bundle.index() * 256;
            let mut leaves: Vec<NodeHash> =
                (first..first + u64::from(bundle.width())).map(|n| leaf(n).into()).collect();
            assert!(anchor.holds(&leaves));
            leaves.swap(0, 1);
            assert!(!anchor.holds(&leaves));
            leaves.swap(0, 1);
            leaves.pop();
            assert!(!anchor.holds(&leaves));
        }
    }
}
