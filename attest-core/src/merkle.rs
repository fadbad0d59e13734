//! Merkle tree hashes and proofs: [RFC 6962 section 2.1](https://www.rfc-editor.org/rfc/rfc6962#section-2.1), verified by
//! the algorithms of [RFC 9162 sections 2.1.3.2 and 2.1.4.2](https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2).
//!
//! In scope: the hash types, the growing edge of a tree ([`Frontier`]) and checking proofs that somebody else made.
//! Out of scope: making proofs; that needs the tree's hashes, which live in [tiles](crate::tile).
//!
//! Hashes are written as padded base64 and sizes and indexes as plain decimals, each with exactly one spelling:
//!
//! ```
//! use attest_core::merkle::{Frontier, LeafHash, TreeSize};
//!
//! let mut tree = Frontier::new();
//! tree.append(LeafHash::of(b"0"));
//! tree.append(LeafHash::of(b"1"));
//! assert_eq!(tree.head().size.to_string(), "2");
//! assert_eq!(tree.head().root.to_string(), "ywCYnZSlacCmeK4EK2Pc1GJduWRAUX83put5duok7Us=");
//! assert!("02".parse::<TreeSize>().is_err());
//! ```

mod climb;
mod decimal;
mod frontier;
mod hash;
mod proof;
pub(crate) mod subtree;

pub use climb::{Step, climb};
pub use decimal::DecimalError;
pub(crate) use decimal::parse_decimal;
pub use frontier::{Frontier, FrontierError};
pub use hash::{HashError, LeafHash, NodeHash, RootHash};
pub use proof::{ProofError, verify_consistency, verify_inclusion};

/// Number of leaves in a tree. Display and FromStr are a decimal without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeSize(u64);

impl TreeSize {
    /// The empty tree.
    pub const ZERO: Self = Self(0);
    /// The largest size that a checkpoint may state. C2SP leaves it open; Go's implementations stop at 2^63 - 1, and a
    /// size that only some verifiers can read is one that a log could show to some of them only.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// A tree of `n` leaves.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// The number of leaves.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether a tree of this size has a leaf at `i`.
    pub const fn contains(self, i: LeafIndex) -> bool {
        i.0 < self.0
    }
}

impl std::fmt::Display for TreeSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for TreeSize {
    type Err = DecimalError;

    fn from_str(s: &str) -> Result<Self, DecimalError> {
        parse_decimal(s, Self::MAX.0).map(Self)
    }
}

/// Position of a leaf, from 0. Display and FromStr are a decimal without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(u64);

impl LeafIndex {
    /// The leaf at position `n`.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// The position.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for LeafIndex {
    type Err = DecimalError;

    fn from_str(s: &str) -> Result<Self, DecimalError> {
        // The last leaf of the largest tree.
        parse_decimal(s, TreeSize::MAX.0 - 1).map(Self)
    }
}

/// Size and root of a tree: what a checkpoint commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: TreeSize,
    /// Merkle tree hash of those leaves.
    pub root: RootHash,
}
