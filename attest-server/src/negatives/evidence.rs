//! Evidence that a log signed a list of negatives that is not that of its entries.
//!
//! One JSON file per note under `DIR/evidence`. Unlike a fork it does not stop the mirror: what is stored is the log's, and
//! the mirror signs the right list.
//!
//! ```json
//! {
//!   "origin": "log.example.org/attest",
//!   "vkey": "log.example.org/attest+…",
//!   "upstream": "https://log.example.org",
//!   "detectedAt": "2026-11-21T23:00:00Z",
//!   "signed": "…the note that the log signed…",
//!   "expected": "…what a note of the first N entries says…",
//!   "shards": ["7f"]
//! }
//! ```
//!
//! To check it without this program: verify the signature, read the N entries that lead to the note's root, and make their
//! list (docs/negatives.md).

use std::{
    io,
    path::{Path, PathBuf},
};

use attest_core::{
    negatives::{Listing, ListingNote, ShardId},
    note::VerifierKey,
    time::Timestamp,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::store::evidence;

/// A note of the log, and what it should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongList {
    /// Signed by the log.
    pub signed: ListingNote,
    /// By the entries that this mirror verified and stores.
    pub expected: Listing,
    /// Shards that differ, where the log showed a table.
    pub shards: Vec<ShardId>,
}

impl std::fmt::Display for WrongList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (signed, expected) = (self.signed.listing(), &self.expected);
        write!(
            f,
            "the log signed a list of negatives for its first {} entries that is not theirs: expected {} records under \
             {}, found {} under {}",
            expected.head().size,
            expected.count(),
            expected.list(),
            signed.count(),
            signed.list()
        )?;
        if signed.head().root != expected.head().root {
            write!(f, ", and the root {} instead of {}", signed.head().root, expected.head().root)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    origin: String,
    vkey: String,
    upstream: String,
    detected_at: String,
    signed: String,
    expected: String,
    shards: Vec<String>,
}

impl WrongList {
    /// Writes the evidence under `data`, durable on return, and gives the file's path; a list that is kept already is not
    /// written again, whatever signature lines somebody added to its note on the way.
    ///
    /// # Errors
    /// The file could not be written. The list is wrong all the same.
    pub fn keep(&self, data: &Path, log: &VerifierKey, upstream: &str, now: Timestamp) -> io::Result<PathBuf> {
        let note = self.signed.to_string();
        let name = Sha256::digest(self.signed.listing().to_string())[..8]
            .iter()
            .fold(String::new(), |name, byte| name + &format!("{byte:02x}"));
        let stem = format!("negatives-{}-{name}", self.expected.head().size);
        let finding = Finding {
            origin: self.expected.origin().to_owned(),
            vkey: log.to_string(),
            upstream: upstream.to_owned(),
            detected_at: now.to_string(),
            signed: note,
            expected: self.expected.to_string(),
            shards: self.shards.iter().map(ToString::to_string).collect(),
        };
        let (path, _) = evidence::keep_as(data, &stem, &serde_json::to_vec_pretty(&finding)?)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use attest_core::{
        merkle::{RootHash, TreeHead, TreeSize},
        negatives::Table,
        note::{KeyName, KeyType, SignerKey},
    };

    use super::*;

    #[test]
    fn one_wrong_list_is_one_file_whoever_adds_signatures_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let key = |name, seed| SignerKey::from_seed(KeyName::new(name).unwrap(), KeyType::Ed25519, [seed; 32]);
        let (log, other) = (key("log.example", 1), key("relay.example", 2));
        let head = TreeHead { size: TreeSize::new(1), root: RootHash::from_bytes([1; 32]) };
        let expected = Listing::new(log.verifier().name().clone(), head, 0, &Table::empty()).unwrap();
        let signed = expected.clone().sign(&log).unwrap();
        let relayed = signed.clone().countersigned(&other).unwrap();
        let paths = [signed, relayed].map(|signed| {
            let wrong = WrongList { signed, expected: expected.clone(), shards: Vec::new() };
            wrong.keep(dir.path(), log.verifier(), "http://log.example", Timestamp::from_secs(1)).unwrap()
        });
        assert_eq!(paths[0], paths[1]);
    }
}
