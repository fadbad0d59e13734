//! `attest log watch`, against real logs: each thing that can happen is told once, and nothing is lost by a crash, an outage or a
//! receiver that is down.

#![expect(clippy::unwrap_used, reason = "a poisoned lock fails the test, as it should")]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use attest_core::{
    artifact::ArtifactDigest,
    checkpoint::UnverifiedCheckpoint,
    cosignature::cosign,
    envelope::{Envelope, StatementId},
    note::{KeyName, KeyType, SignerKey, VerifierKey},
    statement::{Difference, DifferenceKind, Digest, Outcome, Predicate, Refusal, Statement, Withdrawal},
    time::Timestamp,
};
use attest_tests::{
    command::{self, Outcome as Ended},
    forge::Forge,
    gnupg::Gnupg,
    http::{self, Connection, block_on},
    quorum::Quorum,
    scene::{Member, Scene},
    stub::{Reply, Request, Stub},
    tool,
    wheel::Wheel,
};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A log of three rebuilders, and somebody who watches the project `demo`.
struct Watched {
    quorum: Quorum,
    wheel: Wheel,
}

impl Watched {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        quorum.write_policy()?;
        let wheel = Wheel::new("demo", "1.0", "GOOD = True\n")?;
        quorum.scene.write(wheel.name(), wheel.bytes())?;
        Ok(Self { quorum, wheel })
    }

    fn scene(&self) -> &Scene {
        &self.quorum.scene
    }

    /// Looks once at the log by flags, with lines in `told.jsonl`.
    fn look(&self, more: &[&str]) -> Result<Ended> {
        let mut watch = self.watch(&["--jsonl", "told.jsonl", "--once"]);
        command::run(watch.args(more))
    }

    fn watch(&self, more: &[&str]) -> Command {
        let mut watch = self.scene().attest();
        watch.args(["log", "watch", "--policy", "policy.toml", "--project", "demo"]).args(more);
        watch
    }

    fn told(&self) -> Result<Vec<Value>> {
        lines(&self.scene().path("told.jsonl"))
    }

    fn vote(&self, forge: &Forge) -> Result<StatementId> {
        let vote = forge.vote_on(self.wheel.subject(), self.wheel.record_digest())?;
        self.quorum.submit(&vote)?;
        Ok(vote.statement_id())
    }

    /// A vote that is like no other.
    fn vote_of(&self, forge: &Forge, note: &str) -> Result<StatementId> {
        let subject = self.wheel.subject();
        let mut build = Forge::build_of(&subject.name);
        build.rebuilder.version.insert("note".to_owned(), note.to_owned());
        let vote = forge.sign(&Statement::new(subject, Predicate::Reproduced(build))?)?;
        self.quorum.submit(&vote)?;
        Ok(vote.statement_id())
    }

    /// "From the same inputs I got another file", in whatever form `change` gives it.
    fn differs(&self, forge: &Forge, change: impl FnOnce(&mut Refusal)) -> Result<StatementId> {
        let mut refusal = Refusal {
            outcome: Outcome::Different,
            rebuilt: Some(Digest { sha256: ArtifactDigest::of(b"what came out here") }),
            contradicts: None,
            differences: Vec::new(),
            differences_total: 0,
            report: None,
        };
        change(&mut refusal);
        let subject = self.wheel.subject();
        let build = Forge::build_of(&subject.name);
        let signed = forge.sign(&Statement::new(subject, Predicate::NotReproduced { build, refusal })?)?;
        self.quorum.submit(&signed)?;
        Ok(signed.statement_id())
    }

    fn withdraw(&self, forge: &Forge, statement_id: StatementId, reason: &str) -> Result<Envelope> {
        let withdrawn = Predicate::Withdrawn(Withdrawal { statement_id, reason: reason.to_owned() });
        let signed = forge.sign(&Statement::new(self.wheel.subject(), withdrawn)?)?;
        self.quorum.submit(&signed)?;
        Ok(signed)
    }

    fn fill(&self, count: u64) -> Result<()> {
        block_on(async {
            let mut connection = Connection::open(self.quorum.log.url()).await?;
            for n in 0..count {
                connection.submit(self.quorum.alice.reproduced("filler", n)?.to_bytes().into()).await?;
            }
            Ok(())
        })
    }
}

fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("in {line:?}"))).collect()
}

