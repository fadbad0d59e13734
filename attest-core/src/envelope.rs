//! [DSSE](https://github.com/secure-systems-lab/dsse/blob/master/protocol.md) envelopes in the one canonical form that
//! the log holds:
//!
//! ```text
//! {"payload":"BASE64","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"BASE64"}]}
//! ```
//!
//! One statement has one byte form: no white space, keys in this order, padded base64 without stray bits, no `keyid`
//! (an unauthenticated hint), exactly one signature (docs/TRUST.md 2.1, 2.5). Anything else is refused, never rewritten;
//! `refusal` then takes a second look to say what is wrong.

mod refusal;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

pub use refusal::EnvelopeError;

use crate::artifact::{deserialize_text, excerpt, parse_hex, serialize_hex, write_hex};
use crate::key::{KeyError, PublicKey, openpgp};
use crate::statement::Statement;

/// The payload type of every statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Longest envelope in bytes: an entry of a tlog-tiles bundle has a 16-bit length.
pub const MAX_ENVELOPE: usize = 65_535;

const PREFIX: &str = "{\"payload\":\"";
const INFIX: &str = "\",\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[{\"sig\":\"";
const SUFFIX: &str = "\"}]}";

/// SHA-256 of the DSSE PAE bytes. `Display`, `FromStr` and serde: 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId([u8; 32]);

impl StatementId {
    /// The id of a payload: that of every envelope around it.
    pub fn of_payload(payload: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(pae_header(payload.len()).as_bytes());
        hash.update(payload);
        Self(hash.finalize().into())
    }

    /// The 32 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// An id that was stored as bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl FromStr for StatementId {
    type Err = EnvelopeError;

    fn from_str(text: &str) -> Result<Self, EnvelopeError> {
        parse_hex(text).map(Self).ok_or_else(|| EnvelopeError::StatementId { found: excerpt(text) })
    }
}

impl serde::Serialize for StatementId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_hex(&self.0, serializer)
    }
}

impl<'de> serde::Deserialize<'de> for StatementId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer)
    }
}

/// 64 bytes are Ed25519; anything else must be one OpenPGP signature packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// R and S (RFC 8032).
    Ed25519([u8; 64]),
    /// One binary packet in the form of [`openpgp`].
    OpenPgp(Vec<u8>),
}

impl Signature {
    /// Tells the suites apart by length: no packet of the OpenPGP profile has 64 bytes.
    fn from_bytes(bytes: Vec<u8>) -> Result<Self, EnvelopeError> {
        match <[u8; 64]>::try_from(bytes) {
            Ok(raw) => Ok(Self::Ed25519(raw)),
            Err(packet) => {
                openpgp::check_form(&packet)?;
                Ok(Self::OpenPgp(packet))
            }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(raw) => raw,
            Self::OpenPgp(packet) => packet,
        }
    }
}

/// A well-formed envelope; its signature is not verified and its payload is only bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The PAE with the payload at its end: what is signed and hashed, decoded straight into place.
    pae: Vec<u8>,
    payload_at: usize,
    signature: Signature,
}

