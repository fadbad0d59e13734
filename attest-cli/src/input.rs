//! What the user points at: wheels, folders of wheels, locks of all formats, pip reports, standard input.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    cores,
    files::{self, FileError},
    item::Item,
    locks::{self, document::LockError, report::ReportError, requirements::RequirementsError},
    output::plural,
    platform::find::{NamedPythonError, Selection},
    run::Run,
    wheels,
};

use self::project::Found;

mod project;

/// The largest of all formats: a pip report of a thousand packages.
const MAX_INPUT: u64 = 256 * 1024 * 1024;
/// Standard input.
const PIPED: &str = "-";

/// An argument that is no question for the gate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("{found:?} is a bare digest: a query, and no file that could pass a gate")]
    BareDigest { found: String },
    #[error("{} cannot be read", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Python(#[from] NamedPythonError),
    #[error("nothing to verify: neither {} nor a folder above it has a lock", .folder.display())]
    Nothing { folder: PathBuf },
    #[error("{} holds nothing that could be installed", .path.display())]
    Empty { path: PathBuf },
}

impl InputError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                let name = path.to_str().filter(|name| !name.contains(['/', '.']) || name.contains("=="))?;
                format!("files are verified; `attest explain {name}` is about a release")
            }
            Self::BareDigest { found } => format!("`attest explain {found}` shows what is known about it"),
            Self::Nothing { .. } => "name wheels, a folder of wheels, a lock, or requirements with hashes".to_owned(),
            Self::Lock(LockError::Conflict { .. }) => "merge it, or lock again".to_owned(),
            Self::Lock(LockError::Version { format, .. }) => {
                format!("a newer attest may read it; until then, export requirements with hashes from {format}")
            }
            Self::Empty { path } if path.is_dir() => {
                "a folder means the wheels in it; name the lock, or nothing at all for the project's lock".to_owned()
            }
            Self::Python(_) => "--python names the Python that will install".to_owned(),
            _ => return None,
        })
    }
}

/// Every item that the arguments ask about; without arguments, those of the project's lock.
pub(crate) fn items(paths: &[PathBuf], selection: &Selection, run: &Run) -> Result<Vec<Item>, InputError> {
    if paths.is_empty() {
        let folder = std::env::current_dir().unwrap_or_default();
        let Some(Found { lock, others }) = project::find(&folder) else {
            return Err(InputError::Nothing { folder });
        };
        run.out.note(format_args!("reading {}", lock.display()));
        if !others.is_empty() {
            run.out.note(format_args!("not looked at: {}", others.join(", ")));
        }
        return some(&lock, selection, run);
    }
    let mut items = Vec::new();
    // Wheels are hashed at once, on all cores.
    for found in cores::map(paths, |path| some(path, selection, run)) {
        items.extend(found?);
    }
    Ok(items)
}

/// The lock that is taken where nobody names one.
pub(crate) fn project_lock() -> Option<PathBuf> {
    project::find(&std::env::current_dir().ok()?).map(|found| found.lock)
}

/// What holds nothing was not meant.
fn some(path: &Path, selection: &Selection, run: &Run) -> Result<Vec<Item>, InputError> {
    let items = one(path, selection, run)?;
    if items.is_empty() {
        return Err(InputError::Empty { path: path.to_owned() });
    }
    Ok(items)
}

fn one(path: &Path, selection: &Selection, run: &Run) -> Result<Vec<Item>, InputError> {
    let unreadable = |source| InputError::Unreadable { path: path.to_owned(), source };
    let text = path.to_string_lossy();
    if text == PIPED {
        let mut bytes = Vec::new();
        io::stdin().take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_INPUT {
            return Err(FileError::TooLarge { path: path.to_owned(), limit: MAX_INPUT }.into());
        }
        return locks::items(&bytes, path, selection, run);
    }
    if text.starts_with("sha256:") && !path.exists() {
        return Err(InputError::BareDigest { found: text.into_owned() });
    }
    if path.metadata().map_err(unreadable)?.is_dir() {
        let (items, others) = wheels::folder(path).map_err(unreadable)?;
        if others > 0 {
            run.out.note(format_args!(
                "{}: {} that pip would not install",
                path.display(),
                plural(others, "other file")
            ));
        }
        return Ok(items);
    }
    if wheels::is_wheel(path) {
        return Ok(vec![wheels::item(path).map_err(unreadable)?]);
    }
    locks::items(&files::read(path, MAX_INPUT)?, path, selection, run)
}
