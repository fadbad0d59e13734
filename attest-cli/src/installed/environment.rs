//! Where an environment keeps what is installed, found without running anything that is installed there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::Distribution;
use crate::files;

/// `-I -S`: without the user's and the environment's modules, and without the `.pth` files that run code.
const PATHS: &str = include_str!("paths.py");
/// A few lines.
const MAX_CONFIG: u64 = 64 * 1024;

/// A Python environment, or a folder that `pip install --target` filled.
#[derive(Debug)]
pub(crate) struct Environment {
    root: PathBuf,
    folders: Vec<PathBuf>,
    /// Whether the packages below the environment can be imported too: they were not looked at.
    pub(crate) sees_system: bool,
}

/// An environment cannot be found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    #[error("expected a Python or a virtual environment, found none at {}", .path.display())]
    None { path: PathBuf },
    #[error("{} cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} does not say where its packages are: {why}", .python.display())]
    Python { python: PathBuf, why: String },
}

/// What `paths.py` says.
#[derive(Deserialize)]
struct Paths {
    root: PathBuf,
    folders: Vec<PathBuf>,
}

impl Environment {
    /// `python` is an interpreter, by path or name, or the folder of a virtual environment.
    pub(crate) fn find(python: &Path) -> Result<Self, EnvironmentError> {
        if python.join("pyvenv.cfg").is_file() {
            return Self::virtual_environment(python);
        }
        let program = program(python).ok_or_else(|| EnvironmentError::None { path: python.to_owned() })?;
        // Not resolved: the interpreter of a virtual environment is a link out of it.
        match program.parent().and_then(Path::parent).filter(|root| root.join("pyvenv.cfg").is_file()) {
            Some(root) => Self::virtual_environment(root),
            None => Self::interpreter(&program),
        }
    }

    /// A folder that holds packages and is no environment: `--target`.
    pub(crate) fn folder(folder: &Path) -> Result<Self, EnvironmentError> {
        let root = real(folder)?;
        Ok(Self { folders: vec![root.clone()], root, sees_system: false })
    }

    /// `--prefix`, or a virtual environment: `lib/pythonX.Y/site-packages` below it.
    pub(crate) fn prefix(root: &Path) -> Result<Self, EnvironmentError> {
        let root = real(root)?;
        let mut folders = Vec::new();
        for lib in ["lib", "lib64"] {
            for python in subfolders(&root.join(lib))? {
                let is_python = python.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
                let folder = python.join("site-packages");
                // `lib64` is often a link to `lib`.
                let known = |known: &PathBuf| fs::canonicalize(known).ok() == fs::canonicalize(&folder).ok();
                if is_python && folder.is_dir() && !folders.iter().any(known) {
                    folders.push(folder);
                }
            }
        }
        folders.sort();
        Ok(Self { root, folders, sees_system: false })
    }

    /// A virtual environment: it may see what is installed with the Python below it.
    pub(crate) fn virtual_environment(root: &Path) -> Result<Self, EnvironmentError> {
        let config = files::read(&root.join("pyvenv.cfg"), MAX_CONFIG)
            .map_err(|_| EnvironmentError::None { path: root.to_owned() })?;
        let sees_system = String::from_utf8_lossy(&config).lines().any(|line| {
            let said = line
                .split_once('=')
                .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase()));
            said.is_some_and(|(key, value)| key == "include-system-site-packages" && value == "true")
        });
        let found = Self { sees_system, ..Self::prefix(root)? };
        if found.folders.is_empty() {
            return Err(EnvironmentError::None { path: root.to_owned() });
        }
        Ok(found)
    }

    fn interpreter(python: &Path) -> Result<Self, EnvironmentError> {
        let failed = |why: String| EnvironmentError::Python { python: python.to_owned(), why };
        let answer = Command::new(python)
            .args(["-I", "-S", "-c", PATHS])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !answer.status.success() {
            return Err(failed(answer.status.to_string()));
        }
        let Paths { root, folders } =
            serde_json::from_slice(&answer.stdout).map_err(|error| failed(error.to_string()))?;
        Ok(Self { root, folders, sees_system: false })
    }

    /// What rows of RECORD may lead to.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folders with packages.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Everything installed, by name; and what is there that is no distribution of a kind that has a RECORD.
    pub(crate) fn distributions(&self) -> Result<(Vec<Distribution>, Vec<PathBuf>), EnvironmentError> {
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for folder in &self.folders {
            for path in entries(folder)? {
                // Python's own reader takes them in either case.
                let ends = |end: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(end));
                if ends("dist-info") {
                    match Distribution::read(&path) {
                        Some(distribution) => found.push(distribution),
                        None => others.push(path),
                    }
                } else if ends("egg-info") || ends("egg-link") || ends("egg") {
                    others.push(path);
                }
            }
        }
        found.sort_by(|one, other| one.project.cmp(&other.project));
        Ok((found, others))
    }
}

/// A program by path, or by name as a shell finds it.
fn program(python: &Path) -> Option<PathBuf> {
    if python.components().count() > 1 || python.is_absolute() {
        return python.is_file().then(|| python.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(python)).find(|file| file.is_file())
}

/// Without links and `..`: what lies below is told by comparing paths.
fn real(folder: &Path) -> Result<PathBuf, EnvironmentError> {
    folder.canonicalize().map_err(|source| EnvironmentError::Read { path: folder.to_owned(), source })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    let failed = |source| EnvironmentError::Read { path: folder.to_owned(), source };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| Ok(entry.map_err(failed)?.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    Ok(paths)
}

fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}
