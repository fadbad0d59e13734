//! docs/TRUST.md sections 3.1 and 5: checkpoints, witnesses, freshness, outage and forks.
use crate::world::*;
use attest_core::{
    merkle::LeafIndex,
    time::Timestamp,
    verify::{Asking, Connection, Evidence, LogView, Place, Reason, Severity, Verdict, verify},
    votes::NotCounted,
};

fn votes() -> [Signed; 2] {
    let statement = reproduced(|_| {});
    ["deb-1", "nix-1"].map(|name| signer(name).sign(&statement))
}

fn log() -> Log {
    let [one, two] = votes();
    log_of(&[&one, &two])
}

fn cosigned(cosigners: &[(&str, Timestamp)]) -> Verdict {
    judge_by(&Rules::new(), &evidence(vec![log().view_cosigned(cosigners)]))
}

fn future(seconds: u64) -> Timestamp {
    Timestamp::from_secs(NOW.secs() + seconds)
}

// 3.1

#[test]
fn a_checkpoint_that_too_few_witness_groups_cosigned_leaves_the_answer_open() {
    assert!(cosigned(&[("witness-a", at(60)), ("witness-c", at(60))]).is_accepted());
    for cosigners in [&[][..], &[("witness-a", at(60))]] {
        let verdict = cosigned(cosigners);
        assert_eq!(codes(&verdict), ["witness-quorum"]);
        assert_eq!(verdict.severity(), Some(Severity::Undecided));
    }
}

#[test]
fn two_witnesses_of_one_group_are_one() {
    let rules = Rules::new();
    let same_group = rules.text().replace("group-of-witness-b", "group-of-witness-a");
    let policy = attest_core::policy::Policy::parse(&same_group).unwrap();
    let verdict = verify(&policy, &wanted(), &evidence(vec![log().view()]), asking());
    assert_eq!(codes(&verdict), ["witness-quorum"]);
}

#[test]
fn a_witness_that_the_policy_does_not_list_does_not_count() {
    let verdict = cosigned(&[("witness-a", at(60)), ("stranger", at(60))]);
    assert_eq!(codes(&verdict), ["witness-quorum"]);
}

#[test]
fn a_checkpoint_that_the_log_did_not_sign_is_garbage_and_no_alarm() {
    let mut view = log().view();
    let text = String::from_utf8(view.checkpoint).unwrap();
    view.checkpoint = text.replacen("\n2\n", "\n3\n", 1).into_bytes();
    let verdict = judge_by(&Rules::new(), &evidence(vec![view]));
    assert_eq!(codes(&verdict), ["malformed-checkpoint"]);
    assert_eq!(verdict.severity(), Some(Severity::Undecided));
}

#[test]
fn a_cosignature_of_a_known_witness_that_does_not_hold_is_garbage() {
    let one = log().cosigned(&[("witness-a", at(60)), ("witness-b", at(60))]);
    let [vote, _] = votes();
    let other = log_of(&[&vote]).cosigned(&[("witness-b", at(60))]);
    let stolen = String::from_utf8(other).unwrap();
    let stolen = stolen.lines().last().unwrap();
    let text = String::from_utf8(one).unwrap();
    let kept: Vec<_> = text.lines().filter(|line| !line.contains("witness-b")).collect();
    let mut view = log().view();
    view.checkpoint = format!("{}\n{stolen}\n", kept.join("\n")).into_bytes();
    let verdict = judge_by(&Rules::new(), &evidence(vec![view]));
    assert_eq!(codes(&verdict), ["malformed-checkpoint"]);
}

