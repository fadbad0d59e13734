//! Files that say what an installer will install: locks, requirements, reports. One module for each format; each reads its
//! format as the installer does, or not at all, and gives [`crate::item::Item`]s.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::{
    input::InputError,
    item::Item,
    platform::{
        Target,
        find::{Installer, Lock, Selection},
    },
    run::Run,
};

use self::{
    document::{Lines, LockError, MAX_LOCK, Table, Text},
    listed::Reading,
    report::Planned,
    requirements::Requirements,
};

pub(crate) mod document;
mod listed;
pub(crate) mod marker;
mod pdm;
mod pipfile;
mod poetry;
pub(crate) mod prune;
mod pylock;
pub(crate) mod report;
pub(crate) mod requirements;
pub(crate) mod settings;
#[cfg(test)]
mod specimen;
#[cfg(test)]
mod tests;
mod uv;

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Uv,
    Pylock,
    Poetry,
    Pdm,
    Pipfile,
    /// pip's installation report.
    Report,
    Requirements,
}

impl Format {
    /// What the name of a file says; nothing where it may be any format.
    #[expect(clippy::case_sensitive_file_extension_comparisons, reason = "as the tools that write them name them")]
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "uv.lock" => Self::Uv,
            "poetry.lock" => Self::Poetry,
            "pdm.lock" => Self::Pdm,
            "Pipfile.lock" => Self::Pipfile,
            _ if is_pylock(name) => Self::Pylock,
            _ if name.ends_with(".txt") || name.ends_with(".in") => Self::Requirements,
            _ => return None,
        })
    }

    /// By its name, and where that leaves it open by what it says.
    pub(crate) fn of(path: &Path, text: &str) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::by_name(&name).unwrap_or_else(|| Self::by_content(text))
    }

    /// What it says itself. What is none of the others is read as requirements, of which every line has to be one.
    pub(crate) fn by_content(text: &str) -> Self {
        if text.trim_start().starts_with('{') {
            return if text.contains("\"_meta\"") { Self::Pipfile } else { Self::Report };
        }
        let Ok(table) = DeTable::parse(text) else {
            return Self::Requirements;
        };
        let (table, metadata) = (table.get_ref(), table.get_ref().get("metadata").map(toml::Spanned::get_ref));
        let says = |key: &str| metadata.is_some_and(|metadata| metadata.get(key).is_some());
        if table.contains_key("lock-version") {
            Self::Pylock
        } else if says("lock-version") {
            Self::Poetry
        } else if says("lock_version") {
            Self::Pdm
        } else if table.contains_key("version")
            && ["package", "distribution"].iter().any(|key| table.contains_key(*key))
        {
            Self::Uv
        } else {
            Self::Requirements
        }
    }
}

/// `pylock.toml` and `pylock.NAME.toml`
pub(crate) fn is_pylock(name: &str) -> bool {
    let middle = name.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix("toml"));
    middle.is_some_and(|middle| {
        middle.is_empty() || middle.strip_suffix('.').is_some_and(|name| !name.is_empty() && !name.contains('.'))
    })
}

/// Every item of a file. `path` names it; its folder is where the project is.
pub(crate) fn items(bytes: &[u8], path: &Path, selection: &Selection, run: &Run) -> Result<Vec<Item>, InputError> {
    let text = Text::new(bytes, path)?;
    let format = Format::of(path, text.as_str());
    if bytes.len() as u64 > MAX_LOCK && !matches!(format, Format::Report | Format::Requirements) {
        return Err(LockError::TooLarge { path: path.to_owned() }.into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let target = |installer, pythons: Vec<String>| selection.target(Lock { installer, folder, pythons }, run);
    let read: Reader = match format {
        Format::Report => return Ok(Planned::parse(bytes, path)?.into_iter().map(|planned| planned.item).collect()),
        Format::Requirements => {
            let requirements = Requirements::read_for(bytes, path, &target(Installer::Other, Vec::new())?)?;
            for (place, source) in &requirements.sources {
                run.out.note(format_args!("{place}: files come from {source}"));
            }
            return Ok(requirements.items);
        }
        Format::Pipfile => return Ok(pipfile::items(text, &target(Installer::Other, Vec::new())?)?),
        Format::Uv | Format::Pylock | Format::Poetry | Format::Pdm => reader(format),
    };
    let (document, lines) = (text.toml()?, Lines::new(text));
    let top = lines.table(document.get_ref(), 0);
    let script = script(path).filter(|_| format == Format::Uv);
    let installer = match (format, &script) {
        (Format::Uv, Some(_)) => Installer::UvScript,
        (Format::Uv, None) => Installer::Uv,
        _ => Installer::Other,
    };
    let mut pythons: Vec<String> = pythons(&top).map(str::to_owned).into_iter().collect();
    if installer == Installer::Uv {
        pythons.extend(uv::members(&top).filter_map(|member| settings::requires_python(&folder.join(member))));
    }
    let target = target(installer, pythons)?;
    let told = settings::builds(folder, script.as_deref());
    if let Some(told) = &told {
        run.out.note(format_args!("{told} has packages built that have wheels: source distributions count"));
    }
    Ok(read(top, &Reading { target: &target, builds: told.is_some() })?)
}

type Reader = fn(Table<'_>, &Reading<'_, '_>) -> Result<Vec<Item>, LockError>;

/// Of a format that is TOML.
fn reader(format: Format) -> Reader {
    match format {
        Format::Pylock => pylock::items,
        Format::Poetry => poetry::items,
        Format::Pdm => pdm::items,
        Format::Uv | Format::Pipfile | Format::Report | Format::Requirements => uv::items,
    }
}

/// The script that a lock of uv's is for: `NAME.lock` stands beside `NAME`.
fn script(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_suffix(".lock")?;
    (name != "uv").then(|| path.with_file_name(name))
}

/// Every item of a lock that can be pruned, wherever it would be installed and whatever would be built.
pub(crate) fn everything(text: &str, path: &Path) -> Result<Vec<Item>, InputError> {
    let text = Text::new(text.as_bytes(), path)?;
    let format = Format::of(path, text.as_str());
    if format == Format::Requirements {
        return Ok(Requirements::read_for(text.as_str().as_bytes(), path, &Target::Everywhere)?.items);
    }
    let (document, lines) = (text.toml()?, Lines::new(text));
    let top = lines.table(document.get_ref(), 0);
    Ok(reader(format)(top, &Reading { target: &Target::Everywhere, builds: true })?)
}

/// The Pythons that a lock is for; Poetry keeps them with its metadata.
fn pythons<'d>(top: &Table<'d>) -> Option<&'d str> {
    let of_poetry = || top.value("metadata")?.as_table()?.value("python-versions")?.as_text();
    top.value("requires-python").and_then(|value| value.as_text()).or_else(of_poetry)
}
