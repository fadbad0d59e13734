//! The whole job, as a user does it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use attest_core::{artifact::ArtifactDigest, envelope::Envelope};
use attest_tests::{
    command,
    gnupg::Gnupg,
    http,
    policy::Policy,
    quorum::Quorum,
    readme,
    scene::{Member, Scene},
    tool,
    wheel::{Index, Wheel, build_inhouse},
};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn submitted_through_the_client_verified_through_log_and_mirror_and_installed_by_pip() -> Result<()> {
    if !tool::have(&["python3"]) {
        return Ok(());
    }
    let quorum = Quorum::new()?;
    let scene = &quorum.scene;
    let wheel = Wheel::new("journey", "1.0", "ANSWER = 42\n")?;
    scene.write(wheel.name(), wheel.bytes())?;
    scene.write("requirements.txt", wheel.requirement())?;
    quorum.write_policy()?;

    // Nobody said anything yet; then one group; then two.
    command::run(&mut quorum.verification(wheel.name()))?.expect(1)?;
    for (name, voter, verdict) in [("alice", &quorum.alice, 1), ("bob", &quorum.bob, 1), ("carol", &quorum.carol, 0)] {
        let file = format!("{name}.json");
        scene.write(&file, voter.vote(wheel.subject())?.to_bytes())?;
        let mut submit = scene.attest();
        submit.args(["submit", &file, "--log", quorum.log.url(), "--vkey", &quorum.vkey.to_string()]);
        command::run(&mut submit)?.expect(0)?.expect_words("logged")?;
        ensure!(scene.path(&format!("{file}.tlog-proof")).is_file(), "no proof was kept");
        command::run(&mut quorum.verification(wheel.name()))?.expect(verdict)?;
    }
    command::run(&mut quorum.verification("requirements.txt"))?.expect(0)?;
    let mut explain = scene.attest();
    explain.args(["explain", wheel.name(), "--policy", "policy.toml"]);
    let explained = command::run(&mut explain)?.expect(0)?;
    for name in ["alice", "bob", "carol"] {
        explained.clone().expect_words(name)?;
    }

    let mirror = scene.run_mirror("mirror", quorum.log.url(), &quorum.vkey)?;
    scene.write("policy-mirror.toml", quorum.policy_at(mirror.url()).text()?)?;
    let mut through_mirror = scene.attest();
    through_mirror.args(["verify", wheel.name(), "--policy", "policy-mirror.toml"]);
    until_equal(quorum.log.url(), mirror.url())?;
    command::run(&mut through_mirror)?.expect(0)?;

    let index = Index::serve(&[(&wheel).into()])?;
    command::run(Command::new("python3").args(["-m", "venv"]).arg(scene.path("venv")))?.expect(0)?;
    let mut install = scene.attest();
    install.args(["install", "--policy", "policy.toml", "--python", "venv/bin/python", "journey"]);
    command::run(install.env("PIP_INDEX_URL", index.url()))?.expect(0)?;
    let mut import = Command::new(scene.path("venv/bin/python"));
    command::run(import.args(["-c", "import journey; print(journey.ANSWER)"]))?.expect(0)?.expect_words("42")?;
    Ok(())
}

#[test]
fn rebuilt_from_source_signed_by_key_file_and_gpg_logged_and_verified() -> Result<()> {
    if !tool::have(&["python3", "gpg"]) {
        return Ok(());
    }
    let (scene, gnupg) = (Scene::new()?, Gnupg::new("carol <carol@example.org>")?);
    let index = Index::serve(&build_inhouse(&scene, "pass")?)?;
    let run = |arguments: &[&str]| {
        let mut attest = scene.attest();
        attest.args(arguments).env("PIP_INDEX_URL", index.url()).env("GNUPGHOME", gnupg.home());
        command::run(&mut attest)
    };
    run(&["key", "generate", "-o", "alice.key"])?.expect(0)?;
    let alice = run(&["key", "show", "alice.key"])?.expect(0)?.stdout;
    let members = [Member::new("alice", "university", &alice), Member::new("carol", "company", &gnupg.certificate()?)];
    let vkey = scene.init_log("log", "journey.example")?.to_string();
    let log = scene.run_log("log", &scene.rebuilders("rebuilders.toml", &members)?)?;
    scene.write("policy.toml", Policy::quorum(2, &vkey.parse()?, log.url(), &members).text()?)?;

    run(&["rebuild", "inhouse==1.0", "--output-dir", "results"])?.expect(0)?.expect_words("EXACT")?;
    let wheel = "inhouse/dist/inhouse-1.0-py3-none-any.whl";
    let gpg = format!("gpg:{}", gnupg.fingerprint());
    for (signer, file, verdict) in [("alice.key", "alice.json", 1), (&*gpg, "carol.json", 0)] {
        run(&["sign", "results/inhouse-1.0-py3-none-any", "--signer", signer, "-o", file])?.expect(0)?;
        run(&["submit", file, "--log", log.url(), "--vkey", &vkey])?.expect(0)?.expect_words("logged")?;
        run(&["verify", wheel, "--policy", "policy.toml"])?.expect(verdict)?;
    }
    Ok(())
}

