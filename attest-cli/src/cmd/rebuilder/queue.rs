//! `attest rebuilder add`, `list`, `retry`, `remove`

use std::path::PathBuf;

use anyhow::Context as _;
use attest_core::artifact::{ArtifactDigest, ProjectName, Version};
use attest_core::verify::WantedName;
use serde_json::json;

use super::Data;
use crate::cmd::building::Building;
use crate::exit::{Exit, Failure};
use crate::item::Question;
use crate::locks::requirements::Requirements;
use crate::output::plural;
use crate::rebuilder::feed::{catalog::Catalog, top};
use crate::rebuilder::folder::{Folder, FolderError};
use crate::rebuilder::inbox::{self, Request};
use crate::rebuilder::job::{Ask, Job, JobId, Phase, Priority, Release, Wish};
use crate::rebuilder::journal::Journal;
use crate::rebuilder::queue::{Queue, State};
use crate::rebuilder::settings::Settings;
use crate::run::Run;

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    #[command(flatten)]
    data: Data,
    /// NAME==VERSION
    #[arg(value_name = "TARGET", required_unless_present_any = ["requirement", "top"])]
    targets: Vec<Release>,
    /// What a requirements file with hashes pins; may be given more than once
    #[arg(short, long, value_name = "LOCK")]
    requirement: Vec<PathBuf>,
    /// The newest release of every project of a list, most used first: names in a file or at a URL, one in each line, or
    /// JSON as top-pypi-packages publishes it
    #[arg(long, value_name = "FILE|URL")]
    top: Option<String>,
    /// How many of --top
    #[arg(long, value_name = "N", default_value_t = 100)]
    first: usize,
    /// Higher goes first
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    priority: Priority,
    #[command(flatten)]
    building: Building,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    data: Data,
    /// Only jobs that are `waiting`, `running`, `failed` or `done`
    #[arg(long, value_name = "PHASE", value_parser = ["waiting", "running", "failed", "done"])]
    phase: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Jobs {
    #[command(flatten)]
    data: Data,
    /// Numbers, as `list` shows them
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<JobId>,
}

pub(super) fn add(args: &Add, run: &Run) -> anyhow::Result<Exit> {
    let folder = args.data.folder();
    Settings::read(&folder.settings())?;
    let mut wishes: Vec<Wish> =
        args.targets.iter().map(|release| Wish { release: release.clone(), sha256: None, claim: None }).collect();
    let mut left = 0;
    let catalog = || Catalog::open(&args.building.python, &args.building.cache()?);
    if !args.requirement.is_empty() {
        let catalog = catalog()?;
        for path in &args.requirement {
            for ((project, _), digests) in pinned(path)? {
                let _task = run.out.task(format!("looking for {}", project.as_str()));
                match catalog.among(&project, &digests)? {
                    Some(wish) => wishes.push(wish),
                    None => left += 1,
                }
            }
        }
    }
    if let Some(from) = &args.top {
        let names = top::names(&top::load(from)?, args.first)?;
        let catalog = catalog()?;
        for name in &names {
            let _task = run.out.task(format!("looking for {}", name.as_str()));
            match catalog.newest(name) {
                Ok(Some(wish)) => wishes.push(wish),
                Ok(None) => left += 1,
                Err(error) => {
                    run.out.warning(format_args!("{}: {error:#}", name.as_str()));
                    left += 1;
                }
            }
        }
    }
    if left > 0 {
        run.out.note(format_args!("{} without a wheel for any platform left out", plural(left, "project")));
    }
    let (asked, priority) = (wishes.len(), args.priority);
    let asks = wishes.into_iter().map(|wish| Ask { wish, priority }).collect();
    request(&folder, &Request::Add(asks), run)?;
    if run.out.is_json() {
        run.out.json(&json!({ "schema": "attest.rebuilder-add/v1", "asked": asked, "leftOut": left }))?;
    } else {
        run.out.line(format_args!("{} asked for; what is known already is not built again", plural(asked, "wheel")))?;
    }
    Ok(Exit::Pass)
}

/// A release of a lock, and the digests that it accepts.
type Pin = ((ProjectName, Version), Vec<ArtifactDigest>);