impl Envelope {
    /// Only the canonical form is accepted (refused, never rewritten), at most [`MAX_ENVELOPE`] bytes.
    ///
    /// # Errors
    /// [`EnvelopeError`] names the first difference from that form.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::TooLong { found: bytes.len() });
        }
        match Self::parse_canonical(bytes) {
            Some((pae, payload_at, signature)) => {
                Ok(Self { pae, payload_at, signature: Signature::from_bytes(signature)? })
            }
            None => Err(refusal::reason(bytes)),
        }
    }

    /// PAE, start of the payload in it, and signature. The canonical form is a fixed text around two base64 strings, so
    /// this needs no JSON parser; that both strings decode says that no quote or escape hides in them.
    fn parse_canonical(bytes: &[u8]) -> Option<(Vec<u8>, usize, Vec<u8>)> {
        let inner = bytes.strip_prefix(PREFIX.as_bytes())?.strip_suffix(SUFFIX.as_bytes())?;
        // The signature is short: looking for its quote from the end leaves the payload unread until it is decoded.
        let quote = inner.iter().rposition(|b| *b == b'"')?;
        let (head, signature) = inner.split_at(quote + 1);
        let payload = head.strip_suffix(INFIX.as_bytes())?;

        let mut pae = pae_header(decoded_length(payload)?).into_bytes();
        let payload_at = pae.len();
        pae.reserve_exact(payload.len() / 4 * 3);
        STANDARD.decode_vec(payload, &mut pae).ok()?;
        let signature = STANDARD.decode(signature).ok()?;
        Some((pae, payload_at, signature))
    }

    /// An envelope around `payload`.
    ///
    /// # Errors
    /// When it would be longer than [`MAX_ENVELOPE`], or an OpenPGP signature is not in the profile's form.
    pub fn new(payload: Vec<u8>, signature: Signature) -> Result<Self, EnvelopeError> {
        if let Signature::OpenPgp(packet) = &signature {
            openpgp::check_form(packet)?;
        }
        let length = encoded_length(payload.len(), signature.as_bytes().len());
        if length > MAX_ENVELOPE {
            return Err(EnvelopeError::TooLong { found: length });
        }
        let header = pae_header(payload.len());
        let mut pae = payload;
        pae.splice(..0, header.bytes());
        Ok(Self { pae, payload_at: header.len(), signature })
    }

    /// From its two parts, as they are kept where an envelope is not.
    ///
    /// # Errors
    /// As [`Envelope::new`].
    pub(crate) fn from_parts(payload: Vec<u8>, signature: Vec<u8>) -> Result<Self, EnvelopeError> {
        Self::new(payload, Signature::from_bytes(signature)?)
    }

    /// The one signature, as it stands in the envelope.
    pub(crate) fn signature_bytes(&self) -> &[u8] {
        self.signature.as_bytes()
    }

    /// The canonical form: the leaf of the log.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self.payload(), self.signature.as_bytes())
    }

    /// What was signed, without the PAE header.
    pub fn payload(&self) -> &[u8] {
        &self.pae[self.payload_at..]
    }

    /// The one signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The bytes that are signed.
    pub fn pae(&self) -> &[u8] {
        &self.pae
    }

    /// SHA-256 of [`Envelope::pae`].
    pub fn statement_id(&self) -> StatementId {
        StatementId(Sha256::digest(&self.pae).into())
    }

    /// Signature first, then the statement parsed from exactly the bytes that were verified.
    ///
    /// # Errors
    /// When the signature is not by `key`, or the payload is no statement.
    pub fn verify(&self, key: &PublicKey) -> Result<VerifiedStatement, EnvelopeError> {
        self.check_signature(key)?;
        Ok(VerifiedStatement {
            id: self.statement_id(),
            statement: Statement::parse(self.payload())?,
            signer: key.clone(),
        })
    }

    /// The signature alone, for who has the statement of this envelope already.
    ///
    /// # Errors
    /// When it is not by `key`.
    pub fn check_signature(&self, key: &PublicKey) -> Result<(), EnvelopeError> {
        match (key, &self.signature) {
            (PublicKey::Ed25519(key), Signature::Ed25519(raw)) => key.verify(&self.pae, raw)?,
            (PublicKey::OpenPgp(certificate), Signature::OpenPgp(packet)) => {
                certificate.verify(&self.pae, packet)?;
            }
            (PublicKey::Ed25519(_), Signature::OpenPgp(_)) => {
                return Err(KeyError::Suite { expected: "an Ed25519", found: "an OpenPGP" }.into());
            }
            (PublicKey::OpenPgp(_), Signature::Ed25519(_)) => {
                return Err(KeyError::Suite { expected: "an OpenPGP", found: "an Ed25519" }.into());
            }
        }
        Ok(())
    }
}

/// `DSSEv1 SP len(type) SP type SP len(payload) SP payload`
pub fn pae(payload: &[u8]) -> Vec<u8> {
    let mut pae = pae_header(payload.len()).into_bytes();
    pae.extend_from_slice(payload);
    pae
}

fn pae_header(payload_length: usize) -> String {
    format!("DSSEv1 {} {PAYLOAD_TYPE} {payload_length} ", PAYLOAD_TYPE.len())
}

fn canonical(payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut text = String::with_capacity(encoded_length(payload.len(), signature.len()));
    text.push_str(PREFIX);
    STANDARD.encode_string(payload, &mut text);
    text.push_str(INFIX);
    STANDARD.encode_string(signature, &mut text);
    text.push_str(SUFFIX);
    text.into_bytes()
}

/// Length of the canonical form.
fn encoded_length(payload: usize, signature: usize) -> usize {
    let base64 = |n: usize| n.div_ceil(3).saturating_mul(4);
    [PREFIX.len(), base64(payload), INFIX.len(), base64(signature), SUFFIX.len()]
        .into_iter()
        .fold(0, usize::saturating_add)
}

/// How many bytes padded base64 of this length and padding holds; nothing when no base64 has that length.
fn decoded_length(base64: &[u8]) -> Option<usize> {
    if !base64.len().is_multiple_of(4) {
        return None;
    }
    let padding = base64.iter().rev().take(2).filter(|b| **b == b'=').count();
    (base64.len() / 4 * 3).checked_sub(padding)
}

/// A statement whose signature was checked. Only [`Envelope::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedStatement {
    id: StatementId,
    statement: Statement,
    signer: PublicKey,
}

impl VerifiedStatement {
    /// The id of the verified bytes.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// What was said.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Whose key verified it.
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }
}

#[cfg(test)]
mod tests;