#[test]
fn a_statement_that_was_withdrawn_no_longer_counts() -> Result<()> {
    let quorum = Quorum::new()?;
    let scene = &quorum.scene;
    let wheel = Wheel::new("withdrawn", "1.0", "")?;
    scene.write(wheel.name(), wheel.bytes())?;
    quorum.write_policy()?;
    quorum.vote(&[&quorum.alice], &wheel)?;
    let vote = quorum.carol.vote(wheel.subject())?;
    quorum.submit(&vote)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(0)?;

    scene.write("vote.json", vote.to_bytes())?;
    let key = scene.write("carol.key", quorum.carol.secret_key())?;
    restrict(&key)?;
    let mut withdraw = scene.attest();
    withdraw.args(["withdraw", "vote.json", "--signer", "carol.key", "--reason", "the builder was compromised"]);
    command::run(withdraw.args(["-o", "withdrawal.json"]))?.expect(0)?;
    quorum.submit(&Envelope::parse(&fs::read(scene.path("withdrawal.json"))?)?)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(1)?;
    // Logged once more, it is the same statement: a withdrawal is final.
    quorum.submit(&vote)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(1)?;
    Ok(())
}

#[test]
fn the_readme_s_commands_verify_a_project_as_they_stand() -> Result<()> {
    if !tool::have(&["python3"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    // What the project pins, by whatever digest the index has.
    let mut pin = Command::new("python3");
    pin.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "idna==3.20"]);
    let downloaded = command::run(pin.args(["--dest", "downloads"]).current_dir(scene.path("")))?;
    if downloaded.code() != Some(0) && !tool::skip("a network with a package index") {
        return Ok(());
    }
    let wheel = fs::read(scene.path("downloads/idna-3.20-py3-none-any.whl"))?;
    scene.write("requirements.txt", format!("idna==3.20 --hash=sha256:{}\n", ArtifactDigest::of(&wheel)))?;

    // The user's own programs: `attest`, and the python of an active virtual environment.
    command::run(Command::new("python3").args(["-m", "venv"]).arg(scene.path("venv")))?.expect(0)?;
    let attest = scene.attest();
    let words: Vec<_> = std::iter::once(attest.get_program()).chain(attest.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let script = scene.write("venv/bin/attest", format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let mut user = scene.plain(Command::new("sh"));
    user.args(["-e", "-c", &readme::commands("Verify a project")?]).env("VIRTUAL_ENV", scene.path("venv"));
    let path = std::env::var("PATH")?;
    user.env("PATH", format!("{}:{path}", scene.path("venv/bin").display()));
    command::run(&mut user)?.expect(0)?;
    let mut import = Command::new(scene.path("venv/bin/python"));
    command::run(import.args(["-c", "import idna; print(idna.__version__)"]))?.expect(0)?.expect_words("3.20")?;
    Ok(())
}

#[test]
fn a_real_wheel_goes_the_whole_way_in_the_demo_which_leaves_nothing_behind() -> Result<()> {
    if !tool::have(&["python3", "gpg"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    let outcome = command::run(demo.env("TMPDIR", scene.path("tmp")))?;
    if outcome.stderr.contains("needs a network") && !tool::skip("a network with a package index") {
        return Ok(());
    }
    let outcome = outcome.expect(0)?;
    for refusal in ["one group short", "one byte changed", "a contradiction", "shows a fork"] {
        outcome.clone().expect_words(refusal)?;
    }
    ensure!(fs::read_dir(scene.path("tmp"))?.next().is_none(), "the demo left something behind");
    Ok(())
}

#[test]
fn the_demo_cleans_up_when_it_is_interrupted() -> Result<()> {
    if !tool::have(&["python3"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    let mut demo = demo.env("TMPDIR", scene.path("tmp")).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    // Long enough to have made its folder; what it does just then is of no matter.
    for _ in 0..400 {
        if fs::read_dir(scene.path("tmp"))?.next().is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(1500));
    let pid = i32::try_from(demo.id()).ok().and_then(Pid::from_raw).context("no such process id")?;
    if demo.try_wait()?.is_none() {
        kill_process(pid, Signal::INT)?;
        ensure!(demo.wait()?.code() == Some(130), "interrupted programs end with 130");
    }
    ensure!(fs::read_dir(scene.path("tmp"))?.next().is_none(), "the demo left something behind");
    Ok(())
}

/// Waits until a mirror has what the log has.
fn until_equal(log: &str, mirror: &str) -> Result<()> {
    let claim = |server| -> Result<Vec<String>> {
        let note = http::get(server, "/checkpoint")?;
        Ok(String::from_utf8_lossy(&note.body).lines().take(3).map(str::to_owned).collect())
    };
    for _ in 0..300 {
        if claim(mirror)? == claim(log)? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("the mirror does not follow the log")
}

fn restrict(file: &std::path::Path) -> Result<()> {
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o600))?)
}
