//! Load on a log: awaited submissions per second, latency to a finished proof, and what an entry costs the server.
//!
//! ```text
//! cargo run --release -p attest-tests --bin load -- --spawn --clients 1024                  as fast as it answers
//! cargo run --release -p attest-tests --bin load -- --spawn --clients 1024 --rate 10000     at a rate, whatever it answers
//! ```

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::{fs, net::IpAddr, path::PathBuf, process, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use attest_core::{key::ed25519::SecretKey, note::VerifierKey};
use attest_tests::{
    forge::Forge,
    load::{
        self, Kind, Plan, Report,
        usage::{cpu_time, peak_memory},
    },
    scene::{Member, Scene},
    server::Server,
};
use clap::Parser;
use hyper::Uri;

/// Most envelopes that are signed ahead: 2 KB each stay in memory.
const MAX_ENVELOPES: usize = 1_000_000;

/// Submits signed statements to a log on this machine and says how long each waited for its proof.
#[derive(Debug, Parser)]
struct Args {
    /// Log to submit to; only an address of this machine
    #[arg(long, requires = "vkey", requires = "key", conflicts_with = "spawn", required_unless_present = "spawn")]
    url: Option<String>,
    /// Verifier key of that log
    #[arg(long)]
    vkey: Option<VerifierKey>,
    /// Secret key file of a rebuilder that may submit to it
    #[arg(long)]
    key: Option<PathBuf>,
    /// Process id of that log, to measure its CPU time
    #[arg(long, conflicts_with = "spawn")]
    pid: Option<u32>,
    /// Make and run a new log in a temporary folder
    #[arg(long)]
    spawn: bool,
    /// Connections, each with one submission in flight
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// Submissions per second over all clients, on a schedule (open loop): latency counts from the scheduled time.
    /// Without it, each client submits as soon as it is answered
    #[arg(long)]
    rate: Option<u32>,
    /// Submit withdrawals, envelopes of about 1 KiB, instead of votes, which have about 2.4 KB
    #[arg(long)]
    small: bool,
    /// How long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Envelopes to sign ahead when no rate is given
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
}

/// What is under load.
struct Target {
    url: String,
    vkey: VerifierKey,
    pid: Option<u32>,
    forge: Forge,
    /// Ends with the run.
    _spawned: Option<(Server, Scene)>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let count = match args.rate {
        Some(rate) => usize::try_from(rate)? * usize::from(args.seconds),
        None => args.entries,
    };
    ensure!(
        count <= MAX_ENVELOPES,
        "expected at most {MAX_ENVELOPES} envelopes, found {count}: a lower rate or fewer seconds"
    );
    let plan = Plan {
        clients: args.clients.into(),
        rate: args.rate.map(f64::from),
        duration: Duration::from_secs(args.seconds.into()),
    };

    let kind = if args.small { Kind::Withdrawal } else { Kind::Vote };
    let target = Target::of(args)?;
    let forge = Arc::new(target.forge);
    // A name of its own for each run: the log would answer a repeated statement with the old entry.
    let mut run = [0; 8];
    getrandom::fill(&mut run)?;
    let envelopes = load::sign(&forge, kind, &format!("load{}", u64::from_le_bytes(run)), count)?;
    let bytes = envelopes.first().map_or(0, hyper::body::Bytes::len);
    println!(
        "profile              {}",
        if cfg!(debug_assertions) { "debug (build with --release for figures)" } else { "release" }
    );
    println!("signed ahead         {count} envelopes of {bytes} bytes");

    let me = process::id();
    let before = (target.pid.map(cpu_time).transpose()?, cpu_time(me)?);
    // One thread: it shares the cores with the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(load::run(&target.url, &target.vkey, envelopes, plan))?;
    let after = (target.pid.map(cpu_time).transpose()?, cpu_time(me)?);

    println!("clients              {}", plan.clients);
    print(&report);
    if let (Some(pid), Some(before), Some(after)) = (target.pid, before.0, after.0) {
        println!("server CPU per entry {:.1} us", per_entry(&report, after.saturating_sub(before)));
        println!("server memory        {} MiB at most", peak_memory(pid)?);
    }
    println!("generator CPU        {:.1} us per entry", per_entry(&report, after.1.saturating_sub(before.1)));
    Ok(())
}

fn print(report: &Report) {
    println!("submitted            {} in {:.2} s, every one awaited", report.submitted(), report.elapsed.as_secs_f64());
    println!("submissions/s        {:.0}", report.per_second());
    for (name, share) in [("p50", 500), ("p95", 950), ("p99", 990), ("max", 1000)] {
        println!("{name} to the proof     {:.1} ms", report.per_mille(share).as_secs_f64() * 1e3);
    }
    println!("proofs verified      {} (all held)", report.checked);
}

/// Microseconds for each submission.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_entry(report: &Report, used: Duration) -> f64 {
    used.as_secs_f64() * 1e6 / report.submitted().max(1) as f64
}

impl Target {
    fn of(args: Args) -> Result<Self> {
        if args.spawn {
            return Self::spawn();
        }
        let (Some(url), Some(vkey), Some(key)) = (args.url, args.vkey, args.key) else {
            bail!("expected --spawn, or --url with --vkey and --key");
        };
        ensure_loopback(&url)?;
        let secret = fs::read_to_string(&key).with_context(|| format!("reading {}", key.display()))?;
        let forge = Forge::with_key(SecretKey::parse(secret.trim_end())?);
        Ok(Self { url, vkey, pid: args.pid, forge, _spawned: None })
    }

    fn spawn() -> Result<Self> {
        let scene = Scene::new()?;
        let forge = Forge::new()?;
        let vkey = scene.init_log("log", "load.example")?;
        let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("load", "load", &forge.public_key())])?;
        let server = scene.run_log("log", &rebuilders)?;
        Ok(Self { url: server.url().to_owned(), vkey, pid: Some(server.pid()), forge, _spawned: Some((server, scene)) })
    }
}

/// Somebody else's log is not for load tests.
fn ensure_loopback(url: &str) -> Result<()> {
    let uri: Uri = url.parse().with_context(|| format!("expected a URL, found {url:?}"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    ensure!(local, "expected a log on this machine (127.0.0.1, ::1 or localhost), found {host:?}");
    Ok(())
}
