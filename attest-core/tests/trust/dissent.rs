//! docs/TRUST.md section 4: what blocks, what only abstains, and what shows that dissent was hidden.
use crate::world::*;
use attest_core::{
    dissent::{AccusationState, Proof, Shortfall, foreign_code as detect},
    statement::{Build, DifferenceKind, Network, Outcome, Predicate, Refusal, Statement},
    verify::{Severity, Verdict},
};

fn votes() -> [Signed; 2] {
    let statement = reproduced(|_| {});
    ["deb-1", "nix-1"].map(|name| signer(name).sign(&statement))
}

/// The verdict when the quorum is there and `against` is said too.
fn despite(rules: &Rules, against: &[&Signed]) -> Verdict {
    let [one, two] = votes();
    let mut statements = vec![&one, &two];
    statements.extend(against);
    judge(rules, &statements)
}

fn shortfall(verdict: &Verdict) -> Option<Shortfall> {
    verdict.findings().abstentions[0].shortfall.clone()
}

// 4.1

#[test]
fn an_innocent_failure_abstains_visibly_and_never_blocks() {
    for outcome in [
        Outcome::Different,
        Outcome::Nondeterministic,
        Outcome::BuildFailed,
        Outcome::SourceNotFound,
        Outcome::EnvironmentUnknown,
    ] {
        let failed = signer("acme-1").sign(&abstention(outcome));
        let verdict = despite(&Rules::new(), &[&failed]);
        assert!(verdict.is_accepted(), "{outcome:?}");
        let abstention = &verdict.findings().abstentions[0];
        assert_eq!(abstention.outcome, outcome);
        assert_eq!(abstention.statement, failed.id);
        assert!(abstention.to_string().starts_with("acme-1 abstains: "));
    }
}

// 4.2

#[test]
fn a_contradiction_by_one_group_refuses() {
    let [vote, _] = votes();
    let against = signer("acme-1").sign(&contradiction(vote.id));
    let verdict = despite(&Rules::new(), &[&against]);
    assert_eq!(codes(&verdict), ["contradicted"]);
    assert_eq!(verdict.severity(), Some(Severity::Refused));
    let accusation = &verdict.findings().accusations[0];
    assert_eq!(accusation.proof, Proof::Contradiction { contradicts: vote.id, rebuilt: digest("rebuilt") });
}

#[test]
fn contradictions_by_two_groups_are_an_alarm_and_by_two_keys_of_one_group_are_not() {
    let [vote, other] = votes();
    let rules = Rules::new().rebuilder("acme-2", "acme", "current", "");
    let one = signer("acme-1").sign(&contradiction(vote.id));
    let same_group = signer("acme-2").sign(&contradiction(other.id));
    assert_eq!(despite(&rules, &[&one, &same_group]).severity(), Some(Severity::Refused));
    let other_group = signer("deb-2").sign(&contradiction(other.id));
    let verdict = despite(&rules, &[&one, &other_group]);
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
    assert_eq!(verdict.severity().unwrap().exit_code(), 4);
}

#[test]
fn a_contradiction_must_have_the_inputs_network_repeats_and_result_that_prove_something() {
    type Expected = fn(&Shortfall) -> bool;
    let [vote, _] = votes();
    let contradicts = |refusal: &mut Refusal| refusal.contradicts = Some(vote.id);
    let cases: [(Statement, Expected); 3] = [
        (
            not_reproduced(|build| build.source = git("0123456789012345678901234567890123456789"), contradicts),
            |shortfall| matches!(shortfall, Shortfall::OtherInputs { .. }),
        ),
        (not_reproduced(|build| build.environment.network = Network::FetchOnly, contradicts), |shortfall| {
            *shortfall == Shortfall::Network
        }),
        (not_reproduced(|build| build.repeat = 1, contradicts), |shortfall| *shortfall == Shortfall::Repeat(1)),
    ];
    for (statement, expected) in cases {
        let against = signer("acme-1").sign(&statement);
        let verdict = despite(&Rules::new(), &[&against]);
        assert!(verdict.is_accepted(), "{:?}", verdict.reasons());
        let shortfall = shortfall(&verdict).unwrap();
        assert!(expected(&shortfall), "{shortfall}");
    }
}

#[test]
fn a_contradiction_that_got_what_an_equivalent_statement_got_proves_nothing() {
    let weaker = signer("nix-1").sign(&equivalent(|_| {}));
    let same = signer("acme-1").sign(&not_reproduced(
        |_| {},
        |refusal| {
            refusal.contradicts = Some(weaker.id);
            refusal.rebuilt = Some(digest("equivalent").into());
        },
    ));
    let verdict = despite(&Rules::new(), &[&weaker, &same]);
    assert!(verdict.is_accepted());
    assert_eq!(shortfall(&verdict), Some(Shortfall::SameDigest));
}

