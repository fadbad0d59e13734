//! Self-contained inclusion proofs: [C2SP tlog-proof](https://c2sp.org/tlog-proof), `c2sp.org/tlog-proof@v1`.
//!
//! One file says that an entry is in a log: index, path and checkpoint with all its cosignatures. Whether enough
//! witnesses cosigned is decided by policy code, from [`LogCheckpoint::cosignatures`].
//!
//! ```
//! use attest_core::{merkle::LeafHash, note::VerifierKey, proof::TlogProof};
//!
//! let file = "\
//! c2sp.org/tlog-proof@v1
//! index 3
//! +mHj3sNDlYn0eEyJO/Mh0AhPBMVyx68raOPzNgo1tIY=
//! ywCYnZSlacCmeK4EK2Pc1GJduWRAUX83put5duok7Us=
//! EeH1WCI/THG2vhzs/R8N6HFG0llId8J7KexRn5BAITw=
//!
//! log.test/a
//! 5
//! tnSPbtepnefahP2X4aO6xvq4mZ9KQ2lcq5Uoot5DEUc=
//!
//! — log.test/a Yc+sQrQ0CYMo4U1i2snTx+9Acjy4PDPCvBFJ2fBnCPJmfCjOTWi7+BXCZ3RbfPkcwk1Xq0GKTmRjcFQOOP4b2uRbjgU=
//! — witness.test/w1 qZeLYwAAAABkGFDL4RnsUcyhgo2PH9IG6+IkwqvyFw1Zb4olwapALTf1FHO+IT/cAbpBggwjEiYSvNgMFINwPuY6iwzWhJ00Yt8YAA==
//! ";
//! let log: VerifierKey = "log.test/a+61cfac42+AdD/bfTTLpSuEX6fo/Nnkq5dEWO95ySC8jyvoHtvO0Bk".parse()?;
//! let witness: VerifierKey = "witness.test/w1+a9978b63+BLO470n/vDZO07Vjxvi6Qehj7iMMwJnnlwTBN5Wo4UFo".parse()?;
//!
//! let proof = TlogProof::parse(file.as_bytes())?;
//! assert_eq!(proof.to_string(), file);
//! let checkpoint = proof.verify(LeafHash::of(b"3"), &log)?;
//! assert_eq!(checkpoint.cosignatures(&[witness])?.len(), 1);
//! assert!(proof.verify(LeafHash::of(b"4"), &log).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};

use crate::checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint};
use crate::merkle::{DecimalError, HashError, LeafHash, LeafIndex, NodeHash, ProofError, verify_inclusion};
use crate::note::{Note, VerifierKey};

/// First line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A path has one hash a level, and a tree of at most 2^63 - 1 leaves has at most 63 levels.
const MAX_PATH_LEN: usize = 63;

/// A parsed `.tlog-proof`; nothing in it is verified. Display prints it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Opaque data that nothing authenticates.
    pub extra: Option<Vec<u8>>,
    /// Position of the entry.
    pub index: LeafIndex,
    /// Inclusion proof, leaf's sibling first.
    pub path: Vec<NodeHash>,
    /// The checkpoint in whose tree the entry is.
    pub checkpoint: UnverifiedCheckpoint,
}

impl TlogProof {
    /// Bytes of the largest `extra` that is read, decoded.
    pub const MAX_EXTRA_LEN: usize = 65_535;
    /// Bytes of the largest proof that is read: header, `extra` in base64, index, path, checkpoint.
    pub const MAX_LEN: usize =
        HEADER.len() + 1 + EXTRA_LINE + INDEX_LINE + MAX_PATH_LEN * HASH_LINE + 1 + Note::MAX_LEN;

    /// Parses a proof, to the last byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(TlogProofError::Length { found: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|e| TlogProofError::NotUtf8 { position: e.valid_up_to() })?;
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(TlogProofError::Header)?;
        // The proof ends at its first empty line; the checkpoint has one of its own before its signatures.
        let (lines, checkpoint) = rest.split_once("\n\n").ok_or(TlogProofError::NoCheckpoint)?;
        let mut lines = lines.split('\n').peekable();
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(parse_extra).transpose()?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(TlogProofError::NoIndex)?;
        let index = index.parse().map_err(TlogProofError::Index)?;
        let path = parse_path(lines)?;
        let checkpoint = UnverifiedCheckpoint::parse(checkpoint.as_bytes())?;
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Checks the log's signature, then that `leaf` is at the index under the checkpoint's root, and returns the checkpoint
    /// that is now known (tlog-proof, "Verifying a tlog proof", steps 2 and 4). The quorum of step 3 is the caller's.
    pub fn verify(&self, leaf: LeafHash, log: &VerifierKey) -> Result<LogCheckpoint, TlogProofError> {
        let checkpoint = self.checkpoint.clone().verify(log)?;
        verify_inclusion(leaf, self.index, checkpoint.head(), &self.path)?;
        Ok(checkpoint)
    }
}

const EXTRA_LINE: usize = "extra ".len() + TlogProof::MAX_EXTRA_LEN.div_ceil(3) * 4 + 1;
/// 2^63 - 2 has 19 digits.
const INDEX_LINE: usize = "index ".len() + 19 + 1;
/// 32 bytes in base64.
const HASH_LINE: usize = 44 + 1;

fn parse_extra(line: &str) -> Result<Vec<u8>, TlogProofError> {
    if line.len() >= EXTRA_LINE {
        return Err(TlogProofError::ExtraLength { found: line.len() });
    }
    let base64 = &line["extra ".len()..];
    // "If no extra data is present, this line is omitted."
    if base64.is_empty() {
        return Err(TlogProofError::ExtraEmpty);
    }
    // STANDARD refuses missing padding and non-zero trailing bits, so that a proof has one spelling.
    STANDARD.decode(base64).map_err(|_| TlogProofError::Extra)
}

