//! Where in a replica the entries about a digest are: 256 files of plain records, in log order, each only ever appended to.
//!
//! What is missing from an index cannot be seen, so a shard is hashed before it is searched.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use attest_core::artifact::ArtifactDigest;

use super::ReplicaError;
use crate::files::FileError;
use crate::host;

const SHARDS: usize = 256;
/// Digest, log index, offset and length of the entry in its bundle.
const RECORD: usize = 32 + 8 + 4 + 4;

/// A whole shard, as it was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    /// Bytes. What is behind them was never proven.
    pub(super) len: u64,
    pub(super) digest: ArtifactDigest,
}

/// All shards.
#[derive(Clone, Debug)]
pub(super) struct Index(Vec<Shard>);

/// An entry about a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) digest: ArtifactDigest,
    pub(super) index: u64,
    /// Of the entry's first byte in its bundle.
    pub(super) offset: u32,
    pub(super) len: u32,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..32].copy_from_slice(self.digest.as_bytes());
        bytes[32..40].copy_from_slice(&self.index.to_be_bytes());
        bytes[40..44].copy_from_slice(&self.offset.to_be_bytes());
        bytes[44..].copy_from_slice(&self.len.to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8; RECORD]) -> Self {
        let (mut digest, mut index, mut offset, mut len) = ([0; 32], [0; 8], [0; 4], [0; 4]);
        digest.copy_from_slice(&bytes[..32]);
        index.copy_from_slice(&bytes[32..40]);
        offset.copy_from_slice(&bytes[40..44]);
        len.copy_from_slice(&bytes[44..]);
        Self {
            digest: ArtifactDigest::from_bytes(digest),
            index: u64::from_be_bytes(index),
            offset: u32::from_be_bytes(offset),
            len: u32::from_be_bytes(len),
        }
    }

    /// The entry itself.
    pub(super) fn read(&self, bundle: &File) -> io::Result<Vec<u8>> {
        // A log entry is at most 65,535 bytes.
        let len = u16::try_from(self.len).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut bytes = vec![0; usize::from(len)];
        host::read_exact_at(bundle, &mut bytes, u64::from(self.offset))?;
        Ok(bytes)
    }
}

impl Index {
    /// The index of a log without entries.
    pub(super) fn empty() -> Self {
        Self(vec![Shard { len: 0, digest: ArtifactDigest::of(b"") }; SHARDS])
    }

    /// `None` for another number of shards, or one that ends inside a record.
    pub(super) fn new(shards: Vec<Shard>) -> Option<Self> {
        let whole = shards.len() == SHARDS && shards.iter().all(|shard| shard.len.is_multiple_of(RECORD as u64));
        whole.then_some(Self(shards))
    }

    pub(super) fn shards(&self) -> &[Shard] {
        &self.0
    }

    /// The records about these digests.
    pub(super) fn about(&self, folder: &Path, digests: &[ArtifactDigest]) -> Result<Vec<Record>, ReplicaError> {
        let mut by_shard: BTreeMap<u8, BTreeSet<ArtifactDigest>> = BTreeMap::new();
        for digest in digests {
            by_shard.entry(shard_of(digest)).or_default().insert(*digest);
        }
        let mut found = Vec::new();
        for (number, wanted) in by_shard {
            let shard = self.0[usize::from(number)];
            if shard.len == 0 {
                continue;
            }
            let bytes = read(folder, number, shard)?;
            let (records, _) = bytes.as_chunks::<RECORD>();
            found.extend(records.iter().map(Record::parse).filter(|record| wanted.contains(&record.digest)));
        }
        Ok(found)
    }

    /// Forgets what a run appended that was never proven.
    pub(super) fn truncate(&self, folder: &Path) -> Result<(), ReplicaError> {
        for (number, shard) in (0..=u8::MAX).zip(&self.0) {
            let path = path(folder, number);
            let found = match path.metadata() {
                Ok(data) => data.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound && shard.len == 0 => continue,
                Err(source) => return Err(FileError::Read { path, source }.into()),
            };
            if found < shard.len {
                return Err(ReplicaError::Damaged { path, expected: "the index that was written there last" });
            }
            if found > shard.len {
                let cut = File::options().write(true).open(&path).and_then(|file| file.set_len(shard.len));
                cut.map_err(|source| FileError::Write { path, source })?;
            }
        }
        Ok(())
    }

    /// The index after these shards grew to all that is in their files.
    pub(super) fn grown(&self, folder: &Path, shards: &BTreeSet<u8>) -> Result<Self, ReplicaError> {
        let mut grown = self.clone();
        for number in shards {
            let path = path(folder, *number);
            let read = crate::wheels::digest(&path).and_then(|digest| Ok((digest, path.metadata()?.len())));
            let (digest, len) = read.map_err(|source| FileError::Read { path, source })?;
            grown.0[usize::from(*number)] = Shard { len, digest };
        }
        Ok(grown)
    }
}

/// Appends records to their shards, and says which shards that were.
pub(super) fn append(folder: &Path, records: &[Record]) -> Result<BTreeSet<u8>, FileError> {
    let mut by_shard: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for record in records {
        by_shard.entry(shard_of(&record.digest)).or_default().extend(record.to_bytes());
    }
    if !by_shard.is_empty() {
        let index = folder.join("index");
        fs::create_dir_all(&index).map_err(|source| FileError::Write { path: index, source })?;
    }
    for (number, bytes) in &by_shard {
        let path = path(folder, *number);
        let written = File::options().create(true).append(true).open(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(|source| FileError::Write { path, source })?;
    }
    Ok(by_shard.into_keys().collect())
}

fn read(folder: &Path, number: u8, shard: Shard) -> Result<Vec<u8>, ReplicaError> {
    let path = path(folder, number);
    let mut bytes = Vec::new();
    let read =
        File::open(&path).and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, shard.len), &mut bytes));
    match read {
        Ok(_) if ArtifactDigest::of(&bytes) == shard.digest => Ok(bytes),
        Ok(_) => Err(ReplicaError::Damaged { path, expected: "the index that was written there last" }),
        Err(source) => Err(FileError::Read { path, source }.into()),
    }
}

fn shard_of(digest: &ArtifactDigest) -> u8 {
    digest.as_bytes()[0]
}

pub(super) fn path(folder: &Path, number: u8) -> PathBuf {
    folder.join("index").join(format!("{number:02x}"))
}
