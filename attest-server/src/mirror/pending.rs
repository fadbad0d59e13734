//! `DIR/pending`: the checkpoints that the log signed and showed, and that are not part of what is served yet.
//!
//! Each is durable before anything follows from it, and stays until what is served has grown past it in line with it. So
//! whatever the log shows later is held to all of them: before an entry is stored, and before anything is cosigned.
//!
//! The form is a JSON list of notes, in the order in which they were seen.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    merkle::{TreeHead, TreeSize},
    note::VerifierKey,
};

const NAME: &str = "pending";
/// A log that shows more trees than this and not what is in them is not asked for another one: the largest of those it
/// showed has to be had first.
const MOST: usize = 16;

/// Why the pending checkpoints cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PendingError {
    /// The file.
    #[error("the file {NAME} of the mirror could not be read or written")]
    Io(#[from] io::Error),
    /// Not a list of notes.
    #[error("the file {NAME} of the mirror is no list of notes")]
    Form(#[source] serde_json::Error),
    /// What is in it.
    #[error("the file {NAME} of the mirror holds something else than checkpoints of the log")]
    Checkpoint(#[from] CheckpointError),
}

/// The list, as it is on the disk.
#[derive(Clone, Debug)]
pub struct Pending {
    data: PathBuf,
    seen: Vec<LogCheckpoint>,
}

impl Pending {
    /// Reads the list of a data folder; empty where there is none.
    pub fn open(data: &Path, log: &VerifierKey) -> Result<Self, PendingError> {
        let notes: Vec<String> = match fs::read(data.join(NAME)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(PendingError::Form)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let seen = notes.iter().map(|note| UnverifiedCheckpoint::parse(note.as_bytes())?.verify(log));
        Ok(Self { data: data.to_owned(), seen: seen.collect::<Result<_, CheckpointError>>()? })
    }

    /// In the order in which they were seen, each tree once.
    pub fn iter(&self) -> impl Iterator<Item = &LogCheckpoint> {
        self.seen.iter()
    }

    /// The one to get next, when there are so many that no other may come: the largest.
    pub fn overdue(&self) -> Option<&LogCheckpoint> {
        self.seen.iter().max_by_key(|seen| seen.head().size).filter(|_| self.seen.len() >= MOST)
    }

    /// Adds a checkpoint that is larger than what is served, durably on return, and drops those that are not.
    pub fn add(&mut self, seen: &LogCheckpoint, served: Option<TreeSize>) -> Result<(), PendingError> {
        if self.seen.iter().any(|known| known.head() == seen.head()) {
            return Ok(());
        }
        let mut now = self.clone();
        now.seen.retain(|known| served.is_none_or(|served| known.head().size > served));
        now.seen.push(seen.clone().log_signed_only());
        now.write()?;
        *self = now;
        Ok(())
    }

    /// Drops those that are not larger than what is served: it was in line with all of them.
    pub fn forget(&mut self, served: TreeSize) -> Result<(), PendingError> {
        let before = self.seen.len();
        self.seen.retain(|known| known.head().size > served);
        // One is dropped by the next addition: until then the file says what it said, and that is in line.
        if self.seen.len() + 1 < before { self.write() } else { Ok(()) }
    }

    /// Drops one tree, whose checkpoint is kept as evidence.
    pub fn drop_tree(&mut self, tree: TreeHead) -> Result<(), PendingError> {
        self.seen.retain(|known| known.head() != tree);
        self.write()
    }

    /// Replaces the file, durably on return. If we crash in here, the old one is there or the new one, whole.
    fn write(&self) -> Result<(), PendingError> {
        let notes: Vec<String> = self.seen.iter().map(|seen| seen.note().to_string()).collect();
        let temporary = self.data.join("pending.tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(&notes).map_err(PendingError::Form)?)?;
        file.sync_all()?;
        fs::rename(&temporary, self.data.join(NAME))?;
        File::open(&self.data)?.sync_all()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use attest_core::{
        checkpoint::Checkpoint,
        merkle::RootHash,
        note::{KeyName, KeyType, SignerKey},
    };

    use super::*;

    fn key() -> SignerKey {
        SignerKey::from_seed(KeyName::new("log.example").unwrap(), KeyType::Ed25519, [3; 32])
    }

    fn checkpoint(size: u64, root: u8) -> LogCheckpoint {
        let head = TreeHead { size: TreeSize::new(size), root: RootHash::from_bytes([root; 32]) };
        Checkpoint { origin: "log.example".to_owned(), head }.sign(&key()).unwrap()
    }

    #[test]
    fn every_tree_that_was_shown_is_there_after_a_restart_until_it_is_served() {
        let data = tempfile::tempdir().unwrap();
        let open = || Pending::open(data.path(), key().verifier()).unwrap();
        let mut pending = open();
        let shown = [checkpoint(5, 1), checkpoint(9, 1), checkpoint(9, 2), checkpoint(7, 1)];
        for seen in shown.iter().chain(&shown) {
            pending.add(seen, None).unwrap();
        }
        assert!(open().iter().eq(&shown));
        pending.forget(TreeSize::new(7)).unwrap();
        assert!(pending.iter().eq(&shown[1..3]));
        assert!(open().iter().eq(&shown[1..3]));
    }

    #[test]
    fn the_largest_is_overdue_when_there_are_too_many() {
        let data = tempfile::tempdir().unwrap();
        let mut pending = Pending::open(data.path(), key().verifier()).unwrap();
        for size in (1..=16).rev() {
            assert_eq!(pending.overdue(), None);
            pending.add(&checkpoint(size, 1), None).unwrap();
        }
        assert_eq!(pending.overdue(), Some(&checkpoint(16, 1)));
    }

    #[test]
    fn a_file_that_is_no_list_of_this_logs_notes_is_an_error() {
        let data = tempfile::tempdir().unwrap();
        for content in ["", "{}", "[1]", "[\"no note\"]"] {
            fs::write(data.path().join(NAME), content).unwrap();
            Pending::open(data.path(), key().verifier()).unwrap_err();
        }
        let other = SignerKey::from_seed(KeyName::new("log.example").unwrap(), KeyType::Ed25519, [4; 32]);
        fs::remove_file(data.path().join(NAME)).unwrap();
        Pending::open(data.path(), key().verifier()).unwrap().add(&checkpoint(5, 1), None).unwrap();
        assert!(matches!(Pending::open(data.path(), other.verifier()), Err(PendingError::Checkpoint(_))));
    }
}
