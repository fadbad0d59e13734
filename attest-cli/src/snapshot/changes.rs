//! What became another one since a snapshot was taken.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Snapshot;
use super::files::ListedFile;
use super::machine::Machine;

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Change {
    /// Other bytes.
    Changed,
    /// It is no longer there.
    Removed,
    /// It was not there.
    Added,
}

/// One file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FileChange {
    /// Which.
    pub(crate) path: String,
    /// What happened.
    pub(crate) change: Change,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) then: Option<ListedFile>,
    /// Now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) now: Option<ListedFile>,
}

/// Something around the files that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Drift {
    /// Which.
    pub(crate) what: String,
    /// Before; empty where there was none.
    pub(crate) then: String,
    /// Now; empty where there is none.
    pub(crate) now: String,
}

/// Files that differ: of those that were listed, and of what is new in listed folders.
pub(crate) fn of_files(then: &[ListedFile], now: &[ListedFile]) -> Vec<FileChange> {
    let by_path = |files: &[ListedFile]| -> BTreeMap<String, ListedFile> {
        files.iter().map(|file| (file.path.clone(), file.clone())).collect()
    };
    let (then, mut now) = (by_path(then), by_path(now));
    let mut changes = Vec::new();
    for (path, before) in then {
        let after = now.remove(&path);
        let change = match &after {
            None => Change::Removed,
            Some(after) if after.sha256 != before.sha256 => Change::Changed,
            Some(_) => continue,
        };
        changes.push(FileChange { path, change, then: Some(before), now: after });
    }
    let added = |(path, file)| FileChange { path, change: Change::Added, then: None, now: Some(file) };
    changes.extend(now.into_iter().map(added));
    changes
}

/// What differs around the files.
pub(crate) fn of_machine(then: &Snapshot, now: &Machine) -> Vec<Drift> {
    let (before, after) = (facts(&then.machine), facts(now));
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let drift = |name: &String| {
        let value = |facts: &BTreeMap<String, String>| facts.get(name).cloned().unwrap_or_default();
        let (then, now) = (value(&before), value(&after));
        (then != now).then(|| Drift { what: name.clone(), then, now })
    };
    names.into_iter().filter_map(drift).collect()
}

/// Every fact of a machine as one line each.
fn facts(machine: &Machine) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut add = |name: String, value: Option<String>| {
        if let Some(value) = value {
            facts.insert(name, value);
        }
    };
    let sha256 =
        |digest: Option<_>| digest.map(|digest: attest_core::artifact::ArtifactDigest| format!(" sha256:{digest}"));
    let part = |part: &super::machine::Part| format!("{}{}", part.version, sha256(part.sha256).unwrap_or_default());
    add("platform".to_owned(), Some(machine.platform.clone()));
    add("system".to_owned(), machine.system.clone());
    add("image".to_owned(), machine.image.clone());
    let commit =
        |commit: &super::machine::Commit| format!("{}{}", commit.id, if commit.dirty { ", changed" } else { "" });
    add("commit".to_owned(), machine.commit.as_ref().map(commit));
    add("python".to_owned(), machine.python.as_ref().map(part));
    add("zlib".to_owned(), machine.zlib.as_ref().map(part));
    add("libc".to_owned(), machine.libc.as_ref().map(part));
    for one in &machine.distributions {
        let record = sha256(one.record_sha256).unwrap_or_default();
        add(format!("distribution {}", one.name), Some(format!("{}{record}", one.version)));
    }
    for (name, tool) in &machine.tools {
        add(format!("tool {name}"), Some(part(tool)));
    }
    for (name, value) in &machine.variables {
        add(format!("variable {name}"), Some(value.clone()));
    }
    facts
}
