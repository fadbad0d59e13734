//! Checkpoints: [C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint).
//!
//! A checkpoint is a signed note with three lines: origin, tree size and root hash.
//!
//! ```
//! use attest_core::checkpoint::{Checkpoint, UnverifiedCheckpoint};
//!
//! let text = "example.com/behind-the-sofa
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ";
//! let checkpoint: Checkpoint = text.parse()?;
//! assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
//! assert_eq!(checkpoint.head.size.get(), 20_852_163);
//! assert_eq!(checkpoint.to_string(), text);
//!
//! let log = "log.test/a+61cfac42+AdD/bfTTLpSuEX6fo/Nnkq5dEWO95ySC8jyvoHtvO0Bk".parse()?;
//! let note = "log.test/a
//! 1
//! 2zQm6HgGjSjSabbIcXIyLOU3K2V1bQeJAB00g19gHAM=
//!
//! — log.test/a Yc+sQr4yqEm/Itza7ywlT0Ff+cqZdCJMhs3jnB4pm9/SPmIFBkKBPQZDqbc9/4xo7PMt8ruB3vqnhziVnXXSKiZDSA4=
//!";
//! let checkpoint = UnverifiedCheckpoint::parse(note.as_bytes())?.verify(&log)?;
//! assert_eq!(checkpoint.head().size.get(), 1);
//! # Ok::<(), attest_core::checkpoint::CheckpointError>(())
//! ```
//!
//! Extension lines are NOT RECOMMENDED (no monitor can audit them). A checkpoint of another log may have them and
//! verifies; [`Checkpoint`] has no place for them, so attest's own logs, mirrors and witnesses never sign one.
//! Sizes above 2^63 - 1 and, for size 0, any root but SHA-256 of nothing are refused when parsing.

use std::fmt;

use crate::cosignature::{self, VerifiedCosignature};
use crate::merkle::{DecimalError, HashError, RootHash, TreeHead, TreeSize};
use crate::note::{Note, NoteError, NoteSignature, SignerKey, VerifierKey};
use crate::time::Timestamp;

/// What a log signs: `origin\nsize\nbase64(root)\n`. Display prints the note text; FromStr takes no extension lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identity of the log.
    pub origin: String,
    /// Its tree.
    pub head: TreeHead,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, self.head.root)
    }
}

impl std::str::FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(s: &str) -> Result<Self, CheckpointError> {
        let (checkpoint, extension) = parse_text(s)?;
        if !extension.is_empty() {
            return Err(CheckpointError::Extension { found: extension.to_owned() });
        }
        Ok(checkpoint)
    }
}

impl Checkpoint {
    /// Signs as the log of that origin: the key's name must be the origin, and its type 0x01.
    ///
    /// Only for a caller that has made the tree durable: once signed it may be seen, and a log must never sign one that
    /// is inconsistent with it (tlog-checkpoint, "Signatures").
    pub fn sign(&self, key: &SignerKey) -> Result<LogCheckpoint, CheckpointError> {
        check_origin(&self.origin, key.verifier().name().as_str())?;
        let text = self.to_string();
        // The fields are public, so they may hold what no verifier would read: too large a size, a wrong empty root.
        text.parse::<Self>()?;
        let line = key.sign(&text)?;
        let note = Note::new(text, vec![line])?;
        Ok(LogCheckpoint { note, checkpoint: self.clone(), log: key.verifier().clone() })
    }
}

/// A note whose text is a checkpoint; its signatures are not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
}

impl UnverifiedCheckpoint {
    /// Parses the note and its text. Only verification says whether any of it is true.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        let (checkpoint, _) = parse_text(note.text())?;
        Ok(Self { note, checkpoint })
    }

    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// What it claims.
    pub fn claim(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Checks that this is a checkpoint of the log `log`: its origin is the key's name, and the key's signature holds.
    pub fn verify(self, log: &VerifierKey) -> Result<LogCheckpoint, CheckpointError> {
        self.verify_origin(log.name().as_str(), log)
    }

    /// The same for a log whose key has another name than its origin, which tlog-checkpoint allows (sum.golang.org is
    /// one).
    pub fn verify_origin(self, origin: &str, log: &VerifierKey) -> Result<LogCheckpoint, CheckpointError> {
        check_origin(origin, &self.checkpoint.origin)?;
        self.note.verify(&[log])?;
        Ok(LogCheckpoint { note: self.note, checkpoint: self.checkpoint, log: log.clone() })
    }
}

/// A checkpoint that is signed by the log of its origin. It comes from [`Checkpoint::sign`] or
/// [`UnverifiedCheckpoint::verify`], from nowhere else. Its other signature lines are not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
    log: VerifierKey,
}

