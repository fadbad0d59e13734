//! `attest install -r pylock.toml` ([PEP 751](https://peps.python.org/pep-0751/)): the lock says which files there are, so
//! nothing is resolved. Those that fit the Python that is installed into are judged, and the installer is held to the digests
//! that passed.

use std::path::{Path, PathBuf};

use super::{arguments::Args, plan::Package};
use crate::{
    exit::{Exit, Failure},
    input,
    item::{Elsewhere, Form, Item, Question},
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
    let mut unfit = Vec::new();
    for mut item in input::items(&[lock.to_owned()], &selection, run)? {
        if let Question::NotSelectable(elsewhere) = &item.question {
            match elsewhere {
                Elsewhere::Own => run.out.note(format_args!("{} is left out: {elsewhere}", item.name)),
                Elsewhere::Tags { .. } => unfit.extend(item.package.map(|package| package.project)),
                Elsewhere::Marker(_) | Elsewhere::Unreached | Elsewhere::WheelFits => {}
            }
            continue;
        }
        forget_url(&mut item);
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
    if let Some(missing) = unfit.iter().find(|project| packages.iter().all(|package| package.project != **project)) {
        let message = format!("{} has no file of {} that fits {}", lock.display(), missing.as_str(), python.display());
        return Err(Failure::new(Exit::Refused, message).hint("lock again for this Python").into());
    }
    Ok(packages)
}

/// The installer takes files by version and digest from the indexes that it is configured with, wherever the lock says that
/// they are. So the lock's word is not where they come from, and no rule or exemption for an index is met by it
/// (docs/TRUST.md 6.3).
fn forget_url(item: &mut Item) {
    if let Question::File { url, .. } = &mut item.question {
        *url = None;
    }
}

/// Of a wheel, or of what stands where a wheel should.
fn release(item: &Item) -> Option<(attest_core::artifact::ProjectName, attest_core::artifact::Version)> {
    let package = item.package.as_ref().filter(|package| matches!(package.form, Form::Wheel | Form::Sdist))?;
    Some((package.project.clone(), package.version.clone()?))
}

#[cfg(test)]
mod tests {
    use attest_core::verify::{Wanted, WantedName};

    use super::*;
    use crate::item::Place;

    #[test]
    fn what_a_lock_says_about_where_a_file_is_exempts_nothing() {
        let digest = attest_core::artifact::ArtifactDigest::of(b"evil");
        let name = "evil-1.0-py3-none-any.whl".to_owned();
        let wanted = Box::new(Wanted { digest, name: WantedName::File(name.clone()) });
        let question = Question::File { wanted, url: Some("https://internal.example/evil".to_owned()) };
        let mut item = Item::new(name, Place::file(Path::new("pylock.toml")), question);
        forget_url(&mut item);
        assert!(matches!(item.question, Question::File { url: None, .. }));
    }

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
