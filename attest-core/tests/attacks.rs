//! Attacks that worked once: each test is the smallest form of one, and stays.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/world.rs"]
mod world;

use crate::world::*;
use attest_core::{
    artifact::ArtifactDigest,
    envelope::{Envelope, Signature},
    ijson,
    key::PublicKey,
    policy::{Policy, PolicyErrorKind},
    statement::{Dependency, DifferenceKind, Outcome, Predicate, Refusal, Statement, StatementError},
    verify::{Severity, Wanted, WantedName, verify},
    votes::{Lack, NotCounted},
};

fn vote(name: &str) -> Signed {
    signer(name).sign(&reproduced(|_| {}))
}

/// The attacker adds forty harmless modules beside the backdoor, so that the list of differences is cut.
#[test]
fn foreign_code_in_a_crowd_is_still_foreign_code() {
    let refusal = |refusal: &mut Refusal| {
        refusal.differences = (0..40)
            .map(|n| difference(&format!("six_extra_{n}.py"), DifferenceKind::OnlyInPublished))
            .chain([difference("six-1.16.0.dist-info/RECORD", DifferenceKind::Content)])
            .collect();
        refusal.differences_total = 0;
    };
    let accusation = signer("acme-1").sign(&not_reproduced(|_| {}, refusal));
    let verdict = judge(&Rules::new(), &[&vote("deb-1"), &vote("nix-1"), &accusation]);
    assert_eq!(codes(&verdict), ["contradicted"]);
}

/// A cut list that is full of harmless rows must not hide that the content differs, nor must it make an accusation.
#[test]
fn a_crowd_does_not_make_an_ordinary_difference_foreign_code() {
    let refusal = |refusal: &mut Refusal| {
        refusal.differences = (0..40)
            .map(|n| difference(&format!("six_extra_{n}.py"), DifferenceKind::OnlyInPublished))
            .chain([difference("six.py", DifferenceKind::Content)])
            .collect();
        refusal.differences_total = 0;
    };
    let abstains = signer("acme-1").sign(&not_reproduced(|_| {}, refusal));
    let verdict = judge(&Rules::new(), &[&vote("deb-1"), &vote("nix-1"), &abstains]);
    assert!(verdict.is_accepted(), "{:?}", verdict.reasons());
}

/// What a wheel puts into the environment's bin folder is executable whatever its suffix.
#[test]
fn a_file_for_the_bin_folder_is_foreign_code() {
    for path in ["six-1.16.0.data/data/bin/pip", "six-1.16.0.data/data/Scripts/pip", "six-1.16.0.data/scripts/pip"] {
        let accusation = signer("acme-1").sign(&not_reproduced(
            |_| {},
            |refusal| {
                refusal.differences = vec![difference(path, DifferenceKind::OnlyInPublished)];
                refusal.differences_total = 1;
            },
        ));
        let verdict = judge(&Rules::new(), &[&vote("deb-1"), &vote("nix-1"), &accusation]);
        assert_eq!(codes(&verdict), ["contradicted"], "{path}");
    }
}

/// A liar names a list of dependencies by digest and makes its inputs' digest up: nobody could ever contradict it, because a
/// contradiction needs the same inputs.
#[test]
fn inputs_are_checked_also_where_dependencies_are_in_a_record() {
    let mut build = good_build();
    build.resolved_dependencies = vec![Dependency {
        uri: "attest:dependencies?total=101".to_owned(),
        digest: digest("a list that nobody has").into(),
    }];
    build.inputs_digest = digest("made up").into();
    let statement = Statement::new(published(), Predicate::Reproduced(build));
    assert!(matches!(statement, Err(StatementError::InputsDigest { .. })), "{statement:?}");
}

/// Two groups of one organisation, by a slip of the shift key.
#[test]
fn groups_that_differ_in_case_alone_are_refused() {
    for rules in [
        Rules::new().rebuilder("deb-3", "Debian", "current", ""),
        Rules::new().rebuilder("mine", "Self", "current", ""),
        Rules::new().rebuilder("theirs", "Publisher:x", "current", ""),
    ] {
        assert!(Policy::parse(&rules.text()).is_err());
    }
}

/// Offered under a name that is no wheel's, a file with an alarm against it must still raise it.
#[test]
fn a_name_that_is_no_wheel_hides_no_accusation() {
    let lie = vote("deb-1");
    let (one, two) = (signer("nix-1").sign(&contradiction(lie.id)), signer("acme-1").sign(&contradiction(lie.id)));
    let wanted = Wanted { digest: published().digest, name: WantedName::File("six-1.16.0.zip".to_owned()) };
    let evidence = evidence(vec![log_of(&[&lie, &one, &two]).view()]);
    let verdict = verify(&Rules::new().policy(), &wanted, &evidence, asking());
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
}

