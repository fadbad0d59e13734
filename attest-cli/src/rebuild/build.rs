//! Running a project's PEP 517 hooks in the room: they say what else they need, and build where that is there already.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::Context as _;
use attest_core::artifact::{ArtifactError, WheelName};
use serde::Serialize;

use super::infer;
use super::source::Source;
use super::tree::Order;
use crate::host;
use crate::pip::Interpreter;
use crate::sandbox::{Isolation, Job, Limits, Room, SandboxError};
use crate::temporary::Temporary;
use attest_core::recipe::{LineEnds, Modes, PythonTag, Recipe, TemporaryName, Tick, ZipSystem};

mod sdist;

const HOOK: &str = include_str!("hook.py");
/// The biggest wheel that a build may return.
const MAX_WHEEL: u64 = super::zip::MAX_FILE;
/// The biggest list of requirements that a hook may return.
const MAX_REQUIRES: u64 = 64 << 10;

/// With less, this machine is why a build fails.
const MIN_FREE: u64 = 64 << 20;
/// How much of what a hook said is repeated when it fails.
const SAID: u64 = 4096;

/// The project's own failure: a result, and not an error of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// The hook raised, or its process was ended.
    #[error("the project's {hook} failed: {status}\n{said}")]
    Hook {
        /// Which.
        hook: &'static str,
        /// How its process ended.
        status: ExitStatus,
        /// Its last words.
        said: String,
    },
    /// Too slow, or too much written.
    #[error(transparent)]
    Limit(SandboxError),
    /// None, or several.
    #[error("expected the build to make one wheel, found {found}")]
    Wheels {
        /// How many.
        found: usize,
    },
    /// None, or several.
    #[error("expected the build to make one sdist (.tar.gz), found {found}")]
    Sdists {
        /// How many.
        found: usize,
    },
    /// A wheel whose name is none.
    #[error("the build made a wheel with a wrong name: {0}")]
    Name(#[from] ArtifactError),
    /// A file that is missing, or no file.
    #[error("expected the build to make a regular file {name}, found something else")]
    NotAFile {
        /// Which.
        name: String,
    },
    /// A folder that is missing, or a link to one of ours.
    #[error("expected the build to leave a folder {name}, found something else")]
    NotAFolder {
        /// Which.
        name: String,
    },
    /// A file that is too big to be what it should.
    #[error("expected at most {limit} bytes in {name}, found {found}")]
    TooLarge {
        /// Which.
        name: String,
        /// Bytes.
        limit: u64,
        /// Bytes.
        found: u64,
    },
    /// Not a list of texts.
    #[error("expected get_requires_for_build_wheel to return a list of requirements: {0}")]
    Requires(#[from] serde_json::Error),
    /// The hook asks for other requirements than when it was run before, with the same ones installed.
    #[error("expected the same build requirements as before, found the project asking for {asks}")]
    Wavers {
        /// What it asks for now.
        asks: String,
    },
    /// A hook asks for what the recipe does not have.
    #[error(
        "the project's hooks ask for {lines}, which the recipe does not have: add it to requirements.build, and to build.lock where there is one"
    )]
    Asks {
        /// Requirements.
        lines: String,
    },
    /// The hook asks for something new whenever it got what it asked for.
    #[error("expected the build requirements to settle after {rounds} rounds")]
    Unsettled {
        /// How many were tried.
        rounds: usize,
    },
}

/// A PEP 517 hook; `hook.py` knows by its last word what to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Hook {
    BuildWheel,
    GetRequiresForBuildWheel,
    GetRequiresForBuildSdist,
    BuildSdist,
}

/// How far a build came.
#[derive(Debug)]
pub(crate) enum Step {
    /// It asks for these first, and did not begin.
    Asks(Vec<String>),
    /// To its end.
    Built(Built),
}

/// What a build returned.
#[derive(Debug)]
pub(crate) struct Built {
    /// File name that the backend chose.
    pub(crate) name: String,
    /// The wheel.
    pub(crate) bytes: Vec<u8>,
}

