//! The three hashes of a tree, as three types: a leaf hash is never taken for a root.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// Domain separation of RFC 6962 section 2.1, without which an inner node could be shown as a leaf.
const LEAF_PREFIX: [u8; 1] = [0x00];
const NODE_PREFIX: u8 = 0x01;

/// Characters of 32 bytes in padded base64.
const BASE64_LEN: usize = 44;

/// Why a text is not a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Wrong number of characters.
    #[error("expected a SHA-256 hash as {BASE64_LEN} characters of base64, found {found} characters")]
    Length {
        /// Bytes of the text.
        found: usize,
    },
    /// Not the one base64 spelling of 32 bytes (RFC 4648 section 4: standard alphabet, padded, trailing bits zero).
    #[error("expected a SHA-256 hash in canonical padded base64, found {found:?}")]
    Base64 {
        /// The text.
        found: String,
    },
}

fn parse(s: &str) -> Result<[u8; 32], HashError> {
    if s.len() != BASE64_LEN {
        return Err(HashError::Length { found: s.len() });
    }
    // STANDARD refuses missing padding and non-zero trailing bits, so that a hash has one spelling.
    let mut bytes = [0; 33];
    match STANDARD.decode_slice(s, &mut bytes) {
        Ok(32) => {
            let mut hash = [0; 32];
            hash.copy_from_slice(&bytes[..32]);
            Ok(hash)
        }
        _ => Err(HashError::Base64 { found: s.to_owned() }),
    }
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The hash with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                base64::display::Base64Display::new(&self.0, &STANDARD).fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = HashError;

            fn from_str(s: &str) -> Result<Self, HashError> {
                parse(s).map(Self)
            }
        }
    };
}

hash_type! {
    /// Hash of one entry: `SHA-256(0x00 || entry)`. Display and FromStr are canonical base64.
    LeafHash
}
hash_type! {
    /// Hash of a perfect subtree: `SHA-256(0x01 || left || right)`, or of a leaf, its smallest case.
    NodeHash
}
hash_type! {
    /// Hash of a whole tree, perfect or not.
    RootHash
}

impl LeafHash {
    /// The leaf hash of an entry's bytes.
    pub fn of(entry: &[u8]) -> Self {
        Self(Sha256::new().chain_update(LEAF_PREFIX).chain_update(entry).finalize().into())
    }
}

impl NodeHash {
    /// The parent of two nodes.
    pub fn of_children(left: &Self, right: &Self) -> Self {
        let mut block = [NODE_PREFIX; 65];
        block[1..33].copy_from_slice(&left.0);
        block[33..].copy_from_slice(&right.0);
        Self(Sha256::digest(block).into())
    }
}

impl From<LeafHash> for NodeHash {
    fn from(h: LeafHash) -> Self {
        Self(h.0)
    }
}

impl RootHash {
    /// Root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1).
    pub fn of_empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The root of a tree whose topmost node is `top`.
    pub(crate) const fn of_top(top: NodeHash) -> Self {
        Self(top.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let canonical = "HtoEmkNR2G92JSvX7At3Rq11t/oDFq1fVB29pFijEsQ=";
        assert_eq!(canonical.parse::<RootHash>().unwrap().to_string(), canonical);
        let refused = |s: &str| s.parse::<RootHash>().unwrap_err();
        // Non-zero trailing bits, url-safe alphabet, a foreign character.
        for s in [
            "HtoEmkNR2G92JSvX7At3Rq11t/oDFq1fVB29pFijEsR=",
            "HtoEmkNR2G92JSvX7At3Rq11t_oDFq1fVB29pFijEsQ=",
            "!toEmkNR2G92JSvX7At3Rq11t/oDFq1fVB29pFijEsQ=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(refused(s), HashError::Base64 { found: s.to_owned() });
        }
        assert_eq!(refused(&canonical[..43]), HashError::Length { found: 43 });
        assert_eq!(refused(""), HashError::Length { found: 0 });
    }

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        assert_eq!(RootHash::of_empty().to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
