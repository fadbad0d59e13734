//! Evidence that a log contradicts itself: two checkpoints that it signed and that cannot both be of one growing tree.
//!
//! One JSON file per finding under `DIR/evidence`, written once and never changed. As long as one is there, the mirror does
//! not advance (docs/TRUST.md 5.4): an operator reads it, publishes it, and moves it away to go on.
//!
//! ```json
//! {
//!   "origin": "log.example.org/attest",
//!   "vkey": "log.example.org/attest+…",
//!   "upstream": "https://log.example.org",
//!   "detectedAt": "2026-11-21T23:00:00Z",
//!   "held": "…the checkpoint that this mirror holds, with its signatures…",
//!   "seen": "…the checkpoint that contradicts it…",
//!   "size": 17,
//!   "signedRoot": "…the root that the smaller checkpoint signs…",
//!   "foundRoot": "…the root of the first 17 entries of the tree that the larger one signs…",
//!   "tiles": { "tile/0/000.p/40": "…base64…" }
//! }
//! ```
//!
//! To check it without this program: verify both signatures, recompute the larger checkpoint's root from the tiles, and
//! from the same tiles the root of the first `size` entries. With two checkpoints of one size no tiles are needed.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use attest_core::{
    checkpoint::LogCheckpoint,
    merkle::{NodeHash, RootHash, TreeSize},
    note::VerifierKey,
    tile::{Resource, TileId, encode_tile},
    time::Timestamp,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

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

/// The form of the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    origin: String,
    vkey: String,
    upstream: String,
    detected_at: String,
    held: String,
    seen: String,
    size: u64,
    signed_root: String,
    found_root: String,
    tiles: BTreeMap<String, String>,
}

impl Fork {
    /// Writes the evidence under `data`, durable on return, and gives the file's path.
    ///
    /// # Errors
    /// The file could not be written. The caller must treat the log as forked all the same.
    pub fn keep(&self, data: &Path, log: &VerifierKey, upstream: &str, now: Timestamp) -> io::Result<PathBuf> {
        let folder = data.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let tiles = self
            .tiles
            .iter()
            .map(|(tile, hashes)| (Resource::Tile(*tile).to_string(), STANDARD.encode(encode_tile(hashes))));
        let finding = Finding {
            origin: self.held.checkpoint().origin.clone(),
            vkey: log.to_string(),
            upstream: upstream.to_owned(),
            detected_at: now.to_string(),
            held: self.held.note().to_string(),
            seen: self.seen.note().to_string(),
            size: self.size.get(),
            signed_root: self.signed.to_string(),
            found_root: self.found.to_string(),
            tiles: tiles.collect(),
        };
        let text = serde_json::to_vec_pretty(&finding)?;
        let (mut file, path) = create_new(&folder, now)?;
        file.write_all(&text)?;
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
