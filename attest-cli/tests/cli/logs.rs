//! What the program makes of logs: outage, refusal and alarm are three different answers (docs/TRUST.md 1.5).

use crate::{
    fake_log::{Conduct, FakeLog, nobody},
    world::{WHEEL, World, statement, text},
};

const OTHER: &str = "other-1.0-py3-none-any.whl";

/// A log with votes of two groups about the wheel and an entry about something else, and a policy that wants both.
fn voted() -> (World, FakeLog, String) {
    let world = World::new();
    let digest = world.digest();
    let log = FakeLog::start(vec![
        statement(1, WHEEL, &digest),
        statement(2, WHEEL, &digest),
        statement(1, OTHER, &attest_core::artifact::ArtifactDigest::of(b"other")),
    ]);
    let policy = world.quorum(2, &[1, 2], &FakeLog::vkey(), &[&log.url]);
    (world, log, text(&policy).to_owned())
}

#[test]
fn two_groups_in_the_log_are_a_quorum_and_one_lookup_is_enough() {
    let (world, log, policy) = voted();
    let done = world.attest(&["verify", WHEEL, "--policy", &policy]);
    done.is(0, "2 of 2 (g1, g2)");
    done.is(0, "1 file checked: 1 ok (1 log asked)");
    assert_eq!(log.lookups(), 1);
    let document = world.attest(&["verify", WHEEL, "--policy", &policy, "--output-format", "json"]).json();
    assert_eq!(document["schema"], "attest.verify/v1");
    assert_eq!(document["files"][0]["outcome"], "passed");
    assert_eq!(document["summary"]["passed"], 1);
}

#[test]
fn a_renamed_wheel_of_the_right_digest_is_refused() {
    let (world, _log, policy) = voted();
    std::fs::rename(world.path(WHEEL), world.path(OTHER)).unwrap();
    world.attest(&["verify", OTHER, "--policy", &policy]).is(1, "refused");
    world.attest(&["explain", OTHER, "--policy", &policy]).is(1, "it is about demo-1.0-py3-none-any.whl");
}

#[test]
fn a_changed_byte_is_another_file() {
    let (world, _log, policy) = voted();
    world.write(WHEEL, "the published byteS");
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(1, "nobody has reproduced it");
}

#[test]
fn a_log_that_gives_no_usable_answer_leaves_the_question_open() {
    for (conduct, words) in [
        (Conduct::Overloaded, "too much to do"),
        (Conduct::Garbage, "answered garbage"),
        (Conduct::OtherKey, "shows no checkpoint that log.test/fake signed"),
        (Conduct::Omits, "left out"),
    ] {
        let (world, log, policy) = voted();
        log.behave(conduct.clone());
        let done = world.attest(&["verify", WHEEL, "--policy", &policy]);
        assert!(done.out.contains("1 undecided"), "{conduct:?}: {done:?}");
        done.is(3, words);
    }
    let world = World::new();
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &[&nobody()]);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(3, "cannot be reached");
}

#[test]
fn a_mirror_stands_in_and_says_so() {
    let (world, log, _) = voted();
    let policy = world.quorum(2, &[1, 2], &FakeLog::vkey(), &[&nobody(), &log.url]);
    let done = world.attest(&["verify", WHEEL, "--policy", text(&policy)]);
    done.is(0, "2 of 2");
    assert_eq!(done.err.matches("stands in").count(), 1, "{done:?}");
    let document = world.attest(&["verify", WHEEL, "--policy", text(&policy), "--output-format", "json"]).json();
    assert_eq!(document["logs"][0]["url"], log.url.as_str());
    assert!(document["logs"][0]["standsIn"].as_str().unwrap().contains("cannot be reached"), "{document}");
}

#[test]
fn a_mirror_stands_in_for_a_log_that_cannot_answer_now_or_talks_nonsense() {
    for conduct in [Conduct::Overloaded, Conduct::Garbage, Conduct::OtherKey, Conduct::Omits] {
        let (world, log, _) = voted();
        let mirror = FakeLog::start(log.copied());
        log.behave(conduct.clone());
        let policy = world.quorum(2, &[1, 2], &FakeLog::vkey(), &[&log.url, &mirror.url]);
        let done = world.attest(&["verify", WHEEL, "--policy", text(&policy)]);
        done.is(0, "2 of 2");
        assert!(done.err.contains("stands in"), "{conduct:?}: {done:?}");
    }
}