impl LogCheckpoint {
    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The first three lines.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Size and root of the tree.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    /// The extension lines, each with its newline; empty in every checkpoint that attest signs.
    pub fn extension(&self) -> &str {
        split_lines(self.note.text()).map_or("", |(.., extension)| extension)
    }

    /// This checkpoint with a cosignature line of it added, in the place of an earlier one by the same key.
    pub fn with_cosignature(self, line: VerifiedCosignature) -> Result<Self, CheckpointError> {
        if line.text() != self.note.text() {
            return Err(CheckpointError::OtherCheckpoint { cosigned: line.text().to_owned() });
        }
        let note = self.note.with_line(line.into_line());
        Ok(Self { note, ..self })
    }

    /// The log's key, whose signature was made or verified here.
    pub fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// This checkpoint with the log's signature and no other line: what to store, cosign and pass on as long as nothing
    /// else is verified. A stored line by somebody's name that does not verify makes others reject the whole note.
    #[must_use]
    pub fn log_signed_only(self) -> Self {
        let note = self.note.retain_lines(|line| self.log.made(line));
        Self { note, ..self }
    }

    /// This checkpoint with the log's signature, the lines by `cosigners` that verify, and no other line: what to pass on
    /// for those who count these cosigners.
    #[must_use]
    pub fn signed_only_by(self, cosigners: &[VerifierKey]) -> Self {
        let Self { note, checkpoint, log } = self;
        let text = note.text().to_owned();
        let by = |line: &NoteSignature, cosigner: &VerifierKey| {
            cosigner.made(line) && cosignature::verify(&text, line, cosigner).is_ok()
        };
        let note = note.retain_lines(|line| log.made(line) || cosigners.iter().any(|cosigner| by(line, cosigner)));
        Self { note, checkpoint, log }
    }

    /// Who of `cosigners` cosigned, and when by their clocks, in the order of the lines.
    ///
    /// Lines by others are ignored; a line by one of them that does not verify is an error (signed-note, "Signatures").
    /// One public key under two names is found twice: a quorum must count [`VerifierKey::public`].
    pub fn cosignatures(&self, cosigners: &[VerifierKey]) -> Result<Vec<(VerifierKey, Timestamp)>, CheckpointError> {
        let mut found = Vec::new();
        for line in self.note.signatures() {
            for cosigner in cosigners.iter().filter(|cosigner| cosigner.made(line)) {
                let verified = cosignature::verify(self.note.text(), line, cosigner)?;
                found.push((cosigner.clone(), verified.time()));
            }
        }
        Ok(found)
    }
}

impl From<LogCheckpoint> for UnverifiedCheckpoint {
    /// To hand it to somebody who has to verify it for himself.
    fn from(checkpoint: LogCheckpoint) -> Self {
        Self { note: checkpoint.note, checkpoint: checkpoint.checkpoint }
    }
}

/// Origin, size, root and extension lines of a text; None if it has fewer than three lines or no final newline.
fn split_lines(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (origin, rest) = text.split_once('\n')?;
    let (size, rest) = rest.split_once('\n')?;
    let (root, extension) = rest.split_once('\n')?;
    Some((origin, size, root, extension))
}

/// tlog-checkpoint, "Note text", and that the empty tree has its own root.
fn parse_text(text: &str) -> Result<(Checkpoint, &str), CheckpointError> {
    let (checkpoint, extension) = parse_form(text)?;
    let TreeHead { size, root } = checkpoint.head;
    if size == TreeSize::ZERO && root != RootHash::of_empty() {
        return Err(CheckpointError::EmptyTreeRoot { found: root });
    }
    Ok((checkpoint, extension))
}

/// The form alone, for a witness: to a checkpoint of size 0 with another root it owes another answer than to nonsense.
pub(crate) fn parse_form(text: &str) -> Result<(Checkpoint, &str), CheckpointError> {
    let (origin, size, root, extension) = split_lines(text).ok_or(CheckpointError::Lines)?;
    if origin.is_empty() {
        return Err(CheckpointError::EmptyOrigin);
    }
    let size: TreeSize = size.parse().map_err(CheckpointError::Size)?;
    let root: RootHash = root.parse().map_err(CheckpointError::Root)?;
    // "Extension lines, if any, MUST be non-empty."
    if !extension.is_empty()
        && (!extension.ends_with('\n') || extension.starts_with('\n') || extension.contains("\n\n"))
    {
        return Err(CheckpointError::ExtensionForm);
    }
    Ok((Checkpoint { origin: origin.to_owned(), head: TreeHead { size, root } }, extension))
}

fn check_origin(expected: &str, found: &str) -> Result<(), CheckpointError> {
    if expected != found {
        return Err(CheckpointError::Origin { expected: expected.to_owned(), found: found.to_owned() });
    }
    Ok(())
}

