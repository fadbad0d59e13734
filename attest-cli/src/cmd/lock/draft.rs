//! What is to be locked: files that are there, or the answer of a resolver.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use attest_core::{
    artifact::Version,
    lockfile::OtherPlatforms,
    verify::{Wanted, WantedName},
};

use super::Args;
use crate::{
    evidence::bundle::{self, Bundle},
    exit::Failure,
    files, input,
    item::{Form, Item, Package, Place, Question},
    locks::Format,
    pip::{Pip, pin::Pin},
    platform::find::Selection,
    run::Run,
};

/// As much as any lock has.
const MAX_LOCK: u64 = 64 << 20;

/// A lock before pruning.
pub(super) struct Draft {
    /// Where the items say they stand.
    pub(super) source: PathBuf,
    /// Where it is written.
    pub(super) target: PathBuf,
    /// What is there now; none where nothing is.
    pub(super) before: Option<Vec<u8>>,
    pub(super) text: String,
    /// What a resolver chose, where it was asked.
    pins: Option<Vec<Pin>>,
}

/// A lock of the run, by its names.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// What is read.
    source: PathBuf,
    /// What is written.
    target: PathBuf,
    /// Whether a resolver has to be asked what the source comes to.
    unresolved: bool,
}

/// Every lock of the run.
pub(super) fn named(args: &Args, run: &Run) -> anyhow::Result<Vec<Named>> {
    if let Some(input) = &args.input {
        let target = args.output.clone().unwrap_or_else(|| input.with_extension("txt"));
        let others = with_others_beside(std::slice::from_ref(&target))?.into_iter().filter(|path| *path != target);
        let others = others.map(|path| Named { source: path.clone(), target: path, unresolved: false });
        let first = Named { source: input.clone(), target: target.clone(), unresolved: true };
        return Ok(std::iter::once(first).chain(others).collect());
    }
    let paths = if args.paths.is_empty() { usual(run)? } else { with_others_beside(&args.paths)? };
    if args.output.is_some() && paths.len() > 1 {
        return Err(Failure::usage("-o takes one lock, found several").into());
    }
    let lock = |source: PathBuf| {
        let target = args.output.clone().unwrap_or_else(|| source.clone());
        Named { source, target, unresolved: false }
    };
    Ok(paths.into_iter().map(lock).collect())
}

/// What they hold before pruning.
pub(super) fn all(named: Vec<Named>, args: &Args, run: &Run) -> anyhow::Result<Vec<Draft>> {
    let draft = |Named { source, target, unresolved }: Named| -> anyhow::Result<Draft> {
        let before = if target.exists() { Some(files::read(&target, MAX_LOCK)?) } else { None };
        if unresolved {
            let (text, pins) = resolve(&source, &args.python, run)?;
            return Ok(Draft { source: target.clone(), target, before, text, pins: Some(pins) });
        }
        Ok(Draft { text: read(&source)?, source, target, before, pins: None })
    };
    named.into_iter().map(draft).collect()
}

/// Those that `attest.lock` is about, or the project's.
fn usual(run: &Run) -> anyhow::Result<Vec<PathBuf>> {
    let known = Bundle::read(Path::new(""))?.map(|bundle| bundle.lockfile.locks().to_vec()).unwrap_or_default();
    let known: Vec<PathBuf> = known.into_iter().map(PathBuf::from).filter(|path| path.exists()).collect();
    if !known.is_empty() {
        return Ok(known);
    }
    let found = input::project_lock().ok_or_else(|| {
        Failure::usage("nothing to lock: neither this folder nor one above it has a lock")
            .hint("name a lock, or resolve requirements with -i FILE")
    })?;
    run.out.note(format_args!("locking {}", found.display()));
    Ok(vec![found])
}

/// One `attest.lock` is about all locks of its folder that were ever locked with it: none of them loses its evidence
/// because another one is locked again.
fn with_others_beside(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all: BTreeSet<PathBuf> = paths.iter().cloned().collect();
    for folder in paths.iter().filter_map(|path| path.parent()) {
        if let Some(bundle) = Bundle::read(folder)? {
            let beside = bundle.lockfile.locks().iter().map(|name| folder.join(name));
            all.extend(beside.filter(|path| path.exists()));
        }
    }
    Ok(all.into_iter().collect())
}

