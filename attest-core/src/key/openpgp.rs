//! OpenPGP ([RFC 9580](https://www.rfc-editor.org/rfc/rfc9580)) detached signatures under a narrow profile
//! (docs/TRUST.md 2.3).
//!
//! A signature is exactly one packet in one form, so that nothing about it can vary or vanish later:
//!
//! - old-format header as gpg writes it: `0x88` and one length byte, or `0x89` and two when one is not enough;
//! - version 4, type 0x00 (binary), SHA-256, SHA-384 or SHA-512;
//! - EdDSA over Ed25519, RSA of 3072 to 4096 bits, or ECDSA over P-256 or P-384;
//! - hashed subpackets: creation time and issuer fingerprint, each once; issuer and signer's user id, each at most once;
//!   nothing else (no expiry, notation, policy or embedded signature);
//! - an empty unhashed area;
//! - integers without leading zeros, s of an ECDSA signature in the lower half of its range.
//!
//! gpg puts the issuer's key id into the unhashed area, where anybody could change it without breaking the signature.
//! [`packet`] brings a signature that gpg made into the form above by emptying that area and by writing its integers in
//! the one way; neither is signed, so `gpg --verify` accepts what [`packet`] returns.
//!
//! The signer is a key of a certificate that the policy pins by its full fingerprint: see [`Certificate`].

mod certificate;
mod error;
mod integer;
mod normal;
mod packet;

pub use certificate::Certificate;
pub use error::OpenPgpError;

/// First line of an armored certificate.
pub const ARMOR_HEADER: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Longest signature packet in bytes: RSA with 4096 bits and a long user id fit in several times.
pub const MAX_PACKET: usize = 4096;

/// Shortest signature packet in bytes. Real ones have over 100; 64 bytes are a raw Ed25519 signature in an envelope, so no
/// packet with tiny integers may have that length.
pub const MIN_PACKET: usize = 65;

/// Longest certificate in bytes, armored.
pub const MAX_CERTIFICATE: usize = 256 * 1024;

/// Fewest bits of an RSA modulus.
pub const MIN_RSA_BITS: usize = 3072;

/// Most bits of an RSA modulus: cryptographic libraries draw this line in different places, and everybody must agree on
/// what is valid.
pub const MAX_RSA_BITS: usize = 4096;

/// Most bits of an RSA exponent, for the same reason. It is odd and at least 3.
pub const MAX_RSA_EXPONENT_BITS: usize = 33;

/// A detached signature, armored or binary, as the one binary packet of the profile: what `sign` does to gpg's output.
///
/// # Errors
/// When the signature is outside of the profile in anything that its signer signed, or is more than one packet.
pub fn packet(signature: &[u8]) -> Result<Vec<u8>, super::KeyError> {
    Ok(normal::normalise(signature)?)
}

/// Holds a packet to the profile's form. This knows no key and verifies nothing.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_form(packet: &[u8]) -> Result<(), OpenPgpError> {
    packet::SignaturePacket::parse(packet).map(|_| ())
}

#[cfg(test)]
mod tests;