fn kinds(events: &[Value]) -> Vec<String> {
    let text = |event: &Value, member: &str| event[member].as_str().unwrap_or_default().to_owned();
    events.iter().map(|event| format!("{} {}", text(event, "kind"), text(event, "phase"))).collect()
}

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Passes requests on, and changes answers.
fn door(server: &str, change: impl Fn(&str, Reply) -> Reply + Send + Sync + 'static) -> Result<Stub> {
    let server = server.to_owned();
    Stub::serve(move |request: &Request| {
        let path = request.path.replace("//", "/");
        passed_on(&server, &path).map_or_else(|_| Reply::status(502), |reply| change(&path, reply))
    })
}

fn passed_on(server: &str, path: &str) -> Result<Reply> {
    let answer = http::get(server, path)?;
    let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).unwrap_or("text/plain");
    Ok(Reply::ok(kind, answer.body.to_vec()).with_status(answer.status.as_u16()).encoded(header(CONTENT_ENCODING)))
}

#[test]
fn what_is_said_about_a_project_is_told_once_each_and_what_was_before_is_not() -> Result<()> {
    let watched = Watched::new()?;
    let Quorum { alice, bob, carol, .. } = &watched.quorum;
    watched.fill(300)?;
    let by_carol = watched.vote(carol)?;
    let old = watched.differs(bob, |refusal| refusal.contradicts = Some(by_carol))?;
    // A first look begins at the end of the log.
    watched.look(&[])?.expect(0)?.expect_words("0 of 302 entries are new")?;
    watched.look(&[])?.expect(0)?;

    let contradiction = watched.differs(alice, |refusal| refusal.contradicts = Some(by_carol))?;
    watched.look(&[])?.expect(1)?;
    let foreign = watched.differs(alice, |refusal| {
        refusal.differences =
            vec![Difference { path: "demo/evil.pth".to_owned(), kind: DifferenceKind::OnlyInPublished }];
        refusal.differences_total = 1;
    })?;
    let disagreement = watched.differs(bob, |refusal| {
        refusal.rebuilt = Some(Digest { sha256: ArtifactDigest::of(b"yet another") });
    })?;
    watched.look(&[])?.expect(1)?.expect_words("2 events noticed")?;
    watched.withdraw(carol, by_carol, "built on a broken disk")?;
    // "Could not build it" is no accusation, dissent that is taken back no loss, and other projects are not watched.
    watched.differs(bob, |refusal| {
        (refusal.outcome, refusal.rebuilt) = (Outcome::BuildFailed, None);
    })?;
    watched.withdraw(bob, old, "our mistake")?;
    watched.fill(301)?;
    watched.look(&[])?.expect(1)?.expect_words("1 event noticed")?;
    watched.look(&[])?.expect(0)?.expect_words("0 events noticed")?;

    let told = watched.told()?;
    ensure!(
        kinds(&told)
            == [
                "contradiction happened",
                "foreign-code happened",
                "disagreement happened",
                "lost-attestation happened"
            ],
        "{told:#?}"
    );
    let statements: Vec<&str> = told.iter().map(|event| event["statement"].as_str().unwrap_or_default()).collect();
    ensure!(statements[..3] == [contradiction, foreign, disagreement].map(|id| id.to_string()), "{told:#?}");
    ensure!(told[0]["other"] == by_carol.to_string() && told[3]["other"] == by_carol.to_string(), "{told:#?}");
    // By the policy's names, since the signatures hold; what to do next is a command.
    let signers: Vec<&str> = told.iter().map(|event| event["saidBy"]["signer"].as_str().unwrap_or("?")).collect();
    ensure!(signers == ["alice", "alice", "bob", "carol"], "{told:#?}");
    ensure!(told.iter().all(|event| event["watched"][0] == "project demo"), "{told:#?}");
    let next = told[0]["next"].as_str().unwrap_or_default();
    ensure!(next.starts_with("attest rebuild demo==1.0 --statement "), "{next}");
    let kept = next.rsplit(' ').next().unwrap_or_default();
    ensure!(Envelope::parse(&fs::read(kept)?)?.statement_id() == contradiction, "{kept}");
    ensure!(told[3]["what"].as_str().is_some_and(|what| what.contains("built on a broken disk")), "{told:#?}");
    Ok(())
}

