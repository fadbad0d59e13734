//! The table of the shards' digests, whose own digest is the digest of the list.
//!
//! The list is hashed in two steps so that one shard can be checked without the others: 8 KiB and the shards that one
//! needs, instead of everything. A table (8,192 bytes) is never a shard (a multiple of 40).
use super::{ShardDigest, ShardId};
use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// SHA-256 of a [`Table`]: "SHA-256 of the list" in docs/TRUST.md 4.4. Display and FromStr: canonical base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListDigest([u8; 32]);

impl fmt::Display for ListDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(&self.0, &STANDARD).fmt(f)
    }
}

impl FromStr for ListDigest {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        // STANDARD refuses missing padding and non-zero trailing bits, so that a digest has one spelling.
        let bytes = STANDARD.decode(text.get(..44).filter(|start| *start == text).unwrap_or_default());
        let digest: Option<[u8; 32]> = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        digest.map(Self).ok_or_else(|| TableError::Digest { found: text.chars().take(64).collect() })
    }
}

/// The digests of all shards, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(Vec<ShardDigest>);

impl Table {
    /// Bytes of a table.
    pub const LEN: usize = ShardId::COUNT * 32;

    /// Of a list without records.
    pub fn empty() -> Self {
        Self(vec![ShardDigest::EMPTY; ShardId::COUNT])
    }

    /// The digests, one after the other.
    pub fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        let (digests, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || digests.len() != ShardId::COUNT {
            return Err(TableError::Length { found: bytes.len() });
        }
        Ok(Self(digests.iter().map(|digest| ShardDigest::from_bytes(*digest)).collect()))
    }

    /// What [`Table::parse`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|digest| *digest.as_bytes()).collect()
    }

    /// Of a shard.
    pub fn get(&self, shard: ShardId) -> ShardDigest {
        // There are as many as a byte has values.
        self.0.get(usize::from(shard.get())).copied().unwrap_or(ShardDigest::EMPTY)
    }

    /// Replaces the digest of a shard.
    pub fn set(&mut self, shard: ShardId, digest: ShardDigest) {
        if let Some(place) = self.0.get_mut(usize::from(shard.get())) {
            *place = digest;
        }
    }

    /// Shards that have records.
    pub fn occupied(&self) -> impl Iterator<Item = ShardId> {
        ShardId::all().filter(|shard| self.get(*shard) != ShardDigest::EMPTY)
    }

    /// What a note names.
    pub fn digest(&self) -> ListDigest {
        let mut hash = Sha256::new();
        for digest in &self.0 {
            hash.update(digest.as_bytes());
        }
        ListDigest(hash.finalize().into())
    }
}

/// What is wrong with a table or its digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Not base64 of 32 bytes.
    #[error("expected the SHA-256 of the negatives as canonical base64 of 32 bytes, found {found:?}")]
    Digest {
        /// The text, cut short.
        found: String,
    },
    /// Not one digest for each shard.
    #[error("expected a table of {len} bytes, one digest for each shard of the negatives, found {found}", len = Table::LEN)]
    Length {
        /// Bytes found.
        found: usize,
    },
}
