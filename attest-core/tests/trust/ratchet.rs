//! docs/TRUST.md 6.4: today's files without votes are taken for a while, and from then on nothing gets worse.
use crate::world::*;
use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version},
    policy::{Policy, PolicyErrorKind as Kind, RatchetEntry},
    statement::Outcome,
    verify::{Evidence, Session, Severity, Verdict, Wanted, WantedName},
};

const UNTIL: &str = "2026-12-31T00:00:00Z";

fn entry(bytes: &ArtifactDigest, name: &str) -> String {
    format!("2026-11-01 {bytes} {name}")
}

fn rules(expires: &str, pins: &[String], attested: &[String]) -> Rules {
    Rules::new().table(format!("[ratchet]\nexpires = {expires}\npins = {pins:?}\nattested = {attested:?}\n"))
}

/// The published file is pinned.
fn pinned() -> Rules {
    rules(UNTIL, &[entry(&wanted().digest, WHEEL)], &[])
}

fn ask(rules: &Rules, wanted: &Wanted, evidence: &Evidence) -> Verdict {
    attest_core::verify::verify(&rules.policy(), wanted, evidence, asking())
}

fn nobody() -> Evidence {
    evidence(vec![log_of(&[]).view()])
}

fn named(bytes: ArtifactDigest, name: &str) -> Wanted {
    Wanted { digest: bytes, name: WantedName::File(name.to_owned()) }
}

#[test]
fn a_pin_stands_in_for_missing_votes_and_shows_since_when_and_until_when() {
    let verdict = ask(&pinned(), &wanted(), &nobody());
    let Verdict::Pinned(pinning) = &verdict else { panic!("{verdict:?}") };
    assert_eq!(pinning.pin.since.to_string(), "2026-11-01T00:00:00Z");
    assert_eq!(pinning.pin.expires.to_string(), UNTIL);
    let text = pinned().text();
    assert!(text.lines().nth(pinning.pin.line - 1).unwrap().starts_with("pins = "), "{text}");
    // One vote of two is missing votes too.
    let vote = signer("deb-1").sign(&reproduced(|_| {}));
    assert!(matches!(judge(&pinned(), &[&vote]), Verdict::Pinned(_)));
}

#[test]
fn without_its_pin_the_same_file_is_refused() {
    let other = rules(UNTIL, &[entry(&digest("other"), "other-1.0-py3-none-any.whl")], &[]);
    assert_eq!(codes(&ask(&other, &wanted(), &nobody())), ["no-statement"]);
}

#[test]
fn votes_enough_decide_by_themselves_and_the_pin_is_shown_as_idle() {
    let statement = reproduced(|_| {});
    let votes = ["deb-1", "nix-1"].map(|name| signer(name).sign(&statement));
    let verdict = judge(&pinned(), &[&votes[0], &votes[1]]);
    assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
    assert!(verdict.findings().pin.is_some());
}

#[test]
fn dissent_judges_a_pinned_file_as_any_other() {
    let claim = signer("deb-1").sign(&reproduced(|_| {}));
    let against = contradiction(claim.id);
    let one = signer("nix-1").sign(&against);
    assert_eq!(codes(&judge(&pinned(), &[&claim, &one])), ["contradicted"]);
    let two = signer("acme-1").sign(&against);
    let verdict = judge(&pinned(), &[&claim, &one, &two]);
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
    let foreign = signer("nix-1").sign(&foreign_code());
    assert_eq!(codes(&judge(&pinned(), &[&foreign])), ["contradicted"]);
    // An abstention blocks nothing, pinned or not.
    let failed = signer("nix-1").sign(&abstention(Outcome::BuildFailed));
    assert!(matches!(judge(&pinned(), &[&failed]), Verdict::Pinned(_)));
}

#[test]
fn a_fork_an_expired_policy_and_a_rollback_stop_pinned_files_too() {
    let first = log_of(&[&signer("deb-1").sign(&reproduced(|_| {}))]);
    let other = log_of(&[&signer("nix-1").sign(&reproduced(|_| {}))]);
    let forked = evidence(vec![first.view(), other.view()]);
    assert!(codes(&ask(&pinned(), &wanted(), &forked)).contains(&"fork"));
    let expired = pinned().set("expires", "2026-01-01T00:00:00Z");
    assert_eq!(codes(&ask(&expired, &wanted(), &nobody())), ["policy-expired"]);
}

