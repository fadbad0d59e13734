//! docs/TRUST.md 3.1 and 3.2: who votes, about which file.
use crate::world::*;
use attest_core::{
    artifact::{ProjectName, Version},
    merkle::LeafIndex,
    policy::GroupName,
    verify::{Place, Verdict, Wanted, WantedName, verify},
    votes::{Counts, NotCounted, SourceClass},
};

/// Two groups that agree, from one good log.
pub(crate) fn two_votes() -> (Signed, Signed) {
    let statement = reproduced(|_| {});
    (signer("deb-1").sign(&statement), signer("nix-1").sign(&statement))
}

/// The verdict when one of two needed votes is this statement.
pub(crate) fn with_good_second(rules: &Rules, second: &Signed) -> Verdict {
    judge(rules, &[&signer("deb-1").sign(&reproduced(|_| {})), second])
}

pub(crate) fn why(verdict: &Verdict, signed: &Signed) -> NotCounted {
    let ignored = &verdict.findings().ignored;
    match ignored.iter().find(|ignored| ignored.statement == signed.id) {
        Some(ignored) => ignored.why.clone(),
        None => panic!("expected {} to be ignored, found {verdict:#?}", signed.id),
    }
}

#[test]
fn two_groups_that_agree_are_accepted_with_all_their_evidence() {
    let (one, two) = two_votes();
    let Verdict::Accepted(acceptance) = judge(&Rules::new(), &[&one, &two]) else {
        panic!("expected acceptance");
    };
    assert_eq!(acceptance.groups, ["debian", "nixos"].map(|name| GroupName::new(name).unwrap()));
    assert_eq!(acceptance.source, SourceClass::Commit { commit: COMMIT.to_owned(), tree: digest(COMMIT) });
    let vote = &acceptance.findings.votes[1];
    assert_eq!(vote.by.as_str(), "nix-1");
    assert_eq!(vote.statement, two.id);
    assert_eq!(vote.counts, Counts::Yes);
    let Place::Logged { origin, index, size, witnessed_at } = &vote.place else {
        panic!("expected a logged vote, found {:?}", vote.place);
    };
    assert_eq!(origin, LOG);
    assert_eq!(*index, LeafIndex::new(1));
    assert_eq!(size.unwrap().get(), 2);
    assert_eq!(*witnessed_at, Some(at(60)));
}

#[test]
fn every_vote_names_the_line_of_the_policy_that_lets_it_count() {
    let rules = Rules::new();
    let (one, two) = two_votes();
    let verdict = judge(&rules, &[&one, &two]);
    let text = rules.text();
    for vote in &verdict.findings().votes {
        let from_there: String = text.lines().skip(vote.line - 1).take(2).collect();
        assert!(from_there.contains(vote.by.as_str()), "line {} is {from_there}", vote.line);
    }
    let need = verdict.findings().need;
    assert_eq!(text.lines().nth(need.line - 1), Some("threshold = 2"));
}

#[test]
fn one_group_alone_is_refused_however_many_keys_it_has() {
    let statement = reproduced(|_| {});
    let verdict = judge(
        &Rules::new(),
        &[&signer("deb-1").sign(&statement), &signer("deb-2").sign(&reproduced(|build| build.repeat = 3))],
    );
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 1);
    assert_eq!(verdict.findings().votes.len(), 2);
}

#[test]
fn one_statement_logged_twice_is_one_vote() {
    let vote = signer("deb-1").sign(&reproduced(|_| {}));
    let verdict = judge(&Rules::new(), &[&vote, &vote]);
    assert_eq!(verdict.findings().votes.len(), 1);
    assert_eq!(codes(&verdict), ["below-threshold"]);
}

// 3.1

#[test]
fn a_statement_by_an_unknown_key_does_not_count() {
    let stranger = signer("stranger").sign(&reproduced(|_| {}));
    let verdict = with_good_second(&Rules::new(), &stranger);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(why(&verdict, &stranger), NotCounted::UnknownKey);
}

#[test]
fn a_rebuilders_vote_that_is_in_no_log_does_not_count() {
    let (one, two) = two_votes();
    let mut evidence = evidence(vec![log_of(&[&one]).view()]);
    evidence.unlogged.push(two.bytes.clone());
    let verdict = judge_by(&Rules::new(), &evidence);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(why(&verdict, &two), NotCounted::NotLogged);
}

#[test]
fn a_vote_in_a_log_that_the_policy_does_not_list_does_not_count() {
    let (one, two) = two_votes();
    let mut other = Log::new("other.example/log");
    other.append(&two);
    let evidence = evidence(vec![log_of(&[&one]).view(), other.view()]);
    let verdict = judge_by(&Rules::new(), &evidence);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(why(&verdict, &two), NotCounted::UnknownLog);
}

#[test]
fn a_vote_whose_proof_is_for_another_index_does_not_count() {
    let (one, two) = two_votes();
    let mut view = log_of(&[&one, &two]).view();
    view.entries[1].index = LeafIndex::new(0);
    let verdict = judge_by(&Rules::new(), &evidence(vec![view]));
    assert!(matches!(why(&verdict, &two), NotCounted::NotIncluded(_)));
    // A better answer may prove it, so this is no refusal; and garbage is no alarm.
    assert_eq!(codes(&verdict), ["bad-proof"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 3);
}

#[test]
fn votes_do_not_age() {
    let old = |build: &mut attest_core::statement::Build| {
        build.rebuilt_at = "2001-01-01T00:00:00Z".to_owned();
    };
    let verdict =
        judge(&Rules::new(), &[&signer("deb-1").sign(&reproduced(old)), &signer("nix-1").sign(&reproduced(old))]);
    assert!(verdict.is_accepted());
}

#[test]
fn votes_from_two_logs_add_up() {
    let (one, two) = two_votes();
    let rules = Rules::new().log("second.example/log", "");
    let mut second = Log::new("second.example/log");
    second.append(&two);
    let evidence = evidence(vec![log_of(&[&one]).view(), second.view()]);
    assert!(judge_by(&rules, &evidence).is_accepted());
}

// 3.2

#[test]
fn a_vote_for_another_file_name_with_the_same_bytes_does_not_count() {
    let renamed = subject("six-1.16.0-1-py2.py3-none-any.whl", "published");
    let other = signer("nix-1").sign(&reproduced_of(renamed, |_| {}));
    let verdict = with_good_second(&Rules::new(), &other);
    assert!(matches!(why(&verdict, &other), NotCounted::OtherName { .. }));
    assert!(!verdict.is_accepted());
}

#[test]
fn a_requirement_without_file_name_matches_project_and_version() {
    let (one, two) = two_votes();
    let view = log_of(&[&one, &two]).view();
    let ask = |project: &str, version: &str| {
        let wanted = Wanted {
            digest: published().digest,
            name: WantedName::Release {
                project: ProjectName::new(project).unwrap(),
                version: Version::new(version).unwrap(),
            },
        };
        let evidence = evidence(vec![view.clone()]);
        verify(&Rules::new().policy(), &wanted, &evidence, asking()).is_accepted()
    };
    assert!(ask("six", "1.16.0"));
    assert!(ask("Six", "1.16"));
    assert!(!ask("six", "1.16.1"));
    assert!(!ask("six", "1.16.0+local"));
    assert!(!ask("seven", "1.16.0"));
}
