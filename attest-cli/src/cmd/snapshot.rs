//! `attest snapshot`: write down what is about to be tested or uploaded, and see afterwards that it is still that.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::check::project::Project;
use crate::cmd::building;
use crate::exit::{Exit, Failure};
use crate::files::{self, Mode};
use crate::index::Index;
use crate::output::{Style, plural};
use crate::pip::Pip;
use crate::run::Run;
use crate::snapshot::changes::{self, Change, Drift};
use crate::snapshot::files::{FilesError, ListedFile};
use crate::snapshot::lock::{BuildLock, MAX_LOCK};
use crate::snapshot::machine::Machine;
use crate::snapshot::{Snapshot, SnapshotError};

/// Write down files, tools and environment before the tests run, and check them afterwards; or lock the build tools
///
/// Take it before anything that the project's tests or their data could influence, and keep it with what is uploaded:
/// `attest snapshot dist -o snapshot.json`, run the tests, `attest snapshot --verify snapshot.json`.
/// With --lock it writes build.lock: the build requirements of pyproject.toml, and tools named with --with, by digest.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and folders; with --lock: the project [default with --lock: .]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Where to write [default with --lock: build.lock; otherwise stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compare with this snapshot: exit 1 if a file is another one, is gone, or is new in a listed folder
    #[arg(long, value_name = "SNAPSHOT", conflicts_with_all = ["paths", "output", "lock"])]
    verify: Option<PathBuf>,
    /// Lock what builds the project
    #[arg(long)]
    lock: bool,
    /// With --lock: exit 1 if this lock no longer satisfies pyproject.toml, or the index no longer has its files
    #[arg(long, value_name = "LOCK", requires = "lock", conflicts_with_all = ["output", "with", "image"])]
    check: Option<PathBuf>,
    /// With --lock: a tool to lock too, such as cibuildwheel; may be repeated
    #[arg(long, value_name = "REQUIREMENT", requires = "lock")]
    with: Vec<String>,
    /// With --lock: an image that builds, by digest; may be repeated
    #[arg(long, value_name = "NAME@sha256:HEX", requires = "lock", value_parser = parse_image)]
    image: Vec<String>,
    /// The Python to look at, and whose pip knows the index
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// With --lock: where downloads are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

fn parse_image(text: &str) -> Result<String, String> {
    let digest = text
        .rsplit_once("@sha256:")
        .map(|(name, digest)| (name, digest.parse::<attest_core::artifact::ArtifactDigest>()));
    match digest {
        Some((name, Ok(_))) if !name.is_empty() && !name.contains(char::is_whitespace) => Ok(text.to_owned()),
        _ => Err("expected NAME@sha256: and 64 lower-case hex digits: a tag may lead elsewhere tomorrow".to_owned()),
    }
}

/// 0: written, or still so; 1: another one; 3: the index could not be asked.
pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    match (&args.verify, args.lock, &args.check) {
        (Some(snapshot), ..) => verify(snapshot, args, run),
        (None, true, Some(lock)) => check_lock(lock, args, run),
        (None, true, None) => write_lock(args, run),
        (None, false, _) => take(args, run),
    }
}

fn take(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    if args.paths.is_empty() {
        return Err(Failure::usage("expected files or folders to write down, found none")
            .hint("attest snapshot dist")
            .into());
    }
    let mut snapshot = Snapshot::take(&args.paths, &args.python).map_err(|error| of_files(&error))?;
    let own = args.output.as_ref().and_then(|path| std::fs::canonicalize(path).ok());
    snapshot.files = without(own.as_deref(), snapshot.files);
    if snapshot.machine.python.is_none() {
        run.out.warning(format!("no Python at {}: installed distributions are not listed", args.python.display()));
    }
    let mut text = serde_json::to_string_pretty(&snapshot)?;
    text.push('\n');
    match &args.output {
        Some(path) => {
            files::replace(path, text.as_bytes(), Mode::Shared)?;
            let digest = attest_core::artifact::ArtifactDigest::of(text.as_bytes());
            run.out.note(format!("{} in {} sha256:{digest}", plural(snapshot.files.len(), "file"), path.display()));
        }
        None => run.out.line(text.trim_end())?,
    }
    Ok(Exit::Pass)
}

