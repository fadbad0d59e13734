//! Signed notes and verifier keys: [C2SP signed-note](https://c2sp.org/signed-note).
//!
//! In scope: notes, their signature lines, and keys of two types, Ed25519 (0x01) and timestamped Ed25519 cosignatures
//! (0x04). Out of scope: what the text means ([checkpoint](crate::checkpoint)) and what a cosignature signs
//! ([cosignature](crate::cosignature)). The other assigned key types are refused by name; lines of theirs in a note are
//! lines by unknown keys.
//!
//! The example of the specification:
//!
//! ```
//! use attest_core::note::{Note, VerifierKey};
//!
//! let text = "This is an example message.
//!
//! — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
//! ";
//! let key: VerifierKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse()?;
//! let note = Note::parse(text.as_bytes())?;
//! assert_eq!(note.to_string(), text);
//! assert_eq!(note.verify(&[&key])?.len(), 1);
//! assert_eq!(note.text(), "This is an example message.\n");
//! # Ok::<(), attest_core::note::NoteError>(())
//! ```
//!
//! Where the specification leaves a choice, the stricter reading is taken, so that no two verifiers disagree on a note:
//! base64 must be canonical, hex lower-case, key ids must follow the recommended formula, a line may not appear twice, and
//! *every* line of a known key must verify, not only the first.

mod key;
mod line;

pub use key::{KeyId, KeyName, KeyType, SignerKey, VerifierKey};
pub use line::NoteSignature;

use std::fmt;

/// A parsed note; nothing in it is verified. Display prints it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Bytes of the largest note that is read: the limit of Go's x/mod, room for 100 post-quantum signatures of nearly
    /// 5 kB each and as much text again. (signed-note: "verifiers SHOULD apply a maximum limit".)
    pub const MAX_LEN: usize = 1_000_000;
    /// Most signature lines that are read: the limit of Go's x/mod; signed-note demands at least 16.
    pub const MAX_SIGNATURES: usize = 100;

    /// Splits a note into its text and its signature lines. Their keys are not known here, so nothing is verified.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(NoteError::Length { found: bytes.len() });
        }
        let whole = std::str::from_utf8(bytes).map_err(|e| NoteError::NotUtf8 { position: e.valid_up_to() })?;
        check_no_control(whole)?;
        // The text may hold empty lines; the last one separates (signed-note, "Format").
        let split = whole.rfind("\n\n").ok_or(NoteError::NoSeparator)?;
        let (text, lines) = (&whole[..=split], &whole[split + 2..]);
        let lines = match lines.strip_suffix('\n') {
            Some(lines) => lines,
            None if lines.is_empty() => return Err(NoteError::NoSignatures),
            None => return Err(NoteError::NoFinalNewline),
        };
        // Counted before any is decoded.
        check_count(lines.split('\n').count())?;
        let signatures = lines.split('\n').map(str::parse).collect::<Result<Vec<_>, _>>()?;
        Self::new(text.to_owned(), signatures)
    }

    /// A note of `text`, which must end in a newline, and at least one signature line.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_text(&text)?;
        check_count(signatures.len())?;
        for (i, line) in signatures.iter().enumerate() {
            if signatures[..i].contains(line) {
                return Err(NoteError::RepeatedLine { name: line.name().clone(), id: line.id() });
            }
        }
        Ok(Self { text, signatures })
    }

    /// The signed text, with its final newline. To be ignored until a signature by a trusted key was verified.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in the order of the note.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Verifies every line that names one of `keys` (all of type 0x01) and returns the keys that signed, each once.
    ///
    /// A line by an unknown key is ignored, even when it shares a name or an id with a known one; a line by a known key
    /// that does not verify rejects the note, and so does having none that verifies (signed-note, "Signatures").
    pub fn verify<'k>(&self, keys: &[&'k VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signers: Vec<&VerifierKey> = Vec::new();
        for line in &self.signatures {
            for key in keys.iter().filter(|key| key.made(line)) {
                key.verify_text(&self.text, line)?;
                if !signers.contains(key) {
                    signers.push(key);
                }
            }
        }
        if signers.is_empty() {
            return Err(NoteError::NoKnownSignature);
        }
        Ok(signers)
    }

    /// The note with `line` added, in the place of earlier lines by the same key.
    pub(crate) fn with_line(mut self, line: NoteSignature) -> Self {
        self.signatures.retain(|old| (old.name(), old.id()) != (line.name(), line.id()));
        self.signatures.push(line);
        self
    }

    /// The note without the lines that `keep` does not want; at least one has to stay.
    pub(crate) fn retain_lines(mut self, keep: impl FnMut(&NoteSignature) -> bool) -> Self {
        self.signatures.retain(keep);
        debug_assert!(!self.signatures.is_empty(), "a note has at least one signature line");
        self
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > Note::MAX_LEN {
        return Err(NoteError::Length { found: text.len() });
    }
    check_no_control(text)?;
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::NoFinalNewline) }
}

