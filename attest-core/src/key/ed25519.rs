//! Ed25519 ([RFC 8032](https://www.rfc-editor.org/rfc/rfc8032)) by strict verification: small-order keys, small-order
//! R, and every encoding but the canonical one are refused, so that everybody agrees what is valid (docs/TRUST.md 2.2).
//!
//! There is no batch verification here, for the same reason: it accepts signatures that single verification refuses.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::KeyError;
use crate::artifact::excerpt;

/// In front of a public key's base64.
pub const PUBLIC_PREFIX: &str = "ed25519:";

/// In front of a secret key's base64.
pub const SECRET_PREFIX: &str = "attest-secret-ed25519:";

/// Length of 32 bytes in padded base64.
const BASE64_LENGTH: usize = 44;

/// Order of the base point, little-endian: S of a signature is below it (RFC 8032 section 5.1.7).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The prime of the field, little-endian: y of a point is below it.
const FIELD: [u8; 32] = [
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
];

/// A public key that is a point of large order in canonical encoding. `Display` and `FromStr`: `ed25519:BASE64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key of these 32 bytes.
    ///
    /// # Errors
    /// When they are no canonical encoding of a point, or the point has small order: such a key has signatures that
    /// verify for almost any message.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let mut y = *bytes;
        y[31] &= 0x7f;
        if !is_below(&y, &FIELD) {
            return Err(Ed25519Error::NonCanonicalKey.into());
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Ed25519Error::NotAPoint)?;
        if key.is_weak() {
            return Err(Ed25519Error::WeakKey.into());
        }
        Ok(Self(key))
    }

    /// The 32 raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Strict verification.
    ///
    /// # Errors
    /// When the signature is not by this key over exactly `message`, or is one of the forms that verifiers disagree
    /// about.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), KeyError> {
        self.0
            .verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| Ed25519Error::reason(signature).into())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", STANDARD.encode(self.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = text
            .strip_prefix(PUBLIC_PREFIX)
            .and_then(decode_32)
            .ok_or_else(|| Ed25519Error::PublicForm { found: excerpt(text) })?;
        Self::from_bytes(&bytes)
    }
}

/// A secret key; as a file it is one line, `attest-secret-ed25519:BASE64(seed)`. `Debug` shows no secret, and memory is
/// wiped on drop.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of a seed of 32 random bytes, which the caller draws.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads the one line of a key file, with or without its line end.
    ///
    /// # Errors
    /// When it is no such line. The error shows nothing of it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        line.strip_prefix(SECRET_PREFIX)
            .and_then(decode_32)
            .map(Self::from_seed)
            .ok_or_else(|| Ed25519Error::SecretForm.into())
    }

    /// The line of a key file, without a line end. Keep it as secret as the key.
    pub fn to_secret_string(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(self.0.as_bytes()))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `message` (deterministic, RFC 8032).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(public: {})", self.public())
    }
}

