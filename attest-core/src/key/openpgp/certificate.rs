//! Certificates, and which of their keys may sign.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use sequoia_openpgp::cert::Cert;
use sequoia_openpgp::crypto::mpi;
use sequoia_openpgp::packet::key::{PrimaryRole, PublicParts, SubordinateRole, UnspecifiedRole};
use sequoia_openpgp::packet::signature::subpacket::{SubpacketTag, SubpacketValue};
use sequoia_openpgp::packet::{Key, Signature};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::{Curve, HashAlgorithm, SignatureType};

use super::integer::{self, EcdsaCurve};
use super::packet::{Algorithm, Hash, Integers, SignaturePacket};
use super::{ARMOR_HEADER, MAX_CERTIFICATE, MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS, MIN_RSA_BITS, OpenPgpError};
use crate::artifact::excerpt;
use crate::key::{KeyError, RawKey, ed25519};

/// A certificate with at least one key that may sign statements.
///
/// Which keys those are follows from the certificate's bytes alone, never from today's date: the primary key when a
/// self-signature gives it the signing flag, and each subkey whose binding signature gives it the flag and holds a valid
/// back-signature by the subkey itself. Of several self-signatures on one component the newest decides. Self-signatures
/// by SHA-1 or older hashes do not count.
///
/// Expiry and revocation inside the certificate do not decide here, because a verdict must not change with the clock or
/// with who has fetched which update. A key that may no longer sign is given its `before` in the policy (docs/TRUST.md
/// 2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    fingerprint: String,
    signing_keys: Arc<[SigningKey]>,
    raw_keys: Arc<[RawKey]>,
    revoked: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct SigningKey {
    fingerprint: [u8; 20],
    /// Seconds since the epoch.
    created: u64,
    material: Material,
}

#[derive(Debug, PartialEq, Eq)]
enum Material {
    /// Verified by the one strict verifier of this crate.
    Ed25519(ed25519::PublicKey),
    Rsa {
        key: Key<PublicParts, UnspecifiedRole>,
        modulus: Vec<u8>,
    },
    Ecdsa {
        key: Key<PublicParts, UnspecifiedRole>,
        curve: EcdsaCurve,
    },
}

impl Certificate {
    /// Reads one ASCII-armored certificate.
    ///
    /// # Errors
    /// When it is no public certificate of a version 4 key, or has no key that may sign.
    pub fn parse(armored: &str) -> Result<Self, KeyError> {
        Ok(Self::read(armored)?)
    }

    fn read(armored: &str) -> Result<Self, OpenPgpError> {
        if armored.len() > MAX_CERTIFICATE {
            return Err(OpenPgpError::CertificateLength { found: armored.len() });
        }
        if !armored.trim_start().starts_with(ARMOR_HEADER) {
            return Err(OpenPgpError::Certificate { reason: format!("it does not begin with {ARMOR_HEADER}") });
        }
        let cert = Cert::from_bytes(armored.trim_start().as_bytes())
            .map_err(|e| OpenPgpError::Certificate { reason: excerpt(&e.to_string()) })?;
        if cert.is_tsk() {
            return Err(OpenPgpError::SecretKey);
        }
        let primary = cert.primary_key();
        if primary.key().version() != 4 {
            return Err(OpenPgpError::KeyVersion { found: primary.key().version() });
        }
        Ok(Self {
            fingerprint: cert.fingerprint().to_hex(),
            signing_keys: signing_keys(&cert)?.into(),
            revoked: primary.self_revocations().next().is_some(),
            raw_keys: cert.keys().map(|key| raw_key(key.key().mpis())).collect(),
        })
    }

    /// Fingerprint of the primary key, 40 upper-case hex digits.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// Whether its owner revoked it, as far as these bytes say. That is for the policy to act on: statements that were
    /// logged before stay what they were (docs/TRUST.md 2.4).
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Every key in it, whatever it is for.
    pub fn raw_keys(&self) -> &[RawKey] {
        &self.raw_keys
    }

    /// Refuses everything outside the profile, then verifies with the signing key that the packet names.
    ///
    /// # Errors
    /// The first rule that the packet breaks.
    pub fn verify(&self, message: &[u8], packet: &[u8]) -> Result<(), KeyError> {
        let packet = SignaturePacket::parse(packet)?;
        let key = self.signing_keys.iter().find(|key| key.fingerprint == packet.issuer).ok_or_else(|| {
            OpenPgpError::WrongSigner { expected: self.fingerprint.clone(), found: hex(&packet.issuer) }
        })?;
        Ok(key.verify(message, &packet)?)
    }
}

