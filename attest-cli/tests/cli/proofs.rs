//! `attest log proof`: what is written verifies for anybody, and nothing else is written.

use std::fs;

use attest_core::{
    artifact::ArtifactDigest,
    envelope::Envelope,
    merkle::LeafHash,
    note::VerifierKey,
    proof::{TlogProof, TlogProofError},
};

use crate::{
    fake_log::{Conduct, FakeLog, nobody},
    world::{Done, WHEEL, World, statement, text},
};

fn key() -> VerifierKey {
    FakeLog::vkey().parse().unwrap()
}

fn log(count: u8) -> FakeLog {
    FakeLog::start((0..count).map(|n| statement(1, WHEEL, &ArtifactDigest::of(&[n]))).collect())
}

fn prove(world: &World, log: &FakeLog, arguments: &[&str]) -> Done {
    let vkey = FakeLog::vkey();
    world.attest(&[&["log", "proof", "--log", &log.url, "--vkey", &vkey], arguments].concat())
}

#[test]
fn a_proof_by_index_holds_for_the_entry_that_is_written_beside_it() {
    let (world, log) = (World::new(), log(9));
    for index in ["0", "4", "8"] {
        let printed = prove(&world, &log, &[index, "--save-entry", "entry"]);
        printed.is(0, "of the 9 that log.test/fake signed, verified");
        let entry = fs::read(world.path("entry")).unwrap();
        assert_eq!(entry, log.copied()[index.parse::<usize>().unwrap()]);
        let proof = TlogProof::parse(printed.out.as_bytes()).unwrap();
        assert_eq!(proof.verify(LeafHash::of(&entry), &key()).unwrap().head().size.get(), 9);
        let other = proof.verify(LeafHash::of(b"another entry"), &key());
        assert!(matches!(other, Err(TlogProofError::Inclusion(_))), "{other:?}");
        prove(&world, &log, &[index, "-o", "proof"]).is(0, "proof");
        assert_eq!(fs::read_to_string(world.path("proof")).unwrap(), printed.out);
    }
}

#[test]
fn a_statement_finds_its_entry_and_the_proof_is_over_the_very_file() {
    let (world, log) = (World::new(), log(5));
    world.write("s.json", log.copied()[3].clone());
    let done = prove(&world, &log, &["s.json"]);
    done.is(0, "index 3\n");
    let proof = TlogProof::parse(done.out.as_bytes()).unwrap();
    proof.verify(LeafHash::of(&fs::read(world.path("s.json")).unwrap()), &key()).unwrap();
    // The log of the policy, and a mirror where the log does not answer.
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &[&nobody(), &log.url]);
    world.attest(&["log", "proof", "s.json", "--policy", text(&policy)]).is(0, "index 3\n");
}

#[test]
fn what_is_not_in_the_log_has_no_proof() {
    let (world, log) = (World::new(), log(5));
    prove(&world, &log, &["5", "-o", "p"]).is(1, "log.test/fake has 5 entries, and none with index 5");
    prove(&world, &log, &["9223372036854775806"]).is(1, "none with index");
    prove(&world, &log, &["9223372036854775807"]).is(2, "is no index of a log");
    prove(&world, &log, &["nothing.json"]).is(2, "cannot read");
    world.write("s.json", statement(2, WHEEL, &ArtifactDigest::of(b"unknown")));
    prove(&world, &log, &["s.json", "-o", "p"]).is(1, "does not have this statement");
    // The same words by another key are another entry.
    let same = Envelope::parse(&statement(2, WHEEL, &ArtifactDigest::of(&[3]))).unwrap();
    world.write("s.json", same.to_bytes());
    prove(&world, &log, &["s.json", "-o", "p"]).is(1, "attest log proof 3");
    assert!(!world.path("p").exists());
}

#[test]
fn a_log_that_lies_gets_nothing_written() {
    for (conduct, code, words) in [
        (Conduct::BrokenTiles, 3, "proves nothing about entry 4"),
        (Conduct::OtherKey, 3, "shows no checkpoint that log.test/fake signed"),
        (Conduct::Garbage, 3, "shows no checkpoint"),
        (Conduct::Overloaded, 3, "cannot answer now"),
    ] {
        let (world, log) = (World::new(), log(9));
        log.behave(conduct.clone());
        prove(&world, &log, &["4", "-o", "p", "--save-entry", "e"]).is(code, words);
        assert!(!world.path("p").exists() && !world.path("e").exists(), "{conduct:?}");
    }
}

#[test]
fn the_checkpoint_of_a_proof_continues_what_was_seen_of_the_log() {
    let (world, log) = (World::new(), log(9));
    prove(&world, &log, &["2"]).is(0, "verified");
    log.behave(Conduct::Shows(5));
    prove(&world, &log, &["2", "-o", "p"]).is(3, "old checkpoint");
    log.behave(Conduct::Forked);
    prove(&world, &log, &["2", "-o", "p"]).is(4, "two histories");
    assert!(!world.path("p").exists());
}
