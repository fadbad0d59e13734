//! What the user points at: wheels, folders of wheels, requirements files, pip reports. Told apart by name, once.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    item::Item,
    locks::{
        report::{Planned, ReportError},
        requirements::{Requirements, RequirementsError},
    },
    output::plural,
    run::Run,
    wheels,
};

/// An argument that is no question for the gate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("{found:?} is a bare digest: a query, and no file that could pass a gate")]
    BareDigest { found: String },
    #[error("{} cannot be read", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is a format that attest cannot read", .path.display())]
    Format { path: PathBuf, export: &'static str },
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("nothing to verify: {} has no requirements.txt", .folder.display())]
    Nothing { folder: PathBuf },
    #[error("{} holds nothing that could be installed", .path.display())]
    Empty { path: PathBuf },
}

impl InputError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::BareDigest { found } => Some(format!("`attest explain {found}` shows what is known about it")),
            Self::Format { export, .. } => {
                Some(format!("{export} writes requirements with hashes, which attest reads"))
            }
            Self::Nothing { .. } => Some("name wheels, a folder of wheels, or a requirements file".to_owned()),
            _ => None,
        }
    }
}

/// Lock files that are not read, by the start and end of their names, and what turns them into requirements.
const FOREIGN: [(&str, &str, &str); 5] = [
    ("uv", ".lock", "`uv export --format requirements.txt`"),
    ("pylock", ".toml", "`uv export --format requirements.txt`"),
    ("poetry", ".lock", "`poetry export`"),
    ("pdm", ".lock", "`pdm export`"),
    ("Pipfile", ".lock", "`pipenv requirements --hash`"),
];
const DEFAULT: &str = "requirements.txt";

/// Every item that the arguments ask about; without arguments, the project's requirements.txt.
pub(crate) fn items(paths: &[PathBuf], run: &Run) -> Result<Vec<Item>, InputError> {
    if paths.is_empty() {
        let default = Path::new(DEFAULT);
        if !default.exists() {
            return Err(InputError::Nothing { folder: std::env::current_dir().unwrap_or_default() });
        }
        run.out.note(format_args!("verifying {DEFAULT}"));
        return requirements(default, run);
    }
    let mut items = Vec::new();
    for path in paths {
        let found = one(path, run)?;
        if found.is_empty() {
            return Err(InputError::Empty { path: path.clone() });
        }
        items.extend(found);
    }
    Ok(items)
}

fn one(path: &Path, run: &Run) -> Result<Vec<Item>, InputError> {
    let unreadable = |source| InputError::Unreadable { path: path.to_owned(), source };
    let text = path.to_string_lossy();
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
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some((_, _, export)) = FOREIGN.iter().find(|(start, end, _)| name.starts_with(start) && name.ends_with(end))
    {
        return Err(InputError::Format { path: path.to_owned(), export });
    }
    if path.extension().is_some_and(|extension| extension == "json") {
        return Ok(Planned::read(path)?.into_iter().map(|planned| planned.item).collect());
    }
    requirements(path, run)
}

fn requirements(path: &Path, run: &Run) -> Result<Vec<Item>, InputError> {
    let requirements = Requirements::read(path)?;
    for (place, source) in &requirements.sources {
        run.out.note(format_args!("{place}: files come from {source}"));
    }
    if requirements.items.is_empty() {
        return Err(InputError::Empty { path: path.to_owned() });
    }
    Ok(requirements.items)
}
