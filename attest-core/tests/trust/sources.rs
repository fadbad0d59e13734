//! docs/TRUST.md 3.5 to 3.7: from which sources, and which of them add up.
use crate::votes::{two_votes, why, with_good_second};
use crate::world::*;
use attest_core::{
    statement::{FromCommit, Origin, Source},
    verify::{Evidence, Verdict},
    votes::{Counts, NotCounted, SourceClass},
};

// 3.5

#[test]
fn a_source_that_the_policy_does_not_accept_is_no_vote() {
    let from_sdist = |name: &str| {
        signer(name).sign(&reproduced(|build| {
            build.origin = Origin::Sdist;
            build.source = sdist("sdist");
        }))
    };
    let (one, two) = (from_sdist("deb-1"), from_sdist("nix-1"));
    let Verdict::Accepted(acceptance) = judge(&Rules::new(), &[&one, &two]) else {
        panic!("expected acceptance");
    };
    assert_eq!(acceptance.source, SourceClass::Sdist(digest("sdist")));
    let rules = Rules::new().set("accept-origin", r#"["git"]"#);
    let verdict = judge(&rules, &[&one, &two]);
    assert!(matches!(why(&verdict, &one), NotCounted::Origin { .. }));
    assert_eq!(codes(&verdict), ["below-threshold"]);
}

#[test]
fn an_sdist_is_never_printed_as_a_commit_even_when_it_was_verified_against_one() {
    let verified = reproduced(|build| {
        build.origin = Origin::Sdist;
        build.source = sdist("sdist");
        if let Source::Sdist { from_commit, .. } = &mut build.source[0] {
            *from_commit = FromCommit::Verified;
        }
        build.source.extend(git(COMMIT));
    });
    let verdict = judge(&Rules::new(), &[&signer("deb-1").sign(&verified), &signer("nix-1").sign(&verified)]);
    let Verdict::Accepted(acceptance) = verdict else {
        panic!("expected acceptance");
    };
    assert_eq!(acceptance.source.to_string(), format!("sdist {}", digest("sdist")));
}

// 3.6

fn pinned(url: &str, reference: Option<&str>) -> Rules {
    let reference = reference.map_or_else(String::new, |text| format!(", ref = \"{text}\""));
    Rules::new().table(format!("[[package]]\nname = \"six\"\nrepository = {{ url = \"{url}\"{reference} }}\n"))
}

#[test]
fn a_pinned_repository_takes_only_votes_from_its_url_and_tag() {
    const URL: &str = "https://github.com/benjaminp/six";
    let (one, two) = two_votes();
    let accepted = |rules: &Rules| judge(rules, &[&one, &two]).is_accepted();
    assert!(accepted(&pinned(URL, None)));
    assert!(accepted(&pinned(URL, Some("refs/tags/{version}"))));
    assert!(accepted(&pinned(URL, Some("refs/tags/*"))));
    assert!(!accepted(&pinned(URL, Some("refs/tags/release-{version}"))));
    assert!(!accepted(&pinned(URL, Some("refs/heads/*"))));
    assert!(!accepted(&pinned("https://github.com/evil/six", None)));
    assert!(!accepted(&pinned("https://github.com/benjaminp/six2", None)));
    assert!(!accepted(&pinned("https://github.com/benjaminp", None)));
}

#[test]
fn by_default_a_pinned_repository_wants_the_versions_own_tag() {
    let rules = pinned("https://github.com/benjaminp/six", None);
    for (reference, counts) in [
        ("refs/tags/1.16.0", true),
        ("refs/tags/v1.16.0", true),
        ("refs/tags/1.16.0.1", false),
        ("refs/tags/1.15.0", false),
        ("refs/heads/1.16.0", false),
    ] {
        let vote = |name: &str| {
            signer(name).sign(&reproduced(|build| {
                if let Source::Git { r#ref, .. } = &mut build.source[0] {
                    reference.clone_into(r#ref);
                }
            }))
        };
        let verdict = judge(&rules, &[&vote("deb-1"), &vote("nix-1")]);
        assert_eq!(verdict.is_accepted(), counts, "{reference}");
    }
}

#[test]
fn an_sdist_never_satisfies_a_pinned_repository() {
    let verified = reproduced(|build| {
        build.origin = Origin::Sdist;
        build.source = sdist("sdist");
        if let Source::Sdist { from_commit, .. } = &mut build.source[0] {
            *from_commit = FromCommit::Verified;
        }
        build.source.extend(git(COMMIT));
    });
    let (one, two) = (signer("deb-1").sign(&verified), signer("nix-1").sign(&verified));
    let rules = pinned("https://github.com/benjaminp/six", None);
    let verdict = judge(&rules, &[&one, &two]);
    assert!(!verdict.is_accepted());
    assert!(matches!(why(&verdict, &one), NotCounted::PinnedButSdist { .. }));
}

// 3.7

#[test]
fn groups_that_built_from_different_sources_do_not_add_up() {
    let other = signer("nix-1").sign(&reproduced(|build| {
        build.source = git("0123456789012345678901234567890123456789");
    }));
    let verdict = with_good_second(&Rules::new(), &other);
    assert_eq!(codes(&verdict), ["sources-disagree"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 1);
}

#[test]
fn a_group_is_split_by_a_claim_that_does_not_count_by_its_place_alone() {
    let other = |name: &str| {
        let elsewhere = "0123456789012345678901234567890123456789";
        signer(name).sign(&reproduced(|build| build.source = git(elsewhere)))
    };
    let (one, two) = two_votes();
    let is_split = |rules: &Rules, evidence: &Evidence| {
        let verdict = judge_by(rules, evidence);
        let votes = &verdict.findings().votes;
        let split = votes.iter().any(|vote| vote.by.as_str() == "nix-1" && vote.counts == Counts::GroupSplit);
        assert_eq!(split, !verdict.is_accepted(), "{:?}", verdict.reasons());
        split
    };
    let good = log_of(&[&one, &two]);
    // In no log at all.
    let unlogged = |signed: &Signed| {
        let mut evidence = evidence(vec![good.view()]);
        evidence.unlogged.push(signed.bytes.clone());
        evidence
    };
    assert!(is_split(&Rules::new(), &unlogged(&other("nix-1"))));
    // In another log, whose checkpoint is stale.
    let rules = Rules::new().log("second.example/log", "");
    let mut second = Log::new("second.example/log");
    second.append(&other("nix-1"));
    let stale = second.view_cosigned(&[("witness-a", at(9 * DAY)), ("witness-b", at(9 * DAY))]);
    assert!(is_split(&rules, &evidence(vec![good.view(), stale])));
    // What is no acceptable vote in itself says nothing, and neither does another group or a key in foreign hands.
    let single = signer("nix-1").sign(&reproduced(|build| {
        build.source = git("0123456789012345678901234567890123456789");
        build.repeat = 1;
    }));
    assert!(!is_split(&Rules::new(), &unlogged(&single)));
    assert!(!is_split(&Rules::new(), &unlogged(&other("acme-1"))));
    let stolen = Rules::new().rebuilder("nix-0", "nixos", "compromised", "");
    assert!(!is_split(&stolen, &unlogged(&other("nix-0"))));
    // It never adds: alone it is no vote.
    let mut alone = evidence(vec![log_of(&[&one]).view()]);
    alone.unlogged.push(two.bytes.clone());
    assert!(!judge_by(&Rules::new(), &alone).is_accepted());
}

#[test]
fn one_commit_name_over_two_trees_is_two_sources() {
    let collided = signer("nix-1").sign(&reproduced(|build| {
        if let Source::Git { tree_sha256, .. } = &mut build.source[0] {
            *tree_sha256 = digest("another tree");
        }
    }));
    let verdict = with_good_second(&Rules::new(), &collided);
    assert_eq!(codes(&verdict), ["sources-disagree"]);
}

#[test]
fn a_commit_and_an_sdist_do_not_add_up() {
    let from_sdist = signer("nix-1").sign(&reproduced(|build| {
        build.origin = Origin::Sdist;
        build.source = sdist("sdist");
    }));
    let verdict = with_good_second(&Rules::new(), &from_sdist);
    assert_eq!(codes(&verdict), ["sources-disagree"]);
}

#[test]
fn the_source_that_enough_groups_share_is_accepted_and_the_other_is_shown() {
    let other = signer("acme-1").sign(&reproduced(|build| {
        build.source = git("0123456789012345678901234567890123456789");
    }));
    let (one, two) = two_votes();
    let verdict = judge(&Rules::new(), &[&other, &one, &two]);
    assert!(verdict.is_accepted());
    let counts: Vec<_> = verdict.findings().votes.iter().map(|vote| (vote.by.as_str(), vote.counts)).collect();
    assert_eq!(counts, [("acme-1", Counts::OtherSource), ("deb-1", Counts::Yes), ("nix-1", Counts::Yes)]);
}

#[test]
fn a_group_whose_own_contradiction_stands_does_not_vote_even_where_the_user_dismissed_it() {
    let (one, two) = two_votes();
    let against = signer("deb-2").sign(&contradiction(two.id));
    let rules = Rules::new().table(format!(
        "[[dismiss]]\nstatement = \"{}\"\nreason = \"broken machine\"\nexpires = 2027-01-01T00:00:00Z\n",
        against.id
    ));
    let verdict = judge(&rules, &[&one, &two, &against]);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(verdict.findings().votes[0].counts, Counts::GroupContradicts);
    let third = signer("acme-1").sign(&reproduced(|_| {}));
    assert!(judge(&rules, &[&one, &two, &against, &third]).is_accepted());
}
