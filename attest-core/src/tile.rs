//! Tiles and entry bundles: [C2SP tlog-tiles](https://c2sp.org/tlog-tiles).
//!
//! In scope: names, bytes and arithmetic of tiles, making proofs from them, growing them. Out of scope: where they are
//! kept and how they are fetched; everything here is pure or takes a `read` function.
//!
//! A log of 70,000 entries is these resources (among others), each name having exactly one spelling:
//!
//! ```
//! use attest_core::tile::{Resource, TileId, edge_tiles};
//! use attest_core::merkle::TreeSize;
//!
//! for path in ["checkpoint", "tile/0/272", "tile/0/273.p/112", "tile/entries/x001/x234/067", "tile/1/001.p/17"] {
//!     assert_eq!(path.parse::<Resource>()?.to_string(), path);
//! }
//! let edge: Vec<_> = edge_tiles(TreeSize::new(70_000)).into_iter().map(|t| Resource::Tile(t).to_string()).collect();
//! assert_eq!(edge, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
//! assert!("tile/0/x000/273".parse::<Resource>().is_err());
//! # Ok::<(), attest_core::tile::TileError>(())
//! ```

mod bundle;
mod edge;
mod layout;
mod path;
mod prover;

use rs_merkle::{Hasher, MerkleTree};

pub use bundle::{Entry, MAX_BUNDLE_LEN, decode_bundle, encode_bundle};
pub use edge::Edge;
pub use layout::{edge_tiles, new_bundles, new_tiles, tiles_for_consistency, tiles_for_inclusion, tiles_for_root};
pub use path::Resource;
pub use prover::{Prover, prove_consistency, prove_inclusion, root_from_tiles};

use crate::merkle::{LeafHash, LeafIndex, NodeHash, TreeSize};

/// Hashes in a full tile and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// Levels of the tree between one tile and the one above it: 2^8 = 256.
const TILE_HEIGHT: u32 = 8;
/// tlog-tiles: the level is a decimal between 0 and 63.
const MAX_LEVEL: u8 = 63;
const HASH_LEN: usize = 32;

/// A hash tile: `width` hashes of nodes of height `8 * level`, from node `index * 256` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

impl TileId {
    /// The tile at `level` 0..=63 and `index`, `width` 1..=256 hashes wide; 256 is the full tile.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        if level > MAX_LEVEL {
            return Err(TileError::Level { found: level });
        }
        check_width(width)?;
        Ok(Self { level, index, width })
    }

    /// Distance from the leaves, in tiles.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// Position among the tiles of that level.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// Number of hashes.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it is 256 hashes wide, and so will never change.
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile in the same place: what to ask for when a partial one is gone (tlog-tiles, "Partial Tiles").
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }
}

/// An entry bundle: the entries under one level-0 tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    index: u64,
    width: u16,
}

impl BundleId {
    /// The bundle at `index`, with `width` 1..=256 entries; 256 is the full bundle.
    pub fn new(index: u64, width: u16) -> Result<Self, TileError> {
        check_width(width)?;
        Ok(Self { index, width })
    }

    /// Position among the bundles.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// Number of entries.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it has 256 entries, and so will never change.
    pub const fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full bundle in the same place: what to ask for when a partial one is gone.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }

    /// The level-0 tile that holds the leaf hashes of these entries.
    pub const fn tile(self) -> TileId {
        TileId { level: 0, index: self.index, width: self.width }
    }
}

fn check_width(width: u16) -> Result<(), TileError> {
    // Empty tiles MUST NOT be served (tlog-tiles, "Partial Tiles").
    if width == 0 || width > TILE_WIDTH {
        return Err(TileError::Width { found: width });
    }
    Ok(())
}

