//! docs/TRUST.md 3.8, 3.9 and 2.4: what takes a vote back, the user's own, and keys that changed.
use crate::votes::{two_votes, why, with_good_second};
use crate::world::*;
use attest_core::{policy::GroupName, verify::Place, votes::NotCounted};

// 3.8

#[test]
fn a_withdrawn_vote_does_not_count_whatever_the_order_in_the_log() {
    let (one, two) = two_votes();
    let back = signer("nix-1").sign(&withdrawal(two.id));
    for order in [[&one, &two, &back], [&back, &two, &one]] {
        let verdict = judge(&Rules::new(), &order);
        assert_eq!(codes(&verdict), ["below-threshold"]);
        assert_eq!(why(&verdict, &two), NotCounted::Withdrawn { by: back.id });
    }
}

#[test]
fn a_withdrawal_in_one_log_holds_in_every_other_and_even_without_a_log() {
    let (one, two) = two_votes();
    let back = signer("nix-1").sign(&withdrawal(two.id));
    let mut other = Log::new("other.example/log");
    other.append(&back);
    let elsewhere = evidence(vec![log_of(&[&one, &two]).view(), other.view()]);
    assert!(!judge_by(&Rules::new(), &elsewhere).is_accepted());
    let mut unlogged = evidence(vec![log_of(&[&one, &two]).view()]);
    unlogged.unlogged.push(back.bytes);
    assert!(!judge_by(&Rules::new(), &unlogged).is_accepted());
}

#[test]
fn another_key_of_the_same_group_may_withdraw_and_another_group_may_not() {
    let (one, two) = two_votes();
    let colleague = signer("deb-2").sign(&withdrawal(one.id));
    assert!(!judge(&Rules::new(), &[&one, &two, &colleague]).is_accepted());
    let stranger = signer("acme-1").sign(&withdrawal(one.id));
    let verdict = judge(&Rules::new(), &[&one, &two, &stranger]);
    assert!(verdict.is_accepted());
    assert_eq!(why(&verdict, &stranger), NotCounted::IdleWithdrawal { of: one.id });
}

#[test]
fn a_withdrawal_about_another_subject_has_no_effect() {
    let (one, two) = two_votes();
    let renamed = subject("six-1.16.0-1-py2.py3-none-any.whl", "published");
    let back = signer("nix-1").sign(&withdrawal_about(renamed, two.id));
    assert!(judge(&Rules::new(), &[&one, &two, &back]).is_accepted());
}

#[test]
fn a_retired_key_withdraws_only_where_it_was_valid_and_then_for_good() {
    let (one, two) = two_votes();
    let back = signer("deb-2").sign(&withdrawal(one.id));
    let retired = |before: u64| {
        let valid = format!("valid = [{{ log = \"{LOG}\", from = 0, before = {before} }}]\n");
        Rules::new().change_rebuilder("deb-2", "debian", "retired", &valid)
    };
    // The withdrawal is entry 2.
    assert!(!judge(&retired(3), &[&one, &two, &back]).is_accepted());
    assert!(judge(&retired(2), &[&one, &two, &back]).is_accepted());
}

// 3.9

#[test]
fn the_users_own_statement_counts_from_a_folder_and_says_so() {
    let rules = Rules::new().key("self", "me");
    let mine = signer("me").sign(&reproduced(|_| {}));
    let (one, _) = two_votes();
    let mut evidence = evidence(vec![log_of(&[&one]).view()]);
    evidence.unlogged.push(mine.bytes);
    let verdict = judge_by(&rules, &evidence);
    assert!(verdict.is_accepted());
    let own = verdict.findings().votes.iter().find(|vote| vote.by.as_str() == "me").unwrap();
    assert_eq!(own.place, Place::Unlogged);
    assert_eq!(own.group, GroupName::own());
}

#[test]
fn the_users_own_rebuilds_need_no_log_at_all() {
    let rules = Rules::bare()
        .set("threshold", "1")
        .set("witness-threshold", r#""none""#)
        .set("max-checkpoint-age", r#""unchecked""#)
        .set("offline-max-age", r#""unchecked""#)
        .key("self", "me");
    let mut evidence = evidence(Vec::new());
    assert_eq!(codes(&judge_by(&rules, &evidence)), ["no-statement"]);
    evidence.unlogged.push(signer("me").sign(&reproduced(|_| {})).bytes);
    assert!(judge_by(&rules, &evidence).is_accepted());
}

#[test]
fn two_own_keys_are_one_group() {
    let rules = Rules::new().key("self", "me").key("self", "me-too");
    let mut evidence = evidence(vec![log_of(&[&signer("x").sign(&reproduced(|_| {}))]).view()]);
    for name in ["me", "me-too"] {
        evidence.unlogged.push(signer(name).sign(&reproduced(|_| {})).bytes);
    }
    assert_eq!(codes(&judge_by(&rules, &evidence)), ["below-threshold"]);
}

#[test]
fn a_publisher_is_shown_and_never_counted() {
    let rules = Rules::new().key("publisher", "six-ci");
    let claim = signer("six-ci").sign(&reproduced(|_| {}));
    let verdict = with_good_second(&rules, &claim);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(verdict.findings().publishers[0].statement, claim.id);
}

// the policy's binding of ids to keys

#[test]
fn a_key_bound_to_a_rebuilder_id_votes_only_under_that_id() {
    let (one, two) = two_votes();
    let bound = |id: &str| {
        let more = format!("id = \"{id}\"\n");
        Rules::new().change_rebuilder("nix-1", "nixos", "current", &more)
    };
    assert!(judge(&bound("https://rebuilder.example/v1"), &[&one, &two]).is_accepted());
    let verdict = judge(&bound("https://nix.example/v1"), &[&one, &two]);
    assert!(matches!(why(&verdict, &two), NotCounted::RebuilderId { .. }));
    assert!(!verdict.is_accepted());
}

// 2.4

#[test]
fn a_current_key_with_ranges_votes_only_inside_them() {
    let (one, two) = two_votes();
    let range = |log: &str, range: &str| {
        let valid = format!("valid = [{{ log = \"{log}\", {range} }}]\n");
        Rules::new().log("second.example/log", "").change_rebuilder("nix-1", "nixos", "current", &valid)
    };
    // The vote is entry 1.
    assert!(judge(&range(LOG, "from = 0"), &[&one, &two]).is_accepted());
    assert!(judge(&range(LOG, "from = 1, before = 2"), &[&one, &two]).is_accepted());
    let verdict = judge(&range(LOG, "from = 2"), &[&one, &two]);
    assert!(matches!(why(&verdict, &two), NotCounted::OutsideValidity { .. }));
    assert!(!verdict.is_accepted());
    assert!(!judge(&range("second.example/log", "from = 0"), &[&one, &two]).is_accepted());
}

#[test]
fn a_compromised_key_has_no_vote_unless_the_user_sets_a_bound() {
    let (one, two) = two_votes();
    let plain = Rules::new().change_rebuilder("nix-1", "nixos", "compromised", "");
    assert!(!judge(&plain, &[&one, &two]).is_accepted());
    let valid = format!("valid = [{{ log = \"{LOG}\", from = 0, before = 2 }}]\n");
    let bounded = Rules::new().change_rebuilder("nix-1", "nixos", "compromised", &valid);
    assert!(judge(&bounded, &[&one, &two]).is_accepted());
}