/// What is wrong with a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The origin line is empty.
    #[error("expected an origin in the first line of the checkpoint, found an empty line")]
    EmptyOrigin,
    /// Size 0 with the root of some other tree.
    #[error("expected the root of the empty tree to be SHA-256 of nothing, found {found}")]
    EmptyTreeRoot {
        /// The root.
        found: RootHash,
    },
    /// Extension lines where none are accepted.
    #[error("expected a checkpoint of three lines, found extension lines {found:?}")]
    Extension {
        /// The lines.
        found: String,
    },
    /// An empty extension line, or one without its newline.
    #[error("expected every extension line of the checkpoint to be non-empty and to end in a newline")]
    ExtensionForm,
    /// Fewer than three lines.
    #[error("expected three lines (origin, size, root) that end in newlines in the checkpoint, found fewer")]
    Lines,
    /// The note around it, or a signature, is wrong.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A checkpoint of another log.
    #[error("expected a checkpoint of {expected:?}, found one of {found:?}")]
    Origin {
        /// The log asked for.
        expected: String,
        /// The origin line.
        found: String,
    },
    /// A cosignature of another checkpoint.
    #[error("expected a cosignature of this checkpoint, found one of {cosigned:?}")]
    OtherCheckpoint {
        /// Text of the checkpoint that was cosigned.
        cosigned: String,
    },
    /// The root line is not a hash.
    #[error("root of the checkpoint: {0}")]
    Root(#[source] HashError),
    /// The size line is not a size.
    #[error("size of the checkpoint: {0}")]
    Size(#[source] DecimalError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::cosign;
    use crate::merkle::{Frontier, LeafHash};
    use crate::note::{KeyName, KeyType, NoteSignature};

    const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const ROOT: &str = "HtoEmkNR2G92JSvX7At3Rq11t/oDFq1fVB29pFijEsQ=";

    fn signer(name: &str, kind: KeyType, seed: u8) -> SignerKey {
        SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32])
    }

    fn log() -> SignerKey {
        signer("log.test/a", KeyType::Ed25519, 1)
    }

    fn witness(name: &str) -> SignerKey {
        signer(name, KeyType::CosignatureV1, 2)
    }

    fn checkpoint(leaves: u8) -> Checkpoint {
        let mut tree = Frontier::new();
        for i in 0..leaves {
            tree.append(LeafHash::of(&[i]));
        }
        Checkpoint { origin: "log.test/a".to_owned(), head: tree.head() }
    }

    fn with_lines(checkpoint: &LogCheckpoint, lines: &[NoteSignature]) -> Result<LogCheckpoint, CheckpointError> {
        let lines = [checkpoint.note().signatures(), lines].concat();
        let note = Note::new(checkpoint.note().text().to_owned(), lines)?;
        UnverifiedCheckpoint::parse(note.to_string().as_bytes())?.verify(log().verifier())
    }

    #[test]
    fn every_rule_of_the_text_has_its_error() {
        let refused = |text: &str| text.parse::<Checkpoint>().unwrap_err();
        assert_eq!(refused(""), CheckpointError::Lines);
        assert_eq!(refused(&format!("a\n1\n{ROOT}")), CheckpointError::Lines);
        assert_eq!(refused(&format!("\n1\n{ROOT}\n")), CheckpointError::EmptyOrigin);
        assert_eq!(
            refused(&format!("a\n01\n{ROOT}\n")),
            CheckpointError::Size(DecimalError::LeadingZero { found: "01".to_owned() })
        );
        assert!(matches!(
            refused(&format!("a\n9223372036854775808\n{ROOT}\n")),
            CheckpointError::Size(DecimalError::TooLarge { max: 9_223_372_036_854_775_807, .. })
        ));
        assert_eq!(refused("a\n1\nAAAA\n"), CheckpointError::Root(HashError::Length { found: 4 }));
        for extension in ["\n", "x\n\n", "x\n\ny\n", "x"] {
            assert_eq!(refused(&format!("a\n1\n{ROOT}\n{extension}")), CheckpointError::ExtensionForm);
        }
        assert_eq!(
            refused(&format!("a\n1\n{ROOT}\nx\ny\n")),
            CheckpointError::Extension { found: "x\ny\n".to_owned() }
        );
        let found = ROOT.parse().unwrap();
        assert_eq!(refused(&format!("a\n0\n{ROOT}\n")), CheckpointError::EmptyTreeRoot { found });
        assert!(format!("a\n0\n{EMPTY}\n").parse::<Checkpoint>().is_ok());
    }

    #[test]
    fn a_log_signs_only_what_others_will_read() {
        let good = checkpoint(3);
        let other = Checkpoint { origin: "log.test/b".to_owned(), ..good.clone() };
        assert!(matches!(other.sign(&log()), Err(CheckpointError::Origin { .. })));
        let empty = Checkpoint { head: TreeHead { size: TreeSize::ZERO, ..good.head }, ..good.clone() };
        assert!(matches!(empty.sign(&log()), Err(CheckpointError::EmptyTreeRoot { .. })));
        let huge = Checkpoint { head: TreeHead { size: TreeSize::new(1 << 63), ..good.head }, ..good.clone() };
        assert!(matches!(huge.sign(&log()), Err(CheckpointError::Size(_))));
        let wrong_type = Err(CheckpointError::Note(NoteError::KeyTypeWrong {
            name: KeyName::new("log.test/a").unwrap(),
            expected: KeyType::Ed25519,
            found: KeyType::CosignatureV1,
        }));
        assert_eq!(good.sign(&witness("log.test/a")), wrong_type);
    }

    #[test]
    fn a_checkpoint_of_another_log_or_key_does_not_verify() {
        let signed = checkpoint(3).sign(&log()).unwrap();
        let bytes = signed.note().to_string().into_bytes();
        let verify = |key: &SignerKey| UnverifiedCheckpoint::parse(&bytes).unwrap().verify(key.verifier());
        assert_eq!(verify(&log()), Ok(signed));
        assert!(matches!(verify(&signer("log.test/b", KeyType::Ed25519, 1)), Err(CheckpointError::Origin { .. })));
        let other_key = verify(&signer("log.test/a", KeyType::Ed25519, 9));
        assert_eq!(other_key, Err(CheckpointError::Note(NoteError::NoKnownSignature)));
    }

    #[test]
    fn a_line_in_a_cosigners_name_that_does_not_verify_is_an_error_until_it_is_dropped() {
        // Stored as it came, such a line would make everybody refuse the note for good.
        let signed = checkpoint(3).sign(&log()).unwrap();
        let witness = witness("w.test");
        let of_another = cosign(&checkpoint(4).sign(&log()).unwrap(), &witness, Timestamp::from_secs(5)).unwrap();
        let poisoned = with_lines(&signed, &[of_another.line().clone()]).unwrap();
        let cosigners = [witness.verifier().clone()];
        assert!(matches!(
            poisoned.cosignatures(&cosigners),
            Err(CheckpointError::Note(NoteError::BadSignature { .. }))
        ));
        assert_eq!(poisoned.clone().log_signed_only(), signed);
        let own = cosign(&poisoned, &witness, Timestamp::from_secs(6)).unwrap();
        let replaced = poisoned.with_cosignature(own).unwrap();
        assert_eq!(replaced.cosignatures(&cosigners), Ok(vec![(cosigners[0].clone(), Timestamp::from_secs(6))]));
        assert_eq!(replaced.note().signatures().len(), 2);
    }

    #[test]
    fn a_cosignature_of_another_checkpoint_is_not_attached() {
        let signed = checkpoint(3).sign(&log()).unwrap();
        let other = checkpoint(4).sign(&log()).unwrap();
        let line = cosign(&other, &witness("w.test"), Timestamp::from_secs(5)).unwrap();
        let cosigned = other.note().text().to_owned();
        assert_eq!(signed.with_cosignature(line), Err(CheckpointError::OtherCheckpoint { cosigned }));
    }

    #[test]
    fn one_public_key_under_two_names_is_found_twice_with_the_same_public_key() {
        let mut signed = checkpoint(3).sign(&log()).unwrap();
        let names = ["w1.test", "w2.test"].map(witness);
        for witness in &names {
            let line = cosign(&signed, witness, Timestamp::from_secs(5)).unwrap();
            signed = signed.with_cosignature(line).unwrap();
        }
        let found = signed.cosignatures(&names.map(|w| w.verifier().clone())).unwrap();
        let [(first, _), (second, _)] = found.as_slice() else { panic!("{found:?}") };
        assert_ne!(first.name(), second.name());
        assert_eq!(first.public(), second.public());
    }

    #[test]
    fn a_checkpoint_with_extension_lines_is_not_cosigned() {
        let text = format!("{}ext\n", checkpoint(3));
        let note = Note::new(text.clone(), vec![log().sign(&text).unwrap()]).unwrap();
        let signed =
            UnverifiedCheckpoint::parse(note.to_string().as_bytes()).unwrap().verify(log().verifier()).unwrap();
        let refused = cosign(&signed, &witness("w.test"), Timestamp::from_secs(5));
        assert_eq!(refused, Err(NoteError::ExtensionLines { found: "ext\n".to_owned() }));
    }
}
