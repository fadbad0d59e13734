//! The Pythons of this machine: an old wheel may need one of its own time.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use attest_core::recipe::PythonVersion;

use crate::pip::Interpreter;

const SCRIPT: &str = include_str!("pythons.py");
/// The oldest one that runs `hook.py`.
const OLDEST: u8 = 8;
/// Nothing newer is looked for by name.
const NEWEST: u8 = 19;

/// A Python of this feature release: `python3.N` on `PATH`, or one that pyenv has installed.
pub(crate) fn find(version: PythonVersion) -> Option<Interpreter> {
    let name = format!("python{version}");
    let installed = pyenv_versions().into_iter().map(|folder| folder.join("bin").join(&name));
    let mut programs = std::iter::once(PathBuf::from(&name)).chain(installed.filter(|program| program.exists()));
    programs.find_map(|program| ask(&program).filter(|found| is_release_of(version, found)))
}

/// Whether an interpreter is of this feature release.
pub(crate) fn is_release_of(version: PythonVersion, interpreter: &Interpreter) -> bool {
    version.is_release(&interpreter.version)
}

/// All that are older than `interpreter`, newest first.
pub(crate) fn older_than(interpreter: &Interpreter) -> Vec<PythonVersion> {
    let own = (OLDEST..=NEWEST).map(PythonVersion::new).find(|version| is_release_of(*version, interpreter));
    let older = |version: &PythonVersion| own.is_none_or(|own| *version < own);
    (OLDEST..=NEWEST).rev().map(PythonVersion::new).filter(older).filter(|version| find(*version).is_some()).collect()
}

/// What a program says that it is; nothing where it is no Python, or a shim for one that is switched off.
fn ask(program: &Path) -> Option<Interpreter> {
    let output = Command::new(program).args(["-I", "-c", SCRIPT]).stdin(Stdio::null()).output().ok()?;
    serde_json::from_slice(&output.stdout).ok().filter(|_| output.status.success())
}

/// pyenv's shims only start what is switched on, but what is installed can be started from its own folder.
fn pyenv_versions() -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    let entries = root.and_then(|root| root.join("versions").read_dir().ok());
    let mut folders: Vec<_> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(version: &str) -> Interpreter {
        Interpreter { executable: "/usr/bin/python3".into(), prefixes: Vec::new(), version: version.to_owned() }
    }

    #[test]
    fn a_release_is_told_by_its_whole_number() {
        assert!(is_release_of(PythonVersion::new(11), &interpreter("3.11.7")));
        assert!(!is_release_of(PythonVersion::new(1), &interpreter("3.11.7")));
        assert!(!is_release_of(PythonVersion::new(11), &interpreter("3.1.1")));
    }

    #[test]
    fn only_older_pythons_that_start_are_offered() {
        let all = older_than(&interpreter("3.99.0"));
        assert!(all.iter().all(|version| find(*version).is_some_and(|found| is_release_of(*version, &found))));
        assert!(all.is_sorted_by(|newer, older| newer > older));
        assert_eq!(older_than(&interpreter("3.8.1")), []);
    }
}
