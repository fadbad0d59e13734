//! Which Python will install: the one that is named, or the one that the installer would take.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{
    Python, Target,
    probe::{self, ProbeError},
};
use crate::{locks::marker, run::Run};

const IN_ENVIRONMENT: &str = "bin/python";
const PYTHON: &str = "python3";
/// Says which Python uv makes an environment with.
const VERSION_FILE: &str = ".python-version";

/// Whom a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    /// uv on its project: into the project's `.venv`, whatever environment is active.
    Uv,
    /// Into the active environment first.
    Other,
}

/// What was asked for on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Every file counts.
    pub(crate) all_files: bool,
    /// The Python that will install.
    pub(crate) python: Option<PathBuf>,
}

/// The lock that a Python is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lock<'a> {
    pub(crate) installer: Installer,
    /// Where it is.
    pub(crate) folder: &'a Path,
    /// The Pythons that it is for.
    pub(crate) requires_python: Option<&'a str>,
}

impl Selection {
    /// Which files of a lock count.
    pub(crate) fn target<'a>(&'a self, lock: Lock<'a>, run: &'a Run) -> Result<Target<'a>, NamedPythonError> {
        if self.all_files {
            return Ok(Target::Everywhere);
        }
        let memory = run.places().ok().and_then(|places| Some(places.data().ok()?.join("pythons")));
        if let Some(named) = &self.python {
            // What a person named is not passed over in silence.
            let path = on_path(named).ok_or_else(|| NamedPythonError::None { named: named.clone() })?;
            let python = probe::ask(&path, memory.as_deref())?;
            return Ok(Target::here(move || Some(python)));
        }
        Ok(Target::here(move || {
            let found = search(lock, memory.as_deref());
            match &found {
                Ok(python) => {
                    let (what, path) = (python.describe(), python.executable.display());
                    run.out.note(format_args!(
                        "files for {what} ({path}) count: --python names another, --all-files takes all"
                    ));
                }
                Err(why) => run.out.note(format_args!("{why}: every file counts that some Python here could take")),
            }
            found.ok()
        }))
    }
}

/// The Python that `--python` names is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NamedPythonError {
    #[error("expected a Python after --python, found {}", .named.display())]
    None { named: PathBuf },
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

/// Why it is not known which Python will install.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("no {PYTHON} was found")]
    None,
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("{} is a Python out of the project's own folder, which is not run: name it with --python", .path.display())]
    Inside { path: PathBuf },
    #[error("{found} was found, but {} asks for {wanted:?}", .file.display())]
    Version { found: String, file: PathBuf, wanted: String },
    #[error("{found} was found, but the lock is for Python {wanted}")]
    Required { found: String, wanted: String },
}

fn search(lock: Lock<'_>, memory: Option<&Path>) -> Result<Python, Unknown> {
    let (path, made) = candidate(lock)?;
    let python = probe::ask(&path, memory)?;
    let version = python.marker("python_full_version").unwrap_or_default();
    // An environment is there already; otherwise one is made with the Python that the project asks for.
    if !made
        && let Some((file, wanted)) = version_file(lock.folder)
        && !is_release_of(version, &wanted)
    {
        return Err(Unknown::Version { found: python.describe(), file, wanted });
    }
    match lock.requires_python {
        Some(wanted) if marker::excludes(wanted, version) => {
            Err(Unknown::Required { found: python.describe(), wanted: wanted.to_owned() })
        }
        _ => Ok(python),
    }
}

/// The real file of a Python, and whether it is the one of an environment.
fn candidate(lock: Lock<'_>) -> Result<(PathBuf, bool), Unknown> {
    let folder = lock.folder.canonicalize().unwrap_or_else(|_| lock.folder.to_owned());
    let place = env::var_os("UV_PROJECT_ENVIRONMENT").filter(|_| lock.installer == Installer::Uv);
    let of_project = folder.join(place.unwrap_or_else(|| ".venv".into())).join(IN_ENVIRONMENT);
    // Whoever activated an environment has run it.
    let active = env::var_os("VIRTUAL_ENV").map(|active| Path::new(&active).join(IN_ENVIRONMENT));
    let active = active.filter(|_| lock.installer == Installer::Other).and_then(|path| path.canonicalize().ok());
    if let Some(real) = active {
        return Ok((real, true));
    }
    if let Ok(real) = of_project.canonicalize() {
        // A clone may bring a program of its own under this name. The Python of an environment is a link out of it.
        if real.starts_with(&folder) {
            return Err(Unknown::Inside { path: of_project });
        }
        return Ok((real, true));
    }
    on_path(Path::new(PYTHON)).map(|path| (path, false)).ok_or(Unknown::None)
}

/// The real file of a command, or of a path.
fn on_path(named: &Path) -> Option<PathBuf> {
    if named.components().count() > 1 {
        return named.canonicalize().ok();
    }
    let folders = env::var_os("PATH")?;
    // A relative folder of PATH is the project's.
    env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(named))
        .find(|path| path.is_file())?
        .canonicalize()
        .ok()
}

fn version_file(folder: &Path) -> Option<(PathBuf, String)> {
    let folder = folder.canonicalize().ok()?;
    let file = folder.ancestors().map(|folder| folder.join(VERSION_FILE)).find(|file| file.is_file())?;
    let text = fs::read_to_string(&file).ok()?;
    let wanted = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    Some((file, wanted.chars().take(64).collect()))
}

/// Whether `3.11.7` is a `3.11`; anything but a release may ask for another Python.
fn is_release_of(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn lock(folder: &Path) -> Lock<'_> {
        Lock { installer: Installer::Uv, folder, requires_python: None }
    }

    #[test]
    fn a_program_that_a_clone_brings_along_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let environment = folder.path().join(".venv/bin");
        fs::create_dir_all(&environment).unwrap();
        fs::write(environment.join("python"), "#!/bin/sh\n").unwrap();
        assert!(matches!(candidate(lock(folder.path())), Err(Unknown::Inside { .. })));
        fs::remove_file(environment.join("python")).unwrap();
        fs::write(folder.path().join("evil"), "#!/bin/sh\n").unwrap();
        symlink("../../evil", environment.join("python")).unwrap();
        assert!(matches!(candidate(lock(folder.path())), Err(Unknown::Inside { .. })));
    }

    #[test]
    fn the_environment_of_a_project_is_the_one_that_uv_installs_into() {
        let folder = tempfile::tempdir().unwrap();
        let environment = folder.path().join(".venv/bin");
        fs::create_dir_all(&environment).unwrap();
        symlink("/bin/sh", environment.join("python")).unwrap();
        let (path, made) = candidate(lock(folder.path())).unwrap();
        assert_eq!((path, made), (Path::new("/bin/sh").canonicalize().unwrap(), true));
    }

    #[test]
    fn a_version_that_a_project_asks_for_is_held_against_the_python_that_was_found() {
        for (version, wanted, is) in [
            ("3.11.7", "3.11", true),
            ("3.11.7", "3.11.7", true),
            ("3.11.7", "3", true),
            ("3.11.7", "3.1", false),
            ("3.11.7", "3.12", false),
            ("3.11.7", "pypy3.11", false),
            ("3.11.7", "3.11t", false),
        ] {
            assert_eq!(is_release_of(version, wanted), is, "{version} {wanted}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join(VERSION_FILE), "# the one\n\n3.12\n").unwrap();
        assert_eq!(version_file(&folder.path().join("sub")).unwrap().1, "3.12");
    }
}
