//! By system calls: what is acknowledged was synced first. sled's `flush` alone does not do that (spacejam/sled#1452), and no
//! test with kill -9 can tell, because the page cache survives a killed process.

use std::ffi::OsStr;

use anyhow::{Context, Result, ensure};
use attest_core::envelope::Envelope;
use attest_tests::{
    forge::Forge,
    http::{Connection, block_on},
    scene::{Member, Scene},
    server::Server,
    tool,
    trace::{self, Call},
};
use hyper::body::Bytes;

/// Everything that moves bytes to a file or a socket, or makes them durable.
const WATCHED: &str = "trace=pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,fdatasync,fsync,sync_file_range";
/// Submitted one after the other, so that each has a batch and a checkpoint of its own.
const SUBMISSIONS: u64 = 5;

#[test]
fn data_and_highwater_are_synced_before_the_acknowledgement_is_sent() -> Result<()> {
    if !tool::have(&["strace"]) || !trace::is_allowed() {
        return Ok(());
    }
    let scene = Scene::new()?;
    let forge = Forge::new()?;
    scene.init_log("log", "durable.example")?;
    let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
    let trace_file = scene.path("trace");
    let run = scene.log_command("log", &rebuilders);
    let options = ["-y", "-s", "65536", "-e", WATCHED, "-o"].map(OsStr::new);
    let mut traced = trace::traced(&run, options.into_iter().chain([trace_file.as_os_str()]));
    let server = Server::spawn(&mut traced)?;
    let envelopes = (0..SUBMISSIONS).map(|n| forge.reproduced("durable", n)).collect::<Result<Vec<_>>>()?;
    block_on(async {
        let mut connection = Connection::open(server.url()).await?;
        for envelope in &envelopes {
            connection.submit(Bytes::from(envelope.to_bytes())).await?;
        }
        anyhow::Ok(())
    })?;
    ensure!(server.stop()?.success(), "an orderly end");

    let calls = trace::parse(&trace::finished(&trace_file)?)?;
    let acknowledgements: Vec<&Call> = calls.iter().filter(|call| call.arguments.contains("HTTP/1.1 201")).collect();
    ensure!(acknowledgements.len() == envelopes.len(), "expected an acknowledgement for each submission");
    for (envelope, acknowledgement) in envelopes.iter().zip(acknowledgements) {
        check_order(&calls, envelope, acknowledgement)?;
    }
    Ok(())
}

/// Entry written, database synced, highwater written, highwater synced, answer sent: each began when the one before had ended.
fn check_order(calls: &[Call], envelope: &Envelope, acknowledgement: &Call) -> Result<()> {
    let mark = mark(envelope)?;
    let entry = calls
        .iter()
        .find(|call| {
            call.name.starts_with("pwrite") && call.arguments.contains("/db/db>") && call.arguments.contains(&mark)
        })
        .context("no write of the entry to the database")?;
    let step = |after: &Call, name: &str, file: &str| {
        calls
            .iter()
            .find(|call| {
                call.began > after.ended && call.name == name && call.arguments.contains(file) && call.result >= 0
            })
            .with_context(|| format!("no {name} of {file} after line {} of the trace", after.ended + 1))
            .cloned()
    };
    let synced = step(entry, "fdatasync", "/db/db>")?;
    let highwater = step(&synced, "pwrite64", "/highwater>")?;
    let certain = step(&highwater, "fdatasync", "/highwater>")?;
    ensure!(
        certain.ended < acknowledgement.began,
        "the acknowledgement (line {}) was sent before the highwater file was synced (line {})",
        acknowledgement.began + 1,
        certain.ended + 1
    );
    Ok(())
}

/// A piece of the entry that is in no other: the beginning of its signature. Short, because the database stores an entry
/// in pieces.
fn mark(envelope: &Envelope) -> Result<String> {
    let bytes = String::from_utf8(envelope.to_bytes())?;
    let (_, signature) = bytes.split_once(r#""sig":""#).context("no signature in the envelope")?;
    Ok(signature.chars().take(24).collect())
}
