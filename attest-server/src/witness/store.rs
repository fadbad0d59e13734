//! What was cosigned last for each log: `DIR/log/SHA256(ORIGIN)/a` and `b`, two copies of one record.
//!
//! Files of its own rather than the database of a log: there is one small value for each origin, one writer at a time for
//! each, and one thing that must never happen, that the value silently becomes an older one: a witness that forgot a
//! size cosigns a second history from there. sled falls back to an older state on one flipped bit. Here a record is
//! written and synced to `a`, then to `b`, and only then answered:
//!
//! - A torn or failed write leaves the other copy whole: the record before, which is the last one that was answered, or
//!   the new one, which nobody was told yet. Both are right.
//! - A damaged copy is found by its hash, and the other one holds everything that was answered; it is repaired at start.
//! - Two damaged copies, or a missing folder of an origin that is listed in `DIR/logs`, are refused: nothing is cosigned
//!   for that log any more until the newest state is back.
//!
//! A record is 4 KiB, written in place, so that its size and its place never change:
//!
//! ```text
//! offset  bytes
//!      0      8  "attestWT"
//!      8      8  sequence number, big-endian, from 1
//!     16      4  length of the note, 0 when nothing was cosigned yet
//!     20      n  the note
//!   4064     32  SHA-256 of the 4064 bytes before
//! ```
//!
//! A restored backup is an older state that looks whole: a witness is never restored, it gets a new key (docs/witness.md).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use attest_core::witness::origin_hash;
use sha2::{Digest as _, Sha256};

use crate::store::durable;

const MAGIC: &[u8; 8] = b"attestWT";
const RECORD: usize = 4096;
const SIGNED: usize = RECORD - 32;
const NOTE: usize = 20;
/// Bytes of the name of a log or of this witness. A note has each of them at most twice, and 400 bytes of other things.
pub(super) const MAX_NAME: usize = 512;
const REGISTRY: &str = "logs";

/// The list of origins that a state was ever made for, empty, and the folder for the states.
pub(super) fn create_registry(data: &Path) -> io::Result<()> {
    durable::write_new(&data.join(REGISTRY), b"", 0o644)?;
    fs::create_dir(data.join("log"))?;
    durable::sync_dir(&data.join("log"))
}

/// The two copies of one log's record.
#[derive(Debug)]
pub(super) struct Copies {
    files: [File; 2],
    sequence: u64,
    note: String,
}

impl Copies {
    /// Opens the record of a log, or makes it where this log was never listed before.
    pub(super) fn open_or_create(data: &Path, origin: &str) -> Result<Self, StateError> {
        if origin.len() > MAX_NAME {
            return Err(StateError::Name { found: origin.len() });
        }
        let hash = origin_hash(origin);
        let folder = data.join("log").join(&hash);
        let listed = registered(data, &hash)?;
        match (folder.is_dir(), listed) {
            (true, true) => {}
            // We crashed between the two steps below, before anything was cosigned.
            (true, false) => register(data, &hash)?,
            (false, true) => return Err(StateError::Missing { folder }),
            (false, false) => {
                create(&folder).map_err(|source| StateError::Io { path: folder.clone(), source })?;
                register(data, &hash)?;
            }
        }
        Self::open(&folder)
    }

    fn open(folder: &Path) -> Result<Self, StateError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { path, source }
        };
        let paths = [folder.join("a"), folder.join("b")];
        let mut read = [None, None];
        for (path, read) in paths.iter().zip(&mut read) {
            match fs::read(path) {
                Ok(bytes) => *read = decode(&bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io(path)(error)),
            }
        }
        let (sequence, note) = match &read {
            [Some(a), Some(b)] if a.0 == b.0 && a.1 != b.1 => {
                return Err(StateError::Disagree { folder: folder.to_owned(), sequence: a.0 });
            }
            [Some(a), Some(b)] => {
                if a.0 >= b.0 {
                    a.clone()
                } else {
                    b.clone()
                }
            }
            [Some(one), None] | [None, Some(one)] => one.clone(),
            [None, None] => return Err(StateError::Damaged { folder: folder.to_owned() }),
        };
        let open = |path: &PathBuf| {
            // Not truncated: the copy stays whole until the other one is.
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
            file.map_err(io(path))
        };
        let copies = Self { files: [open(&paths[0])?, open(&paths[1])?], sequence, note };
        if read.iter().any(|copy| copy.as_ref() != Some(&(copies.sequence, copies.note.clone()))) {
            tracing::warn!(folder = %folder.display(), sequence, "one of two copies was older or damaged: repaired");
            copies.write();
            durable::sync_dir(folder).map_err(io(folder))?;
        }
        Ok(copies)
    }

    /// The note; empty when nothing was cosigned yet.
    pub(super) fn note(&self) -> &str {
        &self.note
    }

    /// Stores a note in both copies, durably on return. Any failure ends the process: what is on disk is then not known,
    /// and nothing may be answered.
    pub(super) fn store(&mut self, note: &str) {
        self.sequence += 1;
        note.clone_into(&mut self.note);
        self.write();
    }

    fn write(&self) {
        let Some(record) = encode(self.sequence, &self.note) else {
            let error = io::Error::other(format!("a note of {} bytes does not fit", self.note.len()));
            durable::abort("writing what was cosigned", &error);
        };
        for file in &self.files {
            if let Err(error) = file.write_all_at(&record, 0).and_then(|()| file.sync_data()) {
                durable::abort("writing what was cosigned", &error);
            }
        }
    }
}