#[test]
fn without_witnesses_a_policy_that_says_so_accepts_a_bare_checkpoint() {
    let rules = Rules::new()
        .set("witness-threshold", r#""none""#)
        .set("max-checkpoint-age", r#""unchecked""#)
        .set("offline-max-age", r#""unchecked""#);
    let evidence = evidence(vec![log().view_cosigned(&[])]);
    assert!(judge_by(&rules, &evidence).is_accepted());
}

// 5.1

#[test]
fn only_the_fresh_cosignatures_count_for_freshness() {
    // The limit is 24 hours, the skew five minutes.
    let good = ("witness-a", at(DAY));
    assert!(cosigned(&[good, ("witness-b", at(DAY))]).is_accepted());
    assert!(cosigned(&[good, ("witness-b", future(300))]).is_accepted());
    let verdict = cosigned(&[good, ("witness-b", at(DAY + 1))]);
    assert_eq!(codes(&verdict), ["stale-checkpoint"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 3);
    let verdict = cosigned(&[good, ("witness-b", future(301))]);
    assert_eq!(codes(&verdict), ["stale-checkpoint"]);
    // A third, fresh one makes up for it.
    let all = [good, ("witness-b", future(301)), ("witness-c", at(0))];
    assert!(cosigned(&all).is_accepted());
}

#[test]
fn a_stale_checkpoint_says_since_when() {
    let verdict = cosigned(&[("witness-a", at(DAY * 2)), ("witness-b", at(DAY * 3))]);
    assert!(matches!(
        &verdict.reasons()[0],
        Reason::StaleCheckpoint { as_of, .. } if *as_of == at(DAY * 3)
    ));
}

#[test]
fn only_the_offline_flag_switches_to_the_longer_limit() {
    let view = log().view_cosigned(&[("witness-a", at(DAY * 20)), ("witness-b", at(DAY * 20))]);
    let ask = |connection, unreachable| {
        let mut evidence = evidence(vec![view.clone()]);
        evidence.unreachable = unreachable;
        let asking = Asking { connection, ..asking() };
        verify(&Rules::new().policy(), &wanted(), &evidence, asking)
    };
    let outage = vec![(LOG.to_owned(), "connection refused".to_owned())];
    assert_eq!(codes(&ask(Connection::Online, outage)), ["stale-checkpoint"]);
    assert!(ask(Connection::Offline, Vec::new()).is_accepted());
    let older = log().view_cosigned(&[("witness-a", at(DAY * 31)), ("witness-b", at(DAY * 31))]);
    let asking = Asking { connection: Connection::Offline, ..asking() };
    let verdict = verify(&Rules::new().policy(), &wanted(), &evidence(vec![older]), asking);
    assert_eq!(codes(&verdict), ["stale-checkpoint"]);
}

#[test]
fn votes_under_an_old_checkpoint_count_when_the_log_also_shows_a_fresh_one() {
    let old = log().view_cosigned(&[("witness-a", at(900 * DAY)), ("witness-b", at(900 * DAY))]);
    let verdict = judge_by(&Rules::new(), &evidence(vec![old.clone()]));
    assert_eq!(codes(&verdict), ["stale-checkpoint"]);

    let [one, two] = votes();
    let latest = |statements: &[&Signed]| LogView { entries: Vec::new(), ..log_of(statements).view() };
    let both = |latest| judge_by(&Rules::new(), &evidence(vec![old.clone(), latest]));
    assert!(both(latest(&[&one, &two, &one])).is_accepted());
    // A fresh checkpoint of less than that says nothing about these.
    assert!(!both(latest(&[&one])).is_accepted());
    // Nor does a fresh one make up for witnesses that never cosigned.
    let bare = log().view_cosigned(&[("witness-a", at(60))]);
    let verdict = judge_by(&Rules::new(), &evidence(vec![bare, latest(&[&one, &two, &one])]));
    assert!(!verdict.is_accepted());
}

// 1.5: outage, refusal

#[test]
fn a_log_that_is_down_leaves_the_answer_open_when_votes_are_missing() {
    let down = Evidence {
        logs: Vec::new(),
        unlogged: Vec::new(),
        unreachable: vec![(LOG.to_owned(), "connection refused".to_owned())],
        forks: Vec::new(),
        negatives: Vec::new(),
        replicas: Vec::new(),
    };
    let verdict = judge_by(&Rules::new(), &down);
    assert_eq!(
        verdict.reasons(),
        [Reason::LogUnreachable { origin: LOG.to_owned(), why: "connection refused".to_owned() }]
    );
    assert_eq!(verdict.severity().unwrap().exit_code(), 3);
    // Nor does forgetting to ask make a refusal of it.
    let verdict = judge_by(&Rules::new(), &evidence(Vec::new()));
    assert_eq!(codes(&verdict), ["log-unreachable"]);
}

#[test]
fn with_every_log_heard_a_missing_vote_is_a_refusal() {
    let [vote, _] = votes();
    let verdict = judge(&Rules::new(), &[&vote]);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(verdict.severity(), Some(Severity::Refused));
    let verdict = judge(&Rules::new(), &[&signer("deb-1").sign(&other_file())]);
    assert_eq!(codes(&verdict), ["no-statement"]);
    assert_eq!(verdict.severity(), Some(Severity::Refused));
}

fn other_file() -> attest_core::statement::Statement {
    reproduced_of(subject("seven-1-py3-none-any.whl", "seven"), |_| {})
}

#[test]
fn a_second_log_that_is_down_does_not_undo_a_met_quorum_where_dissent_is_best_effort() {
    let rules = Rules::new().log("second.example/log", "");
    let verdict = judge_by(&rules, &evidence(vec![log().view()]));
    assert!(verdict.is_accepted());
    let gap = &verdict.findings().gaps[0];
    assert!(matches!(gap, Reason::LogUnreachable { origin, .. } if origin == "second.example/log"));
}

#[test]
fn a_mirror_makes_up_for_a_log_that_answers_garbage() {
    let garbage = LogView { checkpoint: b"<html>".to_vec(), entries: Vec::new() };
    let verdict = judge_by(&Rules::new(), &evidence(vec![garbage.clone(), log().view()]));
    assert!(verdict.is_accepted());
    let verdict = judge_by(&Rules::new(), &evidence(vec![garbage]));
    assert_eq!(verdict.severity(), Some(Severity::Undecided));
    assert!(codes(&verdict).contains(&"malformed-checkpoint"));
}

#[test]
fn an_entry_that_is_no_statement_leaves_the_answer_open() {
    let [vote, _] = votes();
    let mut log = log_of(&[&vote]);
    log.entries.push(b"{\"payload\":\"\"}".to_vec());
    let verdict = judge_by(&Rules::new(), &evidence(vec![log.view()]));
    assert_eq!(codes(&verdict), ["malformed-entry"]);
}

// 5.3

#[test]
fn a_finished_log_needs_no_freshness_but_exactly_its_final_head() {
    let log = log();
    let head = log.checkpoint().head();
    let finished = |size: u64, root: String| {
        let mut rules = Rules::new();
        rules.tables.retain(|table| !table.starts_with("[[log]]"));
        rules.log(LOG, &format!("final = {{ size = {size}, root = \"{root}\" }}\n"))
    };
    let ask = |rules: &Rules| judge_by(rules, &evidence(vec![log.view_cosigned(&[])]));
    assert!(ask(&finished(2, head.root.to_string())).is_accepted());
    // Of another size, the policy and the answer do not fit together.
    let verdict = ask(&finished(3, head.root.to_string()));
    assert_eq!(codes(&verdict), ["not-final"]);
    assert_eq!(verdict.severity(), Some(Severity::Undecided));
    // A checkpoint that the log did not sign proves nothing against it, whatever it says.
    let other = log_of(&[&votes()[0]]);
    let root = other.checkpoint().head().root.to_string();
    let mut forged = log.view_cosigned(&[]);
    let text = String::from_utf8(forged.checkpoint).unwrap();
    forged.checkpoint = text.replace(&head.root.to_string(), &root).into_bytes();
    let rules = finished(2, head.root.to_string());
    let verdict = judge_by(&rules, &evidence(vec![forged]));
    assert_eq!(codes(&verdict)[0], "malformed-checkpoint");
    assert_eq!(verdict.severity(), Some(Severity::Undecided));
    // Of this size with another root, the log signed two histories.
    let other = log_of(&[&votes()[0]]).checkpoint().head().root.to_string();
    let verdict = ask(&finished(2, other));
    assert!(codes(&verdict).contains(&"final-root"));
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
}

#[test]
fn a_vote_under_a_checkpoint_from_the_future_does_not_count_even_beside_a_fresh_one() {
    let [one, two] = votes();
    let mut log = log_of(&[&one, &two]);
    let soon = future(400 * DAY);
    let ahead = log.view_cosigned(&[("witness-a", soon), ("witness-b", soon)]);
    log.append(&signer("acme-1").sign(&reproduced(|build| build.repeat = 7)));
    let mut fresh = log.view();
    fresh.entries.clear();
    let verdict = judge_by(&Rules::new(), &evidence(vec![ahead.clone(), fresh.clone()]));
    assert!(!verdict.is_accepted());
    assert_eq!(verdict.findings().ignored[0].why, NotCounted::Checkpoint);
    // One witness with a wrong clock does not take an old quorum away.
    let mut old = ahead;
    let log = log_of(&[&one, &two]);
    old.checkpoint = log.cosigned(&[("witness-a", at(9 * DAY)), ("witness-b", at(9 * DAY)), ("witness-c", soon)]);
    assert!(judge_by(&Rules::new(), &evidence(vec![old, fresh])).is_accepted());
}

#[test]
fn what_strangers_wrote_cannot_rewrite_the_terminal() {
    let mut evidence = evidence(Vec::new());
    let why = "busy\u{9b}2K\u{202e}\u{1b}[1mok\n".to_owned();
    evidence.unreachable.push((LOG.to_owned(), why));
    let verdict = judge_by(&Rules::new(), &evidence);
    let shown = verdict.reasons()[0].to_string();
    let escaped = r"busy\u{9b}2K\u{202e}\u{1b}[1mok\u{a}";
    assert!(shown.ends_with(escaped), "{shown}");
    // An origin that nobody checked.
    let place = Place::Logged {
        origin: "log\u{202e}\u{9b}".to_owned(),
        index: LeafIndex::new(3),
        size: None,
        witnessed_at: None,
    };
    let shown = place.to_string();
    assert_eq!(shown, r"log\u{202e}\u{9b} index 3 (not proven)");
}

// 1.5, 5.4: forks

#[test]
fn two_checkpoints_of_one_size_with_different_roots_are_an_alarm_with_both_notes() {
    let [one, two] = votes();
    let fork = log_of(&[&two, &one]);
    let verdict = judge_by(&Rules::new(), &evidence(vec![log().view(), fork.view()]));
    assert_eq!(codes(&verdict)[0], "fork");
    assert_eq!(verdict.severity().unwrap().exit_code(), 4);
    let Reason::Fork { origin, notes } = &verdict.reasons()[0] else {
        panic!("expected a fork");
    };
    assert_eq!(origin, LOG);
    let shown = [log().view().checkpoint, fork.view().checkpoint];
    assert_eq!(notes.each_ref().map(|note| note.clone().into_bytes()), shown);
}

#[test]
fn a_fork_is_an_alarm_however_old_and_bare_the_second_checkpoint_is() {
    let [one, two] = votes();
    let remembered = LogView { entries: Vec::new(), ..log_of(&[&two, &one]).view_cosigned(&[]) };
    let verdict = judge_by(&Rules::new(), &evidence(vec![log().view(), remembered]));
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
}

#[test]
fn two_entries_proven_for_one_index_are_a_fork_whatever_the_sizes() {
    let [one, two] = votes();
    let longer = log_of(&[&two, &one, &one]);
    let verdict = judge_by(&Rules::new(), &evidence(vec![log().view(), longer.view()]));
    assert_eq!(codes(&verdict)[0], "fork");
}

#[test]
fn two_checkpoints_of_one_history_are_no_fork() {
    let [one, two] = votes();
    let shorter = log_of(&[&one]);
    let verdict = judge_by(&Rules::new(), &evidence(vec![log_of(&[&one, &two]).view(), shorter.view()]));
    assert!(verdict.is_accepted(), "{:?}", verdict.reasons());
}

#[test]
fn a_checkpoint_that_only_claims_to_be_the_logs_proves_no_fork() {
    let mut forged = log().view();
    let text = String::from_utf8(forged.checkpoint).unwrap();
    let root = log().checkpoint().head().root.to_string();
    let other = log_of(&[&votes()[0]]).checkpoint().head().root.to_string();
    forged.checkpoint = text.replace(&root, &other).into_bytes();
    let verdict = judge_by(&Rules::new(), &evidence(vec![log().view(), forged]));
    assert!(verdict.is_accepted(), "{:?}", verdict.reasons());
}
