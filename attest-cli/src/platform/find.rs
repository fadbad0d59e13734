//! Which Python will install: the one that is named, or the one that the installer would take.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{
    Python, Target,
    probe::{self, ProbeError},
};
use crate::{
    locks::{marker, settings},
    run::Run,
};

const IN_ENVIRONMENT: &str = "bin/python";
const PYTHON: &str = "python3";
/// Says which Python uv makes an environment with.
const VERSION_FILE: &str = ".python-version";

const VERSION_VARIABLE: &str = "UV_PYTHON";

/// Whom a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    /// uv on its project: into the project's `.venv`, whatever environment is active.
    Uv,
    /// uv on a script: into an environment of its own, with whatever Python the script asks for.
    UvScript,
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
#[derive(Clone, Debug)]
pub(crate) struct Lock<'a> {
    pub(crate) installer: Installer,
    /// Where it is.
    pub(crate) folder: &'a Path,
    /// The Pythons that it is for, and those that the projects are for which it is the lock of: `>=3.9`.
    pub(crate) pythons: Vec<String>,
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
            let path =
                on_path(&of_environment(named)).ok_or_else(|| NamedPythonError::None { named: named.clone() })?;
            let python = probe::ask(&path, memory.as_deref())?;
            return Ok(Target::here(move || Some(python)));
        }
        Ok(Target::here(move || {
            let found = search(&lock, memory.as_deref());
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
    #[error("{} may have come with the project, and is not run: name it with --python", .path.display())]
    Inside { path: PathBuf },
    #[error("{found} was found, but {} asks for {wanted:?}", .place.display())]
    Version { found: String, place: PathBuf, wanted: String },
    #[error(
        "uv may take a Python that it installed itself: make the environment first (`uv venv`), or name it with --python"
    )]
    Managed,
    #[error("uv makes an environment for a script with the Python that the script asks for: name it with --python")]
    Script,
    #[error("{said_by} may have another Python taken: name it with --python")]
    Told { said_by: String },
    #[error("{found} was found, but the lock or its project is for Python {wanted}")]
    Required { found: String, wanted: String },
}

fn search(lock: &Lock<'_>, memory: Option<&Path>) -> Result<Python, Unknown> {
    if lock.installer == Installer::UvScript {
        return Err(Unknown::Script);
    }
    let (path, made) = candidate(lock)?;
    if let Some(said_by) = elsewhere(lock, made) {
        return Err(Unknown::Told { said_by });
    }
    let python = probe::ask(&path, memory)?;
    let version = python.marker("python_full_version").unwrap_or_default();
    // uv makes an environment anew with the Python that the project asks for; others install into what is there.
    if (!made || lock.installer == Installer::Uv)
        && let Some((place, wanted)) = asked_for(lock)
        && !is_release_of(version, &wanted)
    {
        return Err(Unknown::Version { found: python.describe(), place, wanted });
    }
    if !made && lock.installer == Installer::Uv && uv_has_pythons() {
        return Err(Unknown::Managed);
    }
    match lock.pythons.iter().find(|wanted| marker::excludes(wanted, version)) {
        Some(wanted) => Err(Unknown::Required { found: python.describe(), wanted: wanted.clone() }),
        None => Ok(python),
    }
}

/// Who has the installer take another Python than the one that [`candidate`] finds.
fn elsewhere(lock: &Lock<'_>, made: bool) -> Option<String> {
    if lock.installer == Installer::Uv {
        return settings::other_python(lock.folder);
    }
    // `uv pip` and pip install where these say; the system's own environment is the one that is found without another.
    let names: &[&str] =
        if made { &["UV_PYTHON", "PIP_PYTHON", "UV_SYSTEM_PYTHON"] } else { &["UV_PYTHON", "PIP_PYTHON"] };
    let set = |name: &&&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    names.iter().find(set).map(|name| (*name).to_owned())
}

/// The real file of a Python, and whether it is the one of an environment.
fn candidate(lock: &Lock<'_>) -> Result<(PathBuf, bool), Unknown> {
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
        // The Python of an environment is a link out of it.
        if came_along(&real, &folder) {
            return Err(Unknown::Inside { path: of_project });
        }
        return Ok((real, true));
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    // uv makes the project's environment from a Python of the system, whatever environment is active.
    let passed_over = |folder: &Path| lock.installer == Installer::Uv && is_of_environment(folder);
    let path = in_folders(env::split_paths(&folders).filter(|folder| !passed_over(folder)), Path::new(PYTHON));
    path.map(|path| (path, false)).ok_or(Unknown::None)
}

/// Whether programs in this folder are those of a virtual environment (PEP 405).
fn is_of_environment(folder: &Path) -> bool {
    folder.parent().is_some_and(|above| above.join("pyvenv.cfg").is_file())
}

/// Whether a program may have come with the project, under the name of a Python: the lock may be deep in a clone, so no
/// folder above it is trusted either, short of the home directory and the root.
fn came_along(real: &Path, folder: &Path) -> bool {
    let home = env::home_dir().and_then(|home| home.canonicalize().ok());
    let ends = |above: &Path| above.parent().is_none() || Some(above) == home.as_deref();
    real.starts_with(folder) || folder.ancestors().take_while(|above| !ends(above)).any(|above| real.starts_with(above))
}

