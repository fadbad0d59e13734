//! `base-N`: magic, number of records, the records in order, SHA-256 of all of it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use attest_core::negatives::{Record, ShardId};
use sha2::{Digest as _, Sha256};

const MAGIC: &[u8; 8] = b"attneg01";
/// Magic and count.
const HEADER: usize = 16;
const LEN: u64 = Record::LEN as u64;
/// Records that are read at once.
const CHUNK: usize = 1_024;

/// An open base.
#[derive(Debug)]
pub(super) struct Base {
    /// None for the base of no entries.
    file: Option<File>,
    covered: u64,
    /// For each shard, its first record; at the end, their number.
    starts: Vec<u64>,
    /// For each shard, the index after its newest record.
    newest: Vec<u64>,
}

impl Base {
    /// Of no entries.
    pub(super) fn empty() -> Self {
        Self { file: None, covered: 0, starts: vec![0; ShardId::COUNT + 1], newest: vec![0; ShardId::COUNT] }
    }

    /// Reads `base-covered` once, against its checksum; `None` if it is not whole.
    pub(super) fn open(folder: &Path, covered: u64) -> io::Result<Option<Self>> {
        let file = File::open(path(folder, covered))?;
        let mut reader = BufReader::with_capacity(CHUNK * Record::LEN, &file);
        let mut base = Self { covered, ..Self::empty() };
        match base.read(&mut reader) {
            Ok(true) => Ok(Some(Self { file: Some(file), ..base })),
            Ok(false) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, reader: &mut impl io::Read) -> io::Result<bool> {
        let mut hash = Sha256::new();
        let mut header = [0; HEADER];
        reader.read_exact(&mut header)?;
        hash.update(header);
        let (magic, count) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Ok(false);
        }
        let count = count.iter().fold(0, |count, byte| count << 8 | u64::from(*byte));
        let mut counts = vec![0_u64; ShardId::COUNT];
        let mut last = None;
        for _ in 0..count {
            let mut bytes = [0; Record::LEN];
            reader.read_exact(&mut bytes)?;
            hash.update(bytes);
            let record = Record::from_bytes(&bytes);
            let shard = usize::from(ShardId::of(&record.subject).get());
            if last.is_some_and(|last| last >= record) || record.index.get() >= self.covered {
                return Ok(false);
            }
            last = Some(record);
            if let (Some(count), Some(newest)) = (counts.get_mut(shard), self.newest.get_mut(shard)) {
                *count += 1;
                *newest = (*newest).max(record.index.get() + 1);
            }
        }
        let mut checksum = [0; 32];
        reader.read_exact(&mut checksum)?;
        let ends = reader.read(&mut [0])? == 0;
        let mut start = 0;
        self.starts = std::iter::once(0)
            .chain(counts.into_iter().map(|count| {
                start += count;
                start
            }))
            .collect();
        Ok(ends && checksum[..] == hash.finalize()[..])
    }

    /// Writes the base of `old` and `pending` under its name, synced; its name is not.
    pub(super) fn write(folder: &Path, covered: u64, old: &Self, pending: &BTreeSet<Record>) -> io::Result<Self> {
        let temporary = folder.join("base.tmp");
        let mut out = BufWriter::new(File::create(&temporary)?);
        let mut hash = Sha256::new();
        let mut put = |bytes: &[u8]| {
            hash.update(bytes);
            out.write_all(bytes)
        };
        put(MAGIC)?;
        put(&(old.len() as u64 + pending.len() as u64).to_be_bytes())?;
        let mut rest = pending.iter().peekable();
        let mut result = Ok(());
        for shard in ShardId::all() {
            old.each(shard, |record| {
                while let Some(earlier) = rest.next_if(|pending| **pending < record) {
                    if result.is_ok() {
                        result = put(&earlier.to_bytes());
                    }
                }
                if result.is_ok() {
                    result = put(&record.to_bytes());
                }
            })?;
        }
        result?;
        for record in rest {
            put(&record.to_bytes())?;
        }
        out.write_all(&hash.finalize())?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path(folder, covered))?;
        let written = Self::open(folder, covered)?;
        written.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what was written reads back otherwise"))
    }

    /// Entries below this were looked at.
    pub(super) const fn covered(&self) -> u64 {
        self.covered
    }

    /// For each shard, the index after its newest record.
    pub(super) fn newest(&self) -> &[u64] {
        &self.newest
    }

    /// Number of records.
    pub(super) fn len(&self) -> usize {
        self.starts.last().map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX))
    }

    /// Hands over the records of a shard, in order.
    pub(super) fn each(&self, shard: ShardId, mut each: impl FnMut(Record)) -> io::Result<()> {
        let place = usize::from(shard.get());
        let (Some(file), Some([start, end])) = (&self.file, self.starts.get(place..place + 2)) else {
            return Ok(());
        };
        let (mut next, end) = (*start, *end);
        let mut buffer = vec![0; CHUNK.min(usize::try_from(end - next).unwrap_or(CHUNK)) * Record::LEN];
        while next < end {
            let count = usize::try_from(end - next).unwrap_or(CHUNK).min(CHUNK);
            let bytes = &mut buffer[..count * Record::LEN];
            file.read_exact_at(bytes, HEADER as u64 + next * LEN)?;
            let (records, _) = bytes.as_chunks::<{ Record::LEN }>();
            for record in records {
                each(Record::from_bytes(record));
            }
            next += count as u64;
        }
        Ok(())
    }
}

fn path(folder: &Path, covered: u64) -> PathBuf {
    folder.join(format!("base-{covered}"))
}

/// What a file's name says that it covers, if it is that of a base.
pub(super) fn covered_by(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("base-")?.parse().ok()
}

pub(super) fn remove(folder: &Path, covered: u64) -> io::Result<()> {
    match fs::remove_file(path(folder, covered)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