fn parse_path<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<NodeHash>, TlogProofError> {
    let mut path = Vec::new();
    for line in lines {
        if path.len() == MAX_PATH_LEN {
            return Err(TlogProofError::PathLength);
        }
        path.push(line.parse().map_err(TlogProofError::Path)?);
    }
    Ok(path)
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = self.extra.as_ref().filter(|extra| !extra.is_empty()) {
            writeln!(f, "extra {}", Base64Display::new(extra, &STANDARD))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint.note())
    }
}

/// What is wrong with a proof. The party at fault is whoever handed it out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// The checkpoint in it is malformed, of another log, or not signed by it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The extra line is not canonical base64.
    #[error("expected canonical padded base64 in the `extra` line of the proof")]
    Extra,
    /// An extra line without data, which is to be left out.
    #[error("expected data in the `extra` line of the proof, or no such line")]
    ExtraEmpty,
    /// The extra line is too long.
    #[error("expected an `extra` line of less than {EXTRA_LINE} bytes in the proof, found {found}")]
    ExtraLength {
        /// Bytes of the line.
        found: usize,
    },
    /// Not a tlog-proof of version 1.
    #[error("expected `{HEADER}` in the first line of the proof")]
    Header,
    /// The leaf is not there.
    #[error(transparent)]
    Inclusion(#[from] ProofError),
    /// The index is not an index.
    #[error("index of the proof: {0}")]
    Index(#[source] DecimalError),
    /// Larger than [`TlogProof::MAX_LEN`].
    #[error("expected a proof of at most {max} bytes, found {found}", max = TlogProof::MAX_LEN)]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// No empty line, so no checkpoint.
    #[error("expected an empty line and a checkpoint after the hashes of the proof, found neither")]
    NoCheckpoint,
    /// No index line where it belongs.
    #[error("expected an `index` line in the proof, after the header and `extra`")]
    NoIndex,
    /// Not UTF-8.
    #[error("expected a proof in UTF-8, found an invalid sequence at byte {position}")]
    NotUtf8 {
        /// Where.
        position: usize,
    },
    /// A line of the path is not a hash.
    #[error("hash in the path of the proof: {0}")]
    Path(#[source] HashError),
    /// More hashes than any tree has levels.
    #[error("expected at most {MAX_PATH_LEN} hashes in the proof, found more")]
    PathLength,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "ywCYnZSlacCmeK4EK2Pc1GJduWRAUX83put5duok7Us=";
    const CHECKPOINT: &str = "log.test/a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— log.test/a AAAAAQI=\n";

    fn parse(head: &str) -> Result<TlogProof, TlogProofError> {
        TlogProof::parse(format!("{head}\n{CHECKPOINT}").as_bytes())
    }

    #[test]
    fn what_is_not_a_proof_of_version_1_is_refused() {
        let v1 = "c2sp.org/tlog-proof@v1";
        assert!(parse(&format!("{v1}\nextra AAE=\nindex 0\n{HASH}\n")).is_ok());
        for (head, expected) in [
            ("", TlogProofError::Header),
            ("c2sp.org/tlog-proof@v2\nindex 0\n", TlogProofError::Header),
            ("c2sp.org/tlog-proof@v1 \nindex 0\n", TlogProofError::Header),
            // Without the empty line, the checkpoint's own is taken for it.
            ("c2sp.org/tlog-proof@v1\nindex 0", TlogProofError::Path(HashError::Length { found: 10 })),
            ("c2sp.org/tlog-proof@v1\nextra AAE=\n", TlogProofError::NoIndex),
            ("c2sp.org/tlog-proof@v1\nindex 0\nextra AAE=\n", TlogProofError::Path(HashError::Length { found: 10 })),
            ("c2sp.org/tlog-proof@v1\nextra AAF=\nindex 0\n", TlogProofError::Extra),
            ("c2sp.org/tlog-proof@v1\nextra \nindex 0\n", TlogProofError::ExtraEmpty),
            (
                "c2sp.org/tlog-proof@v1\nindex  0\n",
                TlogProofError::Index(DecimalError::NotDigits { found: " 0".to_owned() }),
            ),
            (
                "c2sp.org/tlog-proof@v1\nindex 00\n",
                TlogProofError::Index(DecimalError::LeadingZero { found: "00".to_owned() }),
            ),
        ] {
            assert_eq!(parse(head), Err(expected), "{head:?}");
        }
        assert_eq!(TlogProof::parse(format!("{v1}\nindex 0\n").as_bytes()), Err(TlogProofError::NoCheckpoint));
        assert_eq!(TlogProof::parse(b"\xff"), Err(TlogProofError::NotUtf8 { position: 0 }));
    }

    #[test]
    fn limits_are_checked_before_anything_is_decoded() {
        let found = TlogProof::MAX_LEN + 1;
        assert_eq!(TlogProof::parse(&vec![b'a'; found]), Err(TlogProofError::Length { found }));
        let path = |n: usize| format!("c2sp.org/tlog-proof@v1\nindex 0\n{}", format!("{HASH}\n").repeat(n));
        assert_eq!(parse(&path(64)), Err(TlogProofError::PathLength));
        assert_eq!(parse(&path(63)).unwrap().path.len(), 63);
        let extra = |n: usize| format!("c2sp.org/tlog-proof@v1\nextra {}\nindex 0\n", STANDARD.encode(vec![7; n]));
        assert_eq!(parse(&extra(65_535)).unwrap().extra.unwrap().len(), TlogProof::MAX_EXTRA_LEN);
        assert!(matches!(parse(&extra(65_536)), Err(TlogProofError::ExtraLength { .. })));
    }
}
