//! `attest install -r pylock.toml` ([PEP 751](https://peps.python.org/pep-0751/)): the lock says which files there are, so
//! nothing is resolved. Those that fit the Python that is installed into are judged, and the installer is held to the digests
//! that passed.

use std::path::{Path, PathBuf};

use super::{arguments::Args, plan::Package};
use crate::{
    exit::{Exit, Failure},
    input,
    item::{Form, Item, Question},
    platform::find::Selection,
    run::Run,
};

/// The lock that is asked for, where one is.
///
/// # Errors
/// Where anything else is asked for beside it: what that requires could be another version than the lock has.
pub(super) fn named(args: &Args) -> Result<Option<PathBuf>, Failure> {
    let Some(lock) = args.requirement.iter().find(|path| is_pylock(path)) else { return Ok(None) };
    if args.requirement.len() > 1 || !args.requirements.is_empty() || !args.resolution.constraint.is_empty() {
        let message = format!("expected nothing beside {}: a lock is all that is installed", lock.display());
        return Err(Failure::usage(message).hint("lock again with what is missing, or install in two steps"));
    }
    Ok(Some(lock.clone()))
}

/// PEP 751, "File Name": `pylock.toml`, or a name in between.
fn is_pylock(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "pylock.toml"
        || name
            .strip_prefix("pylock.")
            .and_then(|rest| rest.strip_suffix(".toml"))
            .is_some_and(|middle| !middle.is_empty() && !middle.contains('.'))
}

/// The packages that the lock has for this Python, each with the wheels that fit.
pub(super) fn packages(lock: &Path, python: &Path, run: &Run) -> anyhow::Result<Vec<Package>> {
    let selection = Selection { all_files: false, python: Some(python.to_owned()) };
    let mut packages: Vec<Package> = Vec::new();
    for item in input::items(&[lock.to_owned()], &selection, run)? {
        if matches!(item.question, Question::NotSelectable(_)) {
            continue;
        }
        let Some((project, version)) = release(&item) else {
            let message =
                format!("{} ({}) is of no version that could be installed by its digest", item.name, item.place);
            let hint = "only published wheels come through the gate: install this one by itself, if you trust it";
            return Err(Failure::new(Exit::Refused, message).hint(hint).into());
        };
        match packages.iter_mut().find(|known| known.project == project && known.version.same_as(&version)) {
            Some(known) => known.candidates.push(item),
            None => packages.push(Package { project, version, direct: None, candidates: vec![item] }),
        }
    }
    Ok(packages)
}

/// Of a wheel, or of what stands where a wheel should.
fn release(item: &Item) -> Option<(attest_core::artifact::ProjectName, attest_core::artifact::Version)> {
    let package = item.package.as_ref().filter(|package| matches!(package.form, Form::Wheel | Form::Sdist))?;
    Some((package.project.clone(), package.version.clone()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_known_by_its_name() {
        for name in ["pylock.toml", "locks/pylock.toml", "pylock.dev.toml"] {
            assert!(is_pylock(Path::new(name)), "{name}");
        }
        for name in ["pyproject.toml", "pylock.txt", "pylock..toml", "pylock.a.b.toml", "mypylock.toml", "uv.lock"] {
            assert!(!is_pylock(Path::new(name)), "{name}");
        }
    }
}