#[test]
fn a_mirror_is_held_to_what_was_seen_of_its_log() {
    let (world, log, policy) = voted();
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(0, "ok");
    let mirror = FakeLog::start(log.copied());
    let policy = world.quorum(2, &[1, 2], &FakeLog::vkey(), &[&nobody(), &mirror.url]);
    mirror.behave(Conduct::Shows(2));
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(3, "expected at least the 3 entries seen before");
    // Nor does an outage of the log hide that its mirror shows another history.
    mirror.behave(Conduct::Forked);
    world.attest(&["verify", WHEEL, "--policy", text(&policy)]).is(4, "two histories");
}

#[test]
fn an_older_checkpoint_than_was_seen_is_stale_and_not_an_alarm() {
    let (world, log, policy) = voted();
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(0, "ok");
    log.behave(Conduct::Shows(2));
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(3, "expected at least the 3 entries seen before, found 2");
    world.attest(&["log", "status", "--policy", &policy]).is(3, "old checkpoint");
    log.behave(Conduct::Honest);
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(0, "ok");
}

#[test]
fn a_log_that_grows_is_followed() {
    let (world, log, policy) = voted();
    world.attest(&["log", "status", "--policy", &policy]).is(0, "seen for the first time");
    for byte in 0..20 {
        log.append(statement(3, OTHER, &attest_core::artifact::ArtifactDigest::of(&[byte])));
        world.attest(&["log", "status", "--policy", &policy]).is(0, "continues the");
    }
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(0, "2 of 2");
}

#[test]
fn a_fork_is_an_alarm_and_both_notes_are_kept() {
    for grown in [false, true] {
        let (world, log, policy) = voted();
        world.attest(&["verify", WHEEL, "--policy", &policy]).is(0, "ok");
        let seen = std::fs::read_to_string(only(&world, ".checkpoint")).unwrap();
        if grown {
            log.append(statement(3, OTHER, &world.digest()));
        }
        log.behave(Conduct::Forked);
        world.attest(&["verify", WHEEL, "--policy", &policy]).is(4, "two histories");
        world.attest(&["verify", WHEEL, "--policy", &policy]).is(4, "two histories");
        let notes = std::fs::read_to_string(only(&world, ".fork-")).unwrap();
        assert!(notes.starts_with(&seen), "{notes}");
        assert_eq!(notes.matches("log.test/fake\n").count(), 2, "{notes}");
        // What was seen stays what the log is held to.
        assert_eq!(std::fs::read_to_string(only(&world, ".checkpoint")).unwrap(), seen);
        log.behave(Conduct::Honest);
        world.attest(&["verify", WHEEL, "--policy", &policy]).is(0, "ok");
    }
}

#[test]
fn tiles_that_prove_nothing_are_no_alarm() {
    let (world, log, policy) = voted();
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(0, "ok");
    log.append(statement(3, OTHER, &world.digest()));
    log.behave(Conduct::BrokenTiles);
    world.attest(&["verify", WHEEL, "--policy", &policy]).is(3, "nothing shows that its 4 entries continue the 3");
    assert!(!world.listing("data/logs").iter().any(|name| name.contains("fork")));
}

#[test]
fn a_statement_is_logged_when_its_proof_holds_here() {
    let (world, log, policy) = voted();
    let own = text(&world.write("s.json", statement(1, WHEEL, &attest_core::artifact::ArtifactDigest::of(b"new"))))
        .to_owned();
    let done = world.attest(&["submit", &own, "--log", &log.url, "--vkey", &FakeLog::vkey()]);
    done.is(0, "s.json: logged as 3");
    assert!(world.path("s.json.tlog-proof").exists());
    // Again: the first index, and the key from the policy.
    world.attest(&["submit", &own, "--log", &format!("{}/", log.url), "--policy", &policy]).is(0, "logged as 3");
    assert_eq!(log.entries(), 4);
}