/// One project, ready to be built as a recipe says.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    /// How.
    pub(crate) recipe: &'a Recipe,
    /// From what.
    pub(crate) source: &'a Source,
    /// With which Python.
    pub(crate) interpreter: &'a Interpreter,
    /// In what kind of room.
    pub(crate) isolation: Isolation,
    /// With how much.
    pub(crate) limits: Limits,
    /// Takes all output.
    pub(crate) log: &'a Path,
}

/// What `hook.py` reads.
#[derive(Serialize)]
struct HookJob<'a> {
    backend: &'a str,
    path: &'a [String],
    hook: Hook,
    out: PathBuf,
    umask: u32,
    stamp: Option<i64>,
    temporary: &'a [TemporaryName],
    ticks: &'a [Tick],
    modes: Modes,
    line_ends: Option<&'static str>,
    zip_system: Option<u8>,
    python_tag: Option<&'a str>,
    settled: Settled<'a>,
    limits: std::collections::BTreeMap<&'static str, u64>,
}

/// What a hook may name without being told to wait.
#[derive(Serialize)]
struct Settled<'a> {
    lines: &'a [String],
    projects: Vec<String>,
}

impl Builder<'_> {
    /// Builds once, in a fresh copy of the source, unless the project first asks for more requirements.
    pub(crate) fn build(&self, environment: &Path, order: Order) -> anyhow::Result<Step> {
        let folder = Temporary::new("room")?;
        let room = self.run(Hook::BuildWheel, environment, folder.path(), order)?;
        // First of all: `out` itself could be a link by now.
        let asked = infer::unsettled(&read_requires(&room)?, &self.recipe.requirements.build);
        if !asked.is_empty() {
            return Ok(Step::Asks(asked));
        }
        Ok(Step::Built(the_wheel(&made_folder(room.outside("out").join("wheels"))?)?))
    }

    /// What the project's hook asks for; nothing is built.
    pub(crate) fn requires_for_wheel(&self, environment: &Path) -> anyhow::Result<Vec<String>> {
        let folder = Temporary::new("room")?;
        let room = self.run(Hook::GetRequiresForBuildWheel, environment, folder.path(), Order::Forward)?;
        read_requires(&room)
    }

    fn run<'r>(
        &'r self,
        hook: Hook,
        environment: &'r Path,
        folder: &'r Path,
        order: Order,
    ) -> anyhow::Result<Room<'r>> {
        let mut room = Room::new(self.isolation, self.interpreter, Some(environment), folder)?;
        if let Some(paths) = &self.recipe.paths {
            room = room.with_paths(paths)?;
        }
        self.source
            .lay_out(&room.outside("src"), &self.recipe.files, order)
            .context("expected to lay out the source")?;
        let job = HookJob {
            backend: &self.recipe.backend.name,
            path: &self.recipe.backend.path,
            hook,
            out: room.inside("out"),
            umask: self.recipe.files.umask.bits(),
            stamp: self.recipe.time.stamp,
            temporary: self.recipe.paths.as_ref().map_or(&[], |paths| &paths.temporary),
            ticks: &self.recipe.time.ticks,
            modes: self.recipe.files.modes,
            line_ends: self.recipe.files.line_ends.map(|LineEnds::Crlf| "\r\n"),
            zip_system: self.recipe.files.zip_system.map(|ZipSystem::Windows| 0),
            python_tag: self.recipe.backend.python_tag.as_ref().map(PythonTag::as_str),
            settled: Settled {
                lines: &self.recipe.requirements.build,
                projects: infer::pinned_projects(&self.recipe.requirements.build),
            },
            limits: self.limits.resources(),
        };
        let run = room.outside("run");
        fs::write(run.join("hook.py"), HOOK)?;
        fs::write(run.join("job.json"), serde_json::to_vec(&job)?)?;
        let job = Job {
            script: "hook.py",
            arguments: vec![room.inside("run").join("job.json").into()],
            variables: &self.recipe.all_variables(),
            log: self.log,
            limits: self.limits,
        };
        let status = room.run(&job).map_err(limit_or_error)?;
        if status.success() {
            return Ok(room);
        }
        let said = last_lines(self.log)?;
        // The script's first act: without it no project code ran, and the room is at fault.
        anyhow::ensure!(
            room.outside("out").join("began").exists(),
            "expected a room for the build, found {status}\n{said}"
        );
        let free = host::free(room.outside("out").as_path())?;
        anyhow::ensure!(
            free >= MIN_FREE,
            "expected {MIN_FREE} bytes of free disk where builds are made, found {free}: that the build failed says nothing \
             about the project\n{said}"
        );
        // What a project asks for is written down before anything is built.
        let asked = room.outside("out").join("requires.json").exists();
        let hook = if asked { hook.name() } else { "get_requires_for_build_wheel" };
        Err(BuildError::Hook { hook, status, said }.into())
    }
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::BuildWheel => "build_wheel",
            Self::GetRequiresForBuildWheel => "get_requires_for_build_wheel",
            Self::GetRequiresForBuildSdist => "get_requires_for_build_sdist",
            Self::BuildSdist => "build_sdist",
        }
    }
}