#[test]
fn a_contradiction_that_names_a_statement_about_another_file_proves_nothing() {
    let other = subject("six-1.16.0-1-py2.py3-none-any.whl", "another file");
    let elsewhere = signer("deb-1").sign(&reproduced_of(other, |_| {}));
    let against = signer("acme-1").sign(&contradiction(elsewhere.id));
    let verdict = despite(&Rules::new(), &[&elsewhere, &against]);
    assert!(verdict.is_accepted());
    assert_eq!(shortfall(&verdict), Some(Shortfall::NoClaim(elsewhere.id)));
}

#[test]
fn a_contradiction_may_name_a_strangers_statement_whose_inputs_a_party_claims_too() {
    let stranger = signer("stranger").sign(&reproduced(|build| build.repeat = 5));
    let against = signer("acme-1").sign(&contradiction(stranger.id));
    let verdict = despite(&Rules::new(), &[&stranger, &against]);
    assert_eq!(codes(&verdict), ["contradicted"]);
}

#[test]
fn an_outsider_cannot_turn_a_good_file_into_an_alarm_by_a_false_claim_that_honest_groups_refute() {
    let made_up = |build: &mut Build| build.source = git("0123456789012345678901234567890123456789");
    let bait = signer("stranger").sign(&reproduced(made_up));
    let refute = |name: &str| {
        signer(name).sign(&not_reproduced(made_up, |refusal| {
            refusal.contradicts = Some(bait.id);
        }))
    };
    // Of the groups that vote, and of another: nobody loses a vote by the truth.
    let refuted = ["deb-1", "nix-1", "acme-1"].map(refute);
    let [one, two, three] = &refuted;
    let verdict = despite(&Rules::new(), &[&bait, one, two, three]);
    assert!(verdict.is_accepted(), "{:?}", verdict.reasons());
    assert_eq!(verdict.findings().abstentions.len(), 3);
    assert_eq!(shortfall(&verdict), Some(Shortfall::StrangersClaim(bait.id)));
    // The same claim by a party of the policy, a retired one too, is worth contradicting.
    let rules = Rules::new().rebuilder("old-1", "old", "retired", "valid = []");
    let claim = signer("old-1").sign(&reproduced(made_up));
    // One id, two signers: whoever is heard first.
    assert_eq!(claim.id, bait.id);
    for order in [[&bait, &claim], [&claim, &bait]] {
        let [first, second] = order;
        let verdict = despite(&rules, &[first, second, three]);
        assert_eq!(codes(&verdict), ["contradicted"]);
    }
}

#[test]
fn a_contradiction_of_a_statement_that_nobody_shows_leaves_the_answer_open() {
    let hidden = signer("stranger").sign(&reproduced(|build| build.repeat = 5));
    let against = signer("acme-1").sign(&contradiction(hidden.id));
    let verdict = despite(&Rules::new(), &[&against]);
    assert_eq!(codes(&verdict), ["unresolved-contradiction"]);
    assert_eq!(verdict.severity(), Some(Severity::Undecided));
}

#[test]
fn foreign_code_blocks_without_naming_a_statement() {
    let against = signer("acme-1").sign(&foreign_code());
    let verdict = despite(&Rules::new(), &[&against]);
    assert_eq!(codes(&verdict), ["contradicted"]);
    assert_eq!(
        verdict.findings().accusations[0].proof,
        Proof::ForeignCode { members: vec!["six_extra.py".to_owned()] }
    );
}

