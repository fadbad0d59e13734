//! `attest check`: would somebody else's build of this project be the same, bit for bit?

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::check::bench::BuildError;
use crate::check::cause::{Cause, Diagnosis, Evidence};
use crate::check::fixes;
use crate::check::made::Patterns;
use crate::check::project::ProjectError;
use crate::check::variation::Variation;
use crate::check::worktree::WorkTreeError;
use crate::check::{Options, Outcome, check};
use crate::cmd::building;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output::{Output, Style, plural};
use crate::run::Run;

/// What a shell reports for SIGINT.
const INTERRUPTED: u8 = 130;
/// How many members are shown for one cause.
const MAX_SHOWN: usize = 6;

/// Build a project twice, in different places and ways, and say what differs and how to fix it
///
/// Without a command the project's own PEP 517 backend builds a wheel; with one, that command runs in both copies and what it
/// leaves in dist/ and wheelhouse/ is compared: `attest check -- uv build`. Both run as you, with the network.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The project
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Build the sdist too (without a command)
    #[arg(long, conflicts_with = "command")]
    sdist: bool,
    /// Where the command leaves wheels and sdists: a folder, or a name with `*`; may be repeated [default: dist, wheelhouse]
    #[arg(long, value_name = "PATTERN")]
    output: Vec<String>,
    /// What not to vary, because every build of this project has it alike; may be repeated
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    same: Vec<Variation>,
    /// A variable for both builds; `$PWD` in it is the folder that is built in, so try fixes in single quotes; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    set: Vec<(String, String)>,
    /// Seconds that one build may take
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    /// Do not build again with one variation at a time to find out which one it is
    #[arg(long)]
    no_bisect: bool,
    /// Keep what both builds made in DIR/first and DIR/second
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The Python that builds, and whose pip knows the index (without a command)
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// Where downloads are kept (without a command) [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// What builds
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

impl Args {
    fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            folder: self.folder.clone(),
            command: (!self.command.is_empty()).then(|| self.command.clone()),
            sdist: self.sdist,
            patterns: Patterns::new(&self.output),
            same: self.same.clone(),
            set: self.set.clone(),
            timeout: Duration::from_secs(self.timeout),
            narrow: !self.no_bisect,
            keep: self.keep.clone(),
            python: self.python.clone(),
            cache: building::cache(self.cache_dir.as_deref())?,
        })
    }
}

/// 0: the same; 1: different; 3: a build failed.
pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    interrupt::watch()?;
    let out = &run.out;
    let task = RefCell::new(Some(out.task("looking at the project")));
    let progress = |step: &str| {
        task.take();
        out.note(step);
        task.replace(Some(out.task(step)));
    };
    let outcome = check(&args.options()?, &progress);
    task.take();
    let outcome = outcome.map_err(failure)?;
    for warning in &outcome.warnings {
        out.warning(warning);
    }
    let exit = if outcome.diagnoses.is_empty() { Exit::Pass } else { Exit::Refused };
    if out.is_json() {
        out.json(&document(&outcome))?;
    } else {
        print(&outcome, out)?;
    }
    Ok(exit)
}

fn failure(error: anyhow::Error) -> anyhow::Error {
    if interrupt::requested() {
        return Failure::new(Exit::Child(INTERRUPTED), "interrupted").into();
    }
    let text = || format!("{error:#}");
    if let Some(build) = error.chain().find_map(|cause| cause.downcast_ref::<BuildError>()) {
        let hint = match build {
            BuildError::Nothing { .. } => "say where it puts them with --output, and build with a plain command first",
            BuildError::Time { .. } => "give it longer with --timeout",
            BuildError::Start { .. } => {
                "the command runs in a copy of the folder: name programs by PATH or from its top"
            }
            BuildError::Failed { .. } => {
                "run it in a fresh clone; if only the second build fails, leave variations out with --same until it passes"
            }
        };
        return Failure::new(Exit::Undecided, text()).hint(hint).into();
    }
    let usage = error.chain().any(|cause| cause.is::<WorkTreeError>() || cause.is::<ProjectError>());
    if usage { Failure::usage(text()).hint("name the folder of a project").into() } else { error }
}

