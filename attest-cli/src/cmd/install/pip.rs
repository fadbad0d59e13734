//! pip, run so that its configuration and environment cannot add to what was verified.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use attest_core::artifact::{ArtifactError, ProjectName, Version};
use serde::Deserialize;

use super::arguments::Destination;
use crate::{
    exit::Exit,
    installed::{Environment, EnvironmentError},
    output::Output,
};

/// pip's settings that neither add files nor loosen the checking of hashes, from files and environment alike. Whatever
/// else is set is refused: a `requirement` in somebody's pip.conf would be installed beside what was verified.
const HARMLESS: [&str; 37] = [
    "break-system-packages",
    "cache-dir",
    "cert",
    "client-cert",
    "config-file",
    "debug",
    "default-timeout",
    "disable-pip-version-check",
    "exists-action",
    "extra-index-url",
    "find-links",
    "format",
    "index-url",
    "keyring-provider",
    "log",
    "no-cache-dir",
    "no-color",
    "no-compile",
    "no-index",
    "no-input",
    "no-python-version-warning",
    "no-warn-script-location",
    "only-binary",
    "pre",
    "prefer-binary",
    "progress-bar",
    "proxy",
    "quiet",
    "require-hashes",
    "require-virtualenv",
    "resume-retries",
    "retries",
    "root-user-action",
    "timeout",
    "trusted-host",
    "use-feature",
    "verbose",
];
/// Sections of pip's configuration that `pip install` and `pip list` read. A list with exclusions would hide what is
/// installed already.
const SECTIONS: [&str; 4] = ["global", "install", "list", ":env:"];

/// The pip of one Python.
#[derive(Debug)]
pub(super) struct Pip {
    python: PathBuf,
    /// What its configuration and environment say about where files come from: `global.index-url`, with its value.
    sources: Vec<(String, String)>,
    offline: bool,
}

/// pip cannot be used for a gated installation.
#[derive(Debug, thiserror::Error)]
pub(super) enum InstallerError {
    #[error("{} cannot be run", .python.display())]
    Python { python: PathBuf, source: io::Error },
    #[error("pip failed ({status}): {words}")]
    Pip { status: String, words: String },
    #[error("pip's settings have {key:?}, which could change what gets installed after it was verified")]
    Setting { key: String },
    #[error("pip lists what is installed in a form that attest does not know")]
    List { source: serde_json::Error },
    #[error("pip lists a project or version that is none")]
    Name { source: ArtifactError },
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}

impl InstallerError {
    /// Whether the Python has no pip, as in environments of uv's making.
    pub(super) fn is_without_pip(&self) -> bool {
        matches!(self, Self::Pip { words, .. } if words.contains("No module named pip"))
    }
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    version: String,
}

impl Pip {
    /// Settings that are not known to be harmless are refused. `offline`: pip asks no index, which leaves what `--find-links`
    /// has.
    pub(super) fn open(python: PathBuf, offline: bool) -> Result<Self, InstallerError> {
        let mut pip = Self { python, sources: Vec::new(), offline };
        let settings = pip.ask(["config", "list"])?;
        let settings = String::from_utf8_lossy(&settings);
        if let Some(key) = settings.lines().find_map(harmful) {
            return Err(InstallerError::Setting { key });
        }
        pip.sources = settings.lines().filter_map(source).collect();
        Ok(pip)
    }

    /// The Python that is installed into.
    pub(super) fn python(&self) -> &Path {
        &self.python
    }

    /// Where its configuration and environment say that files come from.
    pub(super) fn sources(&self) -> &[(String, String)] {
        &self.sources
    }

    /// What would be installed into an empty environment.
    pub(super) fn report(&self, options: &[String], out: &Output) -> Result<Vec<u8>, InstallerError> {
        let fixed =
            ["install", "--dry-run", "--ignore-installed", "--report", "-", "--quiet", "--only-binary", ":all:"];
        let arguments = fixed.into_iter().chain(options.iter().map(String::as_str));
        let (answer, warnings) = self.said(self.python_with(ASK_PIP).args(arguments))?;
        out.warnings_of(&warnings);
        Ok(answer)
    }

    /// Everything that is there already.
    pub(super) fn installed(&self, destination: &Destination) -> Result<Vec<(ProjectName, Version)>, InstallerError> {
        let mut arguments = ["list", "--format", "json"].map(OsString::from).to_vec();
        let folders = match (&destination.target, &destination.prefix) {
            (Some(target), _) => Some(vec![target.clone()]),
            (None, Some(prefix)) if prefix.exists() => Some(Environment::prefix(prefix)?.folders().to_vec()),
            (None, Some(_)) => Some(Vec::new()),
            (None, None) => None,
        };
        if let Some(folders) = folders {
            let there: Vec<PathBuf> = folders.into_iter().filter(|folder| folder.exists()).collect();
            if there.is_empty() {
                return Ok(Vec::new());
            }
            arguments.extend(there.into_iter().flat_map(|folder| [OsString::from("--path"), folder.into()]));
        }
        let bytes = self.ask(arguments)?;
        let listed: Vec<Listed> = serde_json::from_slice(&bytes).map_err(|source| InstallerError::List { source })?;
        let name = |source| InstallerError::Name { source };
        listed
            .into_iter()
            .map(|listed| {
                Ok((ProjectName::new(&listed.name).map_err(name)?, Version::new(&listed.version).map_err(name)?))
            })
            .collect()
    }

