//! kill -9 under concurrent submissions, again and again. What was acknowledged is there under its index, what was signed
//! is one history, and every hash re-derives, read over HTTP as anybody would.
//!
//! This finds missing recovery, not missing syncs: a killed process leaves the page cache behind. `durability.rs` is for those.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use attest_core::{
    api::{self, Submitted},
    checkpoint::UnverifiedCheckpoint,
    merkle::TreeHead,
    note::VerifierKey,
    proof::TlogProof,
};
use attest_tests::{
    forge::Forge,
    http::{Connection, ENVELOPE, block_on},
    load,
    replica::Replica,
    scene::{Member, Scene},
    server::Server,
};
use hyper::body::Bytes;
use tokio::{task::JoinSet, time};

const ROUNDS: u64 = 50;
const CLIENTS: usize = 16;
/// In every round of this number the process is also killed while it starts.
const KILLED_AT_START: u64 = 5;

/// What the log promised.
struct Acknowledged {
    index: u64,
    envelope: Bytes,
    head: TreeHead,
}

/// What one client has to tell after the crash.
struct Account {
    acknowledged: Vec<Acknowledged>,
    /// Sent, but not answered: it may be in the log or not.
    unanswered: Option<Bytes>,
}

#[test]
fn whatever_was_acknowledged_survives_fifty_kills() -> Result<()> {
    let scene = Scene::new()?;
    let forge = Arc::new(Forge::new()?);
    let log = scene.init_log("log", "crash.example")?;
    let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
    let mut command = scene.log_command("log", &rebuilders);

    let next = Arc::new(AtomicU64::new(0));
    let mut random = Random(0x5EED);
    let mut promised: Vec<Acknowledged> = Vec::new();
    let mut unanswered: Vec<Bytes> = Vec::new();
    let mut seen: Vec<TreeHead> = Vec::new();
    for round in 0..ROUNDS {
        if round % KILLED_AT_START == 0 {
            let mut starting = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            thread::sleep(Duration::from_millis(random.below(40)));
            starting.kill()?;
            starting.wait()?;
        }
        let server = Server::spawn(&mut command).with_context(|| format!("start-up in round {round}"))?;
        block_on(async {
            let replica = Replica::read(server.url(), &log).await?;
            check(&replica, &promised, &seen).with_context(|| format!("after crash {round}"))?;
            seen.push(replica.head());
            ask_again(&server, &mut promised, &unanswered, &log).await?;

            let (url, log) = (server.url().to_owned(), log.clone());
            let mut clients = JoinSet::new();
            for _ in 0..CLIENTS {
                clients.spawn(client(url.clone(), log.clone(), Arc::clone(&forge), Arc::clone(&next)));
            }
            time::sleep(Duration::from_millis(40 + random.below(160))).await;
            server.kill()?;
            unanswered.clear();
            while let Some(account) = clients.join_next().await {
                let account = account??;
                seen.extend(account.acknowledged.iter().map(|promise| promise.head));
                promised.extend(account.acknowledged);
                unanswered.extend(account.unanswered);
            }
            anyhow::Ok(())
        })?;
    }

    let server = Server::spawn(&mut command)?;
    block_on(async { check(&Replica::read(server.url(), &log).await?, &promised, &seen) })?;
    ensure!(server.stop()?.success(), "an orderly end after the last crash");
    ensure!(promised.len() as u64 > ROUNDS, "hardly anything was submitted: {} entries", promised.len());
    println!("{ROUNDS} kills, {} acknowledged statements, {} checkpoints", promised.len(), seen.len());
    Ok(())
}

/// Every promise is kept, and every checkpoint that anybody ever saw is of this history.
fn check(replica: &Replica, promised: &[Acknowledged], seen: &[TreeHead]) -> Result<()> {
    for promise in promised {
        let entry = replica
            .entries()
            .get(usize::try_from(promise.index)?)
            .with_context(|| format!("entry {} was acknowledged and is gone", promise.index))?;
        ensure!(entry.as_bytes() == promise.envelope, "entry {} is another one now", promise.index);
    }
    replica.check_history(seen)
}

/// What a careful client does after a crash: submits again what was not answered. And an impatient one: what was.
async fn ask_again(
    server: &Server,
    promised: &mut Vec<Acknowledged>,
    unanswered: &[Bytes],
    log: &VerifierKey,
) -> Result<()> {
    let mut connection = Connection::open(server.url()).await?;
    if let Some(promise) = promised.last() {
        let again = connection.submit(promise.envelope.clone()).await?;
        ensure!(again.index == promise.index, "a duplicate of entry {} got index {}", promise.index, again.index);
    }
    for envelope in unanswered {
        let submitted = connection.submit(envelope.clone()).await?;
        promised.push(promise(&submitted, envelope.clone(), log)?);
    }
    Ok(())
}

/// Submits one statement after another until the connection breaks.
async fn client(url: String, log: VerifierKey, forge: Arc<Forge>, next: Arc<AtomicU64>) -> Result<Account> {
    let mut account = Account { acknowledged: Vec::new(), unanswered: None };
    let mut connection = Connection::open(&url).await?;
    loop {
        let envelope = Bytes::from(forge.reproduced("crash", next.fetch_add(1, Ordering::Relaxed))?.to_bytes());
        let Ok(answer) = connection.post(api::STATEMENTS, ENVELOPE, envelope.clone()).await else {
            account.unanswered = Some(envelope);
            return Ok(account);
        };
        account.acknowledged.push(promise(&answer.expect(201)?.json()?, envelope, &log)?);
    }
}

/// An acknowledgement is one only with a proof that holds.
fn promise(submitted: &Submitted, envelope: Bytes, log: &VerifierKey) -> Result<Acknowledged> {
    load::check(submitted, &envelope, log)?;
    let proof = TlogProof::parse(submitted.proof.as_bytes())?;
    let note = proof.checkpoint.note().to_string();
    let head = UnverifiedCheckpoint::parse(note.as_bytes())?.verify(log)?.head();
    Ok(Acknowledged { index: submitted.index, envelope, head })
}

/// xorshift64: a run that found something can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
