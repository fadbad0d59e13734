//! Timestamped Ed25519 cosignatures (type 0x04): [C2SP tlog-cosignature](https://c2sp.org/tlog-cosignature).
//!
//! A cosigner (witness or mirror) says that, at that time, this was the largest tree it had seen of that log, and that it
//! only ever grew. What it signs is two lines and then the whole text of the checkpoint:
//!
//! ```
//! use attest_core::{cosignature::signed_message, time::Timestamp};
//!
//! let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
//! assert_eq!(signed_message(text, Timestamp::from_secs(1_679_315_147)), "\
//! cosignature/v1
//! time 1679315147
//! example.com/behind-the-sofa
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ");
//! ```
//!
//! The message does not name the cosigner, so a cosignature moves from one name to another of the same key: quorums count
//! public keys, never names (docs/TRUST.md 1.3). ML-DSA-44 cosignatures (type 0x06) are lines by unknown keys here.

use crate::checkpoint::LogCheckpoint;
use crate::note::{KeyType, NoteError, NoteSignature, SignerKey, VerifierKey};
use crate::time::Timestamp;

/// Latest time a cosignature may have (tlog-cosignature, "Format").
pub const MAX_TIME: Timestamp = Timestamp::from_secs(i64::MAX as u64);

/// A cosignature line that was checked (or made) here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCosignature {
    cosigner: VerifierKey,
    time: Timestamp,
    text: String,
    line: NoteSignature,
}

impl VerifiedCosignature {
    /// Who cosigned.
    pub fn cosigner(&self) -> &VerifierKey {
        &self.cosigner
    }

    /// When, by the cosigner's clock.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The line, to append to a note.
    pub fn line(&self) -> &NoteSignature {
        &self.line
    }

    /// The line, to append to a note.
    pub fn into_line(self) -> NoteSignature {
        self.line
    }

    /// The text of the checkpoint that was cosigned.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The bytes that an Ed25519 cosignature of a checkpoint with this text signs.
pub fn signed_message(text: &str, time: Timestamp) -> String {
    format!("cosignature/v1\ntime {}\n{text}", time.secs())
}

/// Cosigns a checkpoint that its log signed, with a key of type 0x04.
///
/// Only for a caller that has checked and *stored* that this is consistent with everything it cosigned before: once the
/// line exists it may be seen.
pub fn cosign(checkpoint: &LogCheckpoint, key: &SignerKey, now: Timestamp) -> Result<VerifiedCosignature, NoteError> {
    let cosigner = key.verifier();
    cosigner.check_kind(KeyType::CosignatureV1)?;
    check_time(now)?;
    // "No semantic statement is made about any extension lines": so none are put above our name.
    if !checkpoint.extension().is_empty() {
        return Err(NoteError::ExtensionLines { found: checkpoint.extension().to_owned() });
    }
    let text = checkpoint.note().text();
    let signature = key.sign_message(signed_message(text, now).as_bytes());
    let mut blob = now.secs().to_be_bytes().to_vec();
    blob.extend(signature);
    Ok(VerifiedCosignature { cosigner: cosigner.clone(), time: now, text: text.to_owned(), line: key.line(blob) })
}

/// Verifies a line by `cosigner` over a checkpoint's text, extension lines included.
pub fn verify(text: &str, line: &NoteSignature, cosigner: &VerifierKey) -> Result<VerifiedCosignature, NoteError> {
    cosigner.check_kind(KeyType::CosignatureV1)?;
    let bad = || NoteError::BadSignature { name: line.name().clone(), id: line.id() };
    // timestamped_signature: u64 big-endian, then 64 bytes.
    let (time, signature) = line.blob().split_first_chunk().ok_or_else(bad)?;
    let time = Timestamp::from_secs(u64::from_be_bytes(*time));
    check_time(time)?;
    cosigner.verify_message(signed_message(text, time).as_bytes(), line, signature)?;
    Ok(VerifiedCosignature { cosigner: cosigner.clone(), time, text: text.to_owned(), line: line.clone() })
}

fn check_time(time: Timestamp) -> Result<(), NoteError> {
    if time > MAX_TIME {
        return Err(NoteError::Time { found: time.secs() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::merkle::Frontier;
    use crate::note::KeyName;

    fn signer(name: &str, kind: KeyType) -> SignerKey {
        SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [7; 32])
    }

    fn signed() -> LogCheckpoint {
        let checkpoint = Checkpoint { origin: "log.test/a".to_owned(), head: Frontier::new().head() };
        checkpoint.sign(&signer("log.test/a", KeyType::Ed25519)).unwrap()
    }

    #[test]
    fn a_time_that_the_specification_forbids_is_neither_signed_nor_verified() {
        let key = signer("w.test", KeyType::CosignatureV1);
        let refused = Err(NoteError::Time { found: 1 << 63 });
        assert_eq!(cosign(&signed(), &key, Timestamp::from_secs(1 << 63)), refused);
        let line = key.line([[0x80, 0, 0, 0, 0, 0, 0, 0].as_slice(), &[0; 64]].concat());
        assert_eq!(verify(signed().note().text(), &line, key.verifier()), refused);
        let latest = cosign(&signed(), &key, MAX_TIME).unwrap();
        assert_eq!(verify(signed().note().text(), latest.line(), key.verifier()), Ok(latest));
    }

    #[test]
    fn a_log_key_neither_cosigns_nor_verifies_cosignatures() {
        let (log, witness) = (signer("w.test", KeyType::Ed25519), signer("w.test", KeyType::CosignatureV1));
        let wrong = |e| matches!(e, NoteError::KeyTypeWrong { expected: KeyType::CosignatureV1, .. });
        assert!(wrong(cosign(&signed(), &log, Timestamp::from_secs(1)).unwrap_err()));
        let line = cosign(&signed(), &witness, Timestamp::from_secs(1)).unwrap();
        assert!(wrong(verify(signed().note().text(), line.line(), log.verifier()).unwrap_err()));
    }

    #[test]
    fn a_line_by_another_name_is_not_taken_for_the_cosigners() {
        // The same key, so the signature itself would hold.
        let line = cosign(&signed(), &signer("w1.test", KeyType::CosignatureV1), Timestamp::from_secs(1)).unwrap();
        let other = signer("w2.test", KeyType::CosignatureV1);
        let refused = verify(signed().note().text(), line.line(), other.verifier());
        assert!(matches!(refused, Err(NoteError::LineKey { .. })));
    }

    #[test]
    fn a_signature_of_another_length_is_refused() {
        let key = signer("w.test", KeyType::CosignatureV1);
        let line = cosign(&signed(), &key, Timestamp::from_secs(1)).unwrap().into_line();
        for len in (1..72).chain([73, 100]) {
            let mut blob = line.blob().to_vec();
            blob.resize(len, 0);
            let refused = verify(signed().note().text(), &key.line(blob), key.verifier());
            assert!(matches!(refused, Err(NoteError::BadSignature { .. })), "{len}");
        }
    }
}