#[test]
fn a_pin_is_no_help_where_the_evidence_is_not_there() {
    // What an attacker hides by making the log unreachable may be a contradiction.
    let verdict = ask(&pinned(), &wanted(), &evidence(Vec::new()));
    assert_eq!(codes(&verdict), ["log-unreachable"]);
    assert_eq!(verdict.severity(), Some(Severity::Undecided));
    let stale = evidence(vec![log_of(&[]).view_cosigned(&[("witness-a", at(2 * DAY)), ("witness-b", at(2 * DAY))])]);
    assert_eq!(codes(&ask(&pinned(), &wanted(), &stale)), ["stale-checkpoint"]);
}

#[test]
fn what_somebody_kept_of_a_log_that_does_not_answer_is_no_answer() {
    let down = |mut evidence: Evidence| {
        evidence.unreachable.push((LOG.to_owned(), "connection refused".to_owned()));
        evidence
    };
    // A fresh clone may bring a checkpoint of today, and leave out the contradiction.
    let verdict = ask(&pinned(), &wanted(), &down(nobody()));
    assert_eq!(codes(&verdict), ["log-unreachable"]);
    let one = signer("deb-1").sign(&reproduced(|_| {}));
    let verdict = ask(&Rules::new(), &wanted(), &down(evidence(vec![log_of(&[&one]).view()])));
    assert_eq!(codes(&verdict), ["log-unreachable"]);
    assert_eq!(verdict.severity(), Some(Severity::Undecided));
    // Votes are votes wherever they were kept.
    let two = signer("nix-1").sign(&reproduced(|_| {}));
    assert!(ask(&Rules::new(), &wanted(), &down(evidence(vec![log_of(&[&one, &two]).view()]))).is_accepted());
}

#[test]
fn a_policy_that_wants_all_dissent_shown_wants_it_for_pinned_files() {
    let auditor = Log::new("auditor.example");
    let table = format!("[[auditor]]\nname = \"auditor\"\ngroup = \"a\"\nvkey = \"{}\"\n", auditor.key.verifier());
    let complete = pinned().set("negatives", "\"complete\"").set("auditor-threshold", "1").table(table);
    // Keys before tables: the ratchet is one of them.
    assert_eq!(codes(&ask(&complete, &wanted(), &nobody())), ["incomplete-view"]);
}

#[test]
fn a_pin_ends_on_its_day_and_says_so() {
    let over = rules("2026-11-21T21:00:00Z", &[entry(&wanted().digest, WHEEL)], &[]);
    assert_eq!(codes(&ask(&over, &wanted(), &nobody())), ["pin-expired", "no-statement"]);
    let almost = rules("2026-11-21T21:00:01Z", &[entry(&wanted().digest, WHEEL)], &[]);
    assert!(matches!(ask(&almost, &wanted(), &nobody()), Verdict::Pinned(_)));
}

#[test]
fn the_same_bytes_under_another_name_are_another_file() {
    let renamed = named(wanted().digest, "six-1.16.0-1-py2.py3-none-any.whl");
    assert_eq!(codes(&ask(&pinned(), &renamed, &nobody())), ["no-statement"]);
    let evil = named(wanted().digest, "requests-1.16.0-py3-none-any.whl");
    assert_eq!(codes(&ask(&pinned(), &evil, &nobody())), ["no-statement"]);
    // A requirement with hashes names no file, only the release.
    let release = |project: &str, version: &str| Wanted {
        digest: wanted().digest,
        name: WantedName::Release {
            project: ProjectName::new(project).unwrap(),
            version: Version::new(version).unwrap(),
        },
    };
    assert!(matches!(ask(&pinned(), &release("six", "1.16"), &nobody()), Verdict::Pinned(_)));
    assert!(!ask(&pinned(), &release("six", "1.17"), &nobody()).is_accepted());
    assert!(!ask(&pinned(), &release("seven", "1.16.0"), &nobody()).is_accepted());
    let by_release = rules(UNTIL, &[entry(&wanted().digest, "six==1.16.0")], &[]);
    assert!(matches!(ask(&by_release, &wanted(), &nobody()), Verdict::Pinned(_)));
}

#[test]
fn other_bytes_under_a_name_that_is_pinned_or_was_attested_are_named_as_that() {
    let other = named(digest("other bytes"), WHEEL);
    assert_eq!(codes(&ask(&pinned(), &other, &nobody())), ["changed-digest", "no-statement"]);
    let attested = rules(UNTIL, &[], &[entry(&wanted().digest, WHEEL)]);
    assert_eq!(codes(&ask(&attested, &other, &nobody())), ["changed-digest", "no-statement"]);
}

