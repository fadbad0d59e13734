//! `attest rebuild`: build a published wheel again and say whether it is the same.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use attest_core::statement::Network;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output::{Output, Style};
use crate::rebuild::record::Verdict;
use crate::rebuild::target::Target;
use crate::rebuild::workshop::{Options, Outcome, Workshop};
use crate::sandbox::{Isolation, Limits};

/// What a shell reports for SIGINT.
const INTERRUPTED: u8 = 130;

/// Rebuild published wheels from their source, bit for bit
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME==VERSION, or a wheel file
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<Target>,
    /// Build from this sdist instead of the one on the index
    #[arg(long, value_name = "SDIST")]
    source: Option<PathBuf>,
    /// Where to put one folder per result
    #[arg(long, value_name = "DIR", default_value = "attest-results")]
    output_dir: PathBuf,
    /// The Python that builds, and whose pip knows the index
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// How to keep the build from the network and the machine [default: the best that works here]
    #[arg(long, value_name = "HOW")]
    isolation: Option<Isolation>,
    /// Where downloads and environments are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Seconds that one build may take
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    timeout: u64,
    /// Megabytes that one build may write
    #[arg(long, value_name = "MB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    disk: u64,
}

impl Args {
    fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            python: self.python.clone(),
            // Absolute: it is mounted into a room that has another working directory.
            cache: std::path::absolute(self.cache_dir.clone().map_or_else(default_cache, Ok)?)?,
            results: self.output_dir.clone(),
            isolation: self.isolation,
            source: self.source.clone(),
            limits: Limits { time: Duration::from_secs(self.timeout), disk: self.disk << 20, ..Limits::default() },
        })
    }
}

/// Rebuilds every target; one that fails does not stop the others. 0: all equal; 1: one is not; 3: one could not be built.
pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<ExitCode> {
    interrupt::watch()?;
    for target in &args.targets {
        if let Target::File(path) = target
            && !path.is_file()
        {
            return Err(Failure::usage(format!("expected a wheel at {}, found no file", path.display())).into());
        }
    }
    let task = RefCell::new(Some(out.task("asking pip where the index is")));
    let progress = |step: &str| {
        task.take();
        out.note(step);
        task.replace(Some(out.task(step)));
    };
    let workshop = Workshop::open(args.options()?, &progress)?;
    let (mut exit, mut documents) = (Exit::Pass, Vec::new());
    for target in &args.targets {
        let outcome = workshop.rebuild(target, &progress);
        task.take();
        match outcome {
            Ok(outcome) => {
                exit = exit.worst(exit_of(outcome.folder.record().verdict));
                if out.is_json() {
                    documents.push(document(&outcome));
                } else {
                    print(&outcome, out)?;
                }
            }
            Err(_) if interrupt::requested() => {
                return Err(Failure::new(Exit::Child(INTERRUPTED), "interrupted").into());
            }
            Err(error) => {
                exit = exit.worst(Exit::Undecided);
                if out.is_json() {
                    documents.push(json!({ "target": target.to_string(), "error": format!("{error:#}") }));
                } else {
                    let verdict = out.paint(Style::Caution, "NOT REBUILT");
                    out.line(format!("{verdict} {target}: {error:#}"))?;
                }
            }
        }
    }
    if out.is_json() {
        out.json(&json!({ "schema": "attest.rebuild/v1", "results": documents }))?;
    }
    Ok(exit.into())
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Exact => Exit::Pass,
        Verdict::Different | Verdict::Nondeterministic | Verdict::EnvironmentUnknown => Exit::Refused,
        Verdict::BuildFailed => Exit::Undecided,
    }
}

fn print(outcome: &Outcome, out: &Output) -> anyhow::Result<()> {
    let record = outcome.folder.record();
    let subject = &record.subject;
    let seconds = outcome.took.as_secs_f64();
    let how = match record.verdict {
        Verdict::Exact => "rebuilt twice from",
        Verdict::BuildFailed => "not built from",
        Verdict::Nondeterministic => "rebuilt twice, with two results, from",
        Verdict::Different | Verdict::EnvironmentUnknown => "rebuilt twice, otherwise than published, from",
    };
    let verdict = out.paint(if record.verdict == Verdict::Exact { Style::Good } else { Style::Bad }, record.verdict);
    let (name, sha256, source, backend) = (&subject.name, subject.sha256, &outcome.source, &outcome.backend);
    out.line(format!("{verdict} {name} sha256:{sha256} {how} {source} with {backend}, {seconds:.1} s"))?;
    for line in &outcome.explanation {
        out.line(format!("  {line}"))?;
    }
    if record.environment.network != Network::None {
        out.warning("the build could reach the network: this result does not vote");
        out.hint("install bubblewrap, or allow user namespaces, and rebuild");
    }
    out.note(format!("result: {}", outcome.folder.path().display()));
    Ok(())
}

fn document(outcome: &Outcome) -> serde_json::Value {
    let record = outcome.folder.record();
    json!({
        "verdict": record.verdict,
        "wheel": record.subject,
        "rebuilt": record.rebuilt,
        "source": record.source,
        "backend": outcome.backend,
        "network": record.environment.network,
        "repeat": record.repeat,
        "explanation": outcome.explanation,
        "differencesTotal": record.differences_total,
        "differences": record.differences,
        "seconds": outcome.took.as_secs_f64(),
        "folder": outcome.folder.path(),
    })
}

/// `$XDG_CACHE_HOME/attest`: nothing in it is trusted, all of it is hashed again.
fn default_cache() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::home_dir().map(|home| home.join(".cache"));
    let cache = cache.or_else(home).context("expected a home directory, found none: name a folder with --cache-dir")?;
    Ok(cache.join("attest"))
}
