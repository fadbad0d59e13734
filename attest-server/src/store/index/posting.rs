//! A posting: the fingerprint of a key, and the index of an entry that has it.

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    envelope::StatementId,
};
use sha2::{Digest, Sha256};

/// Bytes of a posting in a file: eight of the fingerprint, six of the index.
pub(super) const POSTING: usize = 14;
/// Entries that an index can name: six bytes.
pub(super) const MAX_ENTRIES: u64 = 1 << 48;

/// What entries are found by. Each has a section of its own in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Statement,
    Artifact,
    Project,
}

impl Section {
    /// In the order in which they lie in a file.
    pub(super) const ALL: [Self; 3] = [Self::Statement, Self::Artifact, Self::Project];
}

/// 64 bits that stand for a key. A hint: two keys may have the same one, by accident once in 10^12 lookups in a log of
/// 10^7 entries. It is a hash of the key and not a part of it, because who signs a statement chooses the digest in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint(pub(super) u64);

impl Fingerprint {
    pub(super) fn of_statement(id: StatementId) -> Self {
        Self::of(b's', id.as_bytes())
    }

    pub(super) fn of_artifact(digest: &ArtifactDigest) -> Self {
        Self::of(b'a', digest.as_bytes())
    }

    pub(super) fn of_project(project: &ProjectName) -> Self {
        Self::of(b'p', project.as_str().as_bytes())
    }

    fn of(kind: u8, key: &[u8]) -> Self {
        let hash: [u8; 32] = Sha256::new().chain_update([kind]).chain_update(key).finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        Self(u64::from_be_bytes(first))
    }
}

/// Ordered by fingerprint, then by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting {
    pub(super) key: Fingerprint,
    pub(super) index: u64,
}

impl Posting {
    pub(super) fn to_bytes(self) -> [u8; POSTING] {
        let mut bytes = [0; POSTING];
        bytes[..8].copy_from_slice(&self.key.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.index.to_be_bytes()[2..]);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; POSTING]) -> Self {
        let (mut key, mut index) = ([0; 8], [0; 8]);
        key.copy_from_slice(&bytes[..8]);
        index[2..].copy_from_slice(&bytes[8..]);
        Self { key: Fingerprint(u64::from_be_bytes(key)), index: u64::from_be_bytes(index) }
    }
}