#[test]
fn an_attestation_that_was_lost_is_louder_than_one_that_never_was() {
    let attested = rules(UNTIL, &[], &[entry(&wanted().digest, WHEEL)]);
    assert_eq!(codes(&ask(&attested, &wanted(), &nobody())), ["lost-attestation", "no-statement"]);
    let statement = reproduced(|_| {});
    let votes = ["deb-1", "nix-1"].map(|name| signer(name).sign(&statement));
    assert!(judge(&attested, &[&votes[0], &votes[1]]).is_accepted());
    let withdrawn = signer("nix-1").sign(&withdrawal(votes[1].id));
    let verdict = judge(&attested, &[&votes[0], &votes[1], &withdrawn]);
    assert_eq!(codes(&verdict), ["lost-attestation", "below-threshold"]);
    // An outage is not a loss.
    assert_eq!(codes(&ask(&attested, &wanted(), &evidence(Vec::new()))), ["log-unreachable"]);
}

#[test]
fn a_version_without_votes_after_one_that_had_them_is_a_regression() {
    let attested = rules(UNTIL, &[], &[entry(&digest("1.15"), "six-1.15.0-py2.py3-none-any.whl")]);
    assert_eq!(codes(&ask(&attested, &wanted(), &nobody())), ["regression", "no-statement"]);
    // Another file of the attested version is no other version.
    let same = named(digest("x"), "six-1.15.0-cp311-cp311-linux_x86_64.whl");
    assert_eq!(codes(&ask(&attested, &same, &nobody())), ["no-statement"]);
}

#[test]
fn a_pin_is_no_way_around_an_index_rule() {
    let from = pinned().table("[[package]]\nname = \"six\"\nindex = \"https://pypi.acme.example/simple\"\n");
    assert_eq!(codes(&ask(&from, &wanted(), &nobody())), ["other-index"]);
}

#[test]
fn every_policy_judges_its_own_pins_only() {
    let (loose, strict) = (pinned().policy(), Rules::new().policy());
    let verdict = |policy| Session::open(policy, &nobody(), asking()).verify(&wanted());
    assert!(verdict(&loose).is_accepted());
    assert!(!verdict(&strict).is_accepted());
}

#[test]
fn a_ratchet_has_one_spelling_an_end_and_each_file_once() {
    let refused = |rules: Rules| *Policy::parse(&rules.text()).unwrap_err().kind;
    let one = entry(&digest("x"), WHEEL);
    assert!(matches!(refused(rules(UNTIL, &[one.clone(), one.clone()], &[])), Kind::DuplicateEntry { .. }));
    assert!(matches!(
        refused(rules(UNTIL, std::slice::from_ref(&one), std::slice::from_ref(&one))),
        Kind::DuplicateEntry { .. }
    ));
    assert!(matches!(refused(rules(UNTIL, &["six".to_owned()], &[])), Kind::RatchetEntry { .. }));
    assert!(matches!(refused(rules("2027-01-01", &[], &[])), Kind::Time { .. }));
    for without in ["expires = 2026-12-31T00:00:00Z\n", "pins = []\n", "attested = []\n"] {
        let text = rules(UNTIL, &[], &[]).text().replace(without, "");
        assert!(matches!(*Policy::parse(&text).unwrap_err().kind, Kind::Toml(_)), "{without}");
    }
    let text = rules(UNTIL, &[], &[]).text() + "forever = true\n";
    assert!(matches!(*Policy::parse(&text).unwrap_err().kind, Kind::Toml(_)));
}

#[test]
fn each_entry_knows_its_line() {
    let lines = (0..300).map(|n| format!("  {:?},\n", entry(&digest(&n.to_string()), &format!("p{n}==1"))));
    let table = format!("[ratchet]\nexpires = {UNTIL}\npins = [\n{}]\nattested = []\n", lines.collect::<String>());
    let rules = Rules::new().table(table);
    let (text, policy) = (rules.text(), rules.policy());
    let pins = policy.ratchet().unwrap().pins();
    assert_eq!(pins.len(), 300);
    for pin in pins {
        let line = text.lines().nth(pin.line - 1).unwrap();
        assert!(line.contains(&pin.value.to_string()), "{line}");
    }
}

#[test]
fn what_is_no_wheel_has_no_entry() {
    let named = |name: &str| named(digest("x"), name);
    assert!(RatchetEntry::new(&named("six-1.0.tar.gz"), NOW).is_none());
    let entry = RatchetEntry::new(&named(WHEEL), NOW).unwrap();
    assert_eq!(entry.to_string(), format!("2026-11-21 {} {WHEEL}", digest("x")));
}
