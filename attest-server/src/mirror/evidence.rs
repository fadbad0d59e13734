//! Evidence that a log contradicts itself: two checkpoints that it signed and that cannot both be of one growing tree.
//!
//! One JSON file per finding under `DIR/evidence`, written once and never changed. As long as one is there, the mirror does
//! not advance (docs/TRUST.md 5.4): an operator reads it, publishes it, and moves it away to go on.
//!
//! [`attest_core::fork`] has the form, and checks it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use attest_core::{
    checkpoint::LogCheckpoint,
    fork::ForkEvidence,
    merkle::{NodeHash, RootHash, TreeSize},
    tile::TileId,
    time::Timestamp,
};

const FOLDER: &str = "evidence";

/// Two checkpoints of one log that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// What this mirror holds.
    pub held: LogCheckpoint,
    /// What the log showed.
    pub seen: LogCheckpoint,
    /// Size of the smaller of the two.
    pub size: TreeSize,
    /// The root that the smaller one signs.
    pub signed: RootHash,
    /// The root at that size in the tree of the larger one.
    pub found: RootHash,
    /// Tiles of the larger tree that show this, each checked against its root.
    pub tiles: Vec<(TileId, Vec<NodeHash>)>,
}

impl std::fmt::Display for Fork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (held, seen) = (self.held.head().size, self.seen.head().size);
        write!(
            f,
            "the log contradicts itself: it signed checkpoints of size {held} (held here) and {seen} (seen now) that \
             disagree about the first {} entries: root {} and root {}",
            self.size, self.signed, self.found
        )
    }
}

impl Fork {
    /// Writes the evidence under `data`, durable on return, and gives the file's path.
    ///
    /// # Errors
    /// The file could not be written. The caller must treat the log as forked all the same.
    pub fn keep(&self, data: &Path, upstream: &str, now: Timestamp) -> io::Result<PathBuf> {
        let folder = data.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let tiles = self.tiles.iter().map(|(tile, hashes)| (*tile, hashes.as_slice()));
        let text = ForkEvidence::new((&self.held, &self.seen), self.found, tiles, upstream, now).to_json();
        let (mut file, path) = create_new(&folder, now)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // The name has to survive a power cut too: it is what keeps the mirror from advancing after a restart.
        File::open(&folder)?.sync_all()?;
        File::open(data)?.sync_all()?;
        Ok(path)
    }
}

/// Evidence that an earlier run left and that nobody moved away yet.
///
/// # Errors
/// The folder could not be read: then it is not known whether there is any, and the mirror must not go on.
pub fn found(data: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(data.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut first: Option<PathBuf> = None;
    for entry in entries {
        let entry = entry?;
        let is_fork = entry.file_name().to_string_lossy().starts_with("fork-");
        if is_fork && first.as_ref().is_none_or(|first| entry.path() < *first) {
            first = Some(entry.path());
        }
    }
    Ok(first)
}

/// `fork-TIME.json`, or with a number behind the time where that is taken: evidence is never overwritten.
fn create_new(folder: &Path, now: Timestamp) -> io::Result<(File, PathBuf)> {
    let time = now.to_string().replace(':', "");
    let mut number = 1;
    loop {
        let name = match number {
            1 => format!("fork-{time}.json"),
            number => format!("fork-{time}-{number}.json"),
        };
        let path = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_never_overwritten_and_found_again() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(found(data.path()).unwrap(), None);
        let folder = data.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        let now = Timestamp::from_secs(1_795_000_000);
        let first = create_new(&folder, now).unwrap().1;
        let second = create_new(&folder, now).unwrap().1;
        assert_ne!(first, second);
        assert!(!first.to_string_lossy().contains(':'), "{}", first.display());
        assert!(found(data.path()).unwrap().is_some());
        fs::remove_file(first).unwrap();
        assert_eq!(found(data.path()).unwrap(), Some(second));
    }
}
