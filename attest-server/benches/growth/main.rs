//! How a log grows: fills one to millions of entries through the real sequencer and says, at every power of ten, what an
//! entry costs, what memory and disk it takes, and how long reading and opening take.
//!
//! ```text
//! cargo bench -p attest-server --bench growth -- --dir /var/tmp/growth --entries 10000000
//! ```
//!
//! A folder that holds a log already is carried on with. Left out is HTTP, whose cost does not depend on the size of the
//! log. Signing and checking each entry is in the rate, for the program has to do it and does it on the same cores;
//! the CPU time by thread is without it. Every figure of one size comes from one process, so that its peak memory is that
//! of the fill to this size; opening is measured in a new process each.
#![expect(clippy::print_stdout, reason = "figures are this program's output")]

mod disk;
mod entries;
mod fill;
mod process;
mod reads;

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use attest_core::note::KeyName;
use attest_server::{
    clock::Clock,
    init::init_log,
    reader::Reader,
    sequencer::{Options, Sequencer},
};
use clap::{Parser, ValueEnum};

use crate::{disk::Usage, fill::Fill};

/// Fills a log and measures it at every power of ten.
#[derive(Debug, Parser)]
struct Args {
    /// Folder of the log; made when it is missing, never deleted
    #[arg(long)]
    dir: PathBuf,
    /// Entries at the end; 10^7 need about 6 GB
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    entries: u64,
    /// Submissions in flight
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u16).range(1..=8_192))]
    clients: u16,
    /// Entries before each mark over which rate, latency and CPU time are taken
    #[arg(long, default_value_t = 200_000)]
    window: u64,
    /// What `cargo bench` passes to every bench
    #[arg(long, hide = true)]
    bench: bool,
    /// One step, in a process of its own
    #[arg(long, hide = true)]
    step: Option<Step>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    /// Fills up to `entries` and measures.
    Fill,
    /// Fills until somebody kills it.
    Endless,
    /// Opens and ends.
    Open,
}

fn main() -> Result<()> {
    let args = Args::parse();
    match args.step {
        None => all(&args),
        Some(step) => tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(one(&args, step)),
    }
}

/// Every mark that the log has not reached, one after the other.
fn all(args: &Args) -> Result<()> {
    if cfg!(debug_assertions) {
        println!("a debug build: build with --release for figures");
    }
    if !args.dir.join("log.id").exists() {
        init_log(&args.dir, KeyName::new("growth.example")?, Clock::system().now())?;
    }
    let powers = (0..).map(|n| 100_000 * 10_u64.pow(n)).take_while(|mark| *mark < args.entries);
    for mark in powers.chain([args.entries]) {
        let filled = output(step(args, Step::Fill, mark)?)?;
        if filled.is_empty() {
            continue;
        }
        print!("{mark} entries\n{filled}");
        print!("{}", Usage::of(&args.dir)?.report(mark));
        println!("  open after a clean end         {}", output(step(args, Step::Open, mark)?)?.trim_end());
        kill_under_load(args, mark)?;
        println!("  open after kill -9 under load  {}", output(step(args, Step::Open, mark)?)?.trim_end());
    }
    Ok(())
}

fn step(args: &Args, step: Step, entries: u64) -> Result<Child> {
    let step = step.to_possible_value().context("every step has a name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--dir").arg(&args.dir).args(["--step", step.get_name()]);
    command.args(["--entries", &entries.to_string(), "--window", &args.window.to_string()]);
    command.args(["--clients", &args.clients.to_string()]);
    Ok(command.stdout(Stdio::piped()).spawn()?)
}

fn output(child: Child) -> Result<String> {
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "a step ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Kills a process that has been submitting for a second.
fn kill_under_load(args: &Args, entries: u64) -> Result<()> {
    let mut child = step(args, Step::Endless, entries)?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
    thread::sleep(Duration::from_secs(1));
    child.kill()?;
    child.wait()?;
    Ok(())
}

async fn one(args: &Args, step: Step) -> Result<()> {
    let started = Instant::now();
    let (sequencer, reader) = Sequencer::open(&args.dir, Options::default())?;
    let opened = started.elapsed();
    match step {
        Step::Open => println!("{:.0} ms", opened.as_secs_f64() * 1e3),
        Step::Fill => {
            if sequencer.size().get() < args.entries {
                measure(args, &sequencer, &reader).await?;
            }
        }
        Step::Endless => {
            println!("submitting");
            Fill::new(&sequencer, args.clients, u64::MAX).run().await?;
        }
    }
    sequencer.shutdown().await;
    Ok(())
}

async fn measure(args: &Args, sequencer: &Sequencer, reader: &Reader) -> Result<()> {
    let missing = args.entries - sequencer.size().get();
    let window = args.window.min(missing);
    Fill::new(sequencer, args.clients, missing - window).run().await?;
    let before = process::cpu_by_thread()?;
    let filled = Fill::new(sequencer, args.clients, window).measured().run().await?;
    let after = process::cpu_by_thread()?;
    print!("{}", filled.report());
    for (name, cpu) in &after {
        let used = cpu.saturating_sub(before.get(name).copied().unwrap_or_default());
        println!("  {:<30} {:.1} us of CPU per entry", name, used.as_secs_f64() * 1e6 / to_f64(window));
    }
    print!("{}", reads::measure(sequencer, reader).await?);
    print!("{}", process::memory()?);
    Ok(())
}

/// Of a sorted list, in microseconds or milliseconds as they read best.
fn quantiles(latencies: &mut [Duration]) -> String {
    latencies.sort_unstable();
    let at = |share: usize| latencies.get((latencies.len() - 1) * share / 100).copied().unwrap_or_default();
    if latencies.is_empty() { "none".to_owned() } else { format!("p50 {:?}, p99 {:?}", at(50), at(99)) }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}