fn verify(path: &Path, args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let then = Snapshot::read(path).map_err(|error| match error {
        SnapshotError::Read(error) => anyhow::Error::from(error),
        other => Failure::usage(other.to_string()).into(),
    })?;
    // What is gone is a change, and not an error: each path is listed by itself.
    let mut now = Vec::new();
    for path in then.paths.iter().filter(|path| Path::new(path).exists()) {
        now.extend(crate::snapshot::files::list(std::slice::from_ref(path)).map_err(|error| of_files(&error))?);
    }
    now.sort_by(|left, right| left.path.cmp(&right.path));
    now.dedup_by(|left, right| left.path == right.path);
    let own = std::fs::canonicalize(path).ok();
    let changes = changes::of_files(&without(own.as_deref(), then.files.clone()), &without(own.as_deref(), now));
    let drift = changes::of_machine(&then, &Machine::look(&args.python));
    let out = &run.out;
    if out.is_json() {
        out.json(&json!({
            "schema": "attest.snapshot-verify/v1",
            "verdict": if changes.is_empty() { "SAME" } else { "DIFFERENT" },
            "takenAt": then.taken_at,
            "files": changes,
            "around": drift,
        }))?;
    } else {
        for one in &changes {
            let digest = |file: &Option<ListedFile>| {
                file.as_ref().map_or_else(String::new, |file| format!("sha256:{}", file.sha256))
            };
            let word = match one.change {
                Change::Changed => "CHANGED",
                Change::Removed => "REMOVED",
                Change::Added => "ADDED",
            };
            out.line(format!(
                "{} {} {} -> {}",
                out.paint(Style::Bad, word),
                one.path,
                digest(&one.then),
                digest(&one.now)
            ))?;
        }
        if changes.is_empty() {
            let files = plural(then.files.len(), "file");
            out.line(format!("{} {files} as of {}", out.paint(Style::Good, "SAME"), then.taken_at))?;
        }
        if then.paths.iter().all(|path| !Path::new(path).exists()) {
            out.hint("its paths begin in the folder where it was taken: run this there");
        }
        for Drift { what, then, now } in &drift {
            out.note(format!("since then: {what}: {then:?} -> {now:?}"));
        }
    }
    Ok(if changes.is_empty() { Exit::Pass } else { Exit::Refused })
}

/// The snapshot may lie in a folder that it lists, and cannot hold its own digest.
fn without(own: Option<&Path>, mut files: Vec<ListedFile>) -> Vec<ListedFile> {
    files.retain(|file| own.is_none() || std::fs::canonicalize(&file.path).ok().as_deref() != own);
    files
}

fn write_lock(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let project = project(args)?;
    let (pip, _) = index(args)?;
    let lock = BuildLock::resolve(&pip, &project.requires, &args.with, &args.image)?;
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from("build.lock"));
    files::replace(&path, lock.to_string().as_bytes(), Mode::Shared)?;
    let count = plural(lock.pins.len(), "distribution");
    if run.out.is_json() {
        let pin = |pin: &crate::pip::pin::Pin| json!({ "name": pin.project.as_str(), "version": pin.version, "sha256": pin.digests });
        let pins: Vec<_> = lock.pins.iter().map(pin).collect();
        run.out
            .json(&json!({ "schema": "attest.build-lock/v1", "lock": path, "locked": pins, "images": lock.images }))?;
    } else {
        run.out.line(format!("{count} locked in {}", path.display()))?;
        run.out.hint(format!("install with: pip install --require-hashes --only-binary :all: -r {}", path.display()));
    }
    Ok(Exit::Pass)
}

fn check_lock(path: &Path, args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let text = String::from_utf8(files::read(path, MAX_LOCK)?).context("expected a lock in UTF-8")?;
    let lock = BuildLock::parse(&text).with_context(|| format!("{} is no build.lock", path.display()))?;
    let project = project(args)?;
    let (pip, index) = index(args)?;
    let drift = lock.drift(&pip, &index, &project.requires)?;
    let lines: Vec<_> = drift.iter().map(ToString::to_string).collect();
    let out = &run.out;
    if out.is_json() {
        let verdict = if drift.is_empty() { "SAME" } else { "DIFFERENT" };
        out.json(&json!({ "schema": "attest.build-lock-check/v1", "verdict": verdict, "drift": lines }))?;
    } else if drift.is_empty() {
        out.line(format!("{} {}", out.paint(Style::Good, "HOLDS"), path.display()))?;
    } else {
        for line in &lines {
            out.line(format!("{} {line}", out.paint(Style::Bad, "DRIFT")))?;
        }
        out.hint("make it again with `attest snapshot --lock`, and look at what changed");
    }
    Ok(if drift.is_empty() { Exit::Pass } else { Exit::Refused })
}

fn project(args: &Args) -> anyhow::Result<Project> {
    let folder = match args.paths.as_slice() {
        [] => Path::new("."),
        [one] => Path::new(one),
        _ => return Err(Failure::usage("expected one project with --lock, found several").into()),
    };
    Project::read(folder).map_err(|error| Failure::usage(crate::output::causes(&error)).into())
}

fn index(args: &Args) -> anyhow::Result<(Pip, Index)> {
    let cache = building::cache(args.cache_dir.as_deref())?;
    let pip = Pip::query(&args.python, &cache.join("tools"))?;
    let index = Index::new(pip.settings(), &cache.join("files"))?;
    Ok((pip, index))
}

fn of_files(error: &FilesError) -> anyhow::Error {
    Failure::usage(crate::output::causes(error)).into()
}