#[test]
fn without_a_key_to_check_proofs_against_nothing_is_sent() {
    let (world, log, _) = voted();
    world.write("s.json", statement(1, WHEEL, &attest_core::artifact::ArtifactDigest::of(b"new")));
    world.attest(&["submit", "s.json", "--log", &log.url]).is(2, "--vkey");
    assert_eq!(log.entries(), 3);
}

#[test]
fn nothing_is_called_logged_without_proof() {
    for (conduct, code, words) in [
        (Conduct::Overloaded, 3, "too much to do"),
        (Conduct::Garbage, 3, "answered garbage"),
        (Conduct::OtherKey, 3, "does not hold under the key of log.test/fake"),
        (Conduct::ForeignProof, 3, "does not hold"),
        (Conduct::WrongIndex, 3, "says index 4, and its proof is for index 3"),
        (Conduct::Refuses, 1, "this key is not on the list of rebuilders"),
    ] {
        let (world, log, _) = voted();
        log.behave(conduct.clone());
        world.write("s.json", statement(1, WHEEL, &attest_core::artifact::ArtifactDigest::of(b"new")));
        let done = world.attest(&["submit", "s.json", "--log", &log.url, "--vkey", &FakeLog::vkey()]);
        done.is(code, words);
        assert!(!done.out.contains("logged as"), "{conduct:?}: {done:?}");
        assert!(!world.path("s.json.tlog-proof").exists(), "{conduct:?}");
    }
    let world = World::new();
    world.write("s.json", statement(1, WHEEL, &world.digest()));
    world.attest(&["submit", "s.json", "--log", &nobody(), "--vkey", &FakeLog::vkey()]).is(3, "cannot be reached");
    world.attest(&["submit", "s.json", "--log", "ftp://x", "--vkey", &FakeLog::vkey()]).is(2, "expected http or https");
}

#[test]
fn a_proof_that_cannot_be_kept_is_an_error_that_says_what_is_logged() {
    let (world, log, policy) = voted();
    world.write("s.json", statement(1, WHEEL, &attest_core::artifact::ArtifactDigest::of(b"new")));
    world.write("s.json.tlog-proof/in the way", "");
    let done = world.attest(&["submit", "s.json", "--log", &log.url, "--policy", &policy]);
    done.is(2, "it is logged as 3");
    assert_eq!(world.listing("."), ["data", "demo-1.0-py3-none-any.whl", "policy.toml", "s.json", "s.json.tlog-proof"]);
}

#[test]
fn a_fork_shows_at_submission_too() {
    let (world, log, policy) = voted();
    world.attest(&["log", "status", "--policy", &policy]).is(0, "3 entries");
    log.behave(Conduct::Forked);
    world.write("s.json", statement(1, WHEEL, &attest_core::artifact::ArtifactDigest::of(b"new")));
    world.attest(&["submit", "s.json", "--log", &log.url, "--policy", &policy]).is(4, "two histories");
}

#[test]
fn explain_shows_who_voted_from_what_and_where() {
    let (world, _log, policy) = voted();
    let done = world.attest(&["explain", WHEEL, "--policy", &policy]);
    for words in [
        "accepted by the named policy",
        "r1 (g1): exact, from sdist",
        "log.test/fake index 1 of 3; counts",
        "policy.toml:",
    ] {
        done.is(0, words);
    }
    let digest = format!("sha256:{}", world.digest());
    // A digest is a query: it passes no gate.
    world.attest(&["explain", &digest, "--policy", &policy]).is(3, "2 of 2 groups agree");
    world
        .attest(&["explain", &format!("sha256:{}", "0".repeat(64)), "--policy", &policy])
        .is(3, "nobody says anything");
}

fn only(world: &World, part: &str) -> std::path::PathBuf {
    let names: Vec<String> = world.listing("data/logs").into_iter().filter(|name| name.contains(part)).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    world.path("data/logs").join(&names[0])
}
