use super::*;
use crate::key::ed25519::{Ed25519Error, SecretKey};
use crate::statement::StatementError;

const PAYLOAD: &[u8] = include_bytes!("../../tests/vectors/statements/reproduced.json");

fn secret() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

fn signed(payload: &[u8]) -> Envelope {
    let signature = Signature::Ed25519(secret().sign(&pae(payload)));
    Envelope::new(payload.to_vec(), signature).unwrap()
}

fn key() -> PublicKey {
    PublicKey::Ed25519(secret().public())
}

#[test]
fn the_pae_is_that_of_the_specification() {
    // The form of https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, with our type.
    assert_eq!(pae("hell\u{f6}".as_bytes()), b"DSSEv1 28 application/vnd.in-toto+json 6 hell\xc3\xb6");
    assert_eq!(pae(b""), b"DSSEv1 28 application/vnd.in-toto+json 0 ");
}

#[test]
fn an_envelope_prints_back_as_it_was_and_verifies() {
    let envelope = signed(PAYLOAD);
    let bytes = envelope.to_bytes();
    let parsed = Envelope::parse(&bytes).unwrap();
    assert_eq!(parsed, envelope);
    assert_eq!(parsed.to_bytes(), bytes);
    assert_eq!(parsed.payload(), PAYLOAD);
    assert_eq!(parsed.pae(), pae(PAYLOAD));
    let statement = parsed.verify(&key()).unwrap();
    assert_eq!(statement.id(), StatementId::of_payload(PAYLOAD));
    assert_eq!(statement.signer(), &key());
    assert_eq!(statement.statement().to_bytes(), PAYLOAD);
}

#[test]
fn a_statement_id_is_the_digest_of_the_pae_whoever_signed() {
    let id = signed(b"x").statement_id();
    let other = Envelope::new(b"x".to_vec(), Signature::Ed25519([1; 64])).unwrap();
    assert_eq!(other.statement_id(), id);
    assert_eq!(id.as_bytes().as_slice(), Sha256::digest(pae(b"x")).as_slice());
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!(matches!(id.to_string().to_uppercase().parse::<StatementId>(), Err(EnvelopeError::StatementId { .. })));
}

#[test]
fn every_payload_length_around_base64_groups_round_trips() {
    for length in 0..50 {
        let envelope = signed(&vec![b'x'; length]);
        assert_eq!(Envelope::parse(&envelope.to_bytes()), Ok(envelope));
    }
}

#[test]
fn every_single_bit_flip_is_refused() {
    let payload = &PAYLOAD[..64];
    let good = signed(payload).to_bytes();
    let key = secret().public();
    for bit in 0..8 * good.len() {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let Ok(envelope) = Envelope::parse(&bad) else {
            continue;
        };
        // The signature alone: a verdict about the payload's form would hide a forged one.
        let Signature::Ed25519(signature) = envelope.signature() else {
            continue;
        };
        assert!(key.verify(envelope.pae(), signature).is_err(), "bit {bit} verifies");
    }
}

/// Text of a good envelope with its parts, to write wrong ones from.
fn parts() -> (String, String) {
    let envelope = signed(b"null");
    (STANDARD.encode(envelope.payload()), STANDARD.encode(envelope.signature().as_bytes()))
}