#[test]
fn from_the_start_everything_is_told_by_digest_or_project_and_in_other_words_by_nobody_s_name() -> Result<()> {
    let watched = Watched::new()?;
    let by_carol = watched.vote(&watched.quorum.carol)?;
    watched.fill(600)?;
    watched.differs(&watched.quorum.alice, |refusal| refusal.contradicts = Some(by_carol))?;
    // Without a policy: nobody's key is known.
    let mut watch = watched.scene().attest();
    let (url, vkey) = (watched.quorum.log.url(), watched.quorum.vkey.to_string());
    watch.args(["log", "watch", "--once", "--from-start", "--log", url, "--vkey", &vkey]);
    watch.args(["--digest", &watched.wheel.digest().to_string(), "--output-format", "json"]);
    let told = command::run(&mut watch)?.expect(1)?;
    let document: Value = serde_json::from_str(&told.stdout)?;
    ensure!(document["logs"][0]["read"] == 602 && document["exit"] == 1, "{document:#}");
    ensure!(kinds(document["events"].as_array().context("events")?) == ["contradiction happened"], "{document:#}");
    ensure!(document["events"][0]["saidBy"]["signer"].is_null(), "{document:#}");
    ensure!(document["events"][0]["saidBy"]["stated"] == "https://rebuilder.example", "{document:#}");
    // The same flags are the same watch.
    let document: Value = serde_json::from_str(&command::run(&mut watch)?.expect(0)?.stdout)?;
    ensure!(document["noticed"] == 0 && document["logs"][0]["read"] == 0, "{document:#}");
    Ok(())
}

#[test]
fn what_a_key_of_mine_signed_and_i_did_not_is_told() -> Result<()> {
    let watched = Watched::new()?;
    let Quorum { alice, bob, .. } = &watched.quorum;
    let key = alice.public_key();
    let more = ["--key", &key, "--statements", "mine"];
    watched.look(&more)?.expect(0)?;
    // What is mine is in the folder, or gets there before anybody looks.
    let mine = alice.reproduced("mine", 1)?;
    watched.scene().write("mine/one.json", mine.to_bytes())?;
    watched.quorum.submit(&mine)?;
    watched.quorum.submit(&bob.reproduced("his", 1)?)?;
    watched.look(&more)?.expect(0)?;
    let stolen = alice.reproduced("anything", 2)?;
    watched.quorum.submit(&stolen)?;
    watched.look(&more)?.expect(1)?;
    watched.look(&more)?.expect(0)?;
    let told = watched.told()?;
    ensure!(kinds(&told) == ["not-my-statement happened"], "{told:#?}");
    ensure!(told[0]["statement"] == stolen.statement_id().to_string(), "{told:#?}");
    let next = told[0]["next"].as_str().unwrap_or_default();
    ensure!(next.starts_with("attest withdraw "), "{next}");
    // The command that it names works.
    let signer = watched.scene().write("alice.key", alice.secret_key())?;
    fs::set_permissions(signer, fs::Permissions::from_mode(0o600))?;
    let mut withdraw = watched.scene().attest();
    let words = next.split(" --signer").next().unwrap_or_default().split(' ').skip(1);
    withdraw.args(words).args(["--signer", "alice.key", "--reason", "not made by us", "-o", "withdrawal.json"]);
    command::run(&mut withdraw)?.expect(0)?;
    Ok(())
}

#[test]
fn a_key_of_gpg_is_guarded_as_well() -> Result<()> {
    if !tool::have(&["gpg"]) {
        tool::skip("gpg is not installed");
        return Ok(());
    }
    let (scene, gpg) = (Scene::new()?, Gnupg::new("Alice <alice@example.org>")?);
    let certificate = gpg.certificate()?;
    scene.write("alice.asc", &certificate)?;
    let vkey = scene.init_log("log", "gpg.example")?;
    let bob = Forge::new()?;
    let members = [Member::new("alice", "a", &certificate), Member::new("bob", "b", &bob.public_key())];
    let log = scene.run_log("log", &scene.rebuilders("rebuilders.toml", &members)?)?;
    let look = || {
        let mut watch = scene.attest();
        watch.args(["log", "watch", "--once", "--log", log.url(), "--vkey", &vkey.to_string()]);
        command::run(watch.args(["--key", "alice.asc", "--statements", "mine", "--jsonl", "told.jsonl"]))
    };
    look()?.expect(0)?;
    let vote = bob.reproduced("demo", 1)?;
    scene.write("vote.json", vote.to_bytes())?;
    for (folder, reason) in [("mine", "by me"), ("elsewhere", "by somebody who has my key")] {
        let mut withdraw = scene.attest();
        withdraw.env("GNUPGHOME", gpg.home()).args(["withdraw", "vote.json", "--reason", reason]);
        withdraw.args(["--signer", &format!("gpg:{}", gpg.fingerprint())]);
        let path = scene.path(folder).join("withdrawal.json");
        fs::create_dir_all(scene.path(folder))?;
        command::run(withdraw.arg("-o").arg(&path))?.expect(0)?;
        let mut submit = scene.attest();
        submit.arg("submit").arg(&path).args(["--log", log.url(), "--vkey", &vkey.to_string()]);
        command::run(&mut submit)?.expect(0)?;
    }
    look()?.expect(1)?;
    let told = lines(&scene.path("told.jsonl"))?;
    ensure!(kinds(&told) == ["not-my-statement happened"], "{told:#?}");
    let signer = told[0]["saidBy"]["signer"].as_str().unwrap_or_default();
    ensure!(signer == format!("openpgp:{}", gpg.fingerprint()), "{told:#?}");
    let kept = Envelope::parse(&fs::read(scene.path("elsewhere/withdrawal.json"))?)?;
    ensure!(told[0]["statement"] == kept.statement_id().to_string(), "{told:#?}");
    Ok(())
}

