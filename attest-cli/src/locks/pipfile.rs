//! Pipfile.lock, [pipfile-spec 6](https://pipenv.pypa.io/en/latest/pipfile.html#example-pipfile-lock): pipenv has pip
//! install from it, by hashes without names, so every one has to pass.

use std::collections::BTreeMap;

use attest_core::{
    artifact::Version,
    verify::{Wanted, WantedName},
};
use serde::Deserialize;

use crate::{
    item::{Elsewhere, Form, GateError, Item, Package, Place, Question, Unattestable},
    platform::Target,
};

use super::{
    document::{LockError, Text},
    listed,
};

const VERSION: u32 = 6;

#[derive(Deserialize)]
struct Pipfile {
    #[serde(rename = "_meta")]
    meta: Meta,
    /// `default`, `develop` and the user's own categories.
    #[serde(flatten)]
    categories: BTreeMap<String, BTreeMap<String, Entry>>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "pipfile-spec")]
    spec: u32,
}

#[derive(Deserialize)]
struct Entry {
    version: Option<String>,
    hashes: Option<Vec<String>>,
    markers: Option<String>,
    git: Option<String>,
    path: Option<String>,
    file: Option<String>,
    url: Option<String>,
}

/// Every hash of the lock.
pub(super) fn items(text: Text<'_>, target: &Target<'_>) -> Result<Vec<Item>, LockError> {
    let failed = |source| LockError::Json { path: text.path.to_owned(), source };
    let lock: Pipfile = serde_json::from_str(text.as_str()).map_err(failed)?;
    if lock.meta.spec != VERSION {
        let (place, found) = (Place::file(text.path), lock.meta.spec.to_string());
        return Err(LockError::Version { place, format: "Pipfile.lock", expected: "6", found });
    }
    let mut all = Vec::new();
    for (name, entry) in lock.categories.values().flatten() {
        all.extend(package(name, entry, text, target)?);
    }
    Ok(all)
}

fn package(name: &str, entry: &Entry, text: Text<'_>, target: &Target<'_>) -> Result<Vec<Item>, LockError> {
    let place = place_of(text, &format!("\"{name}\""));
    let project = listed::project(name, &place)?;
    let pinned = entry.version.as_deref().and_then(|version| Version::new(version.strip_prefix("==")?).ok());
    let item = |place: Place, form: Form, question: Question| {
        let digest = match &question {
            Question::File { wanted, .. } => Some(wanted.digest),
            _ => None,
        };
        let (project, version) = (project.clone(), pinned.clone());
        let shown = format!("{project}{}", entry.version.as_deref().unwrap_or_default());
        let package = Package { project, version, form, digest, required_by: Vec::new() };
        Item { name: shown, place, question, package: Some(Box::new(package)) }
    };
    if let Some(marker) = entry.markers.as_deref().filter(|marker| target.rules_out(marker)) {
        let elsewhere = Elsewhere::Marker(marker.to_owned());
        return Ok(vec![item(place, Form::Wheel, Question::NotSelectable(elsewhere))]);
    }
    if entry.git.is_some() {
        return Ok(vec![item(place, Form::Vcs, Question::NotAttestable(Unattestable::Vcs))]);
    }
    if entry.path.is_some() || entry.file.is_some() || entry.url.is_some() {
        return Ok(vec![item(place, Form::Folder, Question::NotAttestable(Unattestable::Local))]);
    }
    let Some(version) = &pinned else {
        let found = format!("{name}{}", entry.version.as_deref().unwrap_or_default());
        return Ok(vec![item(place, Form::Wheel, Question::Refused(GateError::NotPinned { found }))]);
    };
    let hashes = entry.hashes.as_deref().unwrap_or_default();
    if hashes.is_empty() {
        return Ok(vec![item(place, Form::Wheel, Question::Refused(GateError::NoHash))]);
    }
    let question = |hash: &String| match listed::parse_hash(hash) {
        Ok(digest) => {
            let name = WantedName::Release { project: project.clone(), version: version.clone() };
            Question::File { wanted: Box::new(Wanted { digest, name }), url: None }
        }
        Err(error) => Question::Refused(error),
    };
    Ok(hashes.iter().map(|hash| item(place_of(text, hash), Form::Wheel, question(hash))).collect())
}

/// JSON has no places: where this text stands first.
fn place_of(text: Text<'_>, wanted: &str) -> Place {
    match text.as_str().find(wanted) {
        Some(at) => Place::line(text.path, text.as_str()[..at].matches('\n').count() + 1),
        None => Place::file(text.path),
    }
}

#[cfg(test)]
mod tests;
