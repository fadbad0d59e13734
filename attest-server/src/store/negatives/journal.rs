//! `journal-N`: frames that follow each other from entry N on. A frame: first entry, entry after the last, number of
//! negatives among them (8 bytes each), their records in the order of the log, the first 8 bytes of SHA-256 of all of it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use attest_core::negatives::Record;
use sha2::{Digest as _, Sha256};

const HEADER: usize = 24;
const CHECKSUM: usize = 8;
/// Of a frame: no round of sealing has as many entries.
const MAX_RECORDS: u64 = 1 << 20;

/// A journal, open behind its last whole frame.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    len: u64,
}

/// The negatives among some entries.
#[derive(Debug)]
pub(super) struct Frame {
    /// The entry after the last.
    pub(super) below: u64,
    pub(super) records: Vec<Record>,
}

impl Journal {
    /// Opens the journal of the base that covers `start`, or makes it, and reads its whole frames. What comes after them
    /// was not written to its end, and is cut off.
    pub(super) fn open(folder: &Path, start: u64) -> io::Result<(Self, Vec<Frame>)> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(path(folder, start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (mut frames, mut rest, mut next) = (Vec::new(), bytes.as_slice(), start);
        while let Some((frame, behind)) = frame(rest, next) {
            next = frame.below;
            rest = behind;
            frames.push(frame);
        }
        let len = (bytes.len() - rest.len()) as u64;
        file.set_len(len)?;
        file.seek(io::SeekFrom::Start(len))?;
        Ok((Self { file, len }, frames))
    }

    /// Appends a frame.
    pub(super) fn append(&mut self, from: u64, below: u64, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER + records.len() * Record::LEN + CHECKSUM);
        for number in [from, below, records.len() as u64] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(records.iter().flat_map(|record| record.to_bytes()));
        let checksum = Sha256::digest(&bytes);
        bytes.extend(&checksum[..CHECKSUM]);
        self.file.write_all(&bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Bytes in it.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }
}

/// The first frame of some bytes, if it is whole and starts with entry `from`.
fn frame(bytes: &[u8], from: u64) -> Option<(Frame, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let number = |at: usize| header.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let (first, below, count) = (number(0)?, number(8)?, number(16)?);
    if first != from || below <= from || count > MAX_RECORDS {
        return None;
    }
    let (records, rest) = rest.split_at_checked(usize::try_from(count).ok()? * Record::LEN)?;
    let (checksum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    if Sha256::digest(&bytes[..HEADER + records.len()])[..CHECKSUM] != checksum[..] {
        return None;
    }
    let (records, _) = records.as_chunks::<{ Record::LEN }>();
    let records: Vec<_> = records.iter().map(Record::from_bytes).collect();
    let inside = |record: &Record| (first..below).contains(&record.index.get());
    records.iter().all(inside).then_some((Frame { below, records }, rest))
}

fn path(folder: &Path, start: u64) -> PathBuf {
    folder.join(format!("journal-{start}"))
}

/// What a file's name says that it starts at, if it is that of a journal.
pub(super) fn starts_at(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("journal-")?.parse().ok()
}

pub(super) fn remove(folder: &Path, start: u64) -> io::Result<()> {
    match fs::remove_file(path(folder, start)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
