//! `[[package]]`, `[[exempt]]` and `[[include]]`: required groups, indexes, dates, included policies.
use crate::world::*;
use attest_core::{
    artifact::ProjectName,
    policy::{ExemptionScope, Policy, PolicyErrorKind as Kind},
    statement::Source,
    verify::{Session, Verdict},
};

fn package(more: &str) -> Rules {
    Rules::new().table(format!("[[package]]\nname = \"six\"\n{more}\n"))
}

fn kind(rules: &Rules) -> Kind {
    *Policy::parse(&rules.text()).unwrap_err().kind
}

fn votes(of: &[&str]) -> Vec<Signed> {
    let statement = reproduced(|_| {});
    of.iter().map(|name| signer(name).sign(&statement)).collect()
}

fn by(rules: &Rules, of: &[&str]) -> Verdict {
    let votes = votes(of);
    judge(rules, &votes.iter().collect::<Vec<_>>())
}

#[test]
fn a_required_group_must_be_among_those_that_agree() {
    let rules = package("require-groups = [\"debian\"]");
    assert!(by(&rules, &["deb-1", "nix-1"]).is_accepted());
    let verdict = by(&rules, &["acme-1", "nix-1"]);
    assert_eq!(codes(&verdict), ["required-groups"]);
    let line = verdict.reasons()[0].policy_line().unwrap();
    assert_eq!(rules.text().lines().nth(line - 1), Some("require-groups = [\"debian\"]"));
    // It is no substitute for the others.
    assert_eq!(codes(&by(&rules, &["deb-1", "deb-2"])), ["below-threshold"]);
}

#[test]
fn of_several_rules_all_groups_are_required() {
    let rules =
        package("require-groups = [\"debian\"]").table("[[package]]\nname = \"*\"\nrequire-groups = [\"acme\"]\n");
    assert_eq!(codes(&by(&rules, &["deb-1", "nix-1"])), ["required-groups"]);
    assert!(by(&rules, &["deb-1", "acme-1"]).is_accepted());
}

#[test]
fn a_source_that_more_groups_name_does_not_displace_that_of_the_required_ones() {
    let rules = package("require-groups = [\"debian\"]")
        .rebuilder("x-1", "x", "current", "")
        .rebuilder("y-1", "y", "current", "");
    let other = reproduced(|build| {
        if let Source::Git { digest, .. } = &mut build.source[0] {
            digest.git_commit = "ab".repeat(20);
        }
    });
    let mut all = votes(&["deb-1", "nix-1"]);
    all.extend(["acme-1", "x-1", "y-1"].map(|name| signer(name).sign(&other)));
    let verdict = judge(&rules, &all.iter().collect::<Vec<_>>());
    assert!(verdict.is_accepted(), "{:?}", codes(&verdict));
}

#[test]
fn only_a_group_that_can_vote_can_be_required() {
    assert!(matches!(kind(&package("require-groups = []")), Kind::EmptyList { key: "require-groups" }));
    assert!(matches!(kind(&package("require-groups = [\"debain\"]")), Kind::RequiredGroup { .. }));
    let gone = package("require-groups = [\"nixos\"]").change_rebuilder("nix-1", "nixos", "compromised", "");
    assert!(matches!(kind(&gone), Kind::RequiredGroup { .. }));
}

#[test]
fn a_file_from_another_index_or_from_nobody_knows_where_is_refused_whatever_its_votes() {
    let rules = package("index = \"https://pypi.acme.example/simple\"");
    let votes = votes(&["deb-1", "nix-1"]);
    let evidence = evidence(vec![log_of(&votes.iter().collect::<Vec<_>>()).view()]);
    let policy = rules.policy();
    let session = Session::open(&policy, &evidence, asking());
    let good = format!("https://pypi.acme.example/simple/six/{WHEEL}");
    assert!(session.verify_from(&wanted(), Some(&good)).is_accepted());
    for url in [
        None,
        Some("https://pypi.acme.example.evil.example/simple/six/six.whl"),
        Some("https://files.example/six.whl"),
        Some("https://pypi.acme.example/simple/../six.whl"),
    ] {
        assert_eq!(codes(&session.verify_from(&wanted(), url)), ["other-index"], "{url:?}");
    }
    assert_eq!(codes(&session.verify(&wanted())), ["other-index"]);
    assert!(matches!(kind(&package("index = \"pypi.acme.example\"")), Kind::Url { .. }));
}

#[test]
fn an_exemption_knows_when_it_began_and_what_it_is_about() {
    let exempt =
        |more: &str| Rules::new().table(format!("[[exempt]]\nsha256 = \"{}\"\nreason = \"r\"\n{more}", digest("x")));
    let dated = exempt("since = 2026-11-01T00:00:00Z\nexpires = 2027-01-01T00:00:00Z\n").policy();
    let exemption = &dated.exemptions()[0];
    assert_eq!(exemption.since().unwrap().to_string(), "2026-11-01T00:00:00Z");
    assert_eq!(*exemption.scope(), ExemptionScope::File(digest("x")));
    let backwards = exempt("since = 2027-01-01T00:00:00Z\nexpires = 2027-01-01T00:00:00Z\n");
    assert!(matches!(kind(&backwards), Kind::ExemptionSpan));
}

#[test]
fn a_rule_by_itself_shows_what_it_says_and_what_it_leaves() {
    let policy = package("threshold = 3\nindex = \"https://a.example/simple\"").policy();
    let [rule] = policy.packages() else { panic!("one rule") };
    assert!(rule.matches(&ProjectName::new("six").unwrap()));
    assert_eq!(rule.over(&policy).threshold().value, 3);
    assert_eq!(rule.over(&policy).indexes().len(), 1);
}

#[test]
fn another_policy_is_included_by_its_bytes_and_from_a_plain_place() {
    let include =
        |url: &str| Rules::new().table(format!("[[include]]\nurl = \"{url}\"\nsha256 = \"{}\"\n", digest("org")));
    for url in ["https://acme.example/attest.toml", "file:///etc/acme/attest.toml"] {
        let policy = include(url).policy();
        assert_eq!(policy.includes()[0].url(), url);
        assert_eq!(policy.includes()[0].sha256(), digest("org"));
    }
    for url in ["http://acme.example/a", "https://", "file://host/a", "a.toml", "https://a/%2e%2e", "https://a/b?c"] {
        assert!(matches!(kind(&include(url)), Kind::IncludeUrl { .. }), "{url}");
    }
    let twice = include("https://a.example/a")
        .table(format!("[[include]]\nurl = \"https://b.example/a\"\nsha256 = \"{}\"\n", digest("org")));
    assert!(matches!(kind(&twice), Kind::DuplicateInclude { .. }));
    let unnamed = Rules::new().table("[[include]]\nurl = \"https://acme.example/a\"\n");
    assert!(matches!(kind(&unnamed), Kind::Toml(_)));
}