/// The one folder that everything is written to.
pub(super) fn folder(named: &[Named]) -> anyhow::Result<PathBuf> {
    let folders: BTreeSet<PathBuf> = named.iter().map(|named| real_folder(&named.target)).collect();
    let first = named.first().and_then(|named| named.target.parent());
    match first.filter(|_| folders.len() == 1) {
        Some(folder) => Ok(folder.to_owned()),
        None => {
            Err(Failure::usage(format!("expected locks in one folder: {} stands beside them", bundle::NAME)).into())
        }
    }
}

/// However it is written.
fn real_folder(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// The text of a lock.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = files::read(path, MAX_LOCK)?;
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{}: expected UTF-8 text", path.display())).into())
}

/// What is asked about.
pub(super) fn items(drafts: &[Draft], others: OtherPlatforms, run: &Run) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    let paths: Vec<PathBuf> =
        drafts.iter().filter(|draft| draft.pins.is_none()).map(|draft| draft.source.clone()).collect();
    if !paths.is_empty() {
        items.extend(listed(&paths, others, run)?);
    }
    for draft in drafts {
        for pin in draft.pins.iter().flatten() {
            items.extend(pinned(pin, &draft.target)?);
        }
    }
    // What a requirements file includes is pruned too, in its place.
    let folder = drafts.first().map(|draft| real_folder(&draft.target));
    let own =
        |item: &Item| drafts.iter().any(|draft| draft.source != draft.target && draft.source == item.place.path());
    let elsewhere = |item: &&Item| !own(item) && Some(real_folder(item.place.path())) != folder;
    if let Some(item) = items.iter().find(elsewhere) {
        let found = item.place.path().display();
        return Err(Failure::usage(format!("{found} is included from another folder: lock it there")).into());
    }
    Ok(items)
}

/// Unless they are to stay, files for other platforms have to be accepted as well. Hashes in requirements say nothing of
/// platforms.
fn listed(paths: &[PathBuf], others: OtherPlatforms, run: &Run) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    for path in paths {
        let tables = matches!(Format::of(path, &read(path)?), Format::Uv | Format::Pylock | Format::Poetry);
        let selection = Selection { all_files: !tables || others == OtherPlatforms::Removed, python: None };
        items.extend(input::items(std::slice::from_ref(path), &selection, run)?);
    }
    Ok(items)
}

/// One item for each file that the resolver would accept.
fn pinned(pin: &Pin, target: &Path) -> anyhow::Result<Vec<Item>> {
    let version = Version::new(&pin.version).context("what the resolver chose")?;
    let item = |digest| {
        let name = WantedName::Release { project: pin.project.clone(), version: version.clone() };
        let wanted = Box::new(Wanted { digest, name });
        let package = Package {
            project: pin.project.clone(),
            version: Some(version.clone()),
            form: Form::Wheel,
            digest: Some(digest),
            required_by: Vec::new(),
        };
        let name = format!("{}=={version}", pin.project);
        let question = Question::File { wanted, url: None };
        Item { package: Some(Box::new(package)), ..Item::new(name, Place::file(target), question) }
    };
    Ok(pin.digests.iter().copied().map(item).collect())
}

/// Asks uv or pip what requirements come to.
fn resolve(input: &Path, python: &Path, run: &Run) -> anyhow::Result<(String, Vec<Pin>)> {
    let text = read(input)?;
    let mut requirements = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('-') || line.ends_with('\\') {
            return Err(Failure::usage(format!(
                "{}:{number}: expected a requirement, found {line:?}",
                input.display()
            ))
            .hint("where files come from is a setting of pip's")
            .into());
        }
        if let Some(why) = crate::locks::requirements::runs_code(line) {
            return Err(Failure::usage(format!("{}:{number}: {why}", input.display())).into());
        }
        requirements.push(line.to_owned());
    }
    let task = run.out.task(format!("resolving {}", input.display()));
    let tools = run.places()?.data()?.join("tools");
    let pins = Pip::query(python, &tools)?.resolve(&requirements, None)?;
    drop(task);
    let mut locked = format!(
        "# Resolved by `attest lock -i {}` for this machine. Every hash is of a file that the policy accepts.\n",
        input.display()
    );
    for pin in &pins {
        write!(locked, "{}=={}", pin.project, pin.version)?;
        for digest in &pin.digests {
            write!(locked, " \\\n    --hash=sha256:{digest}")?;
        }
        locked.push('\n');
    }
    Ok((locked, pins))
}
