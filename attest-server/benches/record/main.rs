//! The public record over many entries: how fast it is filled and what that costs, how large it is, and how long each
//! answer takes.
//!
//! ```text
//! cargo bench -p attest-server --bench record -- --dir /var/tmp/record --entries 1000000
//! ```
//!
//! The log is made without a sequencer (nothing here is about writing it) and kept for the next time; the record is made
//! anew, or with `--kept` only as far as it is not there. Answers are measured about files and entries anywhere in the log,
//! one after the other: as the views that pages and JSON are made from, then as the pages that a browser gets.
#![expect(clippy::print_stdout, reason = "figures are this program's output")]

#[path = "../growth/process.rs"]
mod process;

mod ask;
mod entries;
mod log;
mod pages;
mod took;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use attest_server::record::{FILE, Record, Source};
use clap::{Parser, ValueEnum};

use crate::log::Log;

/// Fills a record and asks it.
#[derive(Debug, Parser)]
struct Args {
    /// Folder of the log; made when it is missing, never deleted
    #[arg(long)]
    dir: PathBuf,
    /// Entries, rounded down to whole bundles; 10^6 need about 1 GB
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(256..=100_000_000))]
    entries: u64,
    /// Answers of each kind
    #[arg(long, default_value_t = 300)]
    asked: u64,
    /// Go on with the record of the last run: no figures about filling it
    #[arg(long)]
    kept: bool,
    /// Only answers as views, or only pages
    #[arg(long)]
    only: Option<Part>,
    /// What `cargo bench` passes to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Views,
    Pages,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if cfg!(debug_assertions) {
        println!("a debug build: build with --release for figures");
    }
    let log = Log::open(&args.dir, args.entries / 256 * 256)?;
    if !args.kept {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(args.dir.join(format!("{FILE}{suffix}")));
        }
    }
    let record = filled(&args, &log)?;
    let any = ask::Anywhere { entries: log.reader.published().head.size.get() };
    let site = log.site(&args.dir, record);
    if args.only != Some(Part::Pages) {
        println!("views");
        ask::measure(&site, any, args.asked)?;
    }
    if args.only != Some(Part::Views) {
        println!("pages");
        pages::measure(site, any, args.asked)?;
    }
    Ok(())
}

/// The record, when it has all of the log; prints what that took.
fn filled(args: &Args, log: &Log) -> Result<Record> {
    let source = Source {
        reader: log.reader.clone(),
        vkey: log.vkey.clone(),
        rebuilders: log.rebuilders.clone(),
        coverage: Some(ask::coverage()?),
        floor: 1 << 30,
    };
    let (started, before) = (Instant::now(), process::cpu_by_thread()?);
    let record = Record::start(&args.dir, source)?;
    let size = log.reader.published().head.size;
    while record.status().recorded < size {
        ensure!(record.status().stopped.is_none(), "stopped: {:?}", record.status().stopped);
        std::thread::sleep(Duration::from_millis(20));
    }
    let (took, after) = (started.elapsed(), process::cpu_by_thread()?);
    println!("{} entries", size.get());
    if args.kept {
        return Ok(record);
    }
    let cpu = after
        .get("record")
        .context("no thread of the record")?
        .saturating_sub(before.get("record").copied().unwrap_or_default());
    let count = to_f64(size.get());
    println!("  filled in                      {:.1} s, {:.0}/s", took.as_secs_f64(), count / took.as_secs_f64());
    let each = cpu.as_secs_f64() / count;
    println!("  CPU of its thread              {:.1} us per entry, {:.0}/s and core", each * 1e6, 1.0 / each);
    for suffix in ["", "-wal"] {
        let bytes = fs::metadata(args.dir.join(format!("{FILE}{suffix}"))).map_or(0, |file| file.len());
        println!(
            "  {:<30} {:.1} MB, {:.1} bytes per entry",
            format!("{FILE}{suffix}"),
            to_f64(bytes) / 1e6,
            to_f64(bytes) / count
        );
    }
    print!("{}", process::memory()?);
    Ok(record)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}
