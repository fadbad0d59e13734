//! Properties of the parsers of statements and what they are made of: nothing panics, and what is accepted prints back
//! exactly as it was.

use attest_core::artifact::{ArtifactDigest, ProjectName, Version, WheelName, file_name_from_url};
use attest_core::envelope::{Envelope, Signature};
use attest_core::ijson::{check, from_slice, to_canonical};
use attest_core::key::PublicKey;
use attest_core::key::openpgp::{check_form, packet};
use attest_core::statement::Statement;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

const GOLDEN: &[u8] = include_bytes!("vectors/statements/not-reproduced-different.json");
const GPG: &[u8] = include_bytes!("vectors/openpgp/nistp256.gpg.sig");
const CERTIFICATE: &str = include_str!("vectors/openpgp/ed25519.cert.asc");

/// Bytes near `good`: a few of them replaced, removed or doubled.
fn near(good: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    vec((0..good.len(), any::<u8>(), 0..3_u8), 0..4).prop_map(move |edits| {
        let mut bytes = good.to_vec();
        for (at, byte, edit) in edits {
            let at = at % bytes.len();
            match edit {
                0 => bytes[at] = byte,
                1 => {
                    bytes.remove(at);
                }
                _ => bytes.insert(at, bytes[at]),
            }
        }
        bytes
    })
}

/// JSON values without numbers that I-JSON refuses.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6).prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn an_accepted_envelope_prints_back(payload in vec(any::<u8>(), 0..300), raw in any::<[u8; 32]>()) {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&raw);
        let envelope = Envelope::new(payload, Signature::Ed25519(signature)).expect("short");
        let bytes = envelope.to_bytes();
        prop_assert_eq!(Envelope::parse(&bytes), Ok(envelope));
        // With any one byte changed: refused, or another envelope that prints back as well.
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] = other[at].wrapping_add(raw[at % 32] | 1);
            if let Ok(parsed) = Envelope::parse(&other) {
                prop_assert_eq!(parsed.to_bytes(), other);
            }
        }
    }

    #[test]
    fn no_bytes_panic_an_envelope(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Envelope::parse(&bytes);
    }

    #[test]
    fn a_statement_near_a_good_one_is_refused_or_understood_once(bytes in near(GOLDEN)) {
        if let Ok(statement) = Statement::parse(&bytes) {
            let printed = statement.to_bytes();
            prop_assert_eq!(Statement::parse(&printed), Ok(statement));
        }
    }

    #[test]
    fn json_that_serde_writes_is_accepted_and_the_same_in_canonical_form(value in json()) {
        let text = value.to_string();
        prop_assert_eq!(from_slice(text.as_bytes()), Ok(value.clone()));
        let canonical = to_canonical(&value);
        prop_assert_eq!(from_slice(&canonical), Ok(value));
        let again: Value = from_slice(&canonical).expect("just read");
        prop_assert_eq!(to_canonical(&again), canonical);
    }

    #[test]
    fn what_the_checker_accepts_serde_accepts(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\u truefalsn\u{f6}]{0,24}") {
        if check(text.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn a_packet_near_a_good_one_is_refused_or_of_the_one_form(bytes in near(GPG)) {
        if let Ok(normal) = packet(&bytes) {
            prop_assert_eq!(check_form(&normal), Ok(()));
            prop_assert_eq!(packet(&normal), Ok(normal));
        }
        let _ = check_form(&bytes);
    }

    #[test]
    fn no_certificate_panics(bytes in near(CERTIFICATE.as_bytes())) {
        let _ = PublicKey::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn an_accepted_name_prints_back(name in "[A-Za-z0-9._!+-]{1,12}(-[A-Za-z0-9._!+]{1,6}){2,6}(\\.whl)?") {
        if let Ok(wheel) = WheelName::parse(&name) {
            prop_assert_eq!(wheel.as_str(), &name);
            let url = format!("https://files.example/{}", wheel.purl().rsplit_once('=').expect("a purl").1);
            prop_assert_eq!(file_name_from_url(&url), Ok(name));
        }
    }

    #[test]
    fn normal_names_are_fixed_points(name in "[A-Za-z0-9._-]{1,20}") {
        if let Ok(project) = ProjectName::new(&name) {
            prop_assert_eq!(ProjectName::new(project.as_str()), Ok(project));
        }
    }

    #[test]
    fn versions_equal_themselves_in_other_case(text in "v?([0-9]!)?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}([-_.]?(a|b|rc|alpha|post|dev)[-_.]?[0-9]{0,2}){0,2}(\\+[a-z0-9.]{1,5})?") {
        if let Ok(version) = Version::new(&text) {
            let upper = Version::new(&text.to_uppercase()).expect("case does not matter");
            prop_assert!(version.same_as(&upper));
            prop_assert_eq!(version.as_str(), &text);
        }
    }

    #[test]
    fn a_digest_prints_back(bytes in any::<[u8; 32]>()) {
        let digest = ArtifactDigest::from_bytes(bytes);
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
    }
}