/// What is wrong with a tile, a bundle, an entry, their names, or what was asked of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// A bundle larger than its entries can be.
    #[error("expected an entry bundle of at most {MAX_BUNDLE_LEN} bytes, found {found}")]
    BundleLength {
        /// Bytes found.
        found: usize,
    },
    /// Bytes after the last entry of a bundle.
    #[error("expected the entry bundle to end after {width} entries, found {found} more bytes")]
    BundleTrailing {
        /// Entries in the bundle.
        width: u16,
        /// Bytes after them.
        found: usize,
    },
    /// A bundle that ends inside an entry or its length, or before it.
    #[error("expected {width} entries in the bundle, found its end inside entry {entry}")]
    BundleTruncated {
        /// Entries in the bundle.
        width: u16,
        /// The entry that is not whole, from 0.
        entry: u16,
    },
    /// An entry that no bundle can hold.
    #[error("expected a log entry of at most {max} bytes, found {found}", max = Entry::MAX_LEN)]
    EntryLength {
        /// Bytes found.
        found: usize,
    },
    /// A proof of a leaf that the tree does not have.
    #[error("expected an index below the tree size {size}, found {index}")]
    IndexNotInTree {
        /// The leaf.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
    },
    /// A level that no tree has.
    #[error("expected a tile level of at most {MAX_LEVEL}, found {found}")]
    Level {
        /// The level.
        found: u8,
    },
    /// A path that is not the one spelling of a resource of a log.
    #[error(
        "expected `checkpoint`, `tile/<level>/<index>[.p/<width>]` or `tile/entries/<index>[.p/<width>]`, found {found:?}"
    )]
    Path {
        /// The path, cut short when it is longer than any can be.
        found: String,
    },
    /// Tiles that cannot be continued, because their hashes are not those of a tree.
    #[error(transparent)]
    Frontier(#[from] crate::merkle::FrontierError),
    /// A consistency proof to a smaller tree.
    #[error("expected a tree of at least size {old}, found {new}")]
    Shrunk {
        /// The older tree.
        old: TreeSize,
        /// The newer tree.
        new: TreeSize,
    },
    /// Bytes that are not the tile's number of hashes.
    #[error("expected {expected} bytes in the tile, found {found}")]
    TileLength {
        /// 32 times the width.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// `read` gave fewer hashes than the tile has.
    #[error("expected {path} to be {expected} hashes wide, found {found}", path = Resource::Tile(*.tile), expected = .tile.width())]
    TileNarrow {
        /// The tile asked for.
        tile: TileId,
        /// Hashes given.
        found: usize,
    },
    /// A width outside 1..=256.
    #[error("expected a tile width of 1 to {TILE_WIDTH}, found {found}")]
    Width {
        /// The width.
        found: u16,
    },
}

/// Hashes of a tile from its bytes, which must be 32 times its width exactly.
pub fn decode_tile(id: TileId, bytes: &[u8]) -> Result<Vec<NodeHash>, TileError> {
    let expected = HASH_LEN * usize::from(id.width());
    if bytes.len() != expected {
        return Err(TileError::TileLength { expected, found: bytes.len() });
    }
    let (hashes, _) = bytes.as_chunks::<HASH_LEN>();
    Ok(hashes.iter().copied().map(NodeHash::from_bytes).collect())
}

/// Bytes of a tile.
pub fn encode_tile(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(NodeHash::as_bytes).copied().collect()
}

/// Root of a full tile's 256-leaf subtree, which is one hash of the tile above. Only full tiles have one: "a partial
/// tile MUST NOT be hashed into a tile at the level above" (tlog-tiles).
pub fn tile_root(full: &[NodeHash; 256]) -> NodeHash {
    let leaves: Vec<[u8; 32]> = full.iter().map(|h| *h.as_bytes()).collect();
    match MerkleTree::<Rfc6962>::from_leaves(&leaves).root() {
        Some(root) => NodeHash::from_bytes(root),
        None => unreachable!("only a tree without leaves has no root"),
    }
}

/// The hashes of RFC 6962 section 2.1 for rs_merkle, whose own default knows no domain separation and pairs an odd node
/// with itself. Used for full tiles only: its verifier takes wrong indexes, and its trees cost O(n) for every append.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        *LeafHash::of(data).as_bytes()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        let left = NodeHash::from_bytes(*left);
        match right {
            Some(right) => *NodeHash::of_children(&left, &NodeHash::from_bytes(*right)).as_bytes(),
            None => *left.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_or_level_that_no_tile_has_is_refused() {
        for width in [0, 257, u16::MAX] {
            assert_eq!(TileId::new(0, 0, width), Err(TileError::Width { found: width }));
            assert_eq!(BundleId::new(0, width), Err(TileError::Width { found: width }));
        }
        assert_eq!(TileId::new(64, 0, 1), Err(TileError::Level { found: 64 }));
        assert!(TileId::new(63, u64::MAX, 256).unwrap().is_full());
    }

    #[test]
    fn a_tile_of_another_length_is_refused() {
        let id = TileId::new(0, 0, 3).unwrap();
        for found in [0, 32, 95, 97, 128, 8192] {
            assert_eq!(decode_tile(id, &vec![0; found]), Err(TileError::TileLength { expected: 96, found }));
        }
        let hashes = decode_tile(id, &[5; 96]).unwrap();
        assert_eq!(encode_tile(&hashes), [5; 96]);
    }
}
