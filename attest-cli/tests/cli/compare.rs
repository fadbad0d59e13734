//! `attest log compare`: one history at every URL, or proof of two.

use attest_core::{artifact::ArtifactDigest, fork::ForkEvidence};

use crate::{
    fake_log::{Conduct, FakeLog, nobody},
    world::{Done, WHEEL, World, statement, text},
};

fn entries(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|n| statement(1, WHEEL, &ArtifactDigest::of(&[n]))).collect()
}

fn log(count: u8, conduct: Conduct) -> FakeLog {
    let log = FakeLog::start(entries(count));
    log.behave(conduct);
    log
}

fn compare(world: &World, urls: &[&str]) -> Done {
    let vkey = FakeLog::vkey();
    world.attest(&[&["log", "compare", "--vkey", &vkey], urls].concat())
}

#[test]
fn a_log_its_mirror_and_its_witness_go_together() {
    let world = World::new();
    let (log, mirror, witness) = (log(9, Conduct::Honest), log(7, Conduct::Honest), log(4, Conduct::Witnesses));
    let urls = [log.url.as_str(), &mirror.url, &witness.url];
    let done = compare(&world, &urls);
    done.is(0, "what 3 of 3 URLs show goes together");
    done.is(0, "the beginning of it, 2 behind");
    assert!(done.out.lines().any(|line| line.contains(&witness.url) && line.contains("witness")), "{done:?}");
    let document = compare(&world, &[&urls[..], &["--output-format", "json"]].concat()).json();
    assert_eq!(document["schema"], "attest.log-compare/v1");
    let standings: Vec<_> = (0..3).map(|at| document["views"][at]["standing"].as_str().unwrap()).collect();
    assert_eq!(standings, ["newest", "behind", "behind"]);
    assert_eq!((&document["views"][1]["behind"], &document["exit"]), (&2.into(), &0.into()));
    // The URLs of the policy are the default.
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &urls[..2]);
    world.attest(&["log", "compare", "--policy", text(&policy)]).is(0, "what 2 of 2 URLs show goes together");
}

#[test]
fn a_fork_is_an_alarm_with_evidence_that_anybody_can_check() {
    for (honest, forked) in [(9, 9), (9, 7), (7, 9)] {
        let world = World::new();
        let (one, other) = (log(honest, Conduct::Honest), log(forked, Conduct::Forked));
        let done = compare(&world, &[&one.url, &other.url]);
        done.is(4, "cannot both be of one log; evidence: ");
        let kept: Vec<String> = world.listing("data/logs");
        let [file] = &*kept else { panic!("{kept:?}") };
        let bytes = std::fs::read(world.path("data/logs").join(file)).unwrap();
        let evidence = ForkEvidence::parse(&bytes).unwrap();
        evidence.check(&FakeLog::vkey().parse().unwrap()).unwrap();
        let document = compare(&world, &[&one.url, &other.url, "--output-format", "json"]).json();
        assert_eq!(document["views"][0]["standing"], "forked");
        assert!(document["forks"][0]["evidence"].as_str().unwrap().ends_with(file.as_str()), "{document}");
        assert_eq!(world.listing("data/logs").len(), 1, "the same two notes are kept once");
    }
}

#[test]
fn what_does_not_answer_is_named_and_nothing_to_compare_is_no_pass() {
    let world = World::new();
    let (log, mirror) = (log(9, Conduct::Honest), log(9, Conduct::Honest));
    let gone = nobody();
    let done = compare(&world, &[&log.url, &mirror.url, &gone]);
    done.is(0, "what 2 of 3 URLs show goes together");
    done.is(0, "cannot be reached");
    compare(&world, &[&log.url, &gone]).is(3, "1 URL answered: nothing to compare");
    for conduct in [Conduct::OtherKey, Conduct::Garbage, Conduct::Overloaded] {
        mirror.behave(conduct);
        compare(&world, &[&log.url, &mirror.url]).is(3, "nothing to compare");
    }
    assert!(world.listing("data").is_empty() || world.listing("data/logs").is_empty());
}

#[test]
fn tiles_that_prove_nothing_leave_it_open() {
    let world = World::new();
    let (broken, smaller) = (log(9, Conduct::BrokenTiles), log(7, Conduct::Honest));
    compare(&world, &[&broken.url, &smaller.url]).is(3, "not proven: ");
    // Another copy has them.
    let whole = log(9, Conduct::Honest);
    compare(&world, &[&broken.url, &smaller.url, &whole.url]).is(0, "what 3 of 3 URLs show goes together");
    // Two witnesses have none at all.
    let (one, other) = (log(9, Conduct::Witnesses), log(7, Conduct::Witnesses));
    compare(&world, &[&one.url, &other.url]).is(3, "nobody who answered has tiles");
}

#[test]
fn without_a_log_to_compare_it_is_a_question_of_usage() {
    let world = World::new();
    world.attest(&["log", "compare", "http://127.0.0.1:9"]).is(2, "policy");
    let vkey = FakeLog::vkey();
    let policy =
        world.quorum(1, &[1], "log.test/a+61cfac42+AdD/bfTTLpSuEX6fo/Nnkq5dEWO95ySC8jyvoHtvO0Bk", &["http://x"]);
    world.attest(&["log", "compare", "--vkey", &vkey, "--policy", text(&policy)]).is(2, "expected one log");
}
