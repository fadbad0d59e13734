//! `DIR/highwater`: the largest tree that was ever signed, recorded before the signature is made.
//!
//! A database that was restored from an older backup, or that fell back on its own, looks healthy and would sign a
//! second history. This file is the witness against it: `fdatasync`ed before every signature, outside the database.
//!
//! Two slots, each in a 4 KiB block of its own, written in turn: a write torn by a power cut damages the older slot
//! only, and leaves the record of the signature before, which is the last one that can have left this machine.
//!
//! ```text
//! offset  bytes
//!      0      8  "attestHW"
//!      8      8  sequence number, big-endian, from 1
//!     16      8  epoch
//!     24      8  tree size
//!     32     32  root
//!     64      8  time, POSIX seconds
//!     72     32  SHA-256 of the 72 bytes before
//! ```

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use attest_core::{
    merkle::{RootHash, TreeHead, TreeSize},
    time::Timestamp,
};
use sha2::{Digest, Sha256};

use super::{Epoch, durable};

const MAGIC: &[u8; 8] = b"attestHW";
const SLOT: u64 = 4096;
const SIGNED: usize = 72;
const RECORD: usize = SIGNED + 32;

/// What was signed, or was about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Epoch of the writer.
    pub epoch: Epoch,
    /// The signed tree.
    pub tree: TreeHead,
    /// When.
    pub time: Timestamp,
}

/// The open file.
#[derive(Debug)]
pub struct Highwater {
    file: File,
    sequence: u64,
    mark: Mark,
}

impl Highwater {
    /// Creates the file with its first mark; `init` syncs the directory.
    pub fn create(data: &Path, mark: Mark) -> io::Result<()> {
        let mut bytes = vec![0; usize::try_from(2 * SLOT).unwrap_or_default()];
        // The first record is number 2, in slot 0.
        bytes[..RECORD].copy_from_slice(&encode(2, &mark));
        durable::write_new(&data.join("highwater"), &bytes, 0o644)
    }

    /// Opens the file and finds the newest whole record.
    pub fn open(data: &Path) -> Result<Self, HighwaterError> {
        let path = data.join("highwater");
        let io = |source| HighwaterError::Io { path: path.clone(), source };
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
        let mut newest = None;
        for slot in 0..2 {
            let mut record = [0; RECORD];
            match file.read_exact_at(&mut record, slot * SLOT) {
                Ok(()) => newest = newest.max_by_sequence(decode(&record)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(io(error)),
            }
        }
        let (sequence, mark) = newest.ok_or(HighwaterError::Damaged { path })?;
        Ok(Self { file, sequence, mark })
    }

    /// The newest mark.
    pub const fn mark(&self) -> Mark {
        self.mark
    }

    /// Records a mark, durably on return. Any failure ends the process: a signature must not follow.
    ///
    /// If we crash before the sync, the older slot stands, and so does the last signature that was made; after it, the
    /// start-up signs this same tree.
    pub fn raise(&mut self, mark: Mark) {
        let sequence = self.sequence + 1;
        let offset = (sequence % 2) * SLOT;
        if let Err(error) = self.file.write_all_at(&encode(sequence, &mark), offset) {
            durable::abort("writing the highwater mark", &error);
        }
        if let Err(error) = self.file.sync_data() {
            durable::abort("syncing the highwater mark", &error);
        }
        self.sequence = sequence;
        self.mark = mark;
    }
}

/// The later of two records.
trait Newest {
    fn max_by_sequence(self, other: Self) -> Self;
}

impl Newest for Option<(u64, Mark)> {
    fn max_by_sequence(self, other: Self) -> Self {
        match (self, other) {
            (Some(a), Some(b)) => Some(if a.0 >= b.0 { a } else { b }),
            (a, b) => a.or(b),
        }
    }
}

fn encode(sequence: u64, mark: &Mark) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(MAGIC);
    record[8..16].copy_from_slice(&sequence.to_be_bytes());
    record[16..24].copy_from_slice(&mark.epoch.get().to_be_bytes());
    record[24..32].copy_from_slice(&mark.tree.size.get().to_be_bytes());
    record[32..64].copy_from_slice(mark.tree.root.as_bytes());
    record[64..72].copy_from_slice(&mark.time.secs().to_be_bytes());
    let checksum = Sha256::digest(&record[..SIGNED]);
    record[SIGNED..].copy_from_slice(&checksum);
    record
}

fn decode(record: &[u8; RECORD]) -> Option<(u64, Mark)> {
    let (signed, checksum) = record.split_at(SIGNED);
    if Sha256::digest(signed).as_slice() != checksum || &signed[..8] != MAGIC {
        return None;
    }
    let number = |at: usize| signed.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let root = signed.get(32..64)?.try_into().ok()?;
    let mark = Mark {
        epoch: Epoch::new(number(16)?),
        tree: TreeHead { size: TreeSize::new(number(24)?), root: RootHash::from_bytes(root) },
        time: Timestamp::from_secs(number(64)?),
    };
    Some((number(8)?, mark))
}

/// What is wrong with the highwater file.
#[derive(Debug, thiserror::Error)]
pub enum HighwaterError {
    /// Neither slot holds a whole record.
    #[error(
        "{}: no whole record in it, so what was signed last is not known\n\
         hint: restore it from a backup that is not older than db/, or compare with what a mirror holds before going on",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It could not be opened or read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(size: u64) -> Mark {
        Mark {
            epoch: Epoch::new(3),
            tree: TreeHead { size: TreeSize::new(size), root: RootHash::from_bytes([7; 32]) },
            time: Timestamp::from_secs(1_700_000_000 + size),
        }
    }

    #[test]
    fn the_newest_mark_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        Highwater::create(dir.path(), mark(0)).unwrap();
        for size in 1..5 {
            let mut file = Highwater::open(dir.path()).unwrap();
            assert_eq!(file.mark(), mark(size - 1));
            file.raise(mark(size));
        }
        assert_eq!(Highwater::open(dir.path()).unwrap().mark(), mark(4));
    }

    #[test]
    fn a_torn_write_leaves_the_mark_before() {
        let dir = tempfile::tempdir().unwrap();
        Highwater::create(dir.path(), mark(0)).unwrap();
        let mut file = Highwater::open(dir.path()).unwrap();
        file.raise(mark(1));
        let before = std::fs::read(dir.path().join("highwater")).unwrap();
        file.raise(mark(2));
        let after = std::fs::read(dir.path().join("highwater")).unwrap();
        for torn in 0..RECORD {
            let mut bytes = before.clone();
            bytes[..torn].copy_from_slice(&after[..torn]);
            std::fs::write(dir.path().join("highwater"), &bytes).unwrap();
            assert_eq!(Highwater::open(dir.path()).unwrap().mark(), mark(1), "{torn} bytes written");
        }
    }

    #[test]
    fn two_damaged_slots_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        Highwater::create(dir.path(), mark(0)).unwrap();
        Highwater::open(dir.path()).unwrap().raise(mark(1));
        let path = dir.path().join("highwater");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30] ^= 1;
        bytes[4096 + 30] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(Highwater::open(dir.path()), Err(HighwaterError::Damaged { .. })));
    }
}
