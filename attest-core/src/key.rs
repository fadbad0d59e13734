//! Signature suites of rebuilders: [`ed25519`] (strict verification) and [`openpgp`] (the profile of docs/TRUST.md 2.3).

pub mod ed25519;
pub mod openpgp;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::artifact::{excerpt, write_hex};

/// A key that signs statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// 32 raw bytes.
    Ed25519(ed25519::PublicKey),
    /// A certificate with at least one key that the profile lets sign.
    OpenPgp(openpgp::Certificate),
}

impl PublicKey {
    /// `ed25519:BASE64` (32 raw bytes, weak keys refused) or an ASCII-armored OpenPGP certificate.
    ///
    /// # Errors
    /// When the text is neither, or the key is one that the suite refuses.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.starts_with(ed25519::PUBLIC_PREFIX) {
            text.parse().map(Self::Ed25519)
        } else if text.trim_start().starts_with(openpgp::ARMOR_HEADER) {
            openpgp::Certificate::parse(text).map(Self::OpenPgp)
        } else {
            Err(KeyError::UnknownForm { found: excerpt(text) })
        }
    }

    /// `ed25519:BASE64` or `openpgp:FINGERPRINT` (primary key, 40 upper-case hex): how people and logs name it.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Ed25519(key) => key.to_string(),
            Self::OpenPgp(certificate) => format!("openpgp:{}", certificate.fingerprint()),
        }
    }

    /// Whether it is a certificate that says of itself that it is revoked.
    pub fn is_revoked(&self) -> bool {
        match self {
            Self::Ed25519(_) => false,
            Self::OpenPgp(certificate) => certificate.is_revoked(),
        }
    }

    /// Every raw public key in it (each subkey of a certificate, whatever it is for), for "one key, one role"
    /// (docs/TRUST.md 1.3).
    pub fn raw_keys(&self) -> Vec<RawKey> {
        match self {
            Self::Ed25519(key) => vec![RawKey::ed25519(key.as_bytes())],
            Self::OpenPgp(certificate) => certificate.raw_keys().to_vec(),
        }
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

/// Identity of key material: SHA-256 over its algorithm and its public point or modulus.
///
/// It is the same for an Ed25519 key on its own, in a log's or witness's vkey, and inside an OpenPGP certificate, so one
/// key cannot take two roles in two disguises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawKey([u8; 32]);

impl RawKey {
    /// The identity of an Ed25519 key.
    pub fn ed25519(key: &[u8; 32]) -> Self {
        Self::of("ed25519", key)
    }

    /// `algorithm` holds no NUL, which ends it.
    pub(crate) fn of(algorithm: &str, material: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(algorithm.as_bytes());
        hash.update([0]);
        hash.update(material);
        Self(hash.finalize().into())
    }

    /// The 32 bytes of the identity.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// Why a key or a signature was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither form of a public key.
    #[error("expected a public key as ed25519:BASE64 or as an ASCII-armored OpenPGP certificate, found {found:?}")]
    UnknownForm {
        /// The text, shortened.
        found: String,
    },
    /// Ed25519 keys and signatures.
    #[error(transparent)]
    Ed25519(#[from] ed25519::Ed25519Error),
    /// OpenPGP certificates and signatures.
    #[error(transparent)]
    OpenPgp(#[from] openpgp::OpenPgpError),
    /// The key is of one suite, the signature of the other.
    #[error("expected {expected} signature by this key, found {found} signature")]
    Suite {
        /// Suite of the key, with its article.
        expected: &'static str,
        /// Suite of the signature, with its article.
        found: &'static str,
    },
}