#[test]
fn foreign_code_is_code_that_only_the_published_file_has_where_all_else_matches() {
    use DifferenceKind::{Compression, Content, OnlyInPublished, OnlyInRebuilt, Order, ZipMetadata};
    let record = ("p-1.dist-info/RECORD", Content);
    let long = "x".repeat(250);
    let cases: &[(&[(&str, DifferenceKind)], bool)] = &[
        (&[("p/a.py", OnlyInPublished), record], true),
        (&[("p/a.PY", OnlyInPublished), record], true),
        (&[("p/a.cpython-311.so", OnlyInPublished)], true),
        (&[("p/lib/liba.so.1.2", OnlyInPublished)], true),
        (&[("a.pth", OnlyInPublished)], true),
        (&[("p-1.data/scripts/run", OnlyInPublished)], true),
        (&[("p-1.dist-info/entry_points.txt", OnlyInPublished)], true),
        (&[("p/a.py", OnlyInPublished), ("p/b.txt", ZipMetadata)], true),
        (&[("p/a.py", OnlyInPublished), ("", Order)], true),
        (&[("p/a.py", OnlyInPublished), ("p/b.py", Compression)], true),
        (&[("p/a.py", OnlyInPublished), ("p/b.txt", OnlyInPublished)], true),
        // A path that was cut could have ended in anything.
        (&[(long.as_str(), OnlyInPublished)], true),
        (&[("p/notes.txt", OnlyInPublished), record], false),
        (&[("p/a.py", Content), record], false),
        (&[("p/a.py", OnlyInPublished), ("p/b.py", Content)], false),
        // Whoever adds code can change a byte of what runs nowhere, or leave a file out.
        (&[("p/a.py", OnlyInPublished), ("p/b.txt", OnlyInRebuilt)], true),
        (
            &[
                ("p/a.py", OnlyInPublished),
                ("p-1.dist-info/METADATA", Content),
                ("p-1.dist-info/WHEEL", Content),
                ("p-1.dist-info/top_level.txt", Content),
                ("p-1.dist-info/licenses/LICENSE", Content),
                ("p-1.dist-info/LICENCE.md", Content),
                ("p-1.dist-info/COPYING", OnlyInRebuilt),
                record,
            ],
            true,
        ),
        (&[("p/a.py", OnlyInPublished), ("p/b.py", OnlyInRebuilt)], false),
        (&[("p/a.py", OnlyInPublished), ("p-1.dist-info/entry_points.txt", Content)], false),
        (&[("p/a.py", OnlyInPublished), ("p/METADATA", Content)], false),
        (&[("p/a.py", OnlyInPublished), ("p-1.dist-info/licenses/a.py", Content)], false),
        (&[record], false),
        (&[], false),
    ];
    for (differences, foreign) in cases {
        let refusal = Refusal {
            outcome: Outcome::Different,
            rebuilt: Some(digest("rebuilt").into()),
            contradicts: None,
            differences: differences.iter().map(|(path, kind)| difference(path, *kind)).collect(),
            differences_total: differences.len() as u64,
            report: None,
        };
        assert_eq!(detect(&refusal).is_some(), *foreign, "{differences:?}");
        // A list that was cut does not show that all else matches.
        let cut = Refusal { differences_total: 1_000, ..refusal.clone() };
        assert_eq!(detect(&cut), None);
        let undecided = Refusal { outcome: Outcome::Nondeterministic, ..refusal };
        assert_eq!(detect(&undecided), None);
    }
}

#[test]
fn the_user_may_dismiss_one_contradiction_until_a_day() {
    let [vote, _] = votes();
    let against = signer("acme-1").sign(&contradiction(vote.id));
    let dismiss = |expires: &str| {
        Rules::new().table(format!(
            "[[dismiss]]\nstatement = \"{}\"\nreason = \"their disk was broken\"\nexpires = {expires}\n",
            against.id
        ))
    };
    let verdict = despite(&dismiss("2027-01-01T00:00:00Z"), &[&against]);
    assert!(verdict.is_accepted());
    assert!(matches!(
        &verdict.findings().accusations[0].state,
        AccusationState::Dismissed { reason, .. } if reason == "their disk was broken"
    ));
    // From that very second on it blocks again.
    let verdict = despite(&dismiss("2026-11-21T21:00:00Z"), &[&against]);
    assert_eq!(codes(&verdict), ["contradicted"]);
    assert!(matches!(verdict.findings().accusations[0].state, AccusationState::Blocks { dismissed_until: Some(_) }));
    // By id: another contradiction is not dismissed with it.
    let another =
        signer("acme-1").sign(&not_reproduced(|build| build.repeat = 3, |refusal| refusal.contradicts = Some(vote.id)));
    let verdict = despite(&dismiss("2027-01-01T00:00:00Z"), &[&another]);
    assert_eq!(codes(&verdict), ["contradicted"]);
}

// 3.8, of dissent

