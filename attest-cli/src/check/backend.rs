//! Building a project without a command of the user's: its own PEP 517 hooks, in an environment of a hashed lock.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use attest_core::artifact::ArtifactDigest;
use serde::Serialize;

use super::project::Project;
use super::scratch::Place;
use super::variation::{Side, Variation};
use crate::index::Index;
use crate::pip::Pip;
use crate::rebuild::environment::Lock;

const SCRIPT: &str = include_str!("backend.py");
/// Hooks may name requirements only when others are installed; more rounds than this are a loop.
const MAX_ROUNDS: usize = 4;
/// The biggest list of requirements that hooks may return.
const MAX_REQUIRES: u64 = 64 << 10;

/// A project's backend and what it needs.
#[derive(Debug)]
pub(crate) struct Backend {
    project: Project,
    hooks: Vec<&'static str>,
    pip: Pip,
    lock: Lock,
    reorders: bool,
}

/// What the script reads.
#[derive(Serialize)]
struct Job<'a> {
    backend: &'a str,
    path: &'a [String],
    hooks: &'a [&'static str],
    requires: Option<PathBuf>,
    backwards: Option<bool>,
}

impl Backend {
    /// Reads the project, and locks what its hooks ask for. `copy` is a copy of it, in which they are asked.
    pub(crate) fn prepare(
        copy: &Path,
        place: &Place,
        sdist: bool,
        python: &Path,
        cache: &Path,
        progress: &dyn Fn(&str),
    ) -> anyhow::Result<Self> {
        let project = Project::read(copy)?;
        let pip = Pip::query(python, &cache.join("tools"))?;
        let index = Index::new(pip.settings(), &cache.join("files"))?;
        let hooks = if sdist { vec!["build_sdist", "build_wheel"] } else { vec!["build_wheel"] };
        let mut requirements = project.requires.clone();
        for _ in 0..MAX_ROUNDS {
            progress(&format!("fetching build requirements with {}: {}", pip.driver(), requirements.join(", ")));
            let lock = Lock::resolve(&pip, &index, &requirements, None)?;
            let backend =
                Self { project: project.clone(), hooks: hooks.clone(), pip: pip.clone(), lock, reorders: true };
            let more = backend.requires(copy, place)?;
            let known = requirements.len();
            for line in more {
                if !requirements.contains(&line) {
                    requirements.push(line);
                }
            }
            if requirements.len() == known {
                return Ok(backend);
            }
        }
        bail!("expected the build requirements to settle after {MAX_ROUNDS} rounds")
    }

    /// Leaves the order of folders as the filesystem has it.
    pub(crate) fn keep_order(&mut self) {
        self.reorders = false;
    }

    fn requires(&self, copy: &Path, place: &Place) -> anyhow::Result<Vec<String>> {
        let answer = place.tmp.join("requires.json");
        let words = self.words(place, Some(answer.clone()), None)?;
        let output = Command::new(&words[0]).args(&words[1..]).current_dir(copy).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(super::bench::BuildError::Failed {
                command: format!("get_requires_for_{}", self.hooks.join(", get_requires_for_")),
                status: output.status,
                said: said.trim().to_owned(),
            }
            .into());
        }
        let bytes = crate::files::read(&answer, MAX_REQUIRES)?;
        serde_json::from_slice(&bytes).context("expected a list of requirements from the project's hooks")
    }

    /// The command that builds into `dist`.
    pub(crate) fn command(&self, place: &Place, folder: &Path, side: &Side) -> anyhow::Result<Vec<OsString>> {
        // What lies there was not made now, and would be looked for there.
        fs::create_dir_all(folder.join("dist"))?;
        self.words(place, None, self.reorders.then(|| side.has(Variation::Order)))
    }

    fn words(
        &self,
        place: &Place,
        requires: Option<PathBuf>,
        backwards: Option<bool>,
    ) -> anyhow::Result<Vec<OsString>> {
        let environment = self.environment(place)?;
        let job =
            Job { backend: &self.project.backend, path: &self.project.path, hooks: &self.hooks, requires, backwards };
        let (script, file) = (place.environments.join("backend.py"), place.environments.join("job.json"));
        fs::write(&script, SCRIPT)?;
        fs::write(&file, serde_json::to_vec(&job)?)?;
        Ok(vec![environment.join("bin/python").into(), script.into(), file.into()])
    }

    /// Folder of the environment's programs, which come first in `PATH`.
    pub(crate) fn programs(&self, place: &Place) -> anyhow::Result<PathBuf> {
        Ok(self.environment(place)?.join("bin"))
    }

    /// At each place one of its own: its path is one that a compiler sees. Made once for a lock.
    fn environment(&self, place: &Place) -> anyhow::Result<PathBuf> {
        let digest = ArtifactDigest::of(self.lock.to_text().as_bytes()).to_string();
        // Short: a script's first line has room for 127 bytes.
        let folder = place.environments.join(&digest[..8]);
        if !folder.exists() {
            fs::create_dir_all(&place.environments)?;
            self.lock.install(&self.pip, &folder).context("expected to install the build requirements")?;
        }
        Ok(folder)
    }

    /// Names of what is installed for the build, in lower case.
    pub(crate) fn tools(&self) -> impl Iterator<Item = String> {
        self.project.requires.iter().map(|line| line.to_lowercase())
    }

    /// The hooks that it calls.
    pub(crate) fn hooks(&self) -> &[&'static str] {
        &self.hooks
    }
}
