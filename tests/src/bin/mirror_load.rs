//! How fast a mirror catches up with a log, and what limits it.
//!
//! ```text
//! cargo run --release -p attest-tests --bin mirror-load -- --entries 1000000
//! ```
//!
//! The log is static files, served by this process on loopback: what the mirror cannot tell from a log, and what costs
//! least beside it.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::{fs, path::PathBuf, process, time::Instant};

use anyhow::{Context, Result, ensure};
use attest_tests::{
    command,
    load::{Kind, usage},
    scene::Scene,
    static_log::StaticLog,
};
use clap::Parser;

/// Lets a new mirror replicate a log of this many entries and says how long it took.
#[derive(Debug, Parser)]
struct Args {
    /// Entries of the log, each a signed statement
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    entries: u64,
    /// Folder of the log, kept for the next run; without it, a temporary one
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Entries of 1 KiB, as `load` submits them; without it, votes of 2.4 KB
    #[arg(long)]
    small: bool,
    /// Make the folder, and measure nothing
    #[arg(long, requires = "folder")]
    make_only: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let scene = Scene::new()?;
    let folder = args.folder.unwrap_or_else(|| scene.path("static"));
    let log = StaticLog::make(&folder, if args.small { Kind::Withdrawal } else { Kind::Vote }, args.entries)?;
    if args.make_only {
        return Ok(());
    }
    let server = log.serve()?;
    println!(
        "profile              {}",
        if cfg!(debug_assertions) { "debug (build with --release for figures)" } else { "release" }
    );
    let mut mirror = scene.mirror_command("mirror", server.url().trim_end_matches('/'), log.vkey());
    mirror.args(["--once", "--log-filter", "attest_server=debug"]);
    let serving = usage::cpu_time(process::id())?;
    let began = Instant::now();
    let outcome = command::run(&mut mirror)?.expect(0)?;
    let elapsed = began.elapsed();
    let serving = usage::cpu_time(process::id())?.saturating_sub(serving);

    let stages = outcome.stderr.lines().find(|line| line.contains("replicated")).context("no figures in the log")?;
    ensure!(outcome.stderr.contains("advanced"), "the mirror did not cosign the log");
    println!("entries              {}", log.size());
    println!("from start to end    {:.2} s", elapsed.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = log.size() as f64 / elapsed.as_secs_f64();
    println!("entries/s            {rate:.0}");
    println!("the log's CPU        {:.2} s", serving.as_secs_f64());
    println!("stages (CPU+waiting) {}", stages.split_once("replicated").map_or(stages, |(_, rest)| rest.trim()));
    println!("on disk              {} MiB", bytes_under(&scene.path("mirror"))? >> 20);
    Ok(())
}

fn bytes_under(folder: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(folder)? {
        let file = file?;
        bytes += if file.file_type()?.is_dir() { bytes_under(&file.path())? } else { file.metadata()?.len() };
    }
    Ok(bytes)
}
