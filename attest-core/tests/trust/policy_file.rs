//! docs/TRUST.md 1.1 and 1.3: what a policy file must say, and how it is refused.
use crate::world::*;
use attest_core::policy::{Policy, PolicyError, PolicyErrorKind as Kind};

fn refused(rules: &Rules) -> PolicyError {
    match Policy::parse(&rules.text()) {
        Err(error) => error,
        Ok(_) => panic!("expected a refusal of\n{}", rules.text()),
    }
}

/// The text that an error points at.
fn pointed_at(rules: &Rules, error: &PolicyError) -> String {
    let text = rules.text();
    let line = text.lines().nth(error.line - 1).unwrap_or_default();
    line.chars().skip(error.column - 1).collect()
}

/// The file is refused by this rule, and the error points at this text.
macro_rules! refuses {
    ($rules:expr, $rule:pat, $place:expr) => {{
        let rules: Rules = $rules;
        let error = refused(&rules);
        assert!(matches!(*error.kind, $rule), "expected {}, found {error}", stringify!($rule));
        let found = pointed_at(&rules, &error);
        let place: &str = $place;
        assert!(found.starts_with(place), "expected {place}, found {found} ({error})");
        assert!(!error.to_string().contains('\n'), "{error}");
    }};
}

#[test]
fn nothing_that_decides_trust_has_a_default() {
    for key in [
        "version",
        "serial",
        "expires",
        "threshold",
        "accept-origin",
        "accept-method",
        "negatives",
        "witness-threshold",
        "max-checkpoint-age",
        "offline-max-age",
        "clock-skew",
    ] {
        let error = refused(&Rules::new().without(key));
        assert!(matches!(*error.kind, Kind::Toml(_)), "{error}");
        assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
    }
}

#[test]
fn neither_an_empty_nor_an_endless_file_is_a_policy() {
    assert!(Policy::parse("").is_err());
    let padding = "#".repeat(Policy::MAX_LEN);
    refuses!(Rules::new().table(padding), Kind::TooLong { .. }, "");
}

#[test]
fn an_unknown_key_anywhere_is_an_error_at_its_line() {
    let entry = "[[package]]\nname = \"six\"\nthreshhold = 3\n";
    let key = signer("x").public();
    for rules in [
        Rules::new().set("treshold", "1"),
        Rules::new().table("[x-notes]\na = 1\n"),
        Rules::new().table(entry),
        Rules::new().change_rebuilder("nix-1", "nixos", "current", "weight = 2\n"),
        Rules::new().table(format!("[[self]]\nname = \"x\"\nkey = \"{key}\"\ngroup = \"y\"\n")),
        Rules::new().log("second.example/log", "optional = true\n"),
    ] {
        let error = refused(&rules);
        let place = pointed_at(&rules, &error);
        assert!(error.to_string().contains("unknown field"), "{error}");
        let keys = ["treshold", "x-notes", "threshhold", "weight", "group", "optional"];
        assert!(keys.iter().any(|key| place.starts_with(key)), "line {}, column {}: {place}", error.line, error.column);
    }
}

#[test]
fn a_threshold_that_everybody_or_nobody_meets_is_refused() {
    let set = |key: &'static str, value: &str| Rules::new().set(key, value);
    refuses!(set("threshold", "0"), Kind::ZeroThreshold { key: "threshold" }, "0");
    refuses!(set("threshold", "4"), Kind::Unreachable { threshold: 4, groups: 3, .. }, "4");
    refuses!(set("threshold", "-1"), Kind::Toml(_), "-1");
    refuses!(set("threshold", "\"2\""), Kind::Toml(_), "\"2\"");
    refuses!(set("witness-threshold", "0"), Kind::ZeroThreshold { key: "witness-threshold" }, "0");
    refuses!(set("witness-threshold", "4"), Kind::Unreachable { groups: 3, .. }, "4");
    let complete = set("negatives", "\"complete\"");
    refuses!(complete.clone().set("auditor-threshold", "1"), Kind::Unreachable { groups: 0, .. }, "1");
    refuses!(complete.clone().set("auditor-threshold", "0"), Kind::ZeroThreshold { .. }, "0");
    refuses!(complete, Kind::AuditorThresholdMissing, "\"complete\"");
    refuses!(set("auditor-threshold", "1"), Kind::AuditorThresholdUnused, "1");
}