impl SigningKey {
    fn verify(&self, message: &[u8], packet: &SignaturePacket<'_>) -> Result<(), OpenPgpError> {
        let key = || hex(&self.fingerprint);
        // Both times are in signed bytes, so this does not depend on when it is asked; gpg refuses such a signature.
        if u64::from(packet.created) < self.created {
            return Err(OpenPgpError::PredatesKey { key: key() });
        }
        let digest = packet.digest(message)?;
        let good = match (&self.material, packet.algorithm, packet.integers) {
            (Material::Ed25519(public), Algorithm::EdDsa, Integers::Two(r, s)) => verify_ed25519(public, &digest, r, s),
            (Material::Rsa { key, modulus }, Algorithm::Rsa, Integers::One(s)) => {
                // s + n would verify too.
                if integer::compare(s, modulus).is_ge() {
                    return Err(OpenPgpError::Integer { integer: "s" });
                }
                let s = mpi::Signature::RSA { s: s.to_vec().into() };
                key.verify(&s, hash(packet.hash), &digest).is_ok()
            }
            (Material::Ecdsa { key, curve }, Algorithm::Ecdsa, Integers::Two(r, s)) => {
                // The form was checked for the curve that the integers' size gives.
                let signature = mpi::Signature::ECDSA { r: r.to_vec().into(), s: s.to_vec().into() };
                EcdsaCurve::of(r, s) == Some(*curve) && key.verify(&signature, hash(packet.hash), &digest).is_ok()
            }
            _ => return Err(OpenPgpError::AlgorithmMismatch { key: key() }),
        };
        if good { Ok(()) } else { Err(OpenPgpError::BadSignature { key: key() }) }
    }
}

/// EdDSA in OpenPGP is Ed25519 over the digest, with R and S written as integers (RFC 9580 section 5.2.3.3).
fn verify_ed25519(public: &ed25519::PublicKey, digest: &[u8], r: &[u8], s: &[u8]) -> bool {
    let (Some(r), Some(s)) = (integer::padded::<32>(r), integer::padded::<32>(s)) else {
        return false;
    };
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    public.verify(digest, &signature).is_ok()
}

fn hash(hash: Hash) -> HashAlgorithm {
    match hash {
        Hash::Sha256 => HashAlgorithm::SHA256,
        Hash::Sha384 => HashAlgorithm::SHA384,
        Hash::Sha512 => HashAlgorithm::SHA512,
    }
}

/// Every key that may sign and is of the profile. When some may sign and none is of the profile, why.
fn signing_keys(cert: &Cert) -> Result<Vec<SigningKey>, OpenPgpError> {
    let primary = cert.primary_key().key().clone();
    let mut candidates: Vec<Key<PublicParts, UnspecifiedRole>> = Vec::new();
    if primary_may_sign(cert) {
        candidates.push(primary.clone().role_into_unspecified());
    }
    for subkey in cert.keys().subkeys() {
        let newest = subkey.self_signatures().find(|s| is_strong(s));
        if newest.is_some_and(|binding| subkey_may_sign(binding, &primary, subkey.key())) {
            candidates.push(subkey.key().clone().role_into_unspecified());
        }
    }
    let mut refused = OpenPgpError::NoSigningKey;
    let mut keys = Vec::new();
    for key in candidates {
        match SigningKey::of(key) {
            Ok(key) => keys.push(key),
            Err(error) => refused = error,
        }
    }
    if keys.is_empty() { Err(refused) } else { Ok(keys) }
}

/// The flag on the primary key stands in a direct key signature or in the binding of a user id (RFC 9580 section
/// 5.2.3.10). sequoia hands out verified self-signatures, newest first.
fn primary_may_sign(cert: &Cert) -> bool {
    let newest_direct = cert.primary_key().self_signatures().find(|s| is_strong(s));
    let newest_bindings = cert.userids().filter_map(|user| user.self_signatures().find(|s| is_strong(s)));
    newest_direct.into_iter().chain(newest_bindings).any(has_signing_flag)
}

/// A subkey signs only when it agreed to: without its back-signature (RFC 9580 section 5.2.1.9) anybody could adopt
/// somebody else's key, and with it that key's signatures.
fn subkey_may_sign(
    binding: &Signature,
    primary: &Key<PublicParts, PrimaryRole>,
    subkey: &Key<PublicParts, SubordinateRole>,
) -> bool {
    has_signing_flag(binding)
        && binding.subpackets(SubpacketTag::EmbeddedSignature).any(|subpacket| match subpacket.value() {
            SubpacketValue::EmbeddedSignature(back) => {
                back.typ() == SignatureType::PrimaryKeyBinding
                    && is_strong(back)
                    && back.verify_primary_key_binding(primary, subkey).is_ok()
            }
            _ => false,
        })
}

fn has_signing_flag(signature: &Signature) -> bool {
    signature.key_flags().is_some_and(|flags| flags.for_signing())
}

fn is_strong(signature: &Signature) -> bool {
    matches!(signature.hash_algo(), HashAlgorithm::SHA256 | HashAlgorithm::SHA384 | HashAlgorithm::SHA512)
}

