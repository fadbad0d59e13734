//! Ways around the gate, each of which ends in a refusal.

use std::process::Command;

use anyhow::{Result, ensure};
use attest_tests::{
    command::{self, Outcome},
    forge::Forge,
    policy::Policy,
    quorum::Quorum,
    scene::Member,
    tool,
    wheel::{Index, Wheel},
};

/// A wheel that passes, one that nobody rebuilt, an index with both, and a fresh environment for those who install.
struct Gate {
    quorum: Quorum,
    good: Wheel,
    index: Index,
}

impl Gate {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let good = Wheel::new("gated", "1.0", "GOOD = True\n")?;
        let unknown = Wheel::new("unknown", "1.0", "")?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &good)?;
        quorum.write_policy()?;
        let index = Index::serve(&[(&good).into(), (&unknown).into()])?;
        Ok(Self { quorum, good, index })
    }

    fn with_environment() -> Result<Option<Self>> {
        if !tool::have(&["python3"]) {
            return Ok(None);
        }
        let gate = Self::new()?;
        let mut venv = Command::new("python3");
        command::run(venv.args(["-m", "venv"]).arg(gate.quorum.scene.path("venv")))?.expect(0)?;
        Ok(Some(gate))
    }

    fn install(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut install = self.quorum.scene.attest();
        install.args(["install", "--policy", "policy.toml", "--python", "venv/bin/python"]).args(arguments);
        command::run(install.env("PIP_INDEX_URL", self.index.url()))
    }

    fn installed(&self, module: &str) -> Result<bool> {
        let mut import = Command::new(self.quorum.scene.path("venv/bin/python"));
        Ok(command::run(import.args(["-c", &format!("import {module}")]))?.code() == Some(0))
    }

    fn pip(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut pip = Command::new(self.quorum.scene.path("venv/bin/python"));
        command::run(pip.args(["-m", "pip"]).args(arguments).env("PIP_INDEX_URL", self.index.url()))
    }
}

#[test]
fn what_passes_is_installed_and_what_nobody_rebuilt_is_not() -> Result<()> {
    let Some(gate) = Gate::with_environment()? else {
        return Ok(());
    };
    gate.install(&["gated", "unknown"])?.expect(1)?;
    ensure!(!gate.installed("gated")? && !gate.installed("unknown")?, "all or nothing");
    gate.install(&["gated"])?.expect(0)?;
    ensure!(gate.installed("gated")?, "it passed, so it is installed");
    Ok(())
}

#[test]
fn a_second_hash_of_another_algorithm_beside_a_good_sha256_is_refused() -> Result<()> {
    let Some(gate) = Gate::with_environment()? else {
        return Ok(());
    };
    // pip installs a file that matches any of the hashes; this one would let any file through.
    let mixed = format!("{} --hash=sha512:{}\n", gate.good.requirement().trim_end(), "ab".repeat(64));
    gate.quorum.scene.write("mixed.txt", mixed)?;
    for outcome in [command::run(&mut gate.quorum.verification("mixed.txt"))?, gate.install(&["-r", "mixed.txt"])?] {
        ensure!(outcome.code() != Some(0), "accepted: {}", outcome.text());
        outcome.expect_words("sha512")?;
    }
    ensure!(!gate.installed("gated")?, "nothing is installed");
    Ok(())
}

#[test]
fn requirements_without_a_hash_are_refused() -> Result<()> {
    let gate = Gate::new()?;
    gate.quorum.scene.write("bare.txt", "gated==1.0\n")?;
    let outcome = command::run(&mut gate.quorum.verification("bare.txt"))?;
    ensure!(outcome.code() != Some(0), "accepted: {}", outcome.text());
    Ok(())
}

#[test]
fn of_several_hashes_every_one_must_pass() -> Result<()> {
    let gate = Gate::new()?;
    let other = Wheel::new("gated", "1.0", "GOOD = False\n")?;
    let both = format!("{} --hash=sha256:{}\n", gate.good.requirement().trim_end(), other.digest());
    gate.quorum.scene.write("both.txt", both)?;
    command::run(&mut gate.quorum.verification("both.txt"))?.expect(1)?;
    Ok(())
}

