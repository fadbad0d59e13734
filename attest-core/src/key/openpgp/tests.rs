//! On signatures made by gpg: tests/vectors/openpgp, with the script that made them.

use super::packet::HEADER_ONE;
use super::*;
use crate::key::{KeyError, PublicKey, RawKey};
use OpenPgpError as E;

const MESSAGE: &[u8] = include_bytes!("../../../tests/vectors/openpgp/message.bin");

macro_rules! certificate {
    ($name:literal) => {
        include_str!(concat!("../../../tests/vectors/openpgp/", $name, ".cert.asc"))
    };
}

macro_rules! signature {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/vectors/openpgp/", $name, ".gpg.sig")).as_slice()
    };
}

fn ed25519() -> Certificate {
    Certificate::parse(certificate!("ed25519")).unwrap()
}

fn error(result: Result<impl std::fmt::Debug, KeyError>) -> OpenPgpError {
    match result.unwrap_err() {
        KeyError::OpenPgp(error) => error,
        other => panic!("not an error of OpenPGP: {other:?}"),
    }
}

#[test]
fn signatures_by_gpg_verify_after_their_unhashed_area_is_emptied() {
    for (name, armored, signature) in [
        ("ed25519", certificate!("ed25519"), signature!("ed25519")),
        ("armored", certificate!("ed25519"), signature!("armored")),
        ("sender", certificate!("ed25519"), signature!("sender")),
        ("rsa3072", certificate!("rsa3072"), signature!("rsa3072")),
        ("nistp256", certificate!("nistp256"), signature!("nistp256")),
        ("nistp384", certificate!("nistp384"), signature!("nistp384")),
        ("subkey", certificate!("subkey"), signature!("subkey")),
        ("expired", certificate!("expired"), signature!("expired")),
    ] {
        let certificate = Certificate::parse(armored).unwrap();
        let packet = packet(signature).unwrap();
        assert_eq!(certificate.verify(MESSAGE, &packet), Ok(()), "{name}");
        assert_eq!(super::packet(&packet).as_ref(), Ok(&packet), "{name}");
        assert_eq!(check_form(&packet), Ok(()), "{name}");
        assert!(certificate.verify(b"other", &packet).is_err(), "{name}");
    }
}

#[test]
fn what_gpg_writes_is_refused_as_long_as_its_unhashed_area_is_not_empty() {
    assert_eq!(error(ed25519().verify(MESSAGE, signature!("ed25519"))), E::UnhashedArea { found: 10 });
}

#[test]
fn each_signature_outside_of_the_profile_has_its_own_refusal() {
    type Expected = fn(&OpenPgpError) -> bool;
    let table: &[(&str, &[u8], Expected)] = &[
        ("text", signature!("text"), |e| matches!(e, E::Type { found: 1 })),
        ("expiring", signature!("expiring"), |e| matches!(e, E::Expires)),
        ("sha1", signature!("sha1"), |e| matches!(e, E::HashAlgorithm { found: 2 })),
        ("sha224", signature!("sha224"), |e| matches!(e, E::HashAlgorithm { found: 11 })),
        ("notation", signature!("notation"), |e| matches!(e, E::Notation)),
        ("critical notation", signature!("critical-notation"), |e| matches!(e, E::Notation)),
        ("policy url", signature!("policy-url"), |e| matches!(e, E::Subpacket { tag: 26, critical: false })),
        ("keyserver url", signature!("keyserver-url"), |e| matches!(e, E::Subpacket { tag: 24, .. })),
        ("two signers", signature!("two-signers"), |e| matches!(e, E::SeveralPackets { found: 438 })),
        ("inline", signature!("inline"), |e| matches!(e, E::Header { .. })),
        ("P-521", signature!("nistp521"), |e| matches!(e, E::Integer { .. })),
    ];
    for (name, signature, expected) in table {
        let error = error(packet(signature));
        assert!(expected(&error), "{name}: {error:?}");
    }
}

/// A good packet with one thing changed in its bytes.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = packet(signature!("ed25519")).unwrap();
    change(&mut packet);
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    packet
}

/// Offsets in the good ed25519 packet: header 2, then version, type, algorithms, length of the hashed area, the
/// fingerprint (23 bytes), the time (6 bytes), length of the unhashed area.
const HASHED_LENGTH: usize = 7;
const HASHED: usize = 8;
const UNHASHED_LENGTH: usize = HASHED + 29;
const DIGEST_PREFIX: usize = UNHASHED_LENGTH + 2;
const R: usize = DIGEST_PREFIX + 2;