    /// Installs the digests of a requirements file and nothing else. Passes pip's exit code.
    pub(super) fn install(&self, requirements: &Path, options: &[String]) -> Result<Exit, InstallerError> {
        let mut command = self.pip();
        command
            .args(["install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(requirements)
            .args(options);
        // stdout is for our results.
        let status = command.stdout(io::stderr()).status().map_err(|source| self.not_run(source))?;
        Ok(Exit::of_child(status))
    }

    fn pip(&self) -> Command {
        self.python_with(RUN_PIP)
    }

    fn python_with(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        // `-E`: PYTHONPATH would be another way to bring one's own pip.
        command.args(["-E", "-c", script]).stdin(Stdio::null()).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        if self.offline {
            command.env("PIP_NO_INDEX", "1");
        }
        command
    }

    fn ask<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Result<Vec<u8>, InstallerError> {
        self.answer(self.pip().args(arguments))
    }

    fn answer(&self, command: &mut Command) -> Result<Vec<u8>, InstallerError> {
        self.said(command).map(|(answer, _)| answer)
    }

    /// What it answered, and what it said beside that.
    fn said(&self, command: &mut Command) -> Result<(Vec<u8>, Vec<u8>), InstallerError> {
        let answer = command.output().map_err(|source| self.not_run(source))?;
        if !answer.status.success() {
            let words = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(InstallerError::Pip { status: answer.status.to_string(), words });
        }
        Ok((answer.stdout, answer.stderr))
    }

    fn not_run(&self, source: io::Error) -> InstallerError {
        InstallerError::Python { python: self.python.clone(), source }
    }
}

/// `python -m pip`, but a module `pip` in the working directory is not pip. (`-P` says so since Python 3.11.)
const RUN_PIP: &str = "import runpy, sys; sys.path[:] = [p for p in sys.path if p not in ('', '.')]; \
    runpy.run_module('pip', run_name='__main__', alter_sys=True)";

/// The same, unable to start a program. To learn what an sdist, a folder or a checkout requires, pip runs its build code;
/// options in a requirements file and the metadata of a wheel that nobody verified yet can lead to one, and no option of
/// pip's forbids it. What pip needs for itself may run: a keyring, and the loader that tells a musl libc's version.
const ASK_PIP: &str = "import os, runpy, sys; sys.path[:] = [p for p in sys.path if p not in ('', '.')]
def hook(event, args):
    if event in ('subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn', 'os.spawn'):
        name = os.path.basename(os.fsdecode(args[0]))
        if event != 'subprocess.Popen' or not (name == 'keyring' or name.startswith('ld-musl-')):
            raise PermissionError('nothing is built before it was verified: ' + name)
sys.addaudithook(hook)
runpy.run_module('pip', run_name='__main__', alter_sys=True)";

/// `section.key='value'`
fn harmful(line: &str) -> Option<String> {
    let (name, _) = line.split_once('=')?;
    let (section, key) = name.rsplit_once('.')?;
    let known = HARMLESS.contains(&key.to_ascii_lowercase().replace('_', "-").as_str());
    (SECTIONS.contains(&section) && !known).then(|| name.to_owned())
}

/// `section.key='value'`, where it says where files come from. Lists are one value with line ends in it.
fn source(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let key = name.rsplit_once('.')?.1.to_ascii_lowercase().replace('_', "-");
    let known = ["index-url", "extra-index-url", "find-links", "no-index"].contains(&key.as_str());
    let section = name.split('.').next().is_some_and(|section| SECTIONS.contains(&section) && section != "list");
    (known && section).then(|| (name.to_owned(), value.trim_matches(['\'', '"']).replace("\\n", " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_adds_files_is_found_wherever_it_is_set() {
        for (line, found) in [
            ("global.index-url='https://x/simple'", None),
            (":env:.index-url='https://x/simple'", None),
            ("freeze.timeout='10'", None),
            ("install.requirement='evil.txt'", Some("install.requirement")),
            (":env:.requirement='evil.txt'", Some(":env:.requirement")),
            ("global.no-require-hashes='1'", Some("global.no-require-hashes")),
            ("install.target='/elsewhere'", Some("install.target")),
            ("list.exclude='gated'", Some("list.exclude")),
            ("list.format='columns'", None),
            ("global.no_binary=':all:'", Some("global.no_binary")),
        ] {
            assert_eq!(harmful(line).as_deref(), found, "{line}");
        }
    }
}
