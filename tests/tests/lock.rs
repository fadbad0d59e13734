//! `attest lock` and `attest.lock`: what is pruned, what is kept, and what an `attest.lock` from a stranger can do.

use std::{fs, process::Command};

use anyhow::{Result, ensure};
use attest_core::statement::{Predicate, Statement, Withdrawal};
use attest_tests::{
    command::{self, Outcome},
    policy::Policy,
    quorum::Quorum,
    wheel::Wheel,
};

/// Requirements with an accepted file, and beside it one that nobody rebuilt.
struct Project {
    quorum: Quorum,
    good: Wheel,
}

const LOCK: &str = "requirements.txt";

impl Project {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let good = Wheel::new("gated", "1.0", "GOOD = True\n")?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &good)?;
        quorum.write_policy()?;
        let other = Wheel::new("gated", "1.0", "GOOD = False\n")?;
        let text = format!(
            "# locked\ngated==1.0 \\\n    --hash=sha256:{} \\\n    --hash=sha256:{}\n    # via demo\n",
            good.digest(),
            other.digest()
        );
        quorum.scene.write(LOCK, text)?;
        Ok(Self { quorum, good })
    }

    /// Locked already.
    fn locked() -> Result<Self> {
        let project = Self::new()?;
        project.run(&["lock"])?.expect(0)?;
        Ok(project)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut attest = self.quorum.scene.attest();
        attest.args(arguments).args(["--policy", "policy.toml"]);
        attest
    }

    fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        command::run(&mut self.command(arguments))
    }

    fn read(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.quorum.scene.path(name))?)
    }

    fn names(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(self.quorum.scene.path(""))?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    /// Nobody answers at the log's address any more.
    fn log_is_gone(&self) -> Result<()> {
        let policy = self.quorum.policy_at("http://127.0.0.1:9/");
        self.quorum.scene.write("policy.toml", policy.text()?).map(drop)
    }
}

#[test]
fn a_lock_is_pruned_to_what_is_accepted_and_its_evidence_is_enough_without_the_log() -> Result<()> {
    let project = Project::new()?;
    project.run(&["verify", LOCK])?.expect(1)?;
    project.run(&["lock", "--check"])?.expect(1)?.expect_words("would change")?;
    ensure!(!project.quorum.scene.path("attest.lock").exists(), "--check writes nothing");
    project.run(&["lock"])?.expect(0)?;
    let pruned = format!("# locked\ngated==1.0 \\\n    --hash=sha256:{}\n    # via demo\n", project.good.digest());
    ensure!(project.read(LOCK)? == pruned, "pruned to {}", project.read(LOCK)?);
    let evidence = project.read("attest.lock")?;
    let line = evidence.lines().find(|line| line.contains(&project.good.digest().to_string()));
    let line = line.unwrap_or_default();
    ensure!(line.contains("groups = [\"company\", \"university\"]"), "a line for people: {line}");
    // What was found again is no change.
    project.run(&["lock"])?.expect(0)?;
    ensure!(project.read("attest.lock")? == evidence, "the same evidence gives the same bytes");
    project.run(&["lock", "--check"])?.expect(0)?;
    project.run(&["verify", LOCK, "--locked"])?.expect(0)?;
    project.log_is_gone()?;
    project.run(&["verify", LOCK, "--frozen"])?.expect(0)?;
    project.run(&["verify", LOCK, "--offline"])?.expect(0)?;
    Ok(())
}

#[test]
fn frozen_without_evidence_is_an_error_and_says_what_writes_it() -> Result<()> {
    let project = Project::new()?;
    project.run(&["verify", LOCK, "--frozen"])?.expect(2)?.expect_words("attest lock")?;
    Ok(())
}

#[test]
fn a_package_without_an_accepted_file_is_named_and_nothing_is_written() -> Result<()> {
    let project = Project::new()?;
    let unknown = Wheel::new("unknown", "1.0", "")?;
    let before = format!("{}{}", project.read(LOCK)?, unknown.requirement());
    project.quorum.scene.write(LOCK, &before)?;
    project.run(&["lock"])?.expect(1)?.expect_words("unknown==1.0")?;
    ensure!(project.read(LOCK)? == before && !project.quorum.scene.path("attest.lock").exists(), "nothing is written");
    Ok(())
}

#[test]
fn an_outage_takes_nothing_away_from_a_lock() -> Result<()> {
    let project = Project::new()?;
    let before = project.read(LOCK)?;
    project.log_is_gone()?;
    project.run(&["lock"])?.expect(3)?;
    ensure!(project.read(LOCK)? == before, "nothing is pruned because nobody answered");
    Ok(())
}