/// Puts a subpacket in front of the hashed area.
fn with_hashed(subpacket: &[u8]) -> Vec<u8> {
    changed(|p| {
        p.splice(HASHED..HASHED, subpacket.iter().copied());
        p[HASHED_LENGTH] += u8::try_from(subpacket.len()).unwrap();
    })
}

#[test]
fn a_packet_has_one_form() {
    type Expected = fn(&OpenPgpError) -> bool;
    let good = packet(signature!("ed25519")).unwrap();
    let body = &good[2..];
    let with = |header: &[u8]| [header, body].concat();
    let length = u8::try_from(body.len()).unwrap();
    let table: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("empty", vec![], |e| matches!(e, E::Truncated { .. })),
        ("new-format header", with(&[0xc2, length]), |e| matches!(e, E::Header { found: 0xc2 })),
        ("four-byte length", with(&[0x8a, 0, 0, 0, length]), |e| matches!(e, E::Header { found: 0x8a })),
        ("indeterminate length", with(&[0x8b]), |e| matches!(e, E::Header { found: 0x8b })),
        ("long header", with(&[0x89, 0, length]), |e| matches!(e, E::HeaderLength { .. })),
        ("truncated", good[..good.len() - 1].to_vec(), |e| matches!(e, E::Truncated { .. })),
        ("one byte more", [&good[..], &[0]].concat(), |e| matches!(e, E::SeveralPackets { found: 1 })),
        ("twice", [&good[..], &good[..]].concat(), |e| matches!(e, E::SeveralPackets { .. })),
        ("a byte more inside", changed(|p| p.push(0)), |e| matches!(e, E::SeveralPackets { found: 1 })),
        ("too long", vec![HEADER_ONE; MAX_PACKET + 1], |e| matches!(e, E::PacketLength { .. })),
        ("version 3", changed(|p| p[2] = 3), |e| matches!(e, E::Version { found: 3 })),
        ("version 6", changed(|p| p[2] = 6), |e| matches!(e, E::Version { found: 6 })),
        ("standalone", changed(|p| p[3] = 2), |e| matches!(e, E::Type { found: 2 })),
        ("DSA", changed(|p| p[4] = 17), |e| matches!(e, E::PublicKeyAlgorithm { found: 17 })),
        ("MD5", changed(|p| p[5] = 1), |e| matches!(e, E::HashAlgorithm { found: 1 })),
        (
            "unhashed issuer",
            changed(|p| {
                p[UNHASHED_LENGTH + 1] = 10;
                p.splice(DIGEST_PREFIX..DIGEST_PREFIX, [9, 16, 1, 2, 3, 4, 5, 6, 7, 8]);
            }),
            |e| matches!(e, E::UnhashedArea { found: 10 }),
        ),
        ("time twice", with_hashed(&[5, 2, 0, 0, 0, 0]), |e| matches!(e, E::DuplicateSubpacket { tag: 2 })),
        ("never expiring", with_hashed(&[5, 3, 0, 0, 0, 0]), |e| matches!(e, E::Expires)),
        ("critical unknown", with_hashed(&[2, 0x80 | 0x6e, 0]), |e| {
            matches!(e, E::Subpacket { tag: 110, critical: true })
        }),
        ("embedded signature", with_hashed(&[2, 32, 0]), |e| matches!(e, E::Subpacket { tag: 32, .. })),
        ("another issuer", with_hashed(&[9, 16, 1, 2, 3, 4, 5, 6, 7, 8]), |e| matches!(e, E::IssuerMismatch)),
        ("short time", with_hashed(&[4, 2, 0, 0, 0]), |e| matches!(e, E::SubpacketForm { tag: 2, length: 3 })),
        ("empty subpacket", with_hashed(&[0]), |e| matches!(e, E::Truncated { .. })),
        ("fingerprint of version 5", changed(|p| p[HASHED + 2] = 5), |e| matches!(e, E::SubpacketForm { tag: 33, .. })),
        (
            "no time",
            changed(|p| {
                p.drain(HASHED + 23..HASHED + 29);
                p[HASHED_LENGTH] -= 6;
            }),
            |e| matches!(e, E::MissingSubpacket { tag: 2, .. }),
        ),
        (
            "no fingerprint",
            changed(|p| {
                p.drain(HASHED..HASHED + 23);
                p[HASHED_LENGTH] -= 23;
            }),
            |e| matches!(e, E::MissingSubpacket { tag: 33, .. }),
        ),
        (
            "leading zero in r",
            changed(|p| {
                let bits = u16::from_be_bytes([p[R], p[R + 1]]) + 8;
                p.splice(R..R + 2, [bits.to_be_bytes().as_slice(), &[0]].concat());
            }),
            |e| matches!(e, E::Integer { integer: "r" }),
        ),
        (
            "more bits in r than it has",
            changed(|p| {
                // In the same number of bytes.
                let bits = u16::from_be_bytes([p[R], p[R + 1]]);
                let other = if bits % 8 == 0 { bits - 1 } else { bits + 1 };
                p.splice(R..R + 2, other.to_be_bytes());
            }),
            |e| matches!(e, E::Integer { integer: "r" }),
        ),
        (
            "64 bytes",
            changed(|p| {
                p.truncate(R);
                p.extend([&[0, 72, 0x80][..], &[1; 8], &[0, 80, 0x80], &[1; 9]].concat());
            }),
            |e| matches!(e, E::PacketLength { found: 64 }),
        ),
        (
            "r of zero",
            changed(|p| {
                p.truncate(R);
                p.extend([0, 0, 0, 1, 1]);
            }),
            |e| matches!(e, E::Integer { integer: "r" }),
        ),
    ];
    for (name, packet, expected) in table {
        let error = check_form(&packet).expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
    }
}

