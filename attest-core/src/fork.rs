//! Evidence that a log contradicts itself: two checkpoints that it signed and that cannot both be of one growing tree.
//!
//! It is one JSON file, which anybody can check: that is how a fork seen by one becomes known to all.
//!
//! ```json
//! {
//!   "origin": "log.example.org/attest",
//!   "vkey": "log.example.org/attest+…",
//!   "upstream": "https://log.example.org",
//!   "detectedAt": "2026-11-21T23:00:00Z",
//!   "held": "…the checkpoint that was known, with its signatures…",
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

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    merkle::{NodeHash, RootHash, TreeHead, TreeSize, verify_consistency},
    note::VerifierKey,
    tile::{Resource, TileError, TileId, decode_tile, encode_tile, prove_consistency, root_from_tiles},
    time::Timestamp,
};

/// Bytes of the largest evidence: two notes of a megabyte, and the tiles of two edges of a tree.
pub const MAX_EVIDENCE: usize = 4 << 20;

/// Two checkpoints of one log that contradict each other. Whether they do is what [`ForkEvidence::check`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForkEvidence {
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

impl ForkEvidence {
    /// Evidence that `seen`, found at `upstream`, contradicts `held`. `found` is the root of the larger tree at the size of
    /// the smaller one, and `tiles` are those of the larger tree that show this; none for two trees of one size.
    pub fn new<'a>(
        (held, seen): (&LogCheckpoint, &LogCheckpoint),
        found: RootHash,
        tiles: impl IntoIterator<Item = (TileId, &'a [NodeHash])>,
        upstream: &str,
        now: Timestamp,
    ) -> Self {
        let smaller = if held.head().size < seen.head().size { held.head() } else { seen.head() };
        let tiles = tiles
            .into_iter()
            .map(|(tile, hashes)| (Resource::Tile(tile).to_string(), STANDARD.encode(encode_tile(hashes))));
        Self {
            origin: held.checkpoint().origin.clone(),
            vkey: held.log().to_string(),
            upstream: upstream.to_owned(),
            detected_at: now.to_string(),
            held: held.note().to_string(),
            seen: seen.note().to_string(),
            size: smaller.size.get(),
            signed_root: smaller.root.to_string(),
            found_root: found.to_string(),
            tiles: tiles.collect(),
        }
    }

    /// Reads a file, of at most [`MAX_EVIDENCE`] bytes.
    ///
    /// # Errors
    /// When it is too long or has another form.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForkError> {
        if bytes.len() > MAX_EVIDENCE {
            return Err(ForkError::TooLong { found: bytes.len() });
        }
        Ok(crate::ijson::from_slice(bytes)?)
    }

    /// The file.
    pub fn to_json(&self) -> String {
        // Strings, a number and a map of strings: nothing that JSON cannot say.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The key that signed both.
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    /// Both notes, the one that was known first.
    pub fn notes(&self) -> [&str; 2] {
        [&self.held, &self.seen]
    }

    /// Checks that `log` signed both checkpoints and that they contradict each other.
    ///
    /// # Errors
    /// What keeps this from being proof.
    pub fn check(&self, log: &VerifierKey) -> Result<(), ForkError> {
        let [held, seen] = self.notes().map(|note| UnverifiedCheckpoint::parse(note.as_bytes())?.verify(log));
        let (held, seen) = (held?.head(), seen?.head());
        let (smaller, larger) = if held.size < seen.size { (held, seen) } else { (seen, held) };
        let root =
            if smaller.size == larger.size { larger.root } else { root_at(smaller.size, larger, |id| self.tile(id))? };
        if root == smaller.root {
            return Err(ForkError::NoContradiction { smaller, larger });
        }
        Ok(())
    }

    /// A tile, at least as wide as `id`.
    fn tile(&self, id: TileId) -> Result<Vec<NodeHash>, ForkError> {
        let named = |id| self.tiles.get(&Resource::Tile(id).to_string()).map(|text| (id, text));
        let wider = |wide| TileId::new(id.level(), id.index(), wide).ok().and_then(named);
        let (id, text) = (id.width()..=id.full().width()).find_map(wider).ok_or(ForkError::NoTile { tile: id })?;
        let bytes = STANDARD.decode(text).map_err(|_| ForkError::Base64 { tile: id })?;
        Ok(decode_tile(id, &bytes)?)
    }
}

/// The root that the tree of `new` had at an earlier size, from tiles that are not believed: it is computed from what `read`
/// gives and then proven to lie under `new`'s root.
///
/// So tiles that do not belong to the tree are an error of whoever served them, and only a proven root can differ from one
/// that the log signed.
///
/// # Errors
/// What `read` says, or [`ForkError::Foreign`].
pub fn root_at<E: From<TileError> + From<ForkError>>(
    old: TreeSize,
    new: TreeHead,
    mut read: impl FnMut(TileId) -> Result<Vec<NodeHash>, E>,
) -> Result<RootHash, E> {
    if old == TreeSize::ZERO {
        return Ok(RootHash::of_empty());
    }
    let root = root_from_tiles(old, &mut read)?;
    let proof = prove_consistency(old, new.size, &mut read)?;
    verify_consistency(TreeHead { size: old, root }, new, &proof).map_err(|_| ForkError::Foreign { head: new })?;
    Ok(root)
}