#[test]
fn what_passes_by_the_evidence_at_hand_while_a_log_is_down_says_so() -> Result<()> {
    let project = Project::locked()?;
    project.log_is_gone()?;
    project.run(&["verify", LOCK])?.expect(0)?.expect_words("gave no evidence, judged by what is at hand")?;
    let outcome = project.run(&["verify", LOCK, "--frozen"])?.expect(0)?;
    ensure!(!outcome.stderr.contains("gave no evidence"), "nobody was to be asked: {}", outcome.stderr);
    Ok(())
}

#[test]
fn a_lost_attestation_is_louder_than_never_having_had_one() -> Result<()> {
    let project = Project::locked()?;
    // The policy is met without Bob, so that only the loss is to be seen.
    let mut policy = project.quorum.policy_at(project.quorum.log.url());
    policy.threshold = 1;
    project.quorum.scene.write("policy.toml", policy.text()?)?;
    project.run(&["verify", LOCK, "--locked"])?.expect(0)?;
    let vote = project.quorum.carol.vote_on(project.good.subject(), project.good.record_digest())?.statement_id();
    let withdrawal = Withdrawal { statement_id: vote, reason: "built on the wrong machine".to_owned() };
    let withdrawal = Statement::new(project.good.subject(), Predicate::Withdrawn(withdrawal))?;
    project.quorum.submit(&project.quorum.carol.sign(&withdrawal)?)?;
    let outcome = project.run(&["verify", LOCK])?.expect(0)?;
    outcome.expect_words("attestation-lost")?.expect_words("company")?;
    project.run(&["verify", LOCK, "--locked"])?.expect(1)?.expect_words("attestation-lost")?;
    project.run(&["lock", "--check"])?.expect(1)?;
    let json = project.run(&["verify", LOCK, "--output-format", "json"])?.expect(0)?;
    ensure!(json.stdout.contains("\"attestation-lost\""), "{}", json.stdout);
    // The old evidence does not bring back what was taken back, once that is known.
    project.run(&["lock"])?.expect(0)?;
    ensure!(project.read("attest.lock")?.contains("groups = [\"university\"]"), "{}", project.read("attest.lock")?);
    project.run(&["verify", LOCK, "--frozen"])?.expect(0)?;
    Ok(())
}

#[test]
fn another_who_attests_the_next_version_is_told() -> Result<()> {
    let project = Project::locked()?;
    let mut policy = project.quorum.policy_at(project.quorum.log.url());
    policy.threshold = 1;
    project.quorum.scene.write("policy.toml", policy.text()?)?;
    let next = Wheel::new("gated", "1.1", "")?;
    project.quorum.vote(&[&project.quorum.bob], &next)?;
    project.quorum.scene.write(LOCK, next.requirement())?;
    let outcome = project.run(&["verify", LOCK])?.expect(0)?;
    outcome.expect_words("attesters-changed")?.expect_words("company")?;
    project.run(&["verify", LOCK, "--locked"])?.expect(1)?.expect_words("not-in-attest-lock")?;
    project.run(&["lock"])?.expect(0)?;
    project.run(&["verify", LOCK, "--locked"])?.expect(0)?;
    Ok(())
}

#[test]
fn garbage_in_a_strangers_file_is_undecided_and_never_an_alarm() -> Result<()> {
    let project = Project::locked()?;
    let good = project.read("attest.lock")?;
    let half = &good[..good.len() / 2];
    let conflict = good.replacen("locks = ", "<<<<<<< HEAD\nlocks = ", 1);
    let newer = good.replacen("version = 1", "version = 2", 1);
    let hidden = good.replacen("\"company\", ", "", 1);
    for bad in ["", "garbage", half, &conflict, &newer, &good.to_uppercase()] {
        project.quorum.scene.write("attest.lock", bad)?;
        for how in [&["verify", LOCK][..], &["verify", LOCK, "--frozen"], &["verify", LOCK, "--locked"]] {
            project.run(how)?.expect(3)?.expect_words("attest.lock")?;
        }
    }
    // Groups are only for people: a list that leaves one out decides nothing, and is found by who looks.
    project.quorum.scene.write("attest.lock", hidden)?;
    project.run(&["verify", LOCK, "--frozen"])?.expect(0)?;
    project.quorum.scene.write("attest.lock", &good)?;
    project.run(&["verify", LOCK, "--frozen"])?.expect(0)?;
    Ok(())
}

