//! Evidence that a log's key signed two things that cannot both be of one growing tree.
//!
//! As long as it is kept, nothing more is signed; docs/witness.md says how to go on.
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
    io,
    path::{Path, PathBuf},
};

use attest_core::{
    merkle::{RootHash, TreeSize},
    note::VerifierKey,
    time::Timestamp,
};
use serde_json::json;

use crate::store::evidence;

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
        evidence::keep(data, prefix, now, &text)
    }
}