/// Exactly 32 bytes in canonical base64.
fn decode_32(text: &str) -> Option<[u8; 32]> {
    if text.len() != BASE64_LENGTH {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Comparison of little-endian numbers.
fn is_below(number: &[u8; 32], bound: &[u8; 32]) -> bool {
    number.iter().rev().lt(bound.iter().rev())
}

/// Why an Ed25519 key or signature was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ed25519Error {
    /// Not `ed25519:` with 32 bytes in base64.
    #[error("expected ed25519:BASE64 of 32 bytes, found {found:?}")]
    PublicForm {
        /// The text, shortened.
        found: String,
    },
    /// Not a line of a key file.
    #[error("expected one line {SECRET_PREFIX}BASE64 of 32 bytes, found another form")]
    SecretForm,
    /// The bytes encode no point of the curve.
    #[error("expected an Ed25519 public key, found bytes that are no point of the curve")]
    NotAPoint,
    /// y is not reduced.
    #[error("expected a canonical Ed25519 public key, found an encoding with y beyond the field")]
    NonCanonicalKey,
    /// A point of small order.
    #[error("expected an Ed25519 public key of large order, found a weak key")]
    WeakKey,
    /// R is a point of small order.
    #[error("expected an Ed25519 signature whose R has large order, found a small-order R")]
    SmallOrderR,
    /// S is not below the group order, or R's y is not below the field prime.
    #[error("expected an Ed25519 signature in canonical encoding, found {part} out of range")]
    NonCanonicalSignature {
        /// `R` or `S`.
        part: &'static str,
    },
    /// The signature is not by this key over this message.
    #[error("the Ed25519 signature does not verify: it is by another key or over other bytes")]
    BadSignature,
}

impl Ed25519Error {
    /// Why strict verification refused `signature`, from the signature alone.
    fn reason(signature: &[u8; 64]) -> Self {
        let (r, s) = signature.split_at(32);
        let (Ok(r), Ok(s)) = (<&[u8; 32]>::try_from(r), <&[u8; 32]>::try_from(s)) else {
            return Self::BadSignature;
        };
        let mut y = *r;
        y[31] &= 0x7f;
        if VerifyingKey::from_bytes(r).is_ok_and(|point| point.is_weak()) {
            Self::SmallOrderR
        } else if !is_below(&y, &FIELD) {
            Self::NonCanonicalSignature { part: "R" }
        } else if !is_below(s, &ORDER) {
            Self::NonCanonicalSignature { part: "S" }
        } else {
            Self::BadSignature
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SecretKey {
        SecretKey::from_seed([7; 32])
    }

    fn refused<T: fmt::Debug>(result: Result<T, KeyError>) -> Ed25519Error {
        match result.unwrap_err() {
            KeyError::Ed25519(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// The eight points of small order in canonical encoding (y of order 1, 2, 4, 8).
    fn small_order_points() -> Vec<[u8; 32]> {
        let mut one = [0; 32];
        one[0] = 1;
        let mut minus_one = FIELD;
        minus_one[0] -= 1;
        let zero = [0; 32];
        let order_eight = [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ];
        let other_order_eight = [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ];
        let mut points = vec![one, minus_one];
        for mut point in [zero, order_eight, other_order_eight] {
            points.push(point);
            point[31] |= 0x80;
            points.push(point);
        }
        points
    }

    #[test]
    fn keys_print_back_as_they_were() {
        let public = secret().public();
        assert_eq!(public.to_string().parse(), Ok(public.clone()));
        assert_eq!(PublicKey::from_bytes(public.as_bytes()), Ok(public));
        let line = secret().to_secret_string();
        let parsed = SecretKey::parse(&format!("{line}\n")).unwrap();
        assert_eq!(parsed.to_secret_string(), line);
    }

    #[test]
    fn the_first_vector_of_rfc_8032_section_7_1() {
        let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
        let secret = SecretKey::parse(&format!("{SECRET_PREFIX}{seed}")).unwrap();
        assert_eq!(secret.public().to_string(), "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        let signature = secret.sign(b"");
        assert_eq!(
            STANDARD.encode(signature),
            "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw=="
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", secret());
        let line = secret().to_secret_string();
        assert!(!shown.contains(&line[SECRET_PREFIX.len()..]), "{shown}");
        assert!(shown.contains("public"));
    }

    #[test]
    fn a_broken_secret_is_refused_without_showing_it() {
        let line = secret().to_secret_string();
        for wrong in [
            "",
            &line[1..],
            &line[..line.len() - 1],
            &format!("{line}\n\n"),
            &format!(" {line}"),
            &format!("{line}\r\n"),
            &line.replace("secret-", ""),
        ] {
            assert_eq!(refused(SecretKey::parse(wrong)), Ed25519Error::SecretForm);
        }
    }

    #[test]
    fn small_order_keys_are_refused() {
        for point in small_order_points() {
            assert_eq!(refused(PublicKey::from_bytes(&point)), Ed25519Error::WeakKey, "{point:02x?}");
        }
    }

    #[test]
    fn keys_in_other_encodings_are_refused() {
        // Every y from the prime to 2^255 - 1, with both signs.
        for low in 0xed..=0xff {
            for sign in [0, 0x80] {
                let mut bytes = [0xff; 32];
                bytes[0] = low;
                bytes[31] = 0x7f | sign;
                assert_eq!(refused(PublicKey::from_bytes(&bytes)), Ed25519Error::NonCanonicalKey);
            }
        }
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(refused(PublicKey::from_bytes(&no_point)), Ed25519Error::NotAPoint);
        let good = secret().public().to_string();
        for wrong in [
            "",
            "ed25519:",
            &good[8..],
            &good[..good.len() - 1],
            &format!("{good}="),
            &format!("{good} "),
            &good.replace("ed25519", "Ed25519"),
        ] {
            assert!(matches!(refused(wrong.parse::<PublicKey>()), Ed25519Error::PublicForm { .. }), "{wrong}");
        }
    }

    #[test]
    fn a_small_order_r_is_refused() {
        for point in small_order_points() {
            let mut signature = secret().sign(b"m");
            signature[..32].copy_from_slice(&point);
            assert_eq!(refused(secret().public().verify(b"m", &signature)), Ed25519Error::SmallOrderR);
        }
    }

    /// With R the neutral element and S = k * a the plain equation holds, so verification that is not strict accepts it.
    /// From tests/vectors/small_order_r.py.
    #[test]
    fn a_forged_small_order_r_that_satisfies_the_equation_is_refused() {
        use ed25519_dalek::Verifier as _;

        let mut r = [0; 32];
        r[0] = 1;
        let s = [
            0xa0, 0x00, 0x0a, 0x78, 0xdb, 0x7a, 0x82, 0xc4, 0xc9, 0x3e, 0x99, 0x93, 0xfa, 0x59, 0x3d, 0xe3, 0xae, 0x8f,
            0x9c, 0x2b, 0xe4, 0x37, 0x04, 0x1e, 0x83, 0x56, 0x2b, 0xeb, 0xd7, 0x4d, 0x49, 0x07,
        ];
        let public = secret().public();
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        assert!(
            public.0.verify(b"m", &Signature::from_bytes(&signature)).is_ok(),
            "the case is wrong: plain verification should accept it"
        );
        assert_eq!(refused(public.verify(b"m", &signature)), Ed25519Error::SmallOrderR);
    }

    #[test]
    fn s_and_r_have_one_encoding() {
        let public = secret().public();
        let mut plus_order = secret().sign(b"m");
        let mut carry = 0_u16;
        for (digit, order) in plus_order[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*digit) + u16::from(order) + carry;
            *digit = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(refused(public.verify(b"m", &plus_order)), Ed25519Error::NonCanonicalSignature { part: "S" });
        let mut signature = secret().sign(b"m");
        signature[..32].copy_from_slice(&[0xff; 32]);
        signature[0] = 0xf0;
        assert_eq!(refused(public.verify(b"m", &signature)), Ed25519Error::NonCanonicalSignature { part: "R" });
    }

    #[test]
    fn every_single_bit_flip_of_a_signature_is_refused() {
        let good = secret().sign(b"m");
        assert_eq!(secret().public().verify(b"m", &good), Ok(()));
        for bit in 0..8 * good.len() {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(secret().public().verify(b"m", &bad).is_err(), "bit {bit}");
        }
    }
}
