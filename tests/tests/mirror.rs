//! Mirrors: what they replicate is the log, and a log that shows two histories does not get past them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use attest_core::{fork::ForkEvidence, note::VerifierKey};
use attest_tests::{
    command,
    forge::Forge,
    http::{self, Connection, block_on},
    quorum::Quorum,
    replica::Replica,
    scene::{Member, Scene},
    server::Server,
    stub::{Reply, Stub},
    wheel::Wheel,
};
use hyper::{
    body::Bytes,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

/// A log, and a twin with its key that was copied when both were empty: what an operator does who shows some people
/// another history, or who restores a backup.
struct Twins {
    scene: Scene,
    forge: Forge,
    key: VerifierKey,
    honest: Server,
    twin: Server,
}

impl Twins {
    fn new() -> Result<Self> {
        let (scene, forge) = (Scene::new()?, Forge::new()?);
        let key = scene.init_log("honest", "mirrored.example")?;
        copy(&scene.path("honest"), &scene.path("twin"))?;
        let list = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
        let (honest, twin) = (scene.run_log("honest", &list)?, scene.run_log("twin", &list)?);
        Ok(Self { scene, forge, key, honest, twin })
    }

    fn submit(&self, server: &Server, project: &str, count: u64) -> Result<()> {
        block_on(async {
            let mut connection = Connection::open(server.url()).await?;
            for n in 0..count {
                let envelope = self.forge.reproduced(project, n)?;
                connection.submit(Bytes::from(envelope.to_bytes())).await?;
            }
            Ok(())
        })
    }

    fn mirror_once(&self, upstream: &str) -> Result<command::Outcome> {
        command::run(self.scene.mirror_command("mirror", upstream, &self.key).arg("--once"))
    }

    fn checkpoint(server: &str) -> Result<Bytes> {
        Ok(http::get(server, "/checkpoint")?.expect(200)?.body)
    }
}

#[test]
fn a_mirror_killed_again_and_again_carries_on_and_holds_the_whole_log() -> Result<()> {
    let twins = Twins::new()?;
    twins.submit(&twins.honest, "mirrored", 600)?;
    for kill_after in [5, 15, 30, 60, 90] {
        let mut mirror = twins.scene.mirror_command("mirror", twins.honest.url(), &twins.key);
        let mut mirror = mirror.arg("--once").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        thread::sleep(Duration::from_millis(kill_after));
        mirror.kill()?;
        mirror.wait()?;
    }
    twins.mirror_once(twins.honest.url())?.expect(0)?;

    let mirror = twins.scene.run_mirror("mirror", twins.honest.url(), &twins.key)?;
    let (original, copied) = block_on(async {
        Ok((Replica::read(twins.honest.url(), &twins.key).await?, Replica::read(mirror.url(), &twins.key).await?))
    })?;
    ensure!(original.entries() == copied.entries(), "the mirror holds other entries");
    let lines = |replica: &Replica| replica.checkpoint().note().signatures().len();
    ensure!(lines(&copied) > lines(&original), "the mirror did not cosign");
    Ok(())
}

#[test]
fn a_fork_is_an_alarm_that_keeps_both_notes_and_moves_nothing() -> Result<()> {
    let twins = Twins::new()?;
    twins.submit(&twins.honest, "honest", 3)?;
    twins.submit(&twins.twin, "twin", 5)?;
    twins.mirror_once(twins.honest.url())?.expect(0)?;
    let served = |twins: &Twins| -> Result<u64> {
        let mirror = twins.scene.run_mirror("mirror", twins.honest.url(), &twins.key)?;
        block_on(async { Ok(Replica::read(mirror.url(), &twins.key).await?.head().size.get()) })
    };
    ensure!(served(&twins)? == 3, "the mirror holds what the log had");

    twins.mirror_once(twins.twin.url())?.expect(4)?;
    let notes = [Twins::checkpoint(twins.honest.url())?, Twins::checkpoint(twins.twin.url())?];
    for note in &notes {
        let text = String::from_utf8(note.to_vec())?;
        let root = text.lines().nth(2).context("a checkpoint has a third line")?;
        let kept = files(&twins.scene.path("mirror"))?
            .iter()
            .any(|file| fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(root)));
        ensure!(kept, "no evidence of the tree with root {root}");
    }
    // Stopped for good: even the history it knows is no longer taken further.
    twins.submit(&twins.honest, "later", 2)?;
    twins.mirror_once(twins.honest.url())?.expect(4)?;
    Ok(())
}