#[test]
fn evidence_about_another_file_and_by_another_log_makes_nothing_pass() -> Result<()> {
    let project = Project::locked()?;
    let evil = Wheel::new("evil", "1.0", "")?;
    project.quorum.scene.write("evil.txt", evil.requirement())?;
    project.run(&["verify", "evil.txt", "--frozen"])?.expect(1)?;
    // The same statements in a log of the attacker's, which has the name of the real one.
    let attacker = Quorum::new()?;
    attacker.vote(&[&attacker.alice, &attacker.carol], &evil)?;
    attacker.write_policy()?;
    attacker.scene.write("evil.txt", evil.requirement())?;
    let mut lock = attacker.scene.attest();
    command::run(lock.args(["lock", "evil.txt", "--policy", "policy.toml"]))?.expect(0)?;
    project.quorum.scene.write("attest.lock", fs::read(attacker.scene.path("attest.lock"))?)?;
    for how in [&["verify", "evil.txt", "--frozen"][..], &["verify", "evil.txt"]] {
        let outcome = project.run(how)?;
        ensure!(matches!(outcome.code(), Some(1 | 3)), "{:?}: {}", outcome.code(), outcome.text());
    }
    Ok(())
}

#[test]
fn an_older_checkpoint_is_no_fault_and_is_held_to_what_was_seen() -> Result<()> {
    let project = Project::locked()?;
    // The log goes on, and this user sees it.
    let later = Wheel::new("later", "1.0", "")?;
    project.quorum.vote(&[&project.quorum.alice, &project.quorum.carol], &later)?;
    project.quorum.scene.write("later/later.txt", later.requirement())?;
    project.run(&["verify", "later/later.txt"])?.expect(0)?;
    // What was seen before it grew is known to be its beginning: nobody need be asked.
    project.log_is_gone()?;
    project.run(&["verify", LOCK, "--offline", "--frozen"])?.expect(0)?;
    // A user who first saw the longer log has no proof at hand, asks for one, and from then on has it.
    let other = |arguments: &[&str]| {
        let mut attest = project.quorum.scene.plain(Command::new(project.quorum.scene.programs().cli()));
        attest.arg("--data-dir").arg(project.quorum.scene.path("other")).args(arguments);
        command::run(attest.args(["--policy", "policy.toml"]))
    };
    project.quorum.write_policy()?;
    other(&["verify", "later/later.txt"])?.expect(0)?;
    other(&["verify", LOCK, "--offline", "--frozen"])?.expect(3)?.expect_words("begin")?;
    other(&["verify", LOCK, "--frozen"])?.expect(0)?;
    other(&["verify", LOCK, "--offline", "--frozen"])?.expect(0)?;
    Ok(())
}

#[test]
fn a_fork_in_a_strangers_file_is_an_alarm_and_its_notes_are_kept() -> Result<()> {
    let project = Project::new()?;
    let scene = &project.quorum.scene;
    // The same keys, two histories of one length.
    let key = scene.init_log("real", "forked.example")?;
    let mut copy = Command::new("cp");
    command::run(copy.arg("-r").arg(scene.path("real")).arg(scene.path("forged")))?.expect(0)?;
    let real = scene.run_log("real", &project.quorum.rebuilders)?;
    let forged = scene.run_log("forged", &project.quorum.rebuilders)?;
    let other = Wheel::new("other", "1.0", "")?;
    for (log, wheel, name) in [(&real, &project.good, "seen.txt"), (&forged, &other, "clone/forged.txt")] {
        for voter in [&project.quorum.alice, &project.quorum.carol] {
            let envelope = voter.vote(wheel.subject())?;
            attest_tests::http::block_on(async {
                attest_tests::http::Connection::open(log.url()).await?.submit(envelope.to_bytes().into()).await
            })?;
        }
        scene.write(name, wheel.requirement())?;
    }
    let policy = |url: &str| Policy::quorum(2, &key, url, &project.quorum.members()).text();
    scene.write("policy.toml", policy(real.url())?)?;
    project.run(&["verify", "seen.txt"])?.expect(0)?;
    // Whoever was shown the forged history locked it, in all innocence.
    scene.write("forged.toml", policy(forged.url())?)?;
    let mut lock = scene.plain(Command::new(scene.programs().cli()));
    lock.arg("--data-dir").arg(scene.path("elsewhere")).args(["lock", "clone/forged.txt", "--policy", "forged.toml"]);
    command::run(&mut lock)?.expect(0)?;
    project.run(&["verify", "clone/forged.txt", "--frozen"])?.expect(4)?;
    let kept = fs::read_dir(scene.path("data/logs"))?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains(".fork-"));
    ensure!(kept.count() == 1, "both notes are kept");
    Ok(())
}

#[test]
fn several_at_once_leave_whole_files() -> Result<()> {
    let project = Project::new()?;
    let running: Vec<_> = (0..4).map(|_| project.command(&["lock"]).spawn()).collect::<Result<_, _>>()?;
    for mut child in running {
        ensure!(child.wait()?.success(), "one of several");
    }
    project.run(&["lock", "--check"])?.expect(0)?;
    ensure!(project.names()?.iter().all(|name| !name.starts_with(".attest-")), "nothing is left over");
    Ok(())
}