/// signed-note, "Format": no ASCII control characters (those below U+0020) other than newline.
fn check_no_control(text: &str) -> Result<(), NoteError> {
    match text.bytes().enumerate().find(|(_, b)| *b < 0x20 && *b != b'\n') {
        Some((position, found)) => Err(NoteError::Control { position, found }),
        None => Ok(()),
    }
}

fn check_count(found: usize) -> Result<(), NoteError> {
    match found {
        0 => Err(NoteError::NoSignatures),
        1..=Note::MAX_SIGNATURES => Ok(()),
        _ => Err(NoteError::TooManySignatures { found }),
    }
}

/// What is wrong with a note, a line of it, or a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A signature that does not verify, by a key that is known.
    #[error("expected the signature line of {name}+{id} to verify, found one that does not")]
    BadSignature {
        /// Name in the line.
        name: KeyName,
        /// Key id in the line.
        id: KeyId,
    },
    /// An ASCII control character.
    #[error("expected no control character in a note, found {found:#04x} at byte {position}")]
    Control {
        /// Where.
        position: usize,
        /// Which.
        found: u8,
    },
    /// A checkpoint with extension lines, which attest verifies but never signs or cosigns.
    #[error("expected a checkpoint without extension lines to sign, found {found:?}")]
    ExtensionLines {
        /// The lines.
        found: String,
    },
    /// A key text that is not of the form `name+hex8(id)+base64`.
    #[error("expected a key of the form <name>+<8 hex digits>+<base64>, found another form")]
    KeyForm,
    /// A key id that the key does not have.
    #[error("expected the key id {expected} for this name and key, found {found}")]
    KeyIdMismatch {
        /// By the formula of signed-note.
        expected: KeyId,
        /// In the text.
        found: KeyId,
    },
    /// Key material of another length than Ed25519's 32 bytes.
    #[error("expected a key of 32 bytes behind its type byte, found {found}")]
    KeyLength {
        /// Bytes found.
        found: usize,
    },
    /// A key name that is empty or has white space, a control character or a `+`.
    #[error("expected a key name without spaces, control characters and `+`, found {found:?}")]
    KeyName {
        /// The name.
        found: String,
    },
    /// A key type that attest does not implement.
    #[error("expected a key of type 0x01 (Ed25519) or 0x04 (cosignature/v1), found type {found:#04x}")]
    KeyTypeUnknown {
        /// The type byte.
        found: u8,
    },
    /// A signature that needs a key of the other type.
    #[error("expected {name} to be a key of type {expected:?}, found {found:?}")]
    KeyTypeWrong {
        /// Name of the key.
        name: KeyName,
        /// The type that can do it.
        expected: KeyType,
        /// The type it has.
        found: KeyType,
    },
    /// Larger than [`Note::MAX_LEN`].
    #[error("expected a note of at most {max} bytes, found {found}", max = Note::MAX_LEN)]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// A signature line that is not `— name base64`.
    #[error("expected a signature line `— <name> <base64>`, found {found:?}")]
    LineForm {
        /// The line, cut short.
        found: String,
    },
    /// A line of another key than the one it was to be verified with.
    #[error("expected a line by {expected}, found one by {name}+{id}")]
    LineKey {
        /// The key given.
        expected: Box<VerifierKey>,
        /// Name in the line.
        name: KeyName,
        /// Key id in the line.
        id: KeyId,
    },
    /// Text or last line without a newline.
    #[error("expected the text and every signature line of a note to end in a newline")]
    NoFinalNewline,
    /// No line by any key that is known.
    #[error("expected a signature by a known key, found none")]
    NoKnownSignature,
    /// No empty line between text and signatures.
    #[error("expected an empty line between the text of a note and its signatures, found none")]
    NoSeparator,
    /// No signature line.
    #[error("expected at least one signature line in a note, found none")]
    NoSignatures,
    /// Base64 in another spelling than the canonical one.
    #[error("expected canonical padded base64 in the line or key of {name}")]
    NotBase64 {
        /// Name in the line or key.
        name: KeyName,
    },
    /// Not UTF-8.
    #[error("expected a note in UTF-8, found an invalid sequence at byte {position}")]
    NotUtf8 {
        /// Where.
        position: usize,
    },
    /// 32 bytes that are no point of the curve, or one of small order, under which signatures mean nothing.
    #[error("expected an Ed25519 public key, found a point that is none or a weak one, for {name}")]
    PublicKey {
        /// Name of the key.
        name: KeyName,
    },
    /// The same line twice.
    #[error("expected every signature line once, found that of {name}+{id} twice")]
    RepeatedLine {
        /// Name in the line.
        name: KeyName,
        /// Key id in the line.
        id: KeyId,
    },
    /// A signature too short to have a key id and anything behind it.
    #[error("expected a signature of more than 4 bytes by {name}, found {found}")]
    SignatureLength {
        /// Name in the line.
        name: KeyName,
        /// Bytes found.
        found: usize,
    },
    /// A cosignature time that tlog-cosignature forbids.
    #[error("expected a cosignature time of at most {max} seconds, found {found}", max = i64::MAX)]
    Time {
        /// Seconds found.
        found: u64,
    },
    /// More lines than [`Note::MAX_SIGNATURES`].
    #[error("expected at most {max} signature lines, found {found}", max = Note::MAX_SIGNATURES)]
    TooManySignatures {
        /// Lines found.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "— log.test/a AAAAAQI=\n";

    fn refused(note: &str) -> NoteError {
        Note::parse(note.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_last_empty_line_separates() {
        let note = Note::parse(format!("a\n\n{LINE}\nb\n\n{LINE}").as_bytes()).unwrap();
        assert_eq!(note.text(), format!("a\n\n{LINE}\nb\n"));
        assert_eq!(note.signatures().len(), 1);
        assert_eq!(Note::parse(format!("\n\n{LINE}").as_bytes()).unwrap().text(), "\n");
        assert_eq!(refused(&format!("\n{LINE}")), NoteError::NoSeparator);
        assert_eq!(refused("a\n\n"), NoteError::NoSignatures);
        assert_eq!(refused(&format!("a\n\n{}", LINE.trim_end())), NoteError::NoFinalNewline);
    }

    #[test]
    fn a_control_character_is_refused_wherever_it_is() {
        for found in (0..0x20).filter(|b| *b != b'\n') {
            let text = format!("a{}\n\n{LINE}", char::from(found));
            assert_eq!(refused(&text), NoteError::Control { position: 1, found });
        }
        assert_eq!(Note::parse(b"a\xff\n\n"), Err(NoteError::NotUtf8 { position: 1 }));
    }

    #[test]
    fn limits_are_checked_before_anything_is_decoded() {
        let found = Note::MAX_LEN + 1;
        assert_eq!(Note::parse(&vec![b'\n'; found]), Err(NoteError::Length { found }));
        let lines = |n: usize| (0..n).fold(String::new(), |lines, i| lines + &format!("— k{i} AAAAAQI=\n"));
        assert_eq!(refused(&format!("a\n\n{}", lines(101))), NoteError::TooManySignatures { found: 101 });
        assert_eq!(Note::parse(format!("a\n\n{}", lines(100)).as_bytes()).unwrap().signatures().len(), 100);
    }

    #[test]
    fn a_line_given_twice_is_refused() {
        assert!(matches!(refused(&format!("a\n\n{LINE}{LINE}")), NoteError::RepeatedLine { .. }));
    }

    #[test]
    fn a_bad_line_by_a_known_key_rejects_the_note_wherever_it_stands() {
        let signer = SignerKey::from_seed(KeyName::new("log.test/a").unwrap(), KeyType::Ed25519, [7; 32]);
        let good = signer.sign("a\n").unwrap();
        let bad = signer.sign("b\n").unwrap();
        for lines in [[good.clone(), bad.clone()], [bad, good.clone()]] {
            let note = Note::new("a\n".to_owned(), lines.to_vec()).unwrap();
            assert!(matches!(note.verify(&[signer.verifier()]), Err(NoteError::BadSignature { .. })));
        }
        let note = Note::new("a\n".to_owned(), vec![good]).unwrap();
        assert_eq!(note.verify(&[signer.verifier()]), Ok(vec![signer.verifier()]));
        assert_eq!(note.verify(&[]), Err(NoteError::NoKnownSignature));
    }
}