/// The Python of an environment that a person names by its folder, as uv has it too. What is in PATH by this name is meant
/// first: a folder could have come along with the project.
pub(crate) fn of_environment(named: &Path) -> PathBuf {
    let command = named.components().count() == 1 && on_path(named).is_some();
    if !command && named.join("pyvenv.cfg").is_file() { named.join(IN_ENVIRONMENT) } else { named.to_owned() }
}

/// The real file of a command, or of a path.
fn on_path(named: &Path) -> Option<PathBuf> {
    if named.components().count() > 1 {
        return named.canonicalize().ok();
    }
    in_folders(env::split_paths(&env::var_os("PATH")?), named)
}

fn in_folders(folders: impl Iterator<Item = PathBuf>, named: &Path) -> Option<PathBuf> {
    // A relative folder of PATH is the project's.
    folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(named))
        .find(|path| path.is_file())?
        .canonicalize()
        .ok()
}

/// What is to be installed with, and who says so.
fn asked_for(lock: &Lock<'_>) -> Option<(PathBuf, String)> {
    let variable = env::var_os(VERSION_VARIABLE).filter(|value| lock.installer == Installer::Uv && !value.is_empty());
    let variable = variable.map(|value| (PathBuf::from(VERSION_VARIABLE), value.to_string_lossy().into_owned()));
    variable.or_else(|| version_file(lock.folder))
}

/// uv prefers those that it installed itself.
fn uv_has_pythons() -> bool {
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(env::home_dir()?.join(".local/share")));
    let folder = env::var_os("UV_PYTHON_INSTALL_DIR").map(PathBuf::from).or_else(|| Some(data?.join("uv/python")));
    let entries = folder.and_then(|folder| fs::read_dir(folder).ok());
    entries.into_iter().flatten().filter_map(Result::ok).any(|entry| {
        // Beside a lock file and folders for temporary files.
        !entry.file_name().to_string_lossy().starts_with('.') && entry.path().is_dir()
    })
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
        Lock { installer: Installer::Uv, folder, pythons: Vec::new() }
    }

    #[test]
    fn a_program_that_a_clone_brings_along_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let environment = folder.path().join(".venv/bin");
        fs::create_dir_all(&environment).unwrap();
        fs::write(environment.join("python"), "#!/bin/sh\n").unwrap();
        assert!(matches!(candidate(&lock(folder.path())), Err(Unknown::Inside { .. })));
        fs::remove_file(environment.join("python")).unwrap();
        fs::write(folder.path().join("evil"), "#!/bin/sh\n").unwrap();
        symlink("../../evil", environment.join("python")).unwrap();
        assert!(matches!(candidate(&lock(folder.path())), Err(Unknown::Inside { .. })));
        // The lock of a part of the clone, and a program from elsewhere in it.
        let part = folder.path().join("part");
        fs::create_dir_all(part.join(".venv/bin")).unwrap();
        symlink("../../../evil", part.join(".venv/bin/python")).unwrap();
        assert!(matches!(candidate(&lock(&part)), Err(Unknown::Inside { .. })));
    }

    #[test]
    fn a_folder_names_the_python_of_its_environment_and_a_command_stays_one() {
        let part = tempfile::tempdir().unwrap();
        let folder = part.path().join("env");
        assert_eq!(of_environment(&folder), folder);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(of_environment(&folder), folder.join(IN_ENVIRONMENT));
        assert_eq!(of_environment(Path::new("sh")), Path::new("sh"));
    }

    #[test]
    fn the_environment_of_a_project_is_the_one_that_uv_installs_into() {
        let folder = tempfile::tempdir().unwrap();
        let environment = folder.path().join(".venv/bin");
        fs::create_dir_all(&environment).unwrap();
        symlink("/bin/sh", environment.join("python")).unwrap();
        let (path, made) = candidate(&lock(folder.path())).unwrap();
        assert_eq!((path, made), (Path::new("/bin/sh").canonicalize().unwrap(), true));
    }

    #[test]
    fn an_environment_that_is_active_is_none_that_uv_makes_others_from() {
        let folder = tempfile::tempdir().unwrap();
        for place in ["active/bin", "system/bin"] {
            let place = folder.path().join(place);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(PYTHON), "").unwrap();
        }
        fs::write(folder.path().join("active/pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        let folders = || ["active/bin", "system/bin"].map(|place| folder.path().join(place)).into_iter();
        let real = |place: &str| folder.path().join(place).canonicalize().ok();
        assert_eq!(in_folders(folders(), Path::new(PYTHON)), real("active/bin/python3"));
        let of_system = folders().filter(|folder| !is_of_environment(folder));
        assert_eq!(in_folders(of_system, Path::new(PYTHON)), real("system/bin/python3"));
    }

    #[test]
    fn what_a_script_or_a_project_of_other_pythons_installs_is_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let script = Lock { installer: Installer::UvScript, ..lock(folder.path()) };
        assert!(matches!(search(&script, None), Err(Unknown::Script)));
        fs::write(folder.path().join("uv.toml"), "python-preference = 'only-managed'\n").unwrap();
        assert!(matches!(search(&lock(folder.path()), None), Err(Unknown::Told { .. })));
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
