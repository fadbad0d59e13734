//! Cards that are not what they say.

use std::{fs, os::unix::fs::PermissionsExt as _};

use attest_core::key::ed25519::SecretKey;
use serde_json::Value;

use super::*;
use crate::signer::SignerSpec;

fn signer(seed: u8) -> Signer {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), SecretKey::from_seed([seed; 32]).to_secret_string()).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
    Signer::open(&SignerSpec::File(file.path().to_owned())).unwrap()
}

fn introduction(seed: u8) -> Introduction {
    let key = signer(seed).public().fingerprint();
    Introduction::new("alice", "university", "alice@example.org", Some("https://alice.example"), &key).unwrap()
}

fn card() -> Card {
    Card::sign(introduction(1), &signer(1)).unwrap()
}

/// The card with one member changed, in the spelling that a card has.
fn changed(member: &str, value: &str) -> Vec<u8> {
    let mut wire: Wire = serde_json::from_str(&card().to_text()).unwrap();
    match member {
        "name" => wire.name = value.to_owned(),
        "group" => wire.group = value.to_owned(),
        "contact" => wire.contact = value.to_owned(),
        "url" => wire.url = Some(value.to_owned()),
        "key" => wire.key = value.to_owned(),
        "proof" => wire.proof = value.to_owned(),
        _ => wire.schema = value.to_owned(),
    }
    (serde_json::to_string_pretty(&wire).unwrap() + "\n").into_bytes()
}

#[test]
fn a_card_reads_back_as_it_was_written() {
    assert_eq!(Card::parse(card().to_text().as_bytes()).unwrap(), card());
}

#[test]
fn a_card_with_anything_changed_after_signing_is_refused() {
    let other = signer(2).public().fingerprint();
    for (member, value) in [
        ("name", "mallory"),
        ("group", "company"),
        ("contact", "m@example.org"),
        ("url", "https://mallory.example"),
        ("key", &*other),
    ] {
        let refused = Card::parse(&changed(member, value)).unwrap_err();
        assert!(matches!(refused, CardError::Proof { .. }), "{member}: {refused}");
    }
}

#[test]
fn a_card_for_a_key_that_its_maker_does_not_hold_is_refused() {
    assert!(matches!(Card::sign(introduction(1), &signer(2)), Err(CardError::Proof { .. })));
}

#[test]
fn a_signature_over_the_same_text_without_the_context_is_no_proof() {
    let message = introduction(1).message();
    let raw = SecretKey::from_seed([1; 32]).sign(&message[CONTEXT.len()..]);
    let refused = Card::parse(&changed("proof", &BASE64_STANDARD.encode(raw))).unwrap_err();
    assert!(matches!(refused, CardError::Proof { .. }), "{refused}");
}

#[test]
fn control_characters_spaces_and_look_alikes_have_no_place_in_a_card() {
    for (member, value) in [
        ("name", "alice\u{1b}[2K"),
        ("name", ""),
        ("group", "univ\u{435}rsity"),
        ("contact", "a\nb"),
        ("contact", "a\u{202e}b"),
        ("url", "https://alice.example/\u{7}"),
    ] {
        let refused = Card::parse(&changed(member, value)).unwrap_err();
        assert!(matches!(refused, CardError::Name { .. } | CardError::Text { .. }), "{member}: {refused}");
    }
    for url in ["ftp://alice.example", "https://user:secret@alice.example", "https://alice.example/?x", "alice"] {
        assert!(matches!(Card::parse(&changed("url", url)), Err(CardError::Url { .. })), "{url}");
    }
}

#[test]
fn an_oversized_card_is_refused_before_it_is_read() {
    let big = vec![b' '; usize::try_from(MAX_CARD).unwrap() + 1];
    assert!(matches!(Card::parse(&big), Err(CardError::TooLarge { .. })));
}

#[test]
fn another_spelling_of_the_same_card_is_refused() {
    let text = card().to_text();
    let compact = serde_json::from_str::<Value>(&text).unwrap().to_string();
    assert!(matches!(Card::parse(compact.as_bytes()), Err(CardError::Spelling)));
    let twice = text.replacen("\"name\"", "\"name\": \"eve\",\n  \"name\"", 1);
    assert!(matches!(Card::parse(twice.as_bytes()), Err(CardError::Form(_))));
    let more = text.replacen("\"name\"", "\"trusted\": true,\n  \"name\"", 1);
    assert!(matches!(Card::parse(more.as_bytes()), Err(CardError::Form(_))));
    assert!(matches!(Card::parse(&changed("schema", "v2")), Err(CardError::Schema { .. })));
}

#[test]
fn every_card_fits_the_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../../../schemas/introduction.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut written: Value = serde_json::from_str(&card().to_text()).unwrap();
    assert_eq!(schema.validate(&written).map_err(|error| error.to_string()), Ok(()));
    for (member, value) in [("surprise", json!(1)), ("contact", json!("a b")), ("proof", json!("")), ("key", json!(""))]
    {
        let mut other = written.clone();
        other[member] = value;
        assert!(!schema.is_valid(&other), "{member}");
    }
    written.as_object_mut().unwrap().remove("url");
    assert!(schema.is_valid(&written));
}