fn print(outcome: &Outcome, out: &Output) -> anyhow::Result<()> {
    for made in &outcome.first {
        let differs = outcome.diagnoses.iter().any(|one| one.symptom.file == made.path);
        let verdict = if differs { out.paint(Style::Bad, "DIFFERENT") } else { out.paint(Style::Good, "SAME") };
        out.line(format!("{verdict} {} sha256:{}", made.path, made.digest()))?;
    }
    for made in outcome.second.iter().filter(|made| outcome.first.iter().all(|other| other.path != made.path)) {
        out.line(format!("{} {} only in the second build", out.paint(Style::Bad, "DIFFERENT"), made.path))?;
    }
    for (cause, members) in by_cause(&outcome.diagnoses) {
        out.line(format!("\n{}", out.paint(Style::Strong, format!("because of {}:", cause.in_words()))))?;
        for one in members.iter().take(MAX_SHOWN) {
            out.line(format!("  {}", headline(one)))?;
            for line in &one.symptom.detail {
                out.line(format!("      {line}"))?;
            }
        }
        if members.len() > MAX_SHOWN {
            out.line(format!("  and {} more", plural(members.len() - MAX_SHOWN, "difference")))?;
        }
        for fix in outcome.fixes.iter().filter(|fix| fix.cause == cause) {
            out.line(format!("  {} {}", out.paint(Style::Good, "fix:"), fix.action))?;
            out.line(format!("       {} ({})", fix.why, fix.source))?;
        }
    }
    print_plan(outcome, out)
}

fn print_plan(outcome: &Outcome, out: &Output) -> anyhow::Result<()> {
    let varied: Vec<_> = outcome.plan.varied().iter().map(|one| one.name.name()).collect();
    out.line(format!("\nvaried: time of the clock and of files, {}", varied.join(", ")))?;
    out.line("not varied:")?;
    for one in outcome.plan.not_varied() {
        out.line(format!("  {}: {}", one.name, one.why))?;
    }
    if outcome.narrowing.builds > 0 {
        out.note(format!("narrowed down with {}", plural(outcome.narrowing.builds, "further build")));
    }
    if let Some(why) = &outcome.narrowing.gave_up {
        out.warning(format!("stopped narrowing down: {why}"));
    }
    if !outcome.diagnoses.is_empty() {
        out.hint(
            "try a fix with --set NAME=VALUE, or in the project, and check again: what is fixed may have hidden more",
        );
    }
    Ok(())
}

fn by_cause(diagnoses: &[Diagnosis]) -> BTreeMap<Cause, Vec<&Diagnosis>> {
    let mut groups: BTreeMap<Cause, Vec<&Diagnosis>> = BTreeMap::new();
    for one in diagnoses {
        groups.entry(one.cause).or_default().push(one);
    }
    groups
}

fn headline(one: &Diagnosis) -> String {
    let symptom = &one.symptom;
    let member = if symptom.member.is_empty() { &symptom.file } else { &symptom.member };
    let what = match fixes::name(symptom.kind) {
        "CONTENT" => "other content",
        "ONLY_IN_FIRST" => "only in the first build",
        "ONLY_IN_SECOND" => "only in the second build",
        "ORDER" => "another order",
        "TIME" => "another time",
        "MODE" => "other permissions",
        "OWNER" => "another owner",
        "COMPRESSION" => "compressed otherwise",
        _ => "other headers",
    };
    let evidence = match (one.evidence, &symptom.trace) {
        (Evidence::Found, Some(trace)) => format!(", with {} in it", trace.found),
        (Evidence::Narrowed, _) => ", also when nothing else is varied".to_owned(),
        _ => String::new(),
    };
    format!("{member}: {what}{evidence}")
}

fn document(outcome: &Outcome) -> serde_json::Value {
    let digest_in = |files: &[crate::check::made::Made], path: &str| {
        files.iter().find(|made| made.path == path).map(crate::check::made::Made::digest)
    };
    let paths = outcome.first.iter().chain(&outcome.second).map(|made| made.path.as_str());
    let paths: std::collections::BTreeSet<_> = paths.collect();
    let file = |path: &str| {
        let (first, second) = (digest_in(&outcome.first, path), digest_in(&outcome.second, path));
        json!({ "path": path, "same": first == second, "first": first, "second": second })
    };
    let difference = |one: &Diagnosis| {
        json!({
            "file": one.symptom.file,
            "member": one.symptom.member,
            "kind": one.symptom.kind,
            "detail": one.symptom.detail,
            "found": one.symptom.trace.as_ref().map(|trace| &trace.found),
            "cause": one.cause,
            "evidence": one.evidence,
        })
    };
    json!({
        "schema": "attest.check/v1",
        "verdict": if outcome.diagnoses.is_empty() { "SAME" } else { "DIFFERENT" },
        "command": outcome.command,
        "files": paths.into_iter().map(file).collect::<Vec<_>>(),
        "differences": outcome.diagnoses.iter().map(difference).collect::<Vec<_>>(),
        "fixes": outcome.fixes,
        "varied": outcome.plan.varied(),
        "notVaried": outcome.plan.not_varied(),
        "furtherBuilds": outcome.narrowing.builds,
        "gaveUp": outcome.narrowing.gave_up,
        "warnings": outcome.warnings,
    })
}