#[test]
fn a_contradiction_is_lifted_only_by_its_own_group_and_later_in_the_same_log() {
    let [one, two] = votes();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let back = signer("acme-1").sign(&withdrawal(against.id));
    let verdict = judge(&Rules::new(), &[&one, &two, &against, &back]);
    assert!(verdict.is_accepted());
    assert_eq!(verdict.findings().accusations[0].state, AccusationState::Lifted { by: back.id });
    // Made in advance, or slipped in below.
    let verdict = judge(&Rules::new(), &[&one, &back, &two, &against]);
    assert_eq!(codes(&verdict), ["contradicted"]);
    // By somebody else.
    let stranger = signer("deb-1").sign(&withdrawal(against.id));
    let verdict = judge(&Rules::new(), &[&one, &two, &against, &stranger]);
    assert_eq!(codes(&verdict), ["contradicted"]);
    // Without a log.
    let mut unlogged = evidence(vec![log_of(&[&one, &two, &against]).view()]);
    unlogged.unlogged.push(back.bytes.clone());
    assert_eq!(codes(&judge_by(&Rules::new(), &unlogged)), ["contradicted"]);
    // In another log, whose indexes say nothing about this one's.
    let rules = Rules::new().log("second.example/log", "");
    let mut second = Log::new("second.example/log");
    for padding in [&one, &two, &one, &back] {
        second.append(padding);
    }
    let elsewhere = evidence(vec![log_of(&[&one, &two, &against]).view(), second.view()]);
    assert_eq!(codes(&judge_by(&rules, &elsewhere)), ["contradicted"]);
}

#[test]
fn a_lifted_contradiction_that_is_logged_again_stays_lifted() {
    let [one, two] = votes();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let back = signer("acme-1").sign(&withdrawal(against.id));
    let verdict = judge(&Rules::new(), &[&one, &two, &against, &back, &against]);
    assert!(verdict.is_accepted());
}

#[test]
fn a_retired_key_lifts_only_where_it_was_valid_and_then_for_good() {
    let [one, two] = votes();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let back = signer("acme-1").sign(&withdrawal(against.id));
    let retired = |before: u64| {
        let valid = format!("valid = [{{ log = \"{LOG}\", from = 0, before = {before} }}]\n");
        Rules::new().change_rebuilder("acme-1", "acme", "retired", &valid)
    };
    // The withdrawal is entry 3.
    let statements = [&one, &two, &against, &back];
    assert!(judge(&retired(4), &statements).is_accepted());
    let verdict = judge(&retired(3), &statements);
    assert_eq!(codes(&verdict), ["contradicted"]);
    let compromised = Rules::new().change_rebuilder("acme-1", "acme", "compromised", "");
    let verdict = judge(&compromised, &statements);
    assert_eq!(codes(&verdict), ["contradicted"]);
}

#[test]
fn a_withdrawal_about_another_subject_lifts_nothing() {
    let [one, two] = votes();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let renamed = subject("six-1.16.0-1-py2.py3-none-any.whl", "published");
    let back = signer("acme-1").sign(&withdrawal_about(renamed, against.id));
    let verdict = judge(&Rules::new(), &[&one, &two, &against, &back]);
    assert_eq!(codes(&verdict), ["contradicted"]);
}

// 4.3

#[test]
fn dissent_of_a_retired_or_compromised_key_blocks() {
    let [vote, _] = votes();
    let against = signer("acme-1").sign(&contradiction(vote.id));
    for (status, more) in [("retired", "valid = []\n"), ("compromised", "")] {
        let rules = Rules::new().change_rebuilder("acme-1", "acme", status, more);
        assert_eq!(codes(&despite(&rules, &[&against])), ["contradicted"]);
    }
}

#[test]
fn dissent_of_a_publisher_and_of_the_user_blocks() {
    let [vote, _] = votes();
    for role in ["publisher", "self"] {
        let rules = Rules::new().key(role, "other");
        let against = signer("other").sign(&contradiction(vote.id));
        assert_eq!(codes(&despite(&rules, &[&against])), ["contradicted"]);
    }
}

#[test]
fn dissent_counts_from_any_log_mirror_or_file_without_proof_or_freshness() {
    let [one, two] = votes();
    let good = log_of(&[&one, &two]).view();
    let against = signer("acme-1").sign(&contradiction(one.id));

    let mut from_file = evidence(vec![good.clone()]);
    from_file.unlogged.push(against.bytes.clone());

    let mut unknown = Log::new("unknown.example/log");
    unknown.append(&against);
    let from_unknown_log = evidence(vec![good.clone(), unknown.view_cosigned(&[])]);

    let mut stale = log_of(&[&one, &two, &against]).view_cosigned(&[("witness-a", at(900 * DAY))]);
    let from_stale_view = evidence(vec![good.clone(), stale.clone()]);

    stale.entries[2].path.clear();
    let without_proof = evidence(vec![good.clone(), stale.clone()]);

    stale.checkpoint = b"garbage".to_vec();
    let without_checkpoint = evidence(vec![good, stale]);

    for evidence in [from_file, from_unknown_log, from_stale_view, without_proof, without_checkpoint] {
        let verdict = judge_by(&Rules::new(), &evidence);
        assert_eq!(codes(&verdict), ["contradicted"]);
    }
}