#[test]
fn a_file_that_was_accepted_and_no_longer_is_is_told_whatever_the_reason() -> Result<()> {
    let watched = Watched::new()?;
    let Quorum { alice, bob, carol, .. } = &watched.quorum;
    let look = |code| {
        let mut watch = watched.scene().attest();
        watch.args(["log", "watch", "--once", "--policy", "policy.toml", "--accepted", watched.wheel.name()]);
        command::run(watch.args(["--jsonl", "told.jsonl"]))?.expect(code)
    };
    // Never accepted is no loss.
    look(0)?;
    watched.vote(alice)?;
    let by_carol = watched.vote_of(carol, "carol's")?;
    look(0)?;
    // Of a group that has another vote.
    let by_bob = watched.vote_of(bob, "bob's")?;
    watched.withdraw(bob, by_bob, "moved house")?;
    look(0)?;
    watched.withdraw(carol, by_carol, "built on a broken disk")?;
    look(1)?;
    look(0)?;
    let told = watched.told()?;
    ensure!(kinds(&told) == ["lost-attestation began"], "{told:#?}");
    ensure!(told[0]["file"]["sha256"] == watched.wheel.digest().to_string(), "{told:#?}");
    let next = told[0]["next"].as_str().unwrap_or_default();
    ensure!(next.starts_with("attest verify "), "{next}");
    // One group suffices now: the policy is the user's.
    let mut policy = watched.quorum.policy_at(watched.quorum.log.url());
    policy.threshold = 1;
    watched.scene().write("policy.toml", policy.text()?)?;
    look(1)?;
    ensure!(kinds(&watched.told()?) == ["lost-attestation began", "lost-attestation over"], "{:#?}", watched.told()?);
    Ok(())
}

#[test]
fn a_fork_is_an_alarm_told_once_and_nothing_of_it_is_read() -> Result<()> {
    let (scene, forge) = (Scene::new()?, Forge::new()?);
    let vkey = scene.init_log("honest", "watched.example")?;
    copy(&scene.path("honest"), &scene.path("twin"))?;
    let list = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
    let (honest, twin) = (scene.run_log("honest", &list)?, scene.run_log("twin", &list)?);
    let log = |url: &str, project: &str| -> Result<()> {
        block_on(async {
            let entry = forge.reproduced(project, 1)?.to_bytes();
            Connection::open(url).await?.submit(entry.into()).await.map(drop)
        })
    };
    log(honest.url(), "honest")?;
    log(twin.url(), "twin")?;
    log(twin.url(), "more")?;
    let look = |urls: &[&str]| {
        let text = format!(
            "[[log]]\nvkey = \"{vkey}\"\nurls = {urls:?}\n[watch]\nprojects = [\"more\"]\n\
             [[key]]\nkey = \"{}\"\nstatements = [\"mine\"]\n\
             [[sink]]\nname = \"lines\"\nkind = \"jsonl\"\npath = \"told.jsonl\"\n",
            forge.public_key()
        );
        scene.write("watch.toml", text)?;
        let mut watch = scene.attest();
        command::run(watch.args(["log", "watch", "--once", "--config", "watch.toml"]))
    };
    look(&[honest.url()])?.expect(0)?;
    look(&[twin.url()])?.expect(4)?.expect_words("shows two histories")?;
    look(&[twin.url()])?.expect(4)?;
    // A mirror that shows another history than the log is one, too.
    look(&[honest.url(), twin.url()])?.expect(4)?;
    let told = lines(&scene.path("told.jsonl"))?;
    ensure!(kinds(&told) == ["fork began"], "{told:#?}");
    let next = told[0]["next"].as_str().unwrap_or_default();
    ensure!(next.starts_with("attest log compare "), "{next}");
    look(&[honest.url()])?.expect(1)?;
    look(&[honest.url()])?.expect(0)?;
    ensure!(kinds(&lines(&scene.path("told.jsonl"))?) == ["fork began", "fork over"]);
    // Who removes what this machine saw of logs does not make the watch forget what it read.
    fs::remove_dir_all(scene.path("data/logs"))?;
    fs::remove_dir_all(scene.path("data/replicas"))?;
    look(&[twin.url()])?.expect(4)?;
    ensure!(kinds(&lines(&scene.path("told.jsonl"))?) == ["fork began", "fork over", "fork began"]);
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (from, name) = {
            let entry = entry?;
            (entry.path(), entry.file_name())
        };
        if from.is_dir() { copy(&from, &to.join(name))? } else { fs::copy(&from, to.join(name)).map(drop)? }
    }
    Ok(())
}