impl SigningKey {
    fn of(key: Key<PublicParts, UnspecifiedRole>) -> Result<Self, OpenPgpError> {
        let refused = |key: &Key<PublicParts, UnspecifiedRole>| OpenPgpError::KeyAlgorithm {
            found: match key.mpis() {
                mpi::PublicKey::EdDSA { curve, .. } | mpi::PublicKey::ECDSA { curve, .. } => {
                    format!("{} over {curve}", key.pk_algo())
                }
                _ => key.pk_algo().to_string(),
            },
        };
        let fingerprint = <[u8; 20]>::try_from(key.fingerprint().as_bytes())
            .map_err(|_| OpenPgpError::KeyVersion { found: key.version() })?;
        let created = key.creation_time().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let material = match key.mpis() {
            mpi::PublicKey::RSA { n, e } => {
                let modulus = n.value().to_vec();
                let found = integer::bits(&modulus);
                if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&found) {
                    return Err(OpenPgpError::RsaBits { found });
                }
                let odd = e.value().last().is_some_and(|low| low & 1 == 1);
                if !odd || !(2..=MAX_RSA_EXPONENT_BITS).contains(&integer::bits(e.value())) {
                    return Err(OpenPgpError::RsaExponent { found: integer::bits(e.value()) });
                }
                Material::Rsa { key, modulus }
            }
            mpi::PublicKey::EdDSA { curve: Curve::Ed25519, q } => {
                match ed25519_point(q).and_then(|raw| ed25519::PublicKey::from_bytes(&raw).ok()) {
                    Some(public) => Material::Ed25519(public),
                    None => return Err(refused(&key)),
                }
            }
            // Uncompressed points only: not every backend reads the others.
            mpi::PublicKey::ECDSA { curve: Curve::NistP256, q } if matches!(q.value(), [4, point @ ..] if point.len() == 64) => {
                Material::Ecdsa { key, curve: EcdsaCurve::P256 }
            }
            mpi::PublicKey::ECDSA { curve: Curve::NistP384, q } if matches!(q.value(), [4, point @ ..] if point.len() == 96) => {
                Material::Ecdsa { key, curve: EcdsaCurve::P384 }
            }
            _ => return Err(refused(&key)),
        };
        Ok(Self { fingerprint, created, material })
    }
}

/// A point of Ed25519 or Curve25519 in OpenPGP has a 0x40 in front (RFC 9580 section 11.2.1).
fn ed25519_point(q: &mpi::MPI) -> Option<[u8; 32]> {
    match q.value() {
        [0x40, point @ ..] => point.try_into().ok(),
        _ => None,
    }
}

/// Of a point as SEC 1 section 2.3.3 writes it, compressed or not.
fn x_coordinate(point: &[u8]) -> &[u8] {
    match point {
        [4 | 6 | 7, coordinates @ ..] => &coordinates[..coordinates.len() / 2],
        [2 | 3, x @ ..] => x,
        other => other,
    }
}

/// Identity of a key, whatever algorithm number or role it stands under: the point on its curve, or the RSA modulus (who
/// can factor it has the key for every exponent).
fn raw_key(material: &mpi::PublicKey) -> RawKey {
    match material {
        mpi::PublicKey::RSA { n, .. } => RawKey::of("rsa", n.value()),
        mpi::PublicKey::Ed25519 { a } => RawKey::ed25519(a),
        mpi::PublicKey::X25519 { u } => RawKey::of("x25519", u),
        mpi::PublicKey::EdDSA { curve, q }
        | mpi::PublicKey::ECDSA { curve, q }
        | mpi::PublicKey::ECDH { curve, q, .. } => match (curve, ed25519_point(q)) {
            (Curve::Ed25519, Some(point)) => RawKey::ed25519(&point),
            (Curve::Cv25519, Some(point)) => RawKey::of("x25519", &point),
            // x alone: a compressed point is the same key, and whoever has the key of (x, y) has that of (x, -y).
            _ => RawKey::of(&format!("ec {curve}"), x_coordinate(q.value())),
        },
        other => {
            // Never fails for a key that was parsed.
            let bytes = other.to_vec().unwrap_or_default();
            RawKey::of("other", &bytes)
        }
    }
}

fn hex(fingerprint: &[u8; 20]) -> String {
    use std::fmt::Write as _;
    fingerprint.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise one key would have two roles under two certificates.
    #[test]
    fn a_point_is_one_key_however_it_is_written() {
        let (x, y) = ([7; 32], [9; 32]);
        let written = |tag: u8, rest: &[u8]| [&[tag], rest].concat();
        let raw = |point: Vec<u8>| raw_key(&mpi::PublicKey::ECDSA { curve: Curve::NistP256, q: mpi::MPI::new(&point) });
        let key = raw(written(4, &[x, y].concat()));
        for same in [written(2, &x), written(3, &x), written(6, &[x, y].concat())] {
            assert_eq!(raw(same), key);
        }
        assert_ne!(raw(written(4, &[y, x].concat())), key);
    }
}