#[test]
fn each_deviation_from_the_canonical_form_has_its_own_refusal() {
    use EnvelopeError as E;
    type Expected = fn(&EnvelopeError) -> bool;
    let (p, s) = parts();
    let t = PAYLOAD_TYPE;
    let good = format!("{{\"payload\":\"{p}\",\"payloadType\":\"{t}\",\"signatures\":[{{\"sig\":\"{s}\"}}]}}");
    assert!(Envelope::parse(good.as_bytes()).is_ok());
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let unpadded = p.trim_end_matches('=');
    // The last character of the payload's base64 carries stray bits now.
    let stray = p.replace("A==", "B==");
    assert_ne!(p, stray);
    let sig_object = format!("{{\"sig\":\"{s}\"}}");
    let table: Vec<(&str, String, Expected)> = vec![
        ("empty", String::new(), |e| matches!(e, E::Truncated { .. })),
        ("truncated", good[..good.len() - 1].to_owned(), |e| matches!(e, E::Truncated { .. })),
        ("cut in the payload", good[..20].to_owned(), |e| matches!(e, E::Truncated { offset: 20 })),
        ("too long", format!("{good}{}", " ".repeat(70_000)), |e| matches!(e, E::TooLong { .. })),
        ("no JSON", "hello".into(), |e| matches!(e, E::NotJson(_))),
        ("trailing byte", format!("{good}x"), |e| matches!(e, E::NotJson(_))),
        ("line end", format!("{good}\n"), |e| matches!(e, E::WhiteSpace)),
        ("space", with(",\"payloadType", ", \"payloadType"), |e| matches!(e, E::WhiteSpace)),
        ("an array", "[]".into(), |e| matches!(e, E::Shape { found: "an array", .. })),
        ("payload is null", with(&format!("\"{p}\""), "null"), |e| matches!(e, E::Shape { found: "null", .. })),
        ("no payload", with("\"payload\":", "\"other\":"), |e| matches!(e, E::Shape { found: "nothing", .. })),
        ("other type", with(t, "application/vnd.in-toto"), |e| matches!(e, E::PayloadType { .. })),
        ("type in capitals", with(t, &t.to_uppercase()), |e| matches!(e, E::PayloadType { .. })),
        ("no signature", with(&sig_object, ""), |e| matches!(e, E::SignatureCount { found: 0 })),
        ("two signatures", with(&sig_object, &format!("{sig_object},{sig_object}")), |e| {
            matches!(e, E::SignatureCount { found: 2 })
        }),
        ("keyid", with("{\"sig\"", "{\"keyid\":\"a\",\"sig\""), |e| matches!(e, E::KeyId { found } if found == "a")),
        (
            "empty keyid",
            with("{\"sig\"", "{\"keyid\":\"\",\"sig\""),
            |e| matches!(e, E::KeyId { found } if found.is_empty()),
        ),
        (
            "unknown member",
            with("{\"payload\"", "{\"extra\":1,\"payload\""),
            |e| matches!(e, E::UnknownMember { name } if name == "extra"),
        ),
        (
            "duplicate key",
            with("{\"payload\"", "{\"payload\":\"e30=\",\"payload\""),
            |e| matches!(e, E::DuplicateKey { key } if key == "payload"),
        ),
        ("duplicate key after unescaping", with("{\"payload\"", "{\"pay\\u006coad\":\"e30=\",\"payload\""), |e| {
            matches!(e, E::DuplicateKey { .. })
        }),
        ("duplicate sig", with("{\"sig\"", "{\"sig\":\"\",\"sig\""), |e| matches!(e, E::DuplicateKey { .. })),
        ("nesting", with(&sig_object, &format!("{}{}", "[".repeat(40), "]".repeat(40))), |e| matches!(e, E::TooDeep)),
        ("escaped type", with("vnd.in-toto", "vnd\\u002ein-toto"), |e| matches!(e, E::Escape)),
        ("escaped slash", with("application/", "application\\/"), |e| matches!(e, E::Escape)),
        ("stray bits", with(&p, &stray), |e| matches!(e, E::Base64 { member: "payload" })),
        ("no padding", with(&p, unpadded), |e| matches!(e, E::Base64 { member: "payload" })),
        ("URL-safe alphabet", with(&p, "_-__"), |e| matches!(e, E::Base64 { member: "payload" })),
        ("white space in base64", with(&p, &format!("{p} ")), |e| matches!(e, E::Base64 { member: "payload" })),
        ("signature in URL-safe", with(&s, "____"), |e| matches!(e, E::Base64 { member: "sig" })),
        (
            "other order",
            format!("{{\"payloadType\":\"{t}\",\"payload\":\"{p}\",\"signatures\":[{sig_object}]}}"),
            |e| matches!(e, E::MemberOrder),
        ),
        ("signature of another length", with(&s, "AAAA"), |e| matches!(e, E::Key(KeyError::OpenPgp(_)))),
        ("empty signature", with(&s, ""), |e| matches!(e, E::Key(KeyError::OpenPgp(_)))),
    ];
    for (name, text, expected) in table {
        let error = Envelope::parse(text.as_bytes()).expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
    }
}

#[test]
fn the_limit_is_that_of_an_entry() {
    // Payload of the longest envelope: what the frame and an Ed25519 signature leave, in whole base64 groups.
    let frame = encoded_length(0, 64);
    let longest = (MAX_ENVELOPE - frame) / 4 * 3;
    let envelope = signed(&vec![b' '; longest]);
    assert!(envelope.to_bytes().len() <= MAX_ENVELOPE);
    assert!(Envelope::parse(&envelope.to_bytes()).is_ok());
    let signature = envelope.signature().clone();
    assert!(matches!(
        Envelope::new(vec![b' '; longest + 1], signature),
        Err(EnvelopeError::TooLong { found }) if found > MAX_ENVELOPE
    ));
}

#[test]
fn hostile_input_is_refused_quickly_whatever_its_size() {
    for bytes in [
        "[".repeat(65_000),
        "{\"a\":".repeat(13_000),
        format!("[{}", "\"\\u0000\",".repeat(7_000)),
        format!("{PREFIX}{}", "A".repeat(65_000)),
        format!("{PREFIX}{}{SUFFIX}", "\"".repeat(65_000)),
        "{".repeat(100_000_000),
    ] {
        assert!(Envelope::parse(bytes.as_bytes()).is_err());
    }
}

#[test]
fn another_key_or_suite_does_not_verify() {
    let other = PublicKey::Ed25519(SecretKey::from_seed([8; 32]).public());
    assert_eq!(
        signed(PAYLOAD).verify(&other).unwrap_err(),
        EnvelopeError::Key(KeyError::Ed25519(Ed25519Error::BadSignature))
    );
    let certificate = PublicKey::parse(include_str!("../../tests/vectors/openpgp/ed25519.cert.asc")).unwrap();
    assert!(matches!(signed(PAYLOAD).verify(&certificate), Err(EnvelopeError::Key(KeyError::Suite { .. }))));
}

#[test]
fn a_signed_payload_that_is_no_statement_is_refused_after_its_signature() {
    assert!(matches!(signed(b"{}").verify(&key()), Err(EnvelopeError::Statement(StatementError::Json(_)))));
}
