use attest_core::{
    merkle::{Frontier, TreeSize},
    note::{KeyName, KeyType, SignerKey},
    time::Timestamp,
};

use super::{evidence::Finding, *};
use crate::store::evidence;

fn key(name: &str, kind: KeyType, seed: u8) -> VerifierKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32]).verifier().clone()
}

fn settings(text: &str) -> Result<Settings, SettingsError> {
    let log = key("example.com/log", KeyType::Ed25519, 1);
    Settings::new(TlogPolicy::parse(text.as_bytes()).unwrap(), Fail::Closed, &log)
}

#[test]
fn a_policy_that_cannot_witness_this_log_is_refused() {
    let w = key("w.example", KeyType::CosignatureV1, 2);
    let (ours, other) = (key("example.com/log", KeyType::Ed25519, 1), key("other", KeyType::Ed25519, 3));
    assert!(settings(&format!("log {ours}\nwitness w {w} https://w.example/\nquorum w\n")).is_ok());
    assert!(settings(&format!("witness w {w} https://w.example/\nquorum w\n")).is_ok());
    let refused = |text: String| settings(&text).unwrap_err();
    assert!(matches!(refused(format!("witness w {w} http://w\nquorum none\n")), SettingsError::NoQuorum));
    let others = format!("log {other}\nwitness w {w} http://w\nquorum w\n");
    assert!(matches!(refused(others), SettingsError::OtherLog { .. }));
    assert!(matches!(refused(format!("witness w {w}\nquorum w\n")), SettingsError::NoUrl { .. }));
    for url in ["w.example", "file:///etc", "https://w/?q", "https://w/#f"] {
        let text = format!("witness w {w} {url}\nquorum w\n");
        assert!(matches!(refused(text), SettingsError::Url { .. }), "{url}");
    }
    for own in [key("example.com/log", KeyType::CosignatureV1, 9), key("w", KeyType::CosignatureV1, 1)] {
        let text = format!("witness w {own} https://w\nquorum w\n");
        assert!(matches!(refused(text), SettingsError::IsLog { .. }), "{own}");
    }
}

#[test]
fn evidence_is_never_overwritten_and_found_again() {
    let data = tempfile::tempdir().unwrap();
    let log = key("example.com/log", KeyType::Ed25519, 1);
    assert_eq!(evidence::found(data.path(), "fork-").unwrap(), None);
    let keep = |seen: &str| {
        let held_root = Frontier::new().head().root;
        let (held, seen, size) = (String::new(), seen.to_owned(), TreeSize::ZERO);
        let finding = Finding { log: &log, from: "w", held, seen, size, held_root, seen_root: None };
        finding.keep(data.path(), "fork-", Timestamp::from_secs(1_795_000_000)).unwrap()
    };
    let (first, second) = (keep("first"), keep("second"));
    assert_ne!(first, second);
    assert!(std::fs::read_to_string(&first).unwrap().contains("first"));
    assert_eq!(evidence::found(data.path(), "fork-").unwrap(), Some(first.min(second)));
    assert_eq!(evidence::found(data.path(), "other-").unwrap(), None);
}
