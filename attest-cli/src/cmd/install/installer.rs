//! pip, run so that its configuration and environment cannot add to what was verified.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use attest_core::artifact::{ArtifactError, ProjectName, Version};
use serde::Deserialize;

use crate::exit::Exit;

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
pub(super) struct Installer {
    python: PathBuf,
    /// stdout holds one JSON document: pip's words go to stderr.
    stdout_is_taken: bool,
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
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    version: String,
}

impl Installer {
    /// The active environment's Python unless another is named. Settings that are not known to be harmless are refused.
    pub(super) fn open(python: Option<&Path>, stdout_is_taken: bool) -> Result<Self, InstallerError> {
        let active = || std::env::var_os("VIRTUAL_ENV").map(|folder| PathBuf::from(folder).join("bin/python"));
        let python = python.map(Path::to_owned).or_else(active).unwrap_or_else(|| PathBuf::from("python3"));
        let installer = Self { python, stdout_is_taken };
        let settings = installer.ask(["config", "list"])?;
        match String::from_utf8_lossy(&settings).lines().find_map(harmful) {
            Some(key) => Err(InstallerError::Setting { key }),
            None => Ok(installer),
        }
    }

    /// What would be installed into an empty environment.
    pub(super) fn report(&self, options: &[String]) -> Result<Vec<u8>, InstallerError> {
        let fixed =
            ["install", "--dry-run", "--ignore-installed", "--report", "-", "--quiet", "--only-binary", ":all:"];
        let arguments = fixed.into_iter().chain(options.iter().map(String::as_str));
        self.answer(self.python_with(ASK_PIP).args(arguments))
    }

    /// Everything that the environment has.
    pub(super) fn installed(&self) -> Result<Vec<(ProjectName, Version)>, InstallerError> {
        let bytes = self.ask(["list", "--format", "json"])?;
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
    pub(super) fn install(&self, requirements: &Path, options: &[String]) -> anyhow::Result<Exit> {
        let mut command = self.pip();
        command
            .args(["install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(requirements)
            .args(options);
        if self.stdout_is_taken {
            command.stdout(io::stderr());
        }
        let status = command.status().map_err(|source| self.not_run(source))?;
        Ok(match status.code() {
            Some(0) => Exit::Pass,
            Some(code) => Exit::Child(u8::try_from(code).unwrap_or(1)),
            None => Exit::Usage,
        })
    }

    fn pip(&self) -> Command {
        self.python_with(RUN_PIP)
    }

    fn python_with(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        // `-E`: PYTHONPATH would be another way to bring one's own pip.
        command.args(["-E", "-c", script]).stdin(Stdio::null()).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        command
    }

    fn ask<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Result<Vec<u8>, InstallerError> {
        self.answer(self.pip().args(arguments))
    }

    fn answer(&self, command: &mut Command) -> Result<Vec<u8>, InstallerError> {
        let answer = command.output().map_err(|source| self.not_run(source))?;
        if !answer.status.success() {
            let words = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(InstallerError::Pip { status: answer.status.to_string(), words });
        }
        Ok(answer.stdout)
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