#[test]
fn a_mirror_that_meets_a_fork_while_it_serves_says_so_on_readyz() -> Result<()> {
    let twins = Twins::new()?;
    twins.submit(&twins.honest, "honest", 2)?;
    twins.submit(&twins.twin, "twin", 4)?;
    // An address behind which the history changes.
    let lying = Arc::new(AtomicBool::new(false));
    let (honest, twin) = (twins.honest.url().to_owned(), twins.twin.url().to_owned());
    let switch = Arc::clone(&lying);
    let upstream = Stub::serve(move |request| {
        let server = if switch.load(Ordering::SeqCst) { &twin } else { &honest };
        passed_on(server, &request.path).unwrap_or_else(|_| Reply::status(502))
    })?;

    let mirror = twins.scene.run_mirror("mirror", &upstream.url(), &twins.key)?;
    until("the mirror is ready", || Ok(http::get(mirror.url(), "/readyz")?.status == 200))?;
    let before = Twins::checkpoint(mirror.url())?;
    lying.store(true, Ordering::SeqCst);
    until("the mirror says that it met a fork", || Ok(http::get(mirror.url(), "/readyz")?.status == 503))?;
    let claim = |note: &Bytes| String::from_utf8_lossy(note).lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    ensure!(claim(&Twins::checkpoint(mirror.url())?) == claim(&before), "the mirror moved on to the other history");
    let log = mirror.log().to_lowercase();
    ensure!(log.contains("fork") || log.contains("two histories"), "the log does not say what happened:\n{log}");
    Ok(())
}

/// A log whose URL is dead, a mirror of it, and votes that are enough.
fn without_the_log() -> Result<(Quorum, Wheel, Server)> {
    let quorum = Quorum::new()?;
    let wheel = Wheel::new("mirrored", "1.0", "")?;
    quorum.scene.write(wheel.name(), wheel.bytes())?;
    quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
    let mirror = quorum.scene.run_mirror("mirror", quorum.log.url(), &quorum.vkey)?;
    until("the mirror has caught up", || Ok(http::get(mirror.url(), "/readyz")?.status == 200))?;
    Ok((quorum, wheel, mirror))
}

#[test]
fn a_mirror_stands_in_for_a_log_that_is_gone_and_the_client_says_so() -> Result<()> {
    let (quorum, wheel, mirror) = without_the_log()?;
    let mut policy = quorum.policy_at("http://127.0.0.1:9");
    policy.log = Some((quorum.vkey.clone(), vec!["http://127.0.0.1:9".to_owned(), mirror.url().to_owned()]));
    quorum.scene.write("policy.toml", policy.text()?)?;
    let shown = command::run(&mut quorum.verification(wheel.name()))?.expect(0)?;
    let told: Vec<&str> = shown.stderr.lines().filter(|line| line.contains("stands in")).collect();
    ensure!(told.len() == 1 && told[0].contains(mirror.url().trim_end_matches('/')), "{}", shown.stderr);
    let json = command::run(quorum.verification(wheel.name()).args(["--output-format", "json"]))?.expect(0)?;
    json.expect_words("standsIn")?;
    Ok(())
}

#[test]
fn a_mirror_that_stands_in_is_held_to_the_same_age_as_its_log() -> Result<()> {
    let (quorum, wheel, mirror) = without_the_log()?;
    let page = String::from_utf8(http::get(mirror.url(), "/")?.expect(200)?.body.to_vec())?;
    let cosigner = page.lines().filter_map(|line| line.strip_prefix("verifier key  ")).nth(1);
    let cosigner = cosigner.context("the mirror's page shows its key")?;
    let mut policy = quorum.policy_at("http://127.0.0.1:9");
    policy.log = Some((quorum.vkey.clone(), vec!["http://127.0.0.1:9".to_owned(), mirror.url().to_owned()]));
    let witness = format!("\n[[witness]]\nname = \"m\"\ngroup = \"m\"\nvkey = \"{cosigner}\"\n");
    let aged = |age: &str| -> Result<String> {
        let text = policy.text()?.replace("witness-threshold = \"none\"", "witness-threshold = 1");
        let text = text.replace("offline-max-age = \"unchecked\"", "offline-max-age = \"30d\"");
        Ok(text.replace("max-checkpoint-age = \"unchecked\"", &format!("max-checkpoint-age = \"{age}\"")) + &witness)
    };
    quorum.scene.write("policy.toml", aged("1h")?)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(0)?;
    // Its cosignature is renewed every ten minutes, so by now it is older than this.
    thread::sleep(Duration::from_secs(2));
    quorum.scene.write("policy.toml", aged("1s")?)?;
    command::run(&mut quorum.verification(wheel.name()))?.expect(3)?;
    Ok(())
}