/// Every release of a lock, with the digests of its files.
fn pinned(path: &std::path::Path) -> anyhow::Result<Vec<Pin>> {
    let mut pins: Vec<Pin> = Vec::new();
    for item in Requirements::read(path)?.items {
        let Question::File { wanted, .. } = item.question else { continue };
        let release = match wanted.name {
            WantedName::Release { project, version } => (project, version),
            WantedName::File(name) => {
                let name = attest_core::artifact::WheelName::parse(&name)?;
                (name.project, name.version)
            }
        };
        match pins.iter_mut().find(|(known, _)| known.0 == release.0 && known.1.same_as(&release.1)) {
            Some((_, digests)) => digests.push(wanted.digest),
            None => pins.push((release, vec![wanted.digest])),
        }
    }
    Ok(pins)
}

pub(super) fn list(args: &List, run: &Run) -> anyhow::Result<Exit> {
    let state = state(&args.data.folder())?;
    let jobs = state.jobs().filter(|job| args.phase.as_deref().is_none_or(|phase| phase == job.phase.word()));
    if run.out.is_json() {
        run.out.json(&json!({ "schema": "attest.rebuilder-jobs/v1", "jobs": jobs.collect::<Vec<_>>() }))?;
        return Ok(Exit::Pass);
    }
    for job in jobs {
        let wish = &job.ask.wish.release;
        run.out.line(format_args!("{:>6}  {:8} {wish}{}", job.id, job.phase.word(), told(job)))?;
    }
    Ok(Exit::Pass)
}

/// What is worth knowing beside where it is.
fn told(job: &Job) -> String {
    match &job.phase {
        Phase::Queued { why: Some(why), .. } | Phase::Failed { why } => {
            format!("  {}", why.lines().next().unwrap_or_default())
        }
        Phase::Running { attempt } => {
            job.attempts.get(attempt).map(|(worker, _)| format!("  {worker}")).unwrap_or_default()
        }
        Phase::Done { answer, .. } if job.to_review().is_some() => format!("  {}, waits for review", answer.verdict),
        Phase::Done { answer, .. } => format!("  {}", answer.verdict),
        Phase::Queued { .. } => String::new(),
    }
}

pub(super) fn retry(args: &Jobs, run: &Run) -> anyhow::Result<Exit> {
    let folder = args.data.folder();
    waiting_or_failed(&folder, &args.jobs)?;
    request(&folder, &Request::Again(args.jobs.clone()), run)?;
    Ok(Exit::Pass)
}

pub(super) fn remove(args: &Jobs, run: &Run) -> anyhow::Result<Exit> {
    let folder = args.data.folder();
    waiting_or_failed(&folder, &args.jobs)?;
    request(&folder, &Request::Remove(args.jobs.clone()), run)?;
    Ok(Exit::Pass)
}

/// Told here, where the person is who asked.
fn waiting_or_failed(folder: &Folder, jobs: &[JobId]) -> anyhow::Result<()> {
    let state = state(folder)?;
    for id in jobs {
        let phase = &state.job(*id)?.phase;
        if !matches!(phase, Phase::Queued { .. } | Phase::Failed { .. }) {
            return Err(
                Failure::usage(format!("expected a job that waits or failed, found {id}: {}", phase.word())).into()
            );
        }
    }
    Ok(())
}

/// As it stands on disk; another process may be changing it.
pub(super) fn state(folder: &Folder) -> anyhow::Result<State> {
    Settings::read(&folder.settings())?;
    Ok(State::of(Journal::read(&folder.journal())?)?)
}

/// Leaves a request and, where no coordinator runs, carries it out.
pub(super) fn request(folder: &Folder, request: &Request, run: &Run) -> anyhow::Result<()> {
    inbox::post(folder, request)?;
    match folder.lock() {
        Ok(_lock) => {
            let now = crate::run::now().secs();
            let mut queue = Queue::open(&folder.journal(), now)?;
            inbox::drain(folder, &mut queue, now, &|words| run.out.warning(words)).context("the request waits")
        }
        Err(FolderError::Taken { .. }) => {
            run.out.detail("the coordinator takes it up");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
