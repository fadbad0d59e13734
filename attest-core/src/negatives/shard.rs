//! Records, and the 256 shards that they are in.
use crate::{
    artifact::{ArtifactDigest, parse_hex, write_hex},
    merkle::{LeafIndex, TreeSize},
};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// One negative: 32 bytes of the subject's SHA-256, then its leaf index, 8 bytes big-endian. Ordered as those bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// The artifact that it is about.
    pub subject: ArtifactDigest,
    /// Where it is in the log.
    pub index: LeafIndex,
}

impl Record {
    /// Bytes of a record.
    pub const LEN: usize = 40;

    /// As in a shard.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(self.subject.as_bytes());
        bytes[32..].copy_from_slice(&self.index.get().to_be_bytes());
        bytes
    }

    /// From the bytes in a shard.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut subject = [0; 32];
        let mut index = [0; 8];
        subject.copy_from_slice(&bytes[..32]);
        index.copy_from_slice(&bytes[32..]);
        let index = LeafIndex::new(u64::from_be_bytes(index));
        Self { subject: ArtifactDigest::from_bytes(subject), index }
    }
}

/// First byte of the digests in a shard. Display and FromStr: two lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(u8);

impl ShardId {
    /// How many there are.
    pub const COUNT: usize = 256;

    /// The shard of digests that start with this byte.
    pub const fn new(first: u8) -> Self {
        Self(first)
    }

    /// The shard that a digest belongs to.
    pub const fn of(digest: &ArtifactDigest) -> Self {
        Self(digest.as_bytes()[0])
    }

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// The first byte.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

impl FromStr for ShardId {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let id = u8::from_str_radix(text, 16).ok().map(Self);
        // One spelling: `from_str_radix` takes a sign, upper case, and one digit too.
        id.filter(|id| id.to_string() == text).ok_or_else(|| ShardError::Id { found: text.chars().take(8).collect() })
    }
}

/// SHA-256 of a shard's bytes, and its address. Display and FromStr: 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShardDigest([u8; 32]);

impl ShardDigest {
    /// SHA-256 of no bytes: of a shard without records.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Of a shard's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of records that are in order already, so that a shard larger than memory can be hashed.
    pub fn of_records<E>(records: impl IntoIterator<Item = Result<Record, E>>) -> Result<Self, E> {
        let mut hash = Sha256::new();
        for record in records {
            hash.update(record?.to_bytes());
        }
        Ok(Self(hash.finalize().into()))
    }

    /// With these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ShardDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl FromStr for ShardDigest {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        parse_hex(text).map(Self).ok_or_else(|| ShardError::Digest { found: text.chars().take(64).collect() })
    }
}

/// The records whose digests share their first byte, strictly ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    id: ShardId,
    records: Vec<Record>,
}

impl Shard {
    /// Records of the largest shard that is read: 2^18, ten MiB. A log reaches it with some 67 million negatives, or when
    /// somebody who may submit aims at one shard; then its clients know that they do not know (docs/TRUST.md 1.5).
    pub const MAX_RECORDS: usize = 1 << 18;
    /// The same in bytes.
    pub const MAX_LEN: usize = Self::MAX_RECORDS * Record::LEN;

    /// Reads a shard: records in the one order, none twice, all of this shard.
    pub fn parse(id: ShardId, bytes: &[u8]) -> Result<Self, ShardError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(ShardError::TooLong { shard: id, found: bytes.len() });
        }
        let (chunks, rest) = bytes.as_chunks::<{ Record::LEN }>();
        if !rest.is_empty() {
            return Err(ShardError::Length { shard: id, found: bytes.len() });
        }
        let mut records: Vec<Record> = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let record = Record::from_bytes(chunk);
            if ShardId::of(&record.subject) != id {
                return Err(ShardError::OtherShard { shard: id, found: ShardId::of(&record.subject) });
            }
            if record.index.get() >= TreeSize::MAX.get() {
                return Err(ShardError::Index { shard: id, found: record.index.get() });
            }
            if records.last().is_some_and(|last| *last >= record) {
                return Err(ShardError::Order { shard: id, position: records.len() });
            }
            records.push(record);
        }
        Ok(Self { id, records })
    }

    /// Which shard.
    pub const fn id(&self) -> ShardId {
        self.id
    }

    /// All of them.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Those about one artifact: where its negatives are.
    pub fn about(&self, subject: &ArtifactDigest) -> &[Record] {
        let start = self.records.partition_point(|record| record.subject < *subject);
        let end = self.records.partition_point(|record| record.subject <= *subject);
        self.records.get(start..end).unwrap_or_default()
    }

    /// What [`Shard::parse`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.records.iter().flat_map(|record| record.to_bytes()).collect()
    }
}

/// What is wrong with a shard. The party at fault is whoever handed it out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Not a shard's name.
    #[error("expected the name of a shard as two lower-case hex digits, found {found:?}")]
    Id {
        /// The text, cut short.
        found: String,
    },
    /// Not a shard's digest.
    #[error("expected the SHA-256 of a shard as 64 lower-case hex digits, found {found:?}")]
    Digest {
        /// The text, cut short.
        found: String,
    },
    /// An index that no log reaches.
    #[error("expected leaf indexes below 2^63 - 1 in shard {shard} of the negatives, found {found}")]
    Index {
        /// Which.
        shard: ShardId,
        /// The index.
        found: u64,
    },
    /// Not whole records.
    #[error("expected records of {len} bytes in shard {shard} of the negatives, found {found} bytes", len = Record::LEN)]
    Length {
        /// Which.
        shard: ShardId,
        /// Bytes found.
        found: usize,
    },
    /// Not ascending, or a record twice.
    #[error("expected ascending records in shard {shard} of the negatives, found record {position} out of order")]
    Order {
        /// Which.
        shard: ShardId,
        /// Of the record, from 0.
        position: usize,
    },
    /// A record of another shard.
    #[error("expected digests that start with {shard} in this shard of the negatives, found one with {found}")]
    OtherShard {
        /// Which.
        shard: ShardId,
        /// Where it belongs.
        found: ShardId,
    },
    /// More records than are read.
    #[error("expected at most {max} bytes in shard {shard} of the negatives, found {found}", max = Shard::MAX_LEN)]
    TooLong {
        /// Which.
        shard: ShardId,
        /// Bytes found.
        found: usize,
    },
}