/// Passing a limit is the project's own failure; everything else is ours.
pub(super) fn limit_or_error(error: SandboxError) -> anyhow::Error {
    match error {
        SandboxError::Time { .. } | SandboxError::Disk { .. } | SandboxError::Hidden(_) => {
            BuildError::Limit(error).into()
        }
        SandboxError::Io(_) | SandboxError::Place { .. } | SandboxError::Interrupted => error.into(),
    }
}

/// The one wheel in the folder for results, which project code could have put a link in the place of.
pub(super) fn the_wheel(out: &Path) -> anyhow::Result<Built> {
    if !fs::symlink_metadata(out).is_ok_and(|data| data.is_dir()) {
        return Err(BuildError::NotAFile { name: "out".to_owned() }.into());
    }
    let mut wheels = Vec::new();
    for entry in fs::read_dir(out)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|end| end == "whl") {
            wheels.push(name);
        }
    }
    let [name] = wheels.as_slice() else {
        return Err(BuildError::Wheels { found: wheels.len() }.into());
    };
    WheelName::parse(name).map_err(BuildError::from)?;
    let bytes = read_made(&out.join(name), MAX_WHEEL)?;
    Ok(Built { name: name.clone(), bytes })
}

fn read_requires(room: &Room<'_>) -> anyhow::Result<Vec<String>> {
    let bytes = read_made(&made_folder(room.outside("out"))?.join("requires.json"), MAX_REQUIRES)?;
    Ok(serde_json::from_slice(&bytes).map_err(BuildError::from)?)
}

/// A folder in which project code could do as it liked: in its place it may have put a link to one that only we can see,
/// and that has the published wheel in it.
pub(super) fn made_folder(path: PathBuf) -> Result<PathBuf, BuildError> {
    match fs::symlink_metadata(&path) {
        Ok(data) if data.is_dir() => Ok(path),
        _ => Err(BuildError::NotAFolder { name: path.file_name().unwrap_or_default().to_string_lossy().into_owned() }),
    }
}

/// A file that project code made: it may be a link to anything, so it is looked at before it is opened. Nothing of the
/// build runs any more that could swap it in between.
pub(super) fn read_made(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_file() && data.len() <= limit => Ok(fs::read(path)?),
        Ok(data) if data.is_file() => Err(BuildError::TooLarge { name: name(), limit, found: data.len() }.into()),
        _ => Err(BuildError::NotAFile { name: name() }.into()),
    }
}

/// The end of a log, of at most `limit` bytes: a build can write as much as it likes into it.
pub(crate) fn end_of_log(log: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut end = Vec::new();
    file.take(limit).read_to_end(&mut end)?;
    Ok(end)
}

pub(super) fn last_lines(log: &Path) -> io::Result<String> {
    let end = end_of_log(log, SAID)?;
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(8)..].join("\n"))
}