#[test]
fn doing_without_witnesses_or_freshness_takes_words() {
    let set = |key: &'static str, value: &str| Rules::new().set(key, value);
    refuses!(set("witness-threshold", "\"off\""), Kind::Toml(_), "\"off\"");
    refuses!(set("witness-threshold", "\"none\""), Kind::AgeUnknowable { .. }, "\"24h\"");
    refuses!(set("max-checkpoint-age", "\"unchecked\""), Kind::AgeUnchecked { .. }, "\"unchecked\"");
    refuses!(set("offline-max-age", "\"unchecked\""), Kind::AgeUnchecked { .. }, "\"unchecked\"");
    let none = set("witness-threshold", "\"none\"").set("max-checkpoint-age", "\"unchecked\"");
    refuses!(none.clone(), Kind::AgeUnknowable { key: "offline-max-age", .. }, "\"30d\"");
    assert!(Policy::parse(&none.set("offline-max-age", "\"unchecked\"").text()).is_ok());
}

#[test]
fn every_value_has_one_spelling() {
    let set = |key: &'static str, value: &str| Rules::new().set(key, value);
    refuses!(set("version", "2"), Kind::Version { found: 2 }, "2");
    refuses!(set("negatives", "\"none\""), Kind::Toml(_), "\"none\"");
    refuses!(set("accept-origin", "[]"), Kind::EmptyList { key: "accept-origin" }, "[]");
    refuses!(set("accept-method", "[]"), Kind::EmptyList { key: "accept-method" }, "[]");
    refuses!(set("accept-origin", "[\"GIT\"]"), Kind::Toml(_), "\"GIT\"");
    refuses!(set("expires", "2027-06-30"), Kind::Time { key: "expires", .. }, "2027");
    refuses!(set("expires", "2027-06-30T00:00:00"), Kind::Time { .. }, "2027");
    refuses!(set("expires", "2027-06-30T00:00:00+01:00"), Kind::Time { .. }, "2027");
    for duration in ["", "m", "300", "+5m", "05m", "5 m", "5w", "5µ", "999999999999999999d"] {
        let quoted = format!("\"{duration}\"");
        refuses!(set("clock-skew", &quoted), Kind::Duration { key: "clock-skew", .. }, &quoted);
    }
}

#[test]
fn a_clock_may_be_wrong_by_an_hour_and_not_more() {
    for skew in ["\"0s\"", "\"1h\"", "\"60m\""] {
        Rules::new().set("clock-skew", skew).policy();
    }
    for skew in ["\"3601s\"", "\"61m\"", "\"2h\"", "\"400d\""] {
        refuses!(Rules::new().set("clock-skew", skew), Kind::ClockSkew { .. }, skew);
    }
}

#[test]
fn a_word_is_a_string_and_has_no_second_spelling() {
    for (key, value) in [
        ("negatives", "{ best-effort = {} }"),
        ("negatives", "{ complete = {} }"),
        ("accept-origin", "[{ git = {} }]"),
        ("accept-method", "[{ exact = {} }, \"replayed\"]"),
        ("negatives", "\"Best-Effort\""),
        ("accept-origin", "[\"GIT\"]"),
        ("witness-threshold", "{ none = {} }"),
    ] {
        let error = Policy::parse(&Rules::new().set(key, value).text()).unwrap_err();
        assert!(matches!(*error.kind, Kind::Toml(_)), "{key} = {value}: {error}");
    }
    let text = Rules::new().text();
    let text = text.replacen("status = \"current\"", "status = { current = {} }", 1);
    assert!(Policy::parse(&text).is_err());
}

#[test]
fn a_party_has_one_plain_name_and_a_group_of_its_own() {
    let rebuilder = |name, group| Rules::new().rebuilder(name, group, "current", "");
    refuses!(rebuilder("deb-1", "x"), Kind::DuplicateName { .. }, "\"deb-1\"");
    refuses!(rebuilder("witness-a", "x"), Kind::DuplicateName { .. }, "\"witness-a\"");
    refuses!(rebuilder("no space", "x"), Kind::Name { .. }, "\"no space\"");
    refuses!(rebuilder("\\u001b[31m", "x"), Kind::Name { .. }, "\"\\u001b[31m\"");
    refuses!(rebuilder("x", ""), Kind::Name { .. }, "\"\"");
    refuses!(rebuilder("x", "self"), Kind::ReservedGroup, "\"self\"");
    refuses!(rebuilder("x", "publisher:p"), Kind::ReservedGroup, "\"publisher:p\"");
}

