//! kill -9 under concurrent submissions, again and again. What was acknowledged is there under its index, what was signed
//! is one history, and every hash re-derives, read over HTTP as anybody would.
//!
//! This finds missing recovery, not missing syncs: a killed process leaves the page cache behind. `durability.rs`, `power.rs`
//! and `replay.rs` are for those.

use std::{process::Stdio, sync::Arc, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use attest_tests::{
    effort,
    forge::Forge,
    http::block_on,
    promise::{Ledger, Submitters},
    random::Random,
    scene::{Member, Scene},
    server::Server,
};
use tokio::time;

const ROUNDS: u64 = 50;
const CLIENTS: usize = 16;
/// In every round of this number the process is also killed while it starts.
const KILLED_AT_START: u64 = 5;

#[test]
fn whatever_was_acknowledged_survives_fifty_kills() -> Result<()> {
    let rounds = effort::times(ROUNDS);
    let scene = Scene::new()?;
    let forge = Arc::new(Forge::new()?);
    let log = scene.init_log("log", "crash.example")?;
    let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
    let mut command = scene.log_command("log", &rebuilders);

    let submitters = Submitters::endless(forge, CLIENTS);
    let mut random = Random::new(0x5EED);
    let mut ledger = Ledger::default();
    for round in 0..rounds {
        if round % KILLED_AT_START == 0 {
            let mut starting = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            thread::sleep(Duration::from_millis(random.below(40)));
            starting.kill()?;
            starting.wait()?;
        }
        let server = Server::spawn(&mut command).with_context(|| format!("start-up in round {round}"))?;
        block_on(async {
            ledger.audit(server.url(), &log).await.with_context(|| format!("after crash {round}"))?;
            let load = submitters.start(server.url(), &log);
            time::sleep(Duration::from_millis(40 + random.below(160))).await;
            server.kill()?;
            ledger.collect(load).await
        })?;
    }

    let server = Server::spawn(&mut command)?;
    block_on(ledger.audit(server.url(), &log))?;
    ensure!(server.stop()?.success(), "an orderly end after the last crash");
    scene.fsck("log")?;
    let (statements, checkpoints) = (ledger.promises.len(), ledger.seen.len());
    ensure!(statements as u64 > rounds, "hardly anything was submitted: {statements} entries");
    println!("{rounds} kills, {statements} acknowledged statements, {checkpoints} checkpoints: none lost");
    Ok(())
}
