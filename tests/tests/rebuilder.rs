//! A rebuilder against a real log: from its card to an accepted file, what others claim put to the test, a full disk.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use attest_core::{
    envelope::Envelope,
    statement::{Predicate, Statement},
};
use attest_tests::{
    command::{self, Outcome},
    forge::Forge,
    gnupg::Gnupg,
    policy::Policy,
    quorum::Quorum,
    scene::{Member, Scene},
    server::Server,
    small_disk::SmallDisk,
    tool,
    wheel::{Index, build_inhouse},
};
use serde_json::Value;

const WHEEL: &str = "inhouse-1.0-py3-none-any.whl";
/// A small wheel takes seconds; a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(240);

/// A rebuilder in the folder `reb`, which finds its wheels on an index of its own.
struct Rebuilder<'a> {
    scene: &'a Scene,
    index: &'a Index,
    gnupg: Option<&'a Gnupg>,
}

impl Rebuilder<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut attest = self.scene.attest();
        attest.args(arguments).env("PIP_INDEX_URL", self.index.url());
        if let Some(gnupg) = self.gnupg {
            attest.env("GNUPGHOME", gnupg.home());
        }
        attest
    }

    fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        command::run(&mut self.command(arguments))
    }

    fn init(&self, signer: &str, log: &str, vkey: &str) -> Result<()> {
        let who = ["--name", "alice", "--group", "university", "--contact", "alice@example.org"];
        let url = ["--url", "https://alice.example", "--signer", signer, "--log", log, vkey];
        self.run(&[&["rebuilder", "init", "--data", "reb"], &who[..], &url[..]].concat())?.expect(0)?;
        self.set("free-disk-mb = 2048", "free-disk-mb = 1")
    }

    fn set(&self, from: &str, to: &str) -> Result<()> {
        let path = self.scene.path("reb/rebuilder.toml");
        let settings = fs::read_to_string(&path)?;
        ensure!(settings.contains(from), "expected {from} in {settings}");
        Ok(fs::write(path, settings.replace(from, to))?)
    }

    fn start(&self) -> Result<Server> {
        let arguments = ["rebuilder", "run", "--data", "reb", "--workers", "1", "--listen", "127.0.0.1:0"];
        Server::spawn(&mut self.command(&arguments))
    }

    fn status(&self) -> Result<Value> {
        let outcome = self.run(&["rebuilder", "status", "--data", "reb", "--output-format", "json"])?.expect(0)?;
        Ok(serde_json::from_str(&outcome.stdout)?)
    }

    fn wait(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            let status = self.status()?;
            if holds(&status) {
                return Ok(());
            }
            ensure!(start.elapsed() < LIMIT, "{what}: {status}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

fn can_build() -> bool {
    tool::have(&["python3", "bwrap"])
}

#[test]
fn a_rebuilder_with_gpg_is_introduced_by_its_card_and_what_a_lock_pins_is_accepted() -> Result<()> {
    if !can_build() || !tool::have(&["gpg"]) {
        return Ok(());
    }
    let (scene, gnupg) = (Scene::new()?, Gnupg::new("alice@example.org")?);
    let index = Index::serve(&build_inhouse(&scene, "pass")?)?;
    let rebuilder = Rebuilder { scene: &scene, index: &index, gnupg: Some(&gnupg) };
    let vkey = scene.init_log("log", "rebuilder.example")?;
    // Its own place is known only when it runs, and it wants to know who may submit.
    rebuilder.init(&format!("gpg:{}", gnupg.fingerprint()), "http://log.invalid/", &vkey.to_string())?;
    let entry = rebuilder.run(&["rebuilder", "card", "--data", "reb", "--for-log"])?.expect(0)?;
    let log = scene.run_log("log", &scene.write("rebuilders.toml", entry.stdout)?)?;
    rebuilder.set("http://log.invalid/", log.url())?;

    let somebody = Member::new("bob", "company", &Forge::new()?.public_key());
    scene.write("policy.toml", Policy::quorum(1, &vkey, log.url(), &[somebody]).text()?)?;
    rebuilder.run(&["policy", "add-rebuilder", "reb/card.json", "--to", "policy.toml", "--yes"])?.expect(0)?;
    let wheel = format!("inhouse/dist/{WHEEL}");
    let verify = || rebuilder.run(&["verify", &wheel, "--policy", "policy.toml"]);
    verify()?.expect(1)?;

    let digest = attest_core::artifact::ArtifactDigest::of(&fs::read(scene.path(&wheel))?);
    scene.write("requirements.txt", format!("inhouse==1.0 --hash=sha256:{digest}\n"))?;
    rebuilder.run(&["rebuilder", "add", "--data", "reb", "-r", "requirements.txt"])?.expect(0)?;
    let running = rebuilder.start()?;
    rebuilder.wait("it is logged", |status| status["logged"] == 1)?;
    verify()?.expect(0)?.expect_words("university")?;
    ensure!(running.stop()?.success(), "it did not end in order");
    Ok(())
}

/// "I reproduced it", of the very inputs that gave us something else.
fn lie(rebuilder: &Rebuilder<'_>, liar: &Forge) -> Result<Envelope> {
    rebuilder.run(&["rebuild", "inhouse==1.0", "--output-dir", "results"])?.expect(1)?;
    rebuilder.run(&["key", "generate", "-o", "key"])?.expect(0)?;
    let folder = format!("results/{}", WHEEL.trim_end_matches(".whl"));
    rebuilder.run(&["sign", &folder, "--signer", "key", "-o", "truth.json", "--accuse"])?.expect(0)?;
    let truth = Envelope::parse(&fs::read(rebuilder.scene.path("truth.json"))?)?;
    let truth = Statement::parse(truth.payload())?;
    let Predicate::NotReproduced { build, .. } = truth.predicate() else { anyhow::bail!("it was reproduced") };
    liar.sign(&Statement::new(truth.subject().clone(), Predicate::Reproduced(build.clone()))?)
}

#[test]
fn a_false_claim_in_the_log_is_found_by_itself_and_contradicted_only_after_a_person_s_word() -> Result<()> {
    if !can_build() {
        return Ok(());
    }
    let (quorum, elsewhere) = (Quorum::new()?, Scene::new()?);
    let scene = &quorum.scene;
    // Published is a wheel of another source.
    let [published, _] = build_inhouse(&elsewhere, "open('inhouse.py', 'a').write('evil = 1\\n')")?;
    let [_, sdist] = build_inhouse(scene, "pass")?;
    let index = Index::serve(&[published, sdist])?;
    let rebuilder = Rebuilder { scene, index: &index, gnupg: None };
    let claim = lie(&rebuilder, &quorum.carol)?;
    quorum.submit(&claim)?;

    let key = scene.write("alice.key", quorum.alice.secret_key())?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    rebuilder.init("alice.key", quorum.log.url(), &quorum.vkey.to_string())?;
    let settings = fs::read_to_string(scene.path("reb/rebuilder.toml"))?;
    let source = format!("{{ kind = \"log\", url = \"{}\", vkey = \"{}\" }}", quorum.log.url(), quorum.vkey);
    let feed = format!("\n[[feed]]\nsource = {source}\nevery-minutes = 1\npriority = 3\n");
    scene.write("reb/rebuilder.toml", settings + &feed)?;
    let running = rebuilder.start()?;
    rebuilder.wait("it waits for a person", |status| status["toReview"] == 1)?;

    let statements = || -> Result<Vec<String>> {
        // Made with the first of them.
        let Ok(entries) = fs::read_dir(scene.path("reb/statements")) else { return Ok(Vec::new()) };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    ensure!(statements()?.is_empty(), "something was signed: {:?}", statements()?);
    let review = rebuilder.run(&["rebuilder", "review", "--data", "reb", "--output-format", "json"])?.expect(0)?;
    let review: Value = serde_json::from_str(&review.stdout)?;
    let job = review["waiting"][0]["job"].to_string();
    let shown = rebuilder.run(&["rebuilder", "review", "--data", "reb", "show", &job])?.expect(0)?;
    shown.expect_words(&claim.statement_id().to_string())?;

    let approve = ["rebuilder", "review", "--data", "reb", "approve", &job, "--reason", "built it on two machines"];
    rebuilder.run(&approve)?.expect(0)?;
    rebuilder.wait("it is logged", |status| status["logged"] == 1)?;
    let signed = statements()?.into_iter().find(|name| name.contains(".json")).context("no statement")?;
    let signed = Envelope::parse(&fs::read(scene.path("reb/statements").join(signed))?)?;
    let signed = Statement::parse(signed.payload())?;
    let Predicate::NotReproduced { refusal, .. } = signed.predicate() else { anyhow::bail!("not a refusal") };
    ensure!(refusal.contradicts == Some(claim.statement_id()), "it contradicts {:?}", refusal.contradicts);

    // Who counts both sees the contradiction, and not only a vote too few.
    scene.write("policy.toml", Policy::quorum(1, &quorum.vkey, quorum.log.url(), &quorum.members()).text()?)?;
    let wheel = elsewhere.path("inhouse/dist").join(WHEEL).display().to_string();
    let verdict = rebuilder.run(&["verify", &wheel, "--policy", "policy.toml"])?.expect(1)?;
    verdict.expect_words("university")?;
    ensure!(running.stop()?.success(), "it did not end in order");
    Ok(())
}

#[test]
fn a_disk_that_fills_while_a_result_comes_in_costs_nothing_but_time() -> Result<()> {
    if !can_build() {
        return Ok(());
    }
    let quorum = Quorum::new()?;
    let scene = &quorum.scene;
    let Some(disk) = SmallDisk::mount(scene.path("reb"))? else { return Ok(()) };
    let index = Index::serve(&build_inhouse(scene, "__import__('time').sleep(2)")?)?;
    let rebuilder = Rebuilder { scene, index: &index, gnupg: None };
    let key = scene.write("alice.key", quorum.alice.secret_key())?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    rebuilder.init("alice.key", quorum.log.url(), &quorum.vkey.to_string())?;
    rebuilder.run(&["rebuilder", "add", "--data", "reb", "inhouse==1.0"])?.expect(0)?;
    let running = rebuilder.start()?;
    rebuilder.wait("it is being built", |status| status["running"] == 1)?;
    disk.fill(u64::MAX)?;
    // It begins to come in, and there is no room for it: the worker is told so and keeps what it has.
    let start = Instant::now();
    while fs::read_dir(scene.path("reb/incoming")).map_or(0, Iterator::count) == 0 {
        ensure!(start.elapsed() < LIMIT, "no result came:\n{}", running.log());
        thread::sleep(Duration::from_millis(100));
    }
    ensure!(rebuilder.status()?["done"] == 0, "a result was taken where there was no room");
    disk.empty()?;
    rebuilder.wait("it is logged", |status| status["logged"] == 1)?;
    ensure!(fs::read_dir(scene.path("reb/results"))?.count() == 1, "not one result");
    ensure!(fs::read_dir(scene.path("reb/incoming"))?.count() == 0, "half a result is left");
    ensure!(running.stop()?.success(), "it did not end in order");
    Ok(())
}