#[test]
fn a_log_that_stalls_and_a_witness_that_falls_behind_are_told_when_it_begins_and_when_it_is_over() -> Result<()> {
    let watched = Watched::new()?;
    let witness = SignerKey::from_seed(KeyName::new("w.example")?, KeyType::CosignatureV1, [7; 32]);
    let policy = format!("witness w {} https://w.example\nquorum w\n", witness.verifier());
    watched.scene().write("witnesses.policy", policy)?;
    let (cosigns, is_up) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let (to_cosign, to_be_up) = (Arc::clone(&cosigns), Arc::clone(&is_up));
    let vkey = watched.quorum.vkey.clone();
    let log = door(watched.quorum.log.url(), move |path, reply| match path {
        "/checkpoint" if !to_be_up.load(Ordering::SeqCst) => Reply::status(503),
        "/checkpoint" if to_cosign.load(Ordering::SeqCst) => cosigned(&reply, &vkey, &witness),
        _ => reply,
    })?;
    let look = |code| {
        let mut watch = watched.scene().attest();
        let vkey = watched.quorum.vkey.to_string();
        watch.args(["log", "watch", "--once", "--log", &log.url(), "--vkey", &vkey, "--jsonl", "told.jsonl"]);
        watch.args(["--witnesses", "witnesses.policy", "--witness-after", "2s", "--stall-after", "1h"]);
        command::run(&mut watch)?.expect(code)
    };
    look(0)?;
    cosigns.store(false, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(3_100));
    look(1)?;
    look(0)?;
    cosigns.store(true, Ordering::SeqCst);
    look(1)?;
    let told = watched.told()?;
    ensure!(kinds(&told) == ["witness-behind began", "witness-behind over"], "{told:#?}");
    ensure!(told[0]["witness"] == "w.example", "{told:#?}");

    let look = |code| {
        let mut watch = watched.scene().attest();
        let vkey = watched.quorum.vkey.to_string();
        watch.args(["log", "watch", "--once", "--log", &log.url(), "--vkey", &vkey, "--jsonl", "stall.jsonl"]);
        command::run(watch.args(["--project", "demo", "--stall-after", "2s"]))?.expect(code)
    };
    look(0)?;
    is_up.store(false, Ordering::SeqCst);
    // An outage is no news yet, and exit 3.
    look(3)?;
    thread::sleep(Duration::from_millis(3_100));
    look(1)?;
    look(3)?;
    is_up.store(true, Ordering::SeqCst);
    look(1)?;
    let told = lines(&watched.scene().path("stall.jsonl"))?;
    ensure!(kinds(&told) == ["stall began", "stall over"], "{told:#?}");
    Ok(())
}

fn cosigned(reply: &Reply, vkey: &VerifierKey, witness: &SignerKey) -> Reply {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let shown = UnverifiedCheckpoint::parse(reply.body()).and_then(|note| note.verify(vkey)).unwrap();
    let line = cosign(&shown, witness, Timestamp::from_secs(now)).unwrap();
    Reply::ok("text/plain", shown.with_cosignature(line).unwrap().note().to_string())
}

