//! uv, run so that it takes what was verified and nothing else.
//!
//! `uv pip compile` says which files of each version fit here, with hash and address, and leaves open which one it takes.
//! All of them are judged; then uv is given the hashes of those that passed. uv's own configuration decides where files
//! come from, both times; pip's is not read by uv.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use attest_core::artifact::{ArtifactError, ProjectName, Version};
use serde::Deserialize;

use super::{
    arguments::{Args, Destination},
    plan::Package,
};
use crate::{exit::Exit, output::Output};

mod resolution;

/// uv's variables that speak to the resolver, or loosen what it checks. They have had their say when the installation
/// begins: that one is held to hashes alone.
const RESOLVING: [&str; 8] = [
    "UV_BUILD_CONSTRAINT",
    "UV_CONSTRAINT",
    "UV_EXCLUDE",
    "UV_NO_BINARY",
    "UV_NO_BINARY_PACKAGE",
    "UV_NO_VERIFY_HASHES",
    "UV_OVERRIDE",
    "UV_REQUIRE_HASHES",
];

/// uv cannot be used for a gated installation.
#[derive(Debug, thiserror::Error)]
pub(super) enum UvError {
    #[error("uv cannot be run")]
    Run { source: io::Error },
    #[error("uv failed ({status}): {words}")]
    Uv { status: String, words: String },
    #[error("uv says what it resolved in a form that attest does not know: {why}")]
    Resolution { why: String },
    #[error("uv lists what is installed in a form that attest does not know")]
    List { source: serde_json::Error },
    #[error("uv names a project or version that is none")]
    Name { source: ArtifactError },
}

/// The uv of `PATH`, and the Python that it installs into.
#[derive(Debug)]
pub(super) struct Uv {
    python: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
    offline: bool,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    version: String,
}

impl Uv {
    /// `offline`: only what uv's cache and `--find-links` have.
    pub(super) fn open(python: PathBuf, args: &Args, offline: bool) -> Self {
        let environment = args.resolution.certificates().map(|(name, file)| (name, file.clone())).collect();
        Self { python, environment, offline }
    }

    /// The Python that is installed into.
    pub(super) fn python(&self) -> &Path {
        &self.python
    }

    /// `uv 0.13.9`, where there is one.
    pub(super) fn version() -> Option<String> {
        let answer = Command::new("uv").arg("--version").stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(answer.stdout).ok()?;
        answer.status.success().then(|| text.trim().to_owned())
    }

    /// What would be installed into an empty environment: of each project every file that fits here.
    pub(super) fn resolve(&self, args: &Args, options: &[String], out: &Output) -> Result<Vec<Package>, UvError> {
        let mut command = self.uv(["pip", "compile", "--no-progress", "--no-header", "--format", "pylock.toml"]);
        command.args(["--only-binary", ":all:", "--python"]).arg(&self.python).args(options);
        command.args(&args.requirement);
        if !args.requirements.is_empty() {
            command.arg("-");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| UvError::Run { source })?;
        if let Some(mut stdin) = child.stdin.take() {
            // uv may end before it reads them all: then its exit code tells why.
            let _closed = stdin.write_all(args.requirements.join("\n").as_bytes());
        }
        let answer = child.wait_with_output().map_err(|source| UvError::Run { source })?;
        out.warnings_of(&answer.stderr);
        resolution::parse(&text(answer)?)
    }

    /// Everything that is there already.
    pub(super) fn installed(&self, destination: &Destination) -> Result<Vec<(ProjectName, Version)>, UvError> {
        let mut command = self.uv(["pip", "list", "--quiet", "--format", "json", "--python"]);
        command.arg(&self.python);
        for (option, folder) in [("--target", &destination.target), ("--prefix", &destination.prefix)] {
            if let Some(folder) = folder {
                if !folder.exists() {
                    return Ok(Vec::new());
                }
                command.arg(option).arg(folder);
            }
        }
        let answer = command.output().map_err(|source| UvError::Run { source })?;
        let listed: Vec<Listed> = serde_json::from_str(&text(answer)?).map_err(|source| UvError::List { source })?;
        let name = |source| UvError::Name { source };
        listed
            .into_iter()
            .map(|listed| {
                Ok((ProjectName::new(&listed.name).map_err(name)?, Version::new(&listed.version).map_err(name)?))
            })
            .collect()
    }

    /// Installs the digests of a requirements file and nothing else. Passes uv's exit code.
    pub(super) fn install(&self, requirements: &Path, options: &[String]) -> Result<Exit, UvError> {
        let mut command = self.uv(["pip", "install", "--require-hashes", "--verify-hashes", "--no-deps"]);
        command.args(["--only-binary", ":all:", "--python"]).arg(&self.python).args(options);
        command.arg("--requirements").arg(requirements);
        for name in RESOLVING {
            command.env_remove(name);
        }
        // stdout is for our results.
        let status = command.stdout(io::stderr()).status().map_err(|source| UvError::Run { source })?;
        Ok(Exit::of_child(status))
    }

    fn uv<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new("uv");
        command.args(arguments).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, file)| (name, file)));
        if self.offline {
            command.env("UV_OFFLINE", "1");
        }
        command
    }
}

fn text(answer: std::process::Output) -> Result<String, UvError> {
    if !answer.status.success() {
        let words = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        return Err(UvError::Uv { status: answer.status.to_string(), words });
    }
    String::from_utf8(answer.stdout).map_err(|error| UvError::Resolution { why: error.to_string() })
}