#[test]
fn every_single_bit_flip_is_refused() {
    for (armored, signature) in
        [(certificate!("ed25519"), signature!("ed25519")), (certificate!("nistp256"), signature!("nistp256"))]
    {
        let certificate = Certificate::parse(armored).unwrap();
        let good = packet(signature).unwrap();
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(certificate.verify(MESSAGE, &bad).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn an_ecdsa_signature_has_no_twin() {
    let certificate = Certificate::parse(certificate!("nistp256")).unwrap();
    let good = packet(signature!("nistp256")).unwrap();
    let r_bits = usize::from(u16::from_be_bytes([good[R], good[R + 1]]));
    let s_at = R + 2 + r_bits.div_ceil(8) + 2;
    let s = &good[s_at..];
    let twin = integer::EcdsaCurve::P256.negate(s);
    let mut bad = good[..s_at - 2].to_vec();
    bad.extend(u16::try_from(integer::bits(&twin)).unwrap().to_be_bytes());
    bad.extend(&twin);
    bad[1] = u8::try_from(bad.len() - 2).unwrap();
    assert_eq!(error(certificate.verify(MESSAGE, &bad)), E::HighS);
    // The same signature, so it is brought into the same form.
    assert_eq!(packet(&bad), Ok(good));
}

#[test]
fn spellings_that_are_not_signed_become_one() {
    let good = packet(signature!("ed25519")).unwrap();
    let length = u8::try_from(good.len() - 2).unwrap();
    for header in [&[0xc2, length][..], &[0x89, 0, length], &[0x88, length]] {
        assert_eq!(packet(&[header, &good[2..]].concat()).as_ref(), Ok(&good));
    }
    let padded = changed(|p| {
        let bits = u16::from_be_bytes([p[R], p[R + 1]]) + 8;
        p.splice(R..R + 2, [bits.to_be_bytes().as_slice(), &[0]].concat());
    });
    assert_eq!(packet(&padded), Ok(good));
}

#[test]
fn an_unhashed_subpacket_that_gpg_does_not_write_is_not_dropped_silently() {
    let extended = changed(|p| {
        p[UNHASHED_LENGTH + 1] = 3;
        p.splice(DIGEST_PREFIX..DIGEST_PREFIX, [2, 100, 0]);
    });
    assert_eq!(error(packet(&extended)), E::UnhashedArea { found: 3 });
}

#[test]
fn the_signer_is_a_key_of_the_certificate() {
    let by_rsa = packet(signature!("rsa3072")).unwrap();
    assert!(matches!(error(ed25519().verify(MESSAGE, &by_rsa)), E::WrongSigner { .. }));
    // Another key's name over our algorithm and the other way round.
    let mut renamed = packet(signature!("ed25519")).unwrap();
    let rsa = Certificate::parse(certificate!("rsa3072")).unwrap();
    let fingerprint = &by_rsa[9 + 3..9 + 23];
    renamed[HASHED + 3..HASHED + 23].copy_from_slice(fingerprint);
    assert!(matches!(error(rsa.verify(MESSAGE, &renamed)), E::DigestPrefix | E::AlgorithmMismatch { .. }));
}

#[test]
fn a_signature_older_than_its_key_is_refused_as_gpg_does() {
    let early = packet(signature!("early")).unwrap();
    assert!(matches!(error(ed25519().verify(MESSAGE, &early)), E::PredatesKey { .. }));
}

#[test]
fn the_digest_prefix_is_not_free() {
    let bad = changed(|p| p[DIGEST_PREFIX] ^= 1);
    assert_eq!(error(ed25519().verify(MESSAGE, &bad)), E::DigestPrefix);
}

#[test]
fn certificates_outside_of_the_profile_are_refused() {
    type Expected = fn(&OpenPgpError) -> bool;
    let good = certificate!("ed25519");
    let long = format!("{good}{}", " ".repeat(MAX_CERTIFICATE));
    let two = format!("{good}\n{}", certificate!("nistp256"));
    let table: &[(&str, &str, Expected)] = &[
        ("rsa2048", certificate!("rsa2048"), |e| matches!(e, E::RsaBits { found: 2048 })),
        ("P-521", certificate!("nistp521"), |e| matches!(e, E::KeyAlgorithm { .. })),
        // A curve that the library cannot verify: the key's own self-signature does not count then.
        ("brainpool", certificate!("brainpoolP256r1"), |e| matches!(e, E::NoSigningKey)),
        ("certify only", certificate!("certify-only"), |e| matches!(e, E::NoSigningKey)),
        ("empty", "", |e| matches!(e, E::Certificate { .. })),
        ("armor without contents", ARMOR_HEADER, |e| matches!(e, E::Certificate { .. })),
        ("cut", &good[..good.len() / 2], |e| matches!(e, E::Certificate { .. } | E::NoSigningKey)),
        ("too long", &long, |e| matches!(e, E::CertificateLength { .. })),
        ("two", &two, |e| matches!(e, E::Certificate { .. })),
    ];
    for (name, armored, expected) in table {
        let error = error(Certificate::parse(armored));
        assert!(expected(&error), "{name}: {error:?}");
    }
}

#[test]
fn a_key_is_one_key_in_every_disguise() {
    let certificate = PublicKey::parse(certificate!("subkey")).unwrap();
    assert_eq!(certificate.raw_keys().len(), 3);
    assert!(certificate.fingerprint().starts_with("openpgp:"));
    assert_eq!(certificate.fingerprint().len(), "openpgp:".len() + 40);
    // The key packet of the certificate: its last 32 bytes are the point.
    let cert = ed25519();
    let binary = dearmored(certificate!("ed25519"));
    let point: [u8; 32] = binary[2 + 51 - 32..2 + 51].try_into().unwrap();
    assert_eq!(cert.raw_keys(), [RawKey::ed25519(&point)]);
    assert_ne!(cert, Certificate::parse(certificate!("nistp256")).unwrap());
    assert_eq!(cert, ed25519());
}

fn dearmored(armored: &str) -> Vec<u8> {
    use std::io::Read as _;
    let mut binary = Vec::new();
    sequoia_openpgp::armor::Reader::from_bytes(armored.as_bytes(), None).read_to_end(&mut binary).unwrap();
    binary
}

/// The attack that the back-signature is for: a certificate that adopts somebody else's signing key.
#[test]
fn a_subkey_that_did_not_agree_signs_nothing() {
    use sequoia_openpgp::Packet;
    use sequoia_openpgp::cert::prelude::*;
    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::parse::Parse as _;
    use sequoia_openpgp::serialize::SerializeInto as _;
    use sequoia_openpgp::types::{KeyFlags, SignatureType};

    let victim = Cert::from_bytes(certificate!("ed25519").as_bytes()).unwrap();
    let (attacker, _) = CertBuilder::new()
        .set_cipher_suite(CipherSuite::Cv25519)
        .add_userid("attacker@gpg.example")
        .add_signing_subkey()
        .generate()
        .unwrap();
    let stolen = victim.primary_key().key().clone().role_into_subordinate();
    let mut signer = attacker.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_key_flags(KeyFlags::empty().set_signing())
        .unwrap()
        .sign_subkey_binding(&mut signer, None, &stolen);
    let binding = binding.unwrap();
    let attacker =
        attacker.strip_secret_key_material().insert_packets([Packet::from(stolen), Packet::from(binding)]).unwrap().0;
    let armored = String::from_utf8(attacker.armored().to_vec().unwrap()).unwrap();
    let attacker = Certificate::parse(&armored).unwrap();
    let packet = packet(signature!("ed25519")).unwrap();
    assert!(matches!(error(attacker.verify(MESSAGE, &packet)), E::WrongSigner { .. }));
}