#[test]
fn two_logs_are_one_view_and_what_is_in_both_is_told_once() -> Result<()> {
    let (scene, alice, carol) = (Scene::new()?, Forge::new()?, Forge::new()?);
    let members = [Member::new("alice", "a", &alice.public_key()), Member::new("carol", "c", &carol.public_key())];
    let list = scene.rebuilders("rebuilders.toml", &members)?;
    let keys = [scene.init_log("one", "one.example")?, scene.init_log("two", "two.example")?];
    let logs = [scene.run_log("one", &list)?, scene.run_log("two", &list)?];
    let submit = |n: usize, envelope: &Envelope| -> Result<()> {
        let bytes = envelope.to_bytes();
        block_on(async { Connection::open(logs[n].url()).await?.submit(bytes.into()).await.map(drop) })
    };
    let mut text =
        "[watch]\nprojects = [\"demo\"]\n[[sink]]\nname = \"a\"\nkind = \"jsonl\"\npath = \"told.jsonl\"\n".to_owned();
    for (key, log) in keys.iter().zip(&logs) {
        write!(text, "[[log]]\nvkey = \"{key}\"\nurls = [\"{}\"]\n", log.url())?;
    }
    scene.write("watch.toml", text)?;
    let look = |code| {
        let mut watch = scene.attest();
        command::run(watch.args(["log", "watch", "--once", "--config", "watch.toml"]))?.expect(code)
    };
    look(0)?;
    let vote = carol.reproduced("demo", 1)?;
    let subject = Statement::parse(vote.payload())?.subject().clone();
    submit(0, &vote)?;
    look(0)?;
    let build = Forge::build_of(&subject.name);
    let contradiction = alice.contradiction(subject, build, vote.statement_id())?;
    submit(1, &contradiction)?;
    look(1)?;
    submit(0, &contradiction)?;
    look(0)?;
    // The same words by somebody else are another voice.
    submit(0, &carol.sign(&Statement::parse(contradiction.payload())?)?)?;
    look(1)?;
    let told = lines(&scene.path("told.jsonl"))?;
    ensure!(kinds(&told) == ["contradiction happened", "contradiction happened"], "{told:#?}");
    ensure!(told[0]["log"] == "two.example" && told[0]["other"] == vote.statement_id().to_string(), "{told:#?}");
    let what = told[0]["what"].as_str().unwrap_or_default();
    ensure!(what.contains("from the inputs of statement"), "the other log's statement is known: {what}");
    Ok(())
}

#[test]
fn a_webhook_that_is_down_loses_nothing_and_holds_up_nobody_and_its_signature_holds() -> Result<()> {
    let watched = Watched::new()?;
    let by_carol = watched.vote(&watched.quorum.carol)?;
    let secret = watched.scene().write("secret", SECRET)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let (is_up, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::<Request>::new())));
    let (up, kept) = (Arc::clone(&is_up), Arc::clone(&heard));
    let hook = Stub::serve(move |request| {
        if !up.load(Ordering::SeqCst) {
            return Reply::status(500);
        }
        kept.lock().unwrap().push(request.clone());
        Reply::status(204)
    })?;
    let url = format!("{}hooks/T0/secret-path", hook.url());
    let more = ["--webhook", &url, "--secret-file", "secret", "--atom", "feed.xml"];
    watched.look(&more)?.expect(0)?;
    watched.differs(&watched.quorum.alice, |refusal| refusal.contradicts = Some(by_carol))?;
    // The others are told.
    let told = watched.look(&more)?.expect(1)?.expect_words("1 event left for the next run")?;
    ensure!(!told.text().contains("secret-path"), "an address may be a secret:\n{}", told.text());
    ensure!(watched.told()?.len() == 1 && heard.lock().unwrap().is_empty());
    ensure!(fs::read_to_string(watched.scene().path("feed.xml"))?.matches("<entry>").count() == 1);
    // Nothing new: what is left is still left.
    watched.look(&more)?.expect(3)?;
    is_up.store(true, Ordering::SeqCst);
    watched.look(&more)?.expect(1)?.expect_words("0 events noticed")?;
    watched.look(&more)?.expect(0)?;
    ensure!(watched.told()?.len() == 1, "told twice");
    let heard = heard.lock().unwrap();
    ensure!(heard.len() == 1, "{heard:?}");
    ensure!(serde_json::from_slice::<Value>(&heard[0].body)? == watched.told()?[0]);
    ensure!(heard[0].header("webhook-id") == watched.told()?[0]["id"].as_str(), "{heard:?}");
    check_signature(&watched, &heard[0])
}

/// By a program that is not attest, as the receiver would.
fn check_signature(watched: &Watched, request: &Request) -> Result<()> {
    let script = "import base64, hashlib, hmac, sys\n\
        secret, id, time, signature, body = sys.argv[1:]\n\
        key = base64.b64decode(secret.removeprefix('whsec_'))\n\
        text = b'.'.join([id.encode(), time.encode(), open(body, 'rb').read()])\n\
        made = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()\n\
        assert hmac.compare_digest('v1,' + made, signature), (made, signature)\n";
    let header = |name| request.header(name).context("a header is missing");
    let body = watched.scene().write("body", &request.body)?;
    let mut python = Command::new("python3");
    python.args(["-c", script, SECRET, header("webhook-id")?, header("webhook-timestamp")?]);
    command::run(python.arg(header("webhook-signature")?).arg(&body))?.expect(0).map(drop)
}