#[test]
fn a_key_that_is_no_longer_current_has_bounds() {
    let nix = |status, more: &str| Rules::new().change_rebuilder("nix-1", "nixos", status, more);
    let range = |range| format!("valid = [{{ log = \"{LOG}\", {range} }}]\n");
    refuses!(nix("revoked", ""), Kind::Toml(_), "\"revoked\"");
    refuses!(nix("retired", ""), Kind::RetiredWithoutRange, "\"retired\"");
    refuses!(nix("retired", &range("from = 0")), Kind::OpenRange, "{");
    refuses!(nix("compromised", &range("from = 0")), Kind::OpenRange, "{");
    refuses!(nix("retired", &range("from = 5, before = 5")), Kind::EmptyRange { .. }, "5");
    refuses!(nix("current", &range("before = 5")), Kind::Toml(_), "{");
    let elsewhere = "valid = [{ log = \"nowhere.example\", from = 0 }]\n";
    refuses!(nix("current", elsewhere), Kind::UnknownLog { .. }, "\"nowhere.example\"");
}

#[test]
fn a_key_is_of_the_type_that_its_role_needs() {
    let table = |text: String| Rules::new().table(text);
    let own = |key: &str| table(format!("[[self]]\nname = \"x\"\nkey = \"{key}\"\n"));
    refuses!(own("openpgp:0123"), Kind::CertificateMissing { .. }, "\"openpgp:0123\"");
    refuses!(own("ed25519:AAAA"), Kind::Key { .. }, "\"ed25519:AAAA\"");
    refuses!(own("AAAA"), Kind::Key { .. }, "\"AAAA\"");
    let unused = Rules::new().change_rebuilder("nix-1", "nixos", "current", "certificate = \"x\"\n");
    refuses!(unused, Kind::CertificateUnused { .. }, "\"x\"");
    let log = |vkey: &str| table(format!("[[log]]\nvkey = \"{vkey}\"\nurls = [\"https://x\"]\n"));
    refuses!(log("x"), Kind::VerifierKey { .. }, "\"x\"");
    let witness_key = cosigner("y").verifier().to_string();
    refuses!(log(&witness_key), Kind::VerifierKeyType { .. }, "\"y.example+");
    let log_key = Log::new("y").key.verifier().to_string();
    let witness = format!("[[witness]]\nname = \"x\"\ngroup = \"x\"\nvkey = \"{log_key}\"\n");
    refuses!(table(witness), Kind::VerifierKeyType { .. }, "\"y+");
    refuses!(Rules::new().log(LOG, ""), Kind::DuplicateKey { .. }, "\"log.example/2026+");
    let root = Rules::new().log("second.example", "final = { size = 1, root = \"AA==\" }\n");
    refuses!(root, Kind::Root { .. }, "\"AA==\"");
    let no_url = table(format!("[[log]]\nvkey = \"{log_key}\"\nurls = []\n"));
    refuses!(no_url, Kind::EmptyList { key: "urls" }, "[]");
}

#[test]
fn an_openpgp_key_is_pinned_by_its_full_fingerprint() {
    let certificate = include_str!("../vectors/openpgp/ed25519.cert.asc");
    let own = |key: &str| {
        Rules::new()
            .table(format!("[[self]]\nname = \"x\"\nkey = \"{key}\"\ncertificate = \"\"\"\n{certificate}\"\"\"\n"))
    };
    let full = "openpgp:D4042C0BA3AD4DCC508C158EC728EB7F05D62A67";
    let policy = own(full).policy();
    assert_eq!(policy.own_keys().next().unwrap().key().fingerprint(), full);
    for other in [
        "openpgp:C728EB7F05D62A67",
        "openpgp:d4042c0ba3ad4dcc508c158ec728eb7f05d62a67",
        "openpgp:D4042C0BA3AD4DCC508C158EC728EB7F05D62A68",
    ] {
        refuses!(own(other), Kind::Fingerprint { .. }, &format!("\"{other}\""));
    }
}

#[test]
fn a_package_rule_only_tightens_and_pins_one_spelling_of_a_repository() {
    let package = |more: &str| Rules::new().table(format!("[[package]]\nname = \"six\"\n{more}\n"));
    refuses!(package("threshold = 1"), Kind::ThresholdLowered { policy: 2, found: 1 }, "1");
    refuses!(package("threshold = 0"), Kind::ZeroThreshold { .. }, "0");
    refuses!(package("threshold = 4"), Kind::Unreachable { .. }, "4");
    refuses!(package("accept-origin = []"), Kind::EmptyList { .. }, "[]");
    refuses!(package("accept-recipe = [\"abc\"]"), Kind::Toml(_), "[\"abc\"]");
    for name in ["Six", "", "six_a", "six--a", "s?x"] {
        let rules = Rules::new().table(format!("[[package]]\nname = \"{name}\"\n"));
        refuses!(rules, Kind::Pattern { .. }, &format!("\"{name}\""));
    }
    for url in [
        "http://github.com/a/b",
        "https://u@github.com/a/b",
        "https://github.com:443/a/b",
        "https://GitHub.com/a/b",
        "https://github.com/a/b.git",
        "https://github.com/a/b/",
        "https://github.com/a//b",
        "https://github.com/a/../b",
        "https://github.com/a/b?c",
        "https://github.com/a/b%20c",
        "https://github.com/",
        "https://github.com",
        "git+https://github.com/a/b",
    ] {
        let rules = package(&format!("repository = {{ url = \"{url}\" }}"));
        refuses!(rules, Kind::Repository { .. }, &format!("\"{url}\""));
    }
    let reference = "repository = { url = \"https://github.com/a/b\", ref = \"v{version}\" }";
    refuses!(package(reference), Kind::Ref { .. }, "\"v{version}\"");
}