/// Why something is no proof of a fork.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// A tile whose hashes are not base64.
    #[error("expected base64 in {path} of the evidence, found something else", path = Resource::Tile(*.tile))]
    Base64 {
        /// The tile.
        tile: TileId,
    },
    /// A note that is no checkpoint of the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Tiles of some other tree.
    #[error("the tiles do not belong to the tree of size {} that the checkpoint signs", head.size)]
    Foreign {
        /// The tree.
        head: TreeHead,
    },
    /// Another form.
    #[error("expected evidence of a fork: {0}")]
    Form(#[from] crate::ijson::IJsonError),
    /// Both are of one growing tree.
    #[error("the trees of {} and {} entries go together: no contradiction", smaller.size, larger.size)]
    NoContradiction {
        /// The smaller tree.
        smaller: TreeHead,
        /// The larger one.
        larger: TreeHead,
    },
    /// A tile that is not there.
    #[error("the evidence has no {path}", path = Resource::Tile(*.tile))]
    NoTile {
        /// The tile.
        tile: TileId,
    },
    /// A malformed tile.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// More than evidence can be.
    #[error("expected evidence of at most {MAX_EVIDENCE} bytes, found {found}")]
    TooLong {
        /// Its length.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkpoint::Checkpoint,
        merkle::{Frontier, LeafHash},
        note::{KeyName, KeyType, SignerKey},
        tile::tiles_for_root,
    };

    fn key(seed: u8) -> SignerKey {
        SignerKey::from_seed(KeyName::new("log.example").unwrap(), KeyType::Ed25519, [seed; 32])
    }

    fn leaves(size: u64, changed: Option<u64>) -> Vec<LeafHash> {
        (0..size).map(|n| LeafHash::of(&[n.to_be_bytes(), [u8::from(changed == Some(n)); 8]].concat())).collect()
    }

    fn signed(leaves: &[LeafHash]) -> LogCheckpoint {
        let mut frontier = Frontier::new();
        for leaf in leaves {
            frontier.append(*leaf);
        }
        Checkpoint { origin: "log.example".to_owned(), head: frontier.head() }.sign(&key(3)).unwrap()
    }

    /// Evidence of `small` against `large`, both below 256 entries or so: with the leaf tile or tiles.
    fn evidence(small: &[LeafHash], large: &[LeafHash]) -> ForkEvidence {
        let hashes: Vec<NodeHash> = large.iter().copied().map(NodeHash::from).collect();
        let (held, seen) = (signed(small), signed(large));
        let tiles: Vec<(TileId, &[NodeHash])> = tiles_for_root(seen.head().size)
            .into_iter()
            .map(|tile| (tile, &hashes[..usize::from(tile.width())]))
            .collect();
        ForkEvidence::new((&held, &seen), seen.head().root, tiles, "http://x", Timestamp::from_secs(1_795_000_000))
    }

    #[test]
    fn two_trees_that_do_not_go_together_are_proof_and_come_back_from_the_file() {
        for (small, large) in [(40, 40), (7, 40), (64, 200), (1, 2)] {
            let evidence = evidence(&leaves(small, Some(0)), &leaves(large, None));
            evidence.check(key(3).verifier()).unwrap();
            let read = ForkEvidence::parse(evidence.to_json().as_bytes()).unwrap();
            assert_eq!(read, evidence);
        }
    }

    #[test]
    fn what_proves_nothing_is_no_evidence() {
        let log = key(3);
        let (ours, theirs) = (leaves(7, Some(0)), leaves(40, None));
        let proof = evidence(&ours, &theirs);
        assert!(matches!(
            evidence(&theirs[..7], &theirs).check(log.verifier()),
            Err(ForkError::NoContradiction { .. })
        ));
        assert!(matches!(proof.check(key(4).verifier()), Err(ForkError::Checkpoint(_))));
        let without = ForkEvidence { tiles: BTreeMap::new(), ..proof.clone() };
        assert!(matches!(without.check(log.verifier()), Err(ForkError::NoTile { .. })));
        let tile = proof.tiles.keys().next().unwrap().clone();
        let with = |text: String| ForkEvidence { tiles: [(tile.clone(), text)].into(), ..proof.clone() };
        assert!(matches!(with("!".to_owned()).check(log.verifier()), Err(ForkError::Base64 { .. })));
        assert!(matches!(with(STANDARD.encode([7; 5])).check(log.verifier()), Err(ForkError::Tile(_))));
        let foreign = with(STANDARD.encode([7; 40 * 32]));
        assert!(matches!(foreign.check(log.verifier()), Err(ForkError::Foreign { .. })));
    }

    #[test]
    fn a_file_of_another_form_is_refused() {
        let good = evidence(&leaves(7, Some(0)), &leaves(40, None)).to_json();
        for bad in
            ["{}".to_owned(), good.replacen('{', "{\"more\":1,", 1), good.replace("\"size\": 7", "\"size\": \"7\"")]
        {
            assert!(matches!(ForkEvidence::parse(bad.as_bytes()), Err(ForkError::Form(_))), "{bad}");
        }
        let found = MAX_EVIDENCE + 1;
        assert_eq!(ForkEvidence::parse(&vec![b' '; found]), Err(ForkError::TooLong { found }));
    }
}