#[test]
fn words_of_strangers_are_words_wherever_they_are_told() -> Result<()> {
    let watched = Watched::new()?;
    let by_carol = watched.vote(&watched.quorum.carol)?;
    let program = script(
        watched.scene(),
        "printf '%s|' \"$#\" \"$ATTEST_EVENT_KIND\" \"$ATTEST_EVENT_ID\" >> arguments\ncat >> stdin\ntouch \"ran\"\n",
    )?;
    let more = ["--exec", &program, "--atom", "feed.xml"];
    watched.look(&more)?.expect(0)?;
    let reason = format!("</content><script>$(touch pwned)`touch pwned`'\"; \u{202e}live {}", "x".repeat(1_900));
    watched.withdraw(&watched.quorum.carol, by_carol, &reason)?;
    let terminal = watched.watch(&["--once"]).output()?;
    watched.look(&more)?.expect(1)?;
    let arguments = fs::read_to_string(watched.scene().path("arguments"))?;
    let id = ids(&watched.told()?).concat();
    ensure!(arguments == format!("0|lost-attestation|{id}|"), "{arguments}");
    ensure!(!watched.scene().path("pwned").exists());
    let feed = fs::read_to_string(watched.scene().path("feed.xml"))?;
    ensure!(!feed.contains("<script>") && feed.contains("&lt;script&gt;"), "{feed}");
    for name in ["told.jsonl", "stdin", "feed.xml"] {
        let text = fs::read_to_string(watched.scene().path(name))?;
        ensure!(!text.contains('\u{202e}') && text.contains("live"), "{name}: {text}");
        ensure!(text.len() < 6_000, "{name} has {} bytes", text.len());
    }
    // Lines are the watch of the same flags: it is told what the terminal was not.
    ensure!(!String::from_utf8_lossy(&terminal.stdout).contains('\u{202e}'), "{terminal:?}");
    Ok(())
}