#[test]
fn an_exemption_or_dismissal_has_a_scope_a_reason_and_an_end() {
    let exempt = |more: &str| Rules::new().table(format!("[[exempt]]\nreason = \"r\"\n{more}\n"));
    let sha = format!("sha256 = \"{}\"", digest("x"));
    let until = "expires = 2027-01-01T00:00:00Z";
    refuses!(exempt(""), Kind::ExemptionScope, "[[exempt]]");
    refuses!(exempt("name = \"six\""), Kind::ExemptionScope, "[[exempt]]");
    refuses!(exempt(&sha), Kind::ExemptionWithoutExpiry, "[[exempt]]");
    let both = format!("{sha}\nindex = \"https://x\"\n{until}");
    refuses!(exempt(&both), Kind::ExemptionScope, "[[exempt]]");
    let named = format!("{sha}\nname = \"six\"\n{until}");
    refuses!(exempt(&named), Kind::ExemptionName, "\"six\"");
    refuses!(exempt("index = \"pypi.example\""), Kind::Url { .. }, "\"pypi.example\"");
    refuses!(exempt("index = \"https:///x\""), Kind::Url { .. }, "\"https:///x\"");
    let unexplained = Rules::new().table("[[exempt]]\nindex = \"https://x\"\nreason = \" \"\n");
    refuses!(unexplained, Kind::EmptyReason, "\" \"");
    let dismiss = |more: &str| Rules::new().table(format!("[[dismiss]]\nstatement = \"{}\"\n{more}\n", digest("x")));
    refuses!(dismiss(&format!("reason = \"\"\n{until}")), Kind::EmptyReason, "\"\"");
    refuses!(dismiss("reason = \"r\""), Kind::Toml(_), "[[dismiss]]");
    refuses!(dismiss(until), Kind::Toml(_), "[[dismiss]]");
}

#[test]
fn groups_that_cannot_vote_do_not_make_a_threshold_reachable() {
    let three = Rules::new().set("threshold", "3");
    assert!(Policy::parse(&three.text()).is_ok());
    for (status, more) in [("compromised", ""), ("retired", "valid = []\n")] {
        let rules = three.clone().change_rebuilder("nix-1", "nixos", status, more);
        assert!(matches!(*refused(&rules).kind, Kind::Unreachable { groups: 2, .. }));
    }
    // Publishers never count, and rebuilders vote only from a log.
    let publisher = three.clone().change_rebuilder("nix-1", "nixos", "compromised", "").key("publisher", "ci");
    assert!(matches!(*refused(&publisher).kind, Kind::Unreachable { groups: 2, .. }));
    let mut no_log = Rules::new().set("threshold", "1");
    no_log.tables.retain(|table| !table.starts_with("[[log]]"));
    assert!(matches!(*refused(&no_log).kind, Kind::Unreachable { groups: 0, .. }));
    assert!(Policy::parse(&no_log.key("self", "me").text()).is_ok());
}

#[test]
fn a_policy_tells_the_cli_what_it_needs() {
    let rules = Rules::new().key("self", "me").key("publisher", "ci");
    let policy = rules.policy();
    assert_eq!(policy.serial().value, 7);
    assert_eq!(policy.logs()[0].origin(), LOG);
    assert_eq!(policy.logs()[0].urls(), [format!("https://{LOG}")]);
    assert_eq!(policy.rebuilders().count(), 4);
    assert_eq!(policy.own_keys().count(), 1);
    assert_eq!(policy.publishers().count(), 1);
    assert_eq!(policy.witnesses().len(), 3);
    let line = policy.own_keys().next().unwrap().line();
    assert_eq!(rules.text().lines().nth(line - 1), Some("[[self]]"));
}

#[test]
fn the_examples_of_the_documentation_are_policies() {
    let page = include_str!("../../../docs/policy.md");
    let examples: Vec<_> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        if let Err(error) = Policy::parse(example) {
            panic!("{error}\n{example}");
        }
    }
}