#[test]
fn a_log_and_its_mirror_go_together_and_its_twin_is_an_alarm_with_evidence() -> Result<()> {
    let twins = Twins::new()?;
    twins.submit(&twins.honest, "honest", 300)?;
    let mirror = twins.scene.run_mirror("mirror", twins.honest.url(), &twins.key)?;
    until("the mirror has caught up", || Ok(http::get(mirror.url(), "/readyz")?.status == 200))?;
    twins.submit(&twins.honest, "later", 20)?;
    twins.submit(&twins.twin, "twin", 310)?;
    let compare = |urls: &[&str]| {
        command::run(twins.scene.attest().args(["log", "compare", "--vkey", &twins.key.to_string()]).args(urls))
    };
    compare(&[twins.honest.url(), mirror.url()])?.expect(0)?.expect_words("go")?;
    let alarm = compare(&[twins.honest.url(), mirror.url(), twins.twin.url()])?.expect(4)?;
    let path = alarm.stdout.lines().find_map(|line| line.split_once("evidence: ")).context("no evidence")?.1;
    ForkEvidence::parse(&fs::read(path)?)?.check(&twins.key)?;
    compare(&["http://127.0.0.1:9", mirror.url()])?.expect(3)?;
    Ok(())
}

#[test]
fn an_upstream_that_is_down_or_talks_nonsense_is_no_alarm() -> Result<()> {
    let twins = Twins::new()?;
    twins.submit(&twins.honest, "honest", 2)?;
    twins.mirror_once(twins.honest.url())?.expect(0)?;
    let nonsense = Stub::serve(|_| Reply::ok("text/plain", "hello\n"))?;
    twins.mirror_once(&nonsense.url())?.expect(3)?;
    // Port 9 (discard): nobody listens there.
    twins.mirror_once("http://127.0.0.1:9/")?.expect(3)?;
    twins.mirror_once(twins.honest.url())?.expect(0)?;
    Ok(())
}

#[test]
fn a_mirror_stores_nothing_that_does_not_hash_to_what_the_log_signed() -> Result<()> {
    let twins = Twins::new()?;
    twins.submit(&twins.honest, "honest", 300)?;
    let honest = twins.honest.url().to_owned();
    let altering = Stub::serve(move |request| {
        let reply = http::get(&honest, &request.path).and_then(|answer| {
            let mut body = answer.decoded()?;
            if request.path.contains("/entries/")
                && let Some(byte) = body.last_mut()
            {
                *byte ^= 1;
            }
            Ok(Reply::ok("application/octet-stream", body).with_status(answer.status.as_u16()))
        });
        reply.unwrap_or_else(|_| Reply::status(502))
    })?;
    twins.mirror_once(&altering.url())?.expect(3)?;
    ensure!(!twins.scene.path("mirror/tile").join("entries").join("000").exists(), "an altered bundle was stored");
    twins.mirror_once(twins.honest.url())?.expect(0)?;
    Ok(())
}

fn passed_on(server: &str, path: &str) -> Result<Reply> {
    let answer = http::get(server, path)?;
    let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).unwrap_or("text/plain");
    Ok(Reply::ok(kind, answer.body.to_vec()).with_status(answer.status.as_u16()).encoded(header(CONTENT_ENCODING)))
}

/// Waits for something that must happen, however slow the machine is.
fn until(what: &str, mut happened: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..600 {
        if happened()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("waited in vain: {what}")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from)? {
        let file = file?;
        let target = to.join(file.file_name());
        if file.file_type()?.is_dir() {
            copy(&file.path(), &target)?;
        } else {
            fs::copy(file.path(), target)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
