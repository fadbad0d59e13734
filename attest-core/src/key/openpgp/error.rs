//! Why an OpenPGP certificate or signature was refused.

use super::{MAX_CERTIFICATE, MAX_PACKET, MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS, MIN_PACKET, MIN_RSA_BITS};

/// Why an OpenPGP certificate or signature was refused: one variant per rule of the profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenPgpError {
    /// The certificate is too long.
    #[error("expected an OpenPGP certificate of at most {MAX_CERTIFICATE} bytes, found {found}")]
    CertificateLength {
        /// Length in bytes.
        found: usize,
    },
    /// Not exactly one armored certificate.
    #[error("expected one ASCII-armored OpenPGP certificate, found something else: {reason}")]
    Certificate {
        /// What the parser said, shortened.
        reason: String,
    },
    /// There is a secret key in it.
    #[error("expected a public certificate, found a secret key in it: do not share this file")]
    SecretKey,
    /// The primary key is not version 4.
    #[error("expected a certificate with a version 4 key (gpg 2.2 reads no other), found version {found}")]
    KeyVersion {
        /// The version.
        found: u8,
    },
    /// No key with the signing flag from an acceptable self-signature (and, for a subkey, back-signature).
    #[error("expected a certificate with a key that may sign data, found none")]
    NoSigningKey,
    /// A key that may sign is of an algorithm or curve outside of the profile.
    #[error("expected a signing key of Ed25519, RSA, P-256 or P-384, found {found}")]
    KeyAlgorithm {
        /// Algorithm and curve.
        found: String,
    },
    /// An RSA exponent that backends disagree about, or under which anybody can sign.
    #[error("expected an odd RSA exponent of 2 to {MAX_RSA_EXPONENT_BITS} bits, found another one of {found} bits")]
    RsaExponent {
        /// Bits of the exponent.
        found: usize,
    },
    /// An RSA key that is too short, or longer than every backend verifies.
    #[error("expected an RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, found {found}")]
    RsaBits {
        /// Bits of the modulus.
        found: usize,
    },
    /// The signature is too long or too short.
    #[error("expected an OpenPGP signature of {MIN_PACKET} to {MAX_PACKET} bytes, found {found}")]
    PacketLength {
        /// Length in bytes.
        found: usize,
    },
    /// ASCII armor that cannot be read.
    #[error("expected a detached OpenPGP signature, armored or binary, found broken armor")]
    Armor,
    /// The packet ends before its contents do.
    #[error("expected a whole OpenPGP signature packet, found its end in {part}: it is truncated")]
    Truncated {
        /// What was being read.
        part: &'static str,
    },
    /// Not a signature packet in the header form of the profile.
    #[error("expected a signature packet with header 0x88 or 0x89, found 0x{found:02x}")]
    Header {
        /// First byte.
        found: u8,
    },
    /// A two-byte length where one byte is enough.
    #[error("expected the shortest header for a packet of {length} bytes, found a longer one")]
    HeaderLength {
        /// Length of the packet's body.
        length: usize,
    },
    /// Bytes after the packet.
    #[error("expected exactly one signature packet, found {found} bytes after it")]
    SeveralPackets {
        /// How many bytes.
        found: usize,
    },
    /// Not a version 4 signature.
    #[error("expected a version 4 signature, found version {found}")]
    Version {
        /// The version.
        found: u8,
    },
    /// Not a binary signature: a text signature covers several payloads.
    #[error("expected a signature of type 0x00 (binary), found 0x{found:02x}")]
    Type {
        /// The type.
        found: u8,
    },
    /// A public-key algorithm outside of the profile.
    #[error("expected EdDSA (22), RSA (1) or ECDSA (19), found public-key algorithm {found}")]
    PublicKeyAlgorithm {
        /// Its number in RFC 9580 section 9.1.
        found: u8,
    },
    /// A hash outside of the profile.
    #[error("expected SHA-256 (8), SHA-384 (9) or SHA-512 (10), found hash algorithm {found}")]
    HashAlgorithm {
        /// Its number in RFC 9580 section 9.5.
        found: u8,
    },
    /// An expiring signature vanishes later.
    #[error("expected a signature that does not expire, found an expiration time in it")]
    Expires,
    /// Notation data.
    #[error("expected a signature without notations, found one")]
    Notation,
    /// Another subpacket that the profile does not know.
    #[error("expected no subpackets but creation time, issuer and signer's user id, found type {tag}{critical_note}", critical_note = if *critical { " (critical)" } else { "" })]
    Subpacket {
        /// Its number in RFC 9580 section 5.2.3.7.
        tag: u8,
        /// Whether its critical bit is set.
        critical: bool,
    },
    /// A subpacket that is there twice.
    #[error("expected each hashed subpacket once, found type {tag} twice")]
    DuplicateSubpacket {
        /// Its number.
        tag: u8,
    },
    /// A subpacket whose contents do not have its form.
    #[error("expected a hashed subpacket of type {tag} in its usual form, found {length} bytes of another")]
    SubpacketForm {
        /// Its number.
        tag: u8,
        /// Length of its contents.
        length: usize,
    },
    /// Creation time or issuer fingerprint is missing.
    #[error("expected a hashed subpacket of type {tag} ({name}), found none")]
    MissingSubpacket {
        /// Its number.
        tag: u8,
        /// What it is.
        name: &'static str,
    },
    /// Issuer and issuer fingerprint name two keys.
    #[error("expected the issuer's key id to be the end of the issuer's fingerprint, found another key id")]
    IssuerMismatch,
    /// The unhashed area is not signed: anybody could have written it.
    #[error("expected an empty unhashed area, found {found} bytes in it")]
    UnhashedArea {
        /// Its length.
        found: usize,
    },
    /// An integer with leading zeros, a wrong bit count, or out of its range.
    #[error(
        "expected {integer} of the signature in its one form, found leading zeros, a wrong bit count or a value out of range"
    )]
    Integer {
        /// Its name.
        integer: &'static str,
    },
    /// s is in the upper half of its range, where every ECDSA signature has a twin.
    #[error("expected s of the ECDSA signature in the lower half of its range, found its twin in the upper half")]
    HighS,
    /// The signature names another key.
    #[error("expected a signature by a signing key of certificate {expected}, found one by key {found}")]
    WrongSigner {
        /// Fingerprint of the certificate.
        expected: String,
        /// Fingerprint in the signature.
        found: String,
    },
    /// The signature's algorithm is not that of the key it names.
    #[error("expected a signature by the algorithm of key {key}, found another algorithm")]
    AlgorithmMismatch {
        /// Fingerprint of the key.
        key: String,
    },
    /// The signature says that it is older than its key; gpg refuses it.
    #[error("expected a signature made after its key {key}, found an earlier creation time")]
    PredatesKey {
        /// Fingerprint of the key.
        key: String,
    },
    /// The first two bytes of the digest, which are not signed, are not those of the digest.
    #[error("expected the digest of these bytes in the signature, found another: it is over other bytes")]
    DigestPrefix,
    /// The signature does not verify.
    #[error("the OpenPGP signature by key {key} does not verify")]
    BadSignature {
        /// Fingerprint of the key.
        key: String,
    },
}