#[test]
fn what_is_already_installed_unchecked_is_not_passed_over() -> Result<()> {
    let Some(gate) = Gate::with_environment()? else {
        return Ok(());
    };
    // The same name and version, other content: pip would say "already satisfied" and leave it.
    let evil = Wheel::new("gated", "1.0", "GOOD = False\n")?;
    let path = gate.quorum.scene.write(evil.name(), evil.bytes())?;
    gate.pip(&["install", "--quiet", "--no-deps", &path.display().to_string()])?.expect(0)?;
    let outcome = gate.install(&["gated"])?;
    if outcome.code() == Some(0) {
        let mut import = Command::new(gate.quorum.scene.path("venv/bin/python"));
        command::run(import.args(["-c", "import gated; assert gated.GOOD"]))?.expect(0)?;
    } else {
        outcome.expect(1)?.expect_words("installed already")?;
    }
    Ok(())
}

#[test]
fn without_a_policy_nothing_passes_and_the_next_step_is_named() -> Result<()> {
    let Some(gate) = Gate::with_environment()? else {
        return Ok(());
    };
    gate.quorum.scene.write(gate.good.name(), gate.good.bytes())?;
    let mut verify = gate.quorum.scene.attest();
    command::run(verify.args(["verify", gate.good.name()]))?.expect(2)?.expect_words("policy init")?;
    let mut install = gate.quorum.scene.attest();
    install.args(["install", "--python", "venv/bin/python", "gated"]).env("PIP_INDEX_URL", gate.index.url());
    command::run(&mut install)?.expect(2)?;
    ensure!(!gate.installed("gated")?, "nothing is installed");
    Ok(())
}

#[test]
fn a_policy_that_comes_with_a_project_and_environment_variables_loosen_nothing() -> Result<()> {
    let gate = Gate::new()?;
    let scene = &gate.quorum.scene;
    // The attacker rebuilt nothing, votes with a key of their own, and ships a policy that believes it.
    let (attacker, evil) = (Forge::new()?, Wheel::new("evil", "1.0", "")?);
    scene.write(evil.name(), evil.bytes())?;
    scene.write("data/statements/evil.json", attacker.vote(evil.subject())?.to_bytes())?;
    let mut loose = gate.quorum.policy_at(gate.quorum.log.url());
    loose.members = vec![Member::new("attacker", "attacker", &attacker.public_key())];
    loose.threshold = 1;
    scene.write("attest-policy.toml", loose.text()?)?;
    let own = scene.write("own.toml", Policy::own(&attacker.public_key()).text()?)?;

    let hostile = |command: &mut Command| {
        for name in ["ATTEST_POLICY", "ATTEST_CONFIG_FILE", "ATTEST_CONFIG"] {
            command.env(name, &own);
        }
        for (name, value) in [("ATTEST_MODE", "warn"), ("ATTEST_THRESHOLD", "0"), ("ATTEST_OFFLINE", "1")] {
            command.env(name, value);
        }
        command.env("HOME", scene.path("")).env("XDG_CONFIG_HOME", scene.path(""));
    };
    // No policy was named: a project's own file is none.
    let mut verify = scene.attest();
    hostile(verify.args(["verify", evil.name()]));
    command::run(&mut verify)?.expect(2)?;
    // The user named a policy: the project's cannot add to it.
    let mut verify = gate.quorum.verification(evil.name());
    hostile(&mut verify);
    let outcome = command::run(&mut verify)?;
    ensure!(outcome.code() != Some(0), "accepted: {}", outcome.text());
    Ok(())
}

#[test]
fn the_same_bytes_under_another_name_are_another_file() -> Result<()> {
    let gate = Gate::new()?;
    gate.quorum.scene.write("other-1.0-py3-none-any.whl", gate.good.bytes())?;
    command::run(&mut gate.quorum.verification("other-1.0-py3-none-any.whl"))?.expect(1)?;
    Ok(())
}
