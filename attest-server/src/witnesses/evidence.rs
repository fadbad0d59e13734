//! Evidence that a log's key signed two things that cannot both be of one growing tree.
//!
//! One JSON file per finding under `DIR/evidence`, written once and never changed. As long as it is there, nothing more is
//! signed (docs/TRUST.md 5.4): an operator reads it, publishes it, and moves it away to go on (docs/witness.md).
//!
//! ```json
//! {
//!   "origin": "log.example.org/attest",
//!   "vkey": "log.example.org/attest+…",
//!   "from": "witness w1",
//!   "detectedAt": "2026-11-21T23:00:00Z",
//!   "held": "…the newest checkpoint that is held here, with its signatures…",
//!   "seen": "…the checkpoint that contradicts it…",
//!   "size": 17,
//!   "heldRoot": "…the root of the first 17 entries here…",
//!   "seenRoot": "…the root that was seen for them…"
//! }
//! ```
//!
//! Where the tree here is smaller than the one that was seen, `size` is that of the tree here and `seenRoot` is missing.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use attest_core::{
    merkle::{RootHash, TreeSize},
    note::VerifierKey,
    time::Timestamp,
};
use serde_json::json;

use crate::store::durable;

const FOLDER: &str = "evidence";

/// Two notes that contradict each other.
#[derive(Debug)]
pub struct Finding<'a> {
    /// The log whose key signed both.
    pub log: &'a VerifierKey,
    /// Where the second came from.
    pub from: &'a str,
    /// What is held here.
    pub held: String,
    /// What was seen.
    pub seen: String,
    /// The size that they disagree about.
    pub size: TreeSize,
    /// The root here at that size.
    pub held_root: RootHash,
    /// The root that was seen, where there is one for that size.
    pub seen_root: Option<RootHash>,
}

impl Finding<'_> {
    /// Writes it under `data`, durable on return, in a file whose name begins with `prefix`; gives its path.
    pub fn keep(&self, data: &Path, prefix: &str, now: Timestamp) -> io::Result<PathBuf> {
        let folder = data.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let mut finding = json!({
            "origin": self.log.name().as_str(),
            "vkey": self.log.to_string(),
            "from": self.from,
            "detectedAt": now.to_string(),
            "held": self.held,
            "seen": self.seen,
            "size": self.size.get(),
            "heldRoot": self.held_root.to_string(),
        });
        if let Some(root) = self.seen_root {
            finding["seenRoot"] = root.to_string().into();
        }
        let text = serde_json::to_vec_pretty(&finding)?;
        let time = now.to_string().replace(':', "");
        // Never overwritten: a name that is taken gets a number.
        for number in 1..=u32::MAX {
            let name =
                if number == 1 { format!("{prefix}{time}.json") } else { format!("{prefix}{time}-{number}.json") };
            let path = folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(&text)?;
                    file.sync_all()?;
                    // The name has to survive a power cut too: it is what keeps the next start from signing.
                    durable::sync_dir(&folder)?;
                    durable::sync_dir(data)?;
                    return Ok(path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// The first file in `DIR/evidence` whose name begins with `prefix`.
///
/// # Errors
/// The folder could not be read: then it is not known whether there is any, and nothing may be signed.
pub fn found(data: &Path, prefix: &str) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(data.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut first: Option<PathBuf> = None;
    for entry in entries {
        let entry = entry?;
        let matches = entry.file_name().to_string_lossy().starts_with(prefix);
        if matches && first.as_ref().is_none_or(|first| entry.path() < *first) {
            first = Some(entry.path());
        }
    }
    Ok(first)
}
