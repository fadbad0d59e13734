//! docs/TRUST.md section 1: what a policy as a whole decides.
use crate::world::*;
use attest_core::{
    artifact::ProjectName,
    policy::Exempted,
    time::Timestamp,
    verify::{Asking, Severity, Verdict, Wanted, WantedName, verify},
};

fn good() -> Vec<attest_core::verify::LogView> {
    let statement = reproduced(|_| {});
    let votes = ["deb-1", "nix-1"].map(|name| signer(name).sign(&statement));
    vec![log_of(&[&votes[0], &votes[1]]).view()]
}

// 1.2

#[test]
fn an_expired_policy_decides_nothing() {
    let rules = Rules::new().set("expires", "2026-11-21T21:00:00Z");
    let verdict = judge_by(&rules, &evidence(good()));
    assert_eq!(codes(&verdict), ["policy-expired"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 3);
    let rules = Rules::new().set("expires", "2026-11-21T21:00:01Z");
    assert!(judge_by(&rules, &evidence(good())).is_accepted());
}

#[test]
fn a_policy_older_than_one_seen_before_is_an_alarm() {
    let ask = |seen| {
        let asking = Asking { seen_serial: seen, ..asking() };
        verify(&Rules::new().policy(), &wanted(), &evidence(good()), asking)
    };
    assert!(ask(None).is_accepted());
    assert!(ask(Some(7)).is_accepted());
    let verdict = ask(Some(8));
    assert_eq!(codes(&verdict), ["policy-rollback"]);
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
}

#[test]
fn of_several_matching_package_rules_the_strictest_wins() {
    let rule = |name: &str, more: &str| format!("[[package]]\nname = \"{name}\"\n{more}\n");
    let policy = Rules::new()
        .table(rule("six", "threshold = 3"))
        .table(rule("s*", "threshold = 2\naccept-origin = [\"git\", \"sdist\"]"))
        .table(rule("*", "accept-origin = [\"git\"]\naccept-equivalent = true"))
        .table(rule("*x", "accept-equivalent = false"))
        .policy();
    let rule = policy.rule(&ProjectName::new("Six").unwrap());
    assert_eq!(rule.threshold().value, 3);
    assert_eq!(rule.accept_origin().value.len(), 1);
    assert!(!rule.accepts_equivalent());
    let rule = policy.rule(&ProjectName::new("other").unwrap());
    assert_eq!(rule.threshold().value, 2);
    assert!(rule.accepts_equivalent());
}

#[test]
fn a_raised_threshold_decides_and_names_its_line() {
    let rules = Rules::new().table("[[package]]\nname = \"six\"\nthreshold = 3\n");
    let verdict = judge_by(&rules, &evidence(good()));
    assert_eq!(codes(&verdict), ["below-threshold"]);
    let line = verdict.reasons()[0].policy_line().unwrap();
    assert_eq!(rules.text().lines().nth(line - 1), Some("threshold = 3"));
}

// 1.5

#[test]
fn the_most_severe_reason_comes_first_and_decides_the_exit_code() {
    let rules = Rules::new().set("expires", "2026-01-01T00:00:00Z");
    let asking = Asking { seen_serial: Some(8), ..asking() };
    let verdict = verify(&rules.policy(), &wanted(), &evidence(Vec::new()), asking);
    assert_eq!(codes(&verdict), ["policy-rollback", "policy-expired", "log-unreachable"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 4);
    assert!(Severity::Alarm > Severity::Refused && Severity::Refused > Severity::Undecided);
}

#[test]
fn a_file_that_is_no_wheel_is_not_attestable_and_never_passes() {
    for name in ["six-1.16.0.tar.gz", "six.whl", ""] {
        let wanted = Wanted { name: WantedName::File(name.to_owned()), ..wanted() };
        let verdict = verify(&Rules::new().policy(), &wanted, &evidence(good()), asking());
        assert_eq!(codes(&verdict), ["not-attestable"]);
    }
}

#[test]
fn every_reason_is_one_line_with_a_hint_and_a_kebab_code() {
    let rules = Rules::new().log("second.example/log", "");
    let verdicts = [
        judge_by(&rules, &evidence(Vec::new())),
        judge_by(&rules.clone().set("expires", "2026-01-01T00:00:00Z"), &evidence(good())),
        judge(&Rules::new(), &[]),
    ];
    for reason in verdicts.iter().flat_map(Verdict::reasons) {
        assert!(!reason.to_string().contains('\n'));
        assert!(!reason.hint().is_empty());
        assert!(reason.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    }
}

// 6.3, as far as the policy decides it

#[test]
fn an_exemption_covers_one_digest_until_a_day_or_one_index_by_real_origin() {
    let policy = Rules::new()
        .table(format!(
            "[[exempt]]\nsha256 = \"{}\"\nreason = \"reviewed\"\nexpires = 2027-01-01T00:00:00Z\n",
            digest("docopt")
        ))
        .table("[[exempt]]\nindex = \"https://pypi.acme.example/simple/\"\nname = \"acme-*\"\nreason = \"ours\"\n")
        .policy();
    let six = ProjectName::new("six").unwrap();
    let acme = ProjectName::new("acme.tools").unwrap();
    let exempt = |bytes: &str, project, url, now| policy.exempted(&digest(bytes), project, url, now);
    assert!(matches!(exempt("docopt", &six, None, NOW), Exempted::Yes(_)));
    assert!(matches!(exempt("other", &six, None, NOW), Exempted::No));
    let later = Timestamp::from_secs(NOW.secs() + 60 * DAY);
    assert!(matches!(exempt("docopt", &six, None, later), Exempted::Expired(_)));

    let url = |url| exempt("x", &acme, Some(url), NOW);
    assert!(matches!(
        url("https://pypi.acme.example/simple/acme-tools/acme_tools-1-py3-none-any.whl"),
        Exempted::Yes(_)
    ));
    for elsewhere in [
        "https://pypi.acme.example.evil.example/simple/acme-tools/a.whl",
        "https://pypi.acme.example@evil.example/simple/acme-tools/a.whl",
        "http://pypi.acme.example/simple/acme-tools/a.whl",
        "https://pypi.acme.example/simple-evil/a.whl",
        "https://pypi.acme.example/simple/../evil/a.whl",
        "https://pypi.acme.example/simple/%2E%2e/evil/a.whl",
        "https://pypi.acme.example/simple/..%2fevil/a.whl",
        "https://pypi.acme.example/simple/.\t./evil/a.whl",
        "https://pypi.acme.example/simple/.\r\n./evil/a.whl",
    ] {
        assert!(matches!(url(elsewhere), Exempted::No), "{elsewhere}");
    }
    // The name alone could be served by any index.
    assert!(matches!(exempt("x", &acme, None, NOW), Exempted::No));
    let from_acme = Some("https://pypi.acme.example/simple/six/six-1-py3-none-any.whl");
    assert!(matches!(exempt("x", &six, from_acme, NOW), Exempted::No));
}
