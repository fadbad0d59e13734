//! Things that break while somebody submits or verifies: the disk, the process, the other side.

use std::{
    fs,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use attest_core::api;
use attest_tests::{
    command::{self, Outcome},
    http::{self, Connection, ENVELOPE, block_on},
    quorum::Quorum,
    replica::Replica,
    scene::Scene,
    server::Server,
    small_disk::SmallDisk,
    stub::{Reply, Request, Stub},
    wheel::Wheel,
};
use hyper::{
    body::Bytes,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

/// A log with two votes of two groups for one wheel, and a third statement that is signed but not logged.
struct Stage {
    quorum: Quorum,
    wheel: Wheel,
}

impl Stage {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let wheel = Wheel::new("faulty", "1.0", "")?;
        quorum.scene.write(wheel.name(), wheel.bytes())?;
        quorum.write_policy()?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
        quorum.scene.write("bob.json", quorum.bob.vote(wheel.subject())?.to_bytes())?;
        Ok(Self { quorum, wheel })
    }

    fn submit(&self, url: &str) -> Result<Outcome> {
        let mut submit = self.quorum.scene.attest();
        submit.args(["submit", "bob.json", "--log", url, "--vkey", &self.quorum.vkey.to_string()]);
        command::run(&mut submit)
    }

    /// Verifies with the log's evidence as the server at `url` gives it.
    fn verify(&self, url: &str) -> Result<Outcome> {
        self.quorum.scene.write("policy.toml", self.quorum.policy_at(url).text()?)?;
        command::run(&mut self.quorum.verification(self.wheel.name()))
    }

    fn no_proof_was_kept(&self) -> Result<()> {
        ensure!(!self.quorum.scene.path("bob.json.tlog-proof").exists(), "a proof was kept of what was not logged");
        Ok(())
    }
}

#[test]
fn a_log_that_is_down_is_an_outage_and_not_a_refusal() -> Result<()> {
    let stage = Stage::new()?;
    // Port 9 (discard): nobody listens there.
    let nobody = "http://127.0.0.1:9/";
    stage.submit(nobody)?.expect(3)?;
    stage.no_proof_was_kept()?;
    stage.verify(nobody)?.expect(3)?;
    stage.verify(stage.quorum.log.url())?.expect(0)?;
    Ok(())
}

#[test]
fn a_log_that_talks_nonsense_is_no_alarm_and_convinces_nobody() -> Result<()> {
    let stage = Stage::new()?;
    let replies = [
        Reply::ok("text/html", "<html>Welcome to nginx!</html>"),
        Reply::ok("application/json", "{}"),
        Reply::ok("application/json", "{\"index\":0"),
        Reply::ok("application/json", "[".repeat(100_000)),
        Reply::ok("text/plain", vec![0xff; 70_000]),
        Reply::status(500),
    ];
    for reply in replies {
        let shown = format!("{reply:?}").chars().take(90).collect::<String>();
        let stub = Stub::serve(move |_| reply.clone())?;
        let outcome = stage.submit(&stub.url())?;
        ensure!(matches!(outcome.code(), Some(2 | 3)), "submit to {shown}: {outcome:?}");
        stage.no_proof_was_kept()?;
        stage.verify(&stub.url())?.expect(3).with_context(|| shown)?;
    }
    Ok(())
}

#[test]
fn the_proof_of_another_log_or_for_another_statement_is_not_taken() -> Result<()> {
    let stage = Stage::new()?;
    let bob = fs::read(stage.quorum.scene.path("bob.json"))?;
    let of_another_log = {
        let scene = &stage.quorum.scene;
        scene.init_log("other", "other.example")?;
        let log = scene.run_log("other", &stage.quorum.rebuilders)?;
        http::post(log.url(), api::STATEMENTS, ENVELOPE, bob)?.expect(201)?.body
    };
    let alice = stage.quorum.alice.vote(stage.wheel.subject())?.to_bytes();
    let of_another_statement = http::post(stage.quorum.log.url(), api::STATEMENTS, ENVELOPE, alice)?.expect(201)?.body;
    for answer in [of_another_log, of_another_statement] {
        let stub = Stub::serve(move |_| Reply::ok("application/json", answer.to_vec()).with_status(201))?;
        let outcome = stage.submit(&stub.url())?;
        ensure!(outcome.code() != Some(0) && !outcome.stdout.contains("logged"), "believed: {}", outcome.text());
        stage.no_proof_was_kept()?;
    }
    Ok(())
}

#[test]
fn a_log_that_shows_yesterday_s_tree_to_somebody_who_saw_today_s_is_stale() -> Result<()> {
    let stage = Stage::new()?;
    // Replays what it once passed on, whatever happens behind it.
    let kept: Arc<Mutex<Vec<(String, Reply)>>> = Arc::default();
    let (log, memory) = (stage.quorum.log.url().to_owned(), Arc::clone(&kept));
    let replaying = Stub::serve(move |request| {
        let key = format!("{} {} {:?}", request.method, request.path, request.body);
        let Ok(mut memory) = memory.lock() else {
            return Reply::status(500);
        };
        if let Some((_, reply)) = memory.iter().find(|(known, _)| *known == key) {
            return reply.clone();
        }
        let reply = passed_on(&log, request).unwrap_or_else(|_| Reply::status(502));
        memory.push((key, reply.clone()));
        reply
    })?;
    stage.verify(&replaying.url())?.expect(0)?;
    stage.submit(stage.quorum.log.url())?.expect(0)?;
    stage.verify(stage.quorum.log.url())?.expect(0)?;
    stage.verify(&replaying.url())?.expect(3)?;
    Ok(())
}

#[test]
fn a_log_killed_during_a_submission_has_it_or_takes_it_again() -> Result<()> {
    let stage = Stage::new()?;
    let Quorum { scene, log, vkey, rebuilders, bob, .. } = stage.quorum;
    log.kill()?;
    for round in 0..10_u64 {
        let server = scene.run_log("log", &rebuilders)?;
        let envelope = Bytes::from(bob.reproduced("killed", round)?.to_bytes());
        let (url, sent) = (server.url().to_owned(), envelope.clone());
        let client = thread::spawn(move || http::post(&url, api::STATEMENTS, ENVELOPE, sent));
        thread::sleep(Duration::from_millis(round));
        server.kill()?;
        let answered = client.join().ok().context("the client panicked")?.ok();

        let server = scene.run_log("log", &rebuilders)?;
        let again = block_on(async { Connection::open(server.url()).await?.submit(envelope).await })?;
        if let Some(answered) = answered {
            let first: api::Submitted = answered.json()?;
            ensure!(first.index == again.index, "acknowledged as {}, now it is {}", first.index, again.index);
        }
        let replica = block_on(Replica::read(server.url(), &vkey))?;
        ensure!(replica.entries().len() as u64 > again.index, "the entry is in the log");
        ensure!(server.stop()?.success(), "an orderly end");
    }
    Ok(())
}

#[test]
fn a_full_disk_refuses_new_entries_and_loses_none() -> Result<()> {
    let scene = Scene::new()?;
    let Some(disk) = SmallDisk::mount(scene.path("disk"))? else {
        return Ok(());
    };
    let quorum = Quorum::new()?;
    let vkey = scene.init_log("disk/log", "full.example")?;
    let mut run = scene.log_command("disk/log", &quorum.rebuilders);
    let server = Server::spawn(&mut run)?;
    let submit = |server: &Server, n| -> Result<http::Answer> {
        let envelope = quorum.alice.reproduced("full", n)?.to_bytes();
        http::post(server.url(), api::STATEMENTS, ENVELOPE, envelope)
    };
    for n in 0..20 {
        submit(&server, n)?.expect(201)?;
    }

    // Nearly full: refused before anything breaks, and in words.
    disk.fill(300 << 20)?;
    thread::sleep(Duration::from_millis(500));
    let refused = submit(&server, 20)?;
    ensure!(refused.status == 507 || refused.status == 503, "expected a refusal, found {}", refused.status);
    disk.empty()?;
    thread::sleep(Duration::from_millis(500));
    submit(&server, 20)?.expect(201)?;

    // Full from one moment to the next, while entries come: whatever happens to the process, its promises hold.
    let mut promised = 21;
    disk.fill(u64::MAX)?;
    while promised < 200 && submit(&server, promised).is_ok_and(|answer| answer.status == 201) {
        promised += 1;
    }
    server.kill()?;
    disk.empty()?;
    let server = Server::spawn(&mut run)?;
    let replica = block_on(Replica::read(server.url(), &vkey))?;
    ensure!(replica.entries().len() as u64 >= promised, "{promised} promised, {} there", replica.entries().len());
    for n in 0..promised {
        let expected = quorum.alice.reproduced("full", n)?.to_bytes();
        ensure!(replica.entries()[usize::try_from(n)?].as_bytes() == expected, "entry {n} is another one");
    }
    submit(&server, 1_000)?.expect(201)?;
    ensure!(server.stop()?.success(), "an orderly end");
    Ok(())
}

fn passed_on(server: &str, request: &Request) -> Result<Reply> {
    let answer = if request.method == "POST" {
        http::post(server, &request.path, "application/json", request.body.clone())?
    } else {
        http::get(server, &request.path)?
    };
    let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).unwrap_or("text/plain");
    Ok(Reply::ok(kind, answer.body.to_vec()).with_status(answer.status.as_u16()).encoded(header(CONTENT_ENCODING)))
}
