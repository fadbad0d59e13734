//! An append-only file of events that survives being killed, a full disk and a power cut at any moment.
//!
//! ```text
//! attest rebuilder journal v1
//! 4f53cda18c2baa0c [{"added":{...}},{"added":{...}}]
//! 9a0364b9e99bb480 [{"given":{...}}]
//! ```
//!
//! A line is what happened at once: all of it is there or none. In front of it stand the first 16 digits of its SHA-256.
//! Nothing is acted upon before its line is on disk (fdatasync), so only the last line can be torn; it was never acted
//! upon, and is cut off. A bad line with a good one behind it is damage, which is for a person to look at.
//!
//! | we crash | what is on disk | what opening does |
//! |---|---|---|
//! | while a line is written, or before it is synced | none, some or all of it | cuts it off unless it is whole |
//! | after the sync | the line | takes it |
//! | while a shorter journal is written | the old one, and a file of another name | takes the old one |
//! | after the shorter one's rename | the new one | takes it |

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use attest_core::artifact::ArtifactDigest;
use serde::{Serialize, de::DeserializeOwned};

use super::folder;
use crate::files::{self, FileError, Mode};
use crate::host;

const HEADER: &[u8] = b"attest rebuilder journal v1\n";
/// A million jobs of some hundred bytes.
pub(crate) const MAX_JOURNAL: u64 = 1 << 30;
const CHECKSUM: usize = 16;

/// A journal that can be written.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that are whole lines and synced.
    length: u64,
    /// A sync failed: nobody knows what is on disk.
    broken: bool,
}

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is no journal of a rebuilder", .path.display())]
    Header { path: PathBuf },
    #[error(
        "{} is damaged: line {line} does not have its checksum, and whole lines follow; restore it, or remove the line and \
         what follows to lose what happened since",
        .path.display()
    )]
    Damaged { path: PathBuf, line: usize },
    #[error("{}: line {line} is none that this version wrote", .path.display())]
    Form { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("the journal cannot be written; nothing was changed")]
    Full { source: io::Error },
    #[error("the journal could not be synced: what is on disk is unknown until the next start")]
    Broken { source: io::Error },
}

impl JournalError {
    /// Whether nothing more can be done before a new start.
    pub(crate) fn is_fatal(&self) -> bool {
        !matches!(self, Self::Full { .. })
    }
}