#[test]
fn dissent_is_about_the_digest_whatever_the_file_is_called() {
    let [vote, _] = votes();
    let Predicate::NotReproduced { build, refusal } = contradiction(vote.id).predicate().clone() else {
        panic!("expected dissent");
    };
    let renamed = subject("other-9-py3-none-any.whl", "published");
    let predicate = Predicate::NotReproduced { build, refusal };
    let against = signer("acme-1").sign(&Statement::new(renamed, predicate).unwrap());
    assert_eq!(codes(&despite(&Rules::new(), &[&against])), ["contradicted"]);
}

#[test]
fn dissent_of_somebody_whom_the_policy_never_listed_is_only_shown() {
    let [vote, _] = votes();
    let against = signer("stranger").sign(&contradiction(vote.id));
    let verdict = despite(&Rules::new(), &[&against]);
    assert!(verdict.is_accepted());
    assert_eq!(verdict.findings().ignored[0].statement, against.id);
}

/// The monotonic principle: whatever a mirror hides or adds of votes and dissent, more dissent never makes a file pass.
#[test]
fn more_dissent_never_turns_a_no_into_a_yes() {
    let [one, two] = votes();
    let split = signer("deb-2").sign(&reproduced(|build| {
        build.source = git("0123456789012345678901234567890123456789");
    }));
    let pool = [
        signer("acme-1").sign(&contradiction(one.id)),
        signer("deb-2").sign(&contradiction(two.id)),
        signer("nix-1").sign(&contradiction(split.id)),
        signer("acme-1").sign(&foreign_code()),
        signer("acme-1").sign(&abstention(Outcome::BuildFailed)),
        signer("stranger").sign(&contradiction(one.id)),
    ];
    for votes in [vec![&one, &two], vec![&one], vec![&one, &two, &split], vec![]] {
        let accepted: Vec<bool> = (0..1_u32 << pool.len())
            .map(|set| {
                let dissent = pool.iter().enumerate();
                let dissent = dissent.filter(|(bit, _)| set & (1 << bit) != 0);
                let dissent = dissent.map(|(_, statement)| statement);
                let statements: Vec<_> = votes.iter().copied().chain(dissent).collect();
                judge(&Rules::new(), &statements).is_accepted()
            })
            .collect();
        for (set, accepted_now) in accepted.iter().enumerate() {
            for bit in (0..pool.len()).filter(|bit| set & (1 << bit) == 0) {
                assert!(*accepted_now || !accepted[set | (1 << bit)], "{set} {bit}");
            }
        }
    }
}

#[test]
fn the_order_in_which_evidence_arrives_decides_nothing() {
    let [one, two] = votes();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let back = signer("acme-1").sign(&withdrawal(against.id));
    let other = signer("deb-2").sign(&withdrawal(one.id));
    for statements in
        [vec![&one, &two], vec![&one, &two, &against], vec![&one, &two, &against, &back], vec![&one, &two, &other]]
    {
        let view = log_of(&statements).view();
        let expected = codes(&judge_by(&Rules::new(), &evidence(vec![view.clone()])));
        let mut turned = view.clone();
        for _ in 0..view.entries.len() {
            turned.entries.rotate_left(1);
            let mut reversed = turned.clone();
            reversed.entries.reverse();
            for view in [&turned, &reversed] {
                let verdict = judge_by(&Rules::new(), &evidence(vec![view.clone()]));
                assert_eq!(codes(&verdict), expected);
            }
        }
    }
}

// 4.4

#[test]
fn a_policy_that_wants_a_complete_view_is_undecided_without_one() {
    let auditor = Log::new("auditor.example");
    let vkey = auditor.key.verifier();
    let rules = Rules::new()
        .set("negatives", r#""complete""#)
        .set("auditor-threshold", "1")
        .table(format!("[[auditor]]\nname = \"auditor\"\ngroup = \"mirror\"\nvkey = \"{vkey}\"\n"));
    let verdict = despite(&rules, &[]);
    assert_eq!(codes(&verdict), ["incomplete-view"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 3);
    let line = verdict.reasons()[0].policy_line().unwrap();
    assert_eq!(rules.text().lines().nth(line - 1), Some("negatives = \"complete\""));
}