/// RFC 7493 section 2.1: neither surrogates nor noncharacters.
#[test]
fn noncharacters_are_no_i_json() {
    for text in [
        r#""\ufffe""#,
        r#""\uffff""#,
        r#""\ufdd0""#,
        r#""\ud83f\udffe""#,
        "\"\u{fffe}\"",
        "\"a\u{fdef}b\"",
        "\"\u{10ffff}\"",
        "{\"\u{1ffff}\":1}",
    ] {
        assert!(ijson::check(text.as_bytes()).is_err(), "{text:?}");
    }
    for text in ["\"\u{fffd}\u{fdcf}\u{fdf0}\u{10fffd}\u{fb33}\"", r#""\ufffd""#] {
        assert!(ijson::check(text.as_bytes()).is_ok(), "{text:?}");
    }
}

/// What signing makes, admission and verification read (docs/TRUST.md 2.1).
#[test]
fn nothing_is_signed_that_does_not_parse() {
    let refused = |statement: Result<Statement, StatementError>| {
        let Ok(statement) = statement else { return };
        Statement::parse(&statement.to_bytes()).unwrap();
    };
    let mut build = good_build();
    let refusal = Refusal {
        outcome: Outcome::Different,
        rebuilt: Some(digest("rebuilt").into()),
        contradicts: None,
        differences: (0..32).map(|n| difference(&format!("m{n}"), DifferenceKind::Order)).collect(),
        differences_total: u64::MAX,
        report: None,
    };
    build.inputs_digest = crate::world::build(|_| {}).inputs_digest;
    refused(Statement::new(published(), Predicate::NotReproduced { build, refusal }));
    let build = crate::world::build(|build| {
        let text = "\u{fffe}";
        build.recipe.content = Some(text.to_owned());
        build.recipe.digest = ArtifactDigest::of(text.as_bytes()).into();
    });
    refused(Statement::new(published(), Predicate::Reproduced(build)));
}

/// A form that reads back as another suite's signature is none.
#[test]
fn an_openpgp_packet_of_64_bytes_is_refused_everywhere() {
    // Header, version 4, binary, RSA, SHA-256, hashed area of 29 bytes, empty unhashed area, prefix, one integer.
    let mut packet = vec![0x88, 62, 4, 0, 1, 8, 0, 29];
    packet.extend([22, 33, 4]);
    packet.extend([7; 20]);
    packet.extend([5, 2, 0, 0, 0, 1]);
    packet.extend([0, 0, 1, 2]);
    let length = 64 - packet.len() - 2;
    packet.extend(u16::try_from(8 * length).unwrap().to_be_bytes());
    packet.extend(vec![0xff; length]);
    assert_eq!(packet.len(), 64);
    let envelope = Envelope::new(b"x".to_vec(), Signature::OpenPgp(packet));
    assert!(envelope.is_err(), "{envelope:?}");
}

/// docs/TRUST.md 3.3: the recipe is retrievable, so that anyone can replay the vote.
#[test]
fn a_recipe_that_nobody_can_get_makes_no_vote() {
    let hidden = signer("nix-1").sign(&reproduced(|build| build.recipe.content = None));
    let verdict = judge(&Rules::new(), &[&vote("deb-1"), &hidden]);
    assert!(!verdict.is_accepted());
    let why = &verdict.findings().ignored[0].why;
    assert!(matches!(why, NotCounted::Lacks(Lack::HiddenRecipe(_))), "{why}");
}

/// docs/TRUST.md 2.4: a key that is revoked now votes only below its `before`.
#[test]
fn a_revoked_certificate_is_current_in_no_policy() {
    let armored = include_str!("vectors/openpgp/revoked.cert.asc");
    let fingerprint = PublicKey::parse(armored).unwrap().fingerprint();
    let entry = |table: &str, more: &str| {
        let key = format!("key = \"{fingerprint}\"\ncertificate = \"\"\"\n{armored}\"\"\"\n");
        let rules = Rules::new().table(format!("[[{table}]]\nname = \"old\"\n{key}{more}"));
        Policy::parse(&rules.text())
    };
    let rebuilder =
        |status: &str, valid: &str| entry("rebuilder", &format!("group = \"old\"\nstatus = \"{status}\"\n{valid}"));
    let bounds = format!("valid = [{{ log = \"{LOG}\", from = 0, before = 9 }}]\n");
    assert!(rebuilder("retired", &bounds).is_ok());
    assert!(rebuilder("compromised", "").is_ok());
    // Its dissent is heard, and nothing else of it.
    assert!(entry("publisher", "").is_ok());
    for refused in [rebuilder("current", ""), rebuilder("current", &bounds), entry("self", "")] {
        let error = refused.unwrap_err();
        assert!(matches!(*error.kind, PolicyErrorKind::RevokedKey { .. }), "{error}");
    }
}