impl Journal {
    /// Opens or begins a journal and gives what is in it, line by line.
    pub(crate) fn open<E: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<Vec<E>>), JournalError> {
        if !path.exists() {
            files::create(path, HEADER, Mode::Shared)?;
        }
        let (lines, length) = scan(path)?;
        let failed = |source| FileError::Write { path: path.to_owned(), source };
        let file = File::options().append(true).open(path).map_err(failed)?;
        // Before anything is appended: behind a torn line it would be lost with it.
        file.set_len(length).and_then(|()| file.sync_data()).map_err(failed)?;
        Ok((Self { path: path.to_owned(), file, length, broken: false }, lines))
    }

    /// What is in a journal, which another process may be writing. Without a journal there is nothing.
    pub(crate) fn read<E: DeserializeOwned>(path: &Path) -> Result<Vec<Vec<E>>, JournalError> {
        if path.exists() { scan(path).map(|(lines, _)| lines) } else { Ok(Vec::new()) }
    }

    /// Adds a line. Once this returns, it is there for good.
    pub(crate) fn append<E: Serialize>(&mut self, events: &[E]) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken { source: io::Error::other("an earlier sync failed") });
        }
        let line = line(events)?;
        // What is longer is not read back.
        if self.length + line.len() as u64 > MAX_JOURNAL {
            return Err(JournalError::Full { source: io::ErrorKind::FileTooLarge.into() });
        }
        if let Err(source) = self.file.write_all(&line) {
            // What was written of it must not stand in front of the next line.
            return match self.file.set_len(self.length) {
                Ok(()) => Err(JournalError::Full { source }),
                Err(source) => self.break_off(source),
            };
        }
        if let Err(source) = self.file.sync_data() {
            return self.break_off(source);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// After a failed sync the page cache may claim what the disk does not hold: a retry would lie.
    fn break_off(&mut self, source: io::Error) -> Result<(), JournalError> {
        self.broken = true;
        Err(JournalError::Broken { source })
    }

    /// Puts a journal with these lines in place of this one: a reader, or a start after a crash, sees the one or the other.
    /// Where there is no room for another, this one stays as it is.
    pub(crate) fn replace<E: Serialize>(&mut self, lines: &[Vec<E>]) -> Result<(), JournalError> {
        let mut bytes = HEADER.to_vec();
        for events in lines {
            bytes.extend(line(events)?);
        }
        let failed = |source| FileError::Write { path: self.path.clone(), source };
        if let Err(error) = files::replace(&self.path, &bytes, Mode::Shared) {
            return Err(if self.is_in_place().map_err(failed)? {
                JournalError::Full { source: io::Error::other(error) }
            } else {
                error.into()
            });
        }
        self.file = File::options().append(true).open(&self.path).map_err(failed)?;
        self.length = bytes.len() as u64;
        if let Some(parent) = self.path.parent() {
            folder::sync_names(parent).map_err(failed)?;
        }
        Ok(())
    }

    /// Whether the file that is written to still has the journal's name.
    fn is_in_place(&self) -> io::Result<bool> {
        host::is_file_of(&self.file, &self.path)
    }

    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

fn line<E: Serialize>(events: &[E]) -> Result<Vec<u8>, JournalError> {
    // Serializing fails only for maps whose keys are no strings: nothing of ours.
    let json = serde_json::to_string(events).map_err(|error| JournalError::Full { source: error.into() })?;
    let mut line = Vec::new();
    // A Vec takes whatever memory holds.
    let _always = writeln!(line, "{} {json}", checksum(json.as_bytes()));
    Ok(line)
}

fn checksum(json: &[u8]) -> String {
    ArtifactDigest::of(json).to_string()[..CHECKSUM].to_owned()
}

/// Whole lines, and how many bytes they are with the header.
fn scan<E: DeserializeOwned>(path: &Path) -> Result<(Vec<Vec<E>>, u64), JournalError> {
    let bytes = files::read(path, MAX_JOURNAL)?;
    let Some(body) = bytes.strip_prefix(HEADER) else {
        return Err(JournalError::Header { path: path.to_owned() });
    };
    let (mut lines, mut length, mut torn) = (Vec::new(), HEADER.len(), None);
    for (number, line) in (2..).zip(body.split_inclusive(|byte| *byte == b'\n')) {
        let Some(json) = whole(line) else {
            torn = torn.or(Some(number));
            continue;
        };
        if let Some(line) = torn {
            return Err(JournalError::Damaged { path: path.to_owned(), line });
        }
        let form = |source| JournalError::Form { path: path.to_owned(), line: number, source };
        lines.push(serde_json::from_slice(json).map_err(form)?);
        length += line.len();
    }
    Ok((lines, length as u64))
}

fn whole(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = line.strip_suffix(b"\n")?.split_at_checked(CHECKSUM)?;
    let json = json.strip_prefix(b" ")?;
    (sum == checksum(json).as_bytes()).then_some(json)
}

/// Removes what a rewrite left that was killed before its rename.
pub(crate) fn tidy(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| folder.exists()) else {
        return Ok(());
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(".attest-") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("queue/journal");
        let (mut journal, old) = Journal::open::<u32>(&path).unwrap();
        assert!(old.is_empty());
        (0..lines).for_each(|line| journal.append(&[line, line + 1]).unwrap());
        (dir, path)
    }

    fn expected(lines: u32) -> Vec<Vec<u32>> {
        (0..lines).map(|line| vec![line, line + 1]).collect()
    }

    #[test]
    fn cut_off_anywhere_a_journal_keeps_every_whole_line_and_goes_on() {
        let (_dir, path) = written(3);
        let bytes = fs::read(&path).unwrap();
        let ends: Vec<usize> = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
        for cut in ends[0]..=bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let whole = u32::try_from(ends.iter().filter(|end| **end <= cut).count() - 1).unwrap();
            let (mut journal, lines) = Journal::open::<u32>(&path).unwrap();
            assert_eq!(lines, expected(whole), "cut at {cut}");
            journal.append(&[7u32]).unwrap();
            let mut more = expected(whole);
            more.push(vec![7]);
            assert_eq!(Journal::read::<u32>(&path).unwrap(), more, "cut at {cut}");
        }
    }

    #[test]
    fn a_tail_of_zeros_or_garbage_is_cut_off() {
        for tail in [&[0u8; 4096][..], b"garbage", b"4f53cda18c2baa0c [1]\n", b"\n\n"] {
            let (_dir, path) = written(2);
            let mut bytes = fs::read(&path).unwrap();
            bytes.extend_from_slice(tail);
            fs::write(&path, &bytes).unwrap();
            assert_eq!(Journal::open::<u32>(&path).unwrap().1, expected(2), "{tail:?}");
        }
    }

    #[test]
    fn a_flipped_bit_in_front_of_whole_lines_is_damage_and_nothing_is_cut() {
        let (_dir, path) = written(3);
        let mut bytes = fs::read(&path).unwrap();
        let at = HEADER.len() + CHECKSUM + 3;
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Journal::open::<u32>(&path), Err(JournalError::Damaged { line: 2, .. })));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_file_that_is_no_journal_is_left_alone() {
        let (_dir, path) = written(0);
        fs::write(&path, "something else").unwrap();
        assert!(matches!(Journal::open::<u32>(&path), Err(JournalError::Header { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"something else");
    }

    #[test]
    fn a_rewritten_journal_holds_what_it_was_given_and_goes_on() {
        let (_dir, path) = written(50);
        let (mut journal, _) = Journal::open::<u32>(&path).unwrap();
        let before = journal.length();
        journal.replace(&[vec![1u32]]).unwrap();
        journal.append(&[2u32]).unwrap();
        assert!(journal.length() < before);
        assert_eq!(Journal::open::<u32>(&path).unwrap().1, [[1], [2]]);
    }

    #[test]
    fn a_full_disk_changes_nothing_and_the_next_line_is_whole() {
        // A write to /dev/full fails as on a full disk; the length of a device cannot be set, so this breaks off.
        let (_dir, path) = written(1);
        let (mut journal, _) = Journal::open::<u32>(&path).unwrap();
        journal.file = File::options().append(true).open("/dev/full").unwrap();
        let refused = journal.append(&[2u32]).unwrap_err();
        assert!(refused.is_fatal(), "{refused}");
        assert!(matches!(journal.append(&[3u32]), Err(JournalError::Broken { .. })));
        assert_eq!(Journal::open::<u32>(&path).unwrap().1, expected(1));
    }

    #[test]
    fn a_journal_never_becomes_longer_than_what_is_read_back_and_keeps_its_place_where_a_shorter_one_does_not_fit() {
        let (_dir, path) = written(1);
        let (mut journal, _) = Journal::open::<u32>(&path).unwrap();
        journal.length = MAX_JOURNAL - 10;
        let refused = journal.append(&[2u32]).unwrap_err();
        assert!(matches!(refused, JournalError::Full { .. }), "{refused}");
        assert_eq!(Journal::open::<u32>(&path).unwrap().1, expected(1));
        assert!(journal.is_in_place().unwrap());
        files::replace(&path, HEADER, Mode::Shared).unwrap();
        assert!(!journal.is_in_place().unwrap(), "what is appended now would be lost");
    }
}