/// Beside its place, then moved there whole.
fn create(folder: &Path) -> io::Result<()> {
    let beside = folder.with_extension("new");
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir(&beside)?;
    let record = encode(1, "").ok_or_else(|| io::Error::other("an empty note fits"))?;
    for copy in ["a", "b"] {
        durable::write_new(&beside.join(copy), &record, 0o644)?;
    }
    durable::sync_dir(&beside)?;
    fs::rename(&beside, folder)?;
    folder.parent().map_or(Ok(()), durable::sync_dir)
}

fn registered(data: &Path, hash: &str) -> Result<bool, StateError> {
    let path = data.join(REGISTRY);
    let list = fs::read_to_string(&path).map_err(|source| StateError::Io { path, source })?;
    Ok(list.lines().any(|line| line == hash))
}

fn register(data: &Path, hash: &str) -> Result<(), StateError> {
    let path = data.join(REGISTRY);
    let append = || {
        let mut file = OpenOptions::new().append(true).open(&path)?;
        // A line of its own, whatever a crash left of the one before.
        file.write_all(format!("\n{hash}\n").as_bytes())?;
        file.sync_all()
    };
    append().map_err(|source| StateError::Io { path: path.clone(), source })
}

fn encode(sequence: u64, note: &str) -> Option<Vec<u8>> {
    let mut record = vec![0; RECORD];
    record[..8].copy_from_slice(MAGIC);
    record[8..16].copy_from_slice(&sequence.to_be_bytes());
    record[16..NOTE].copy_from_slice(&u32::try_from(note.len()).ok()?.to_be_bytes());
    record[NOTE..SIGNED].get_mut(..note.len())?.copy_from_slice(note.as_bytes());
    let checksum = Sha256::digest(&record[..SIGNED]);
    record[SIGNED..].copy_from_slice(&checksum);
    Some(record)
}

fn decode(record: &[u8]) -> Option<(u64, String)> {
    let record: &[u8; RECORD] = record.try_into().ok()?;
    let (signed, checksum) = record.split_at(SIGNED);
    if Sha256::digest(signed).as_slice() != checksum || &signed[..8] != MAGIC {
        return None;
    }
    let sequence = u64::from_be_bytes(signed[8..16].try_into().ok()?);
    let length = usize::try_from(u32::from_be_bytes(signed[16..NOTE].try_into().ok()?)).ok()?;
    let note = signed[NOTE..].get(..length)?.to_vec();
    Some((sequence, String::from_utf8(note).ok()?))
}

/// Why it is not known what was cosigned last.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    /// Both copies are damaged.
    #[error(
        "{}: no whole record in `a` or `b`\nhint: put the newest of them back; without it, give this witness up and make \
         one with a new key (docs/witness.md)",
        folder.display()
    )]
    Damaged {
        /// The folder.
        folder: PathBuf,
    },
    /// Two records with one number.
    #[error("{}: `a` and `b` hold two records of number {sequence}\nhint: was one of them restored from a backup?", folder.display())]
    Disagree {
        /// The folder.
        folder: PathBuf,
        /// Their number.
        sequence: u64,
    },
    /// The state of a log that was cosigned is gone.
    #[error(
        "{} is missing, and its log is listed in `logs`\nhint: put it back; without it, give this witness up and make one \
         with a new key (docs/witness.md)",
        folder.display()
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// A name too long for a record.
    #[error("expected the name of a log of at most {MAX_NAME} bytes, found {found}")]
    Name {
        /// Bytes of the name.
        found: usize,
    },
    /// A file operation failed.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}