fn script(scene: &Scene, body: &str) -> Result<String> {
    let path = scene.write("notify", format!("#!/bin/sh\n{body}"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path.display().to_string())
}

#[test]
fn killed_at_any_moment_a_watch_loses_nothing_and_tells_nothing_twice() -> Result<()> {
    let watched = Watched::new()?;
    let program = script(watched.scene(), "echo \"$ATTEST_EVENT_ID\" >> heard\n")?;
    let sinks = ["--jsonl", "told.jsonl", "--atom", "feed.xml", "--exec", &program];
    watched.look(&sinks[2..])?.expect(0)?;
    let watch = || {
        let mut watch = watched.watch(&sinks);
        watch.args(["--every", "1s"]).stdout(Stdio::null()).stderr(Stdio::null());
        watch
    };
    let mut said = BTreeSet::new();
    for (round, after) in [20, 60, 90, 140, 200, 260, 330, 420, 600, 900].into_iter().enumerate() {
        let mut child = watch().spawn()?;
        for n in 0..4 {
            let by = watched.vote_of(&watched.quorum.carol, &format!("{round}-{n}"))?;
            let id = watched.differs(&watched.quorum.alice, |refusal| {
                refusal.contradicts = Some(by);
                refusal.rebuilt = Some(Digest { sha256: ArtifactDigest::of(format!("{round}-{n}").as_bytes()) });
            })?;
            said.insert(id.to_string());
        }
        thread::sleep(Duration::from_millis(after));
        child.kill()?;
        child.wait()?;
    }
    // Everything that was left is told by the next run; the run after that has nothing to tell.
    command::run(watched.watch(&sinks).arg("--once"))?;
    command::run(watched.watch(&sinks).arg("--once"))?.expect(0)?;
    let told = watched.told()?;
    let contradictions = told.iter().filter(|event| event["kind"] == "contradiction");
    let statements: BTreeSet<String> =
        contradictions.filter_map(|event| event["statement"].as_str().map(str::to_owned)).collect();
    ensure!(statements == said, "{} of {} told", statements.intersection(&said).count(), said.len());
    // All of it is what somebody tells who was never killed, and each of it is there once.
    let whole = ["--once", "--from-start", "--state", "another", "--jsonl", "whole.jsonl"];
    command::run(&mut watched.watch(&whole))?.expect(1)?;
    let whole = lines(&watched.scene().path("whole.jsonl"))?;
    let distinct: BTreeSet<String> = ids(&told).into_iter().collect();
    ensure!(distinct == ids(&whole).into_iter().collect(), "{} of {} told", distinct.len(), whole.len());
    ensure!(told.len() == distinct.len(), "{} lines for {} events", told.len(), distinct.len());

    let heard = fs::read_to_string(watched.scene().path("heard"))?;
    ensure!(heard.lines().map(str::to_owned).collect::<BTreeSet<_>>() == distinct, "a program heard of other events");
    // Once more only where it was killed between the program's end and its mark.
    ensure!(heard.lines().count() <= distinct.len() + 10, "{} for {}", heard.lines().count(), distinct.len());
    let feed = fs::read_to_string(watched.scene().path("feed.xml"))?;
    ensure!(feed.matches("<entry>").count() == distinct.len().min(100), "{}", distinct.len());
    Ok(())
}

#[test]
fn a_watch_that_runs_tells_soon_ends_when_asked_and_is_alone_with_its_memory() -> Result<()> {
    let watched = Watched::new()?;
    let by_carol = watched.vote(&watched.quorum.carol)?;
    watched.look(&[])?.expect(0)?;
    let mut running = watched.watch(&["--jsonl", "told.jsonl", "--every", "1s"]).stderr(Stdio::piped()).spawn()?;
    watched.differs(&watched.quorum.alice, |refusal| refusal.contradicts = Some(by_carol))?;
    for _ in 0..600 {
        if !watched.told()?.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    ensure!(kinds(&watched.told()?) == ["contradiction happened"], "{:#?}", watched.told()?);
    watched.look(&[])?.expect(2)?.expect_words("another `attest log watch` is at it")?;
    let pid = i32::try_from(running.id()).ok().and_then(Pid::from_raw).context("no such process id")?;
    kill_process(pid, Signal::TERM)?;
    let ended = running.wait()?;
    ensure!(ended.code() == Some(0), "{ended}");
    watched.look(&[])?.expect(0)?;
    Ok(())
}

#[test]
fn entries_that_are_not_those_of_the_tree_are_not_read_and_nothing_is_skipped() -> Result<()> {
    let watched = Watched::new()?;
    let by_carol = watched.vote(&watched.quorum.carol)?;
    let lies = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&lies);
    let other = watched.quorum.bob.reproduced("other", 1)?.to_bytes();
    let liar = door(watched.quorum.log.url(), move |path, reply| {
        let count = path.strip_prefix("/tile/entries/000.p/").and_then(|width| width.parse::<usize>().ok());
        match count.filter(|_| switch.load(Ordering::SeqCst)) {
            Some(count) => {
                let [.., high, low] = other.len().to_be_bytes();
                let bundle: Vec<u8> = (0..count).flat_map(|_| [&[high, low][..], &other].concat()).collect();
                Reply::ok("application/octet-stream", bundle)
            }
            None => reply,
        }
    })?;
    watched.scene().write("policy.toml", watched.quorum.policy_at(&liar.url()).text()?)?;
    watched.look(&[])?.expect(0)?;
    let contradiction = watched.differs(&watched.quorum.alice, |refusal| refusal.contradicts = Some(by_carol))?;
    lies.store(true, Ordering::SeqCst);
    watched.look(&[])?.expect(3)?.expect_words("none of them is kept")?;
    ensure!(watched.told()?.is_empty());
    lies.store(false, Ordering::SeqCst);
    watched.look(&[])?.expect(1)?;
    ensure!(watched.told()?[0]["statement"] == contradiction.to_string());
    // Nor are entries that changed on the disk.
    watched.differs(&watched.quorum.bob, |refusal| refusal.contradicts = Some(by_carol))?;
    let mut sync = watched.scene().attest();
    command::run(sync.args(["log", "sync", "--policy", "policy.toml"]))?.expect(0)?;
    let bundle = find(&watched.scene().path("data/replicas"), "tile/entries/000.p/3")?;
    let whole = fs::read(&bundle)?;
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    fs::write(&bundle, damaged)?;
    watched.look(&[])?.expect(3)?.expect_words("is damaged")?;
    fs::write(&bundle, whole)?;
    watched.look(&[])?.expect(1)?;
    ensure!(watched.told()?.len() == 2, "{:#?}", watched.told()?);
    Ok(())
}

fn find(replicas: &Path, name: &str) -> Result<PathBuf> {
    let replica = fs::read_dir(replicas)?.next().context("no replica")??.path();
    let found = replica.join(name);
    ensure!(found.is_file(), "no {}", found.display());
    Ok(found)
}
