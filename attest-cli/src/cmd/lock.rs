//! `attest lock [PATHS...]`: the same locks without the files that the policy does not accept, and `attest.lock` with the
//! evidence about those that stay (docs/lock.md).
//!
//! Nothing is written unless every package keeps a file, and then all of it or nothing. What is not known because a log
//! does not answer is not pruned: an outage takes nothing away from a lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    lockfile::{Bundle as Evidence, Covered, Lockfile, OtherPlatforms},
    verify::WantedName,
};
use serde::Serialize;

use crate::{
    evidence::bundle::{self, Bundle},
    exit::{Exit, Failure},
    files::together::{self, Change, Held},
    gate::{self, Answer, Judged, Outcome, regress, report},
    item::{Form, Item, Question},
    layers::Layers,
    locks::prune::{self, Pruned},
    output::{causes, plural},
    run::{self, Pinned, Run},
};

use self::draft::Draft;

mod draft;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Locks to prune: requirements with hashes, pylock.toml, uv.lock, poetry.lock [default: those that attest.lock is
    /// about, or else the project's].
    #[arg(conflicts_with = "input")]
    paths: Vec<PathBuf>,
    /// Requirements without hashes: resolved first for this machine, through uv or pip as pip is configured.
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where to write the lock [default: in its place; with -i, FILE as .txt].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write nothing; exit 1 if anything would change.
    #[arg(long)]
    check: bool,
    /// Keep what an installer would not take on this machine, accepted or not: who installs there verifies there.
    #[arg(long)]
    keep_other_platforms: bool,
    /// The Python to resolve for, with -i.
    #[arg(long, value_name = "PYTHON", default_value = "python3", requires = "input")]
    python: PathBuf,
}

impl Args {
    fn only_checks(&self, run: &Run) -> bool {
        self.check || run.pinned == Pinned::Locked
    }
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let layers = run.layers()?;
    let named = draft::named(args, run)?;
    let folder = draft::folder(&named)?;
    // Before anything is read that may be written: of two runs the second sees what the first wrote.
    let _held = (!args.only_checks(run)).then(|| Held::folder(&folder)).transpose()?;
    let drafts = draft::all(named, args, run)?;
    let before = Bundle::read(&folder)?;
    let others = others(args, before.as_ref());
    let items = draft::items(&drafts, others, run)?;
    let judged = gate::judge_now(&items, &layers, run)?;
    let decision = Decision::of(&judged, others);
    if judged.gathered.alarms.is_empty() && !decision.stops() {
        let plan = Plan::new(&drafts, &folder, before.as_ref(), &decision, &judged)?;
        return if args.only_checks(run) { plan.check(&judged, run) } else { plan.write(&judged, run) };
    }
    refuse(&judged, &layers, &decision, run)
}

/// As it was decided before, unless a flag says otherwise.
fn others(args: &Args, before: Option<&Bundle>) -> OtherPlatforms {
    if args.keep_other_platforms {
        return OtherPlatforms::Kept;
    }
    before.map_or(OtherPlatforms::Removed, |bundle| bundle.lockfile.other_platforms())
}

/// Says why nothing was written.
fn refuse(judged: &Judged<'_>, layers: &Layers, decision: &Decision, run: &Run) -> anyhow::Result<Exit> {
    report::Report::new("attest.verify/v1", judged, layers).print(run)?;
    for package in &decision.refused {
        run.out.warning(format_args!("no file of {package} is accepted"));
    }
    run.out.note("nothing was written");
    let undecided = if decision.undecided { Exit::Undecided } else { Exit::Pass };
    let refused = if decision.refused.is_empty() { undecided } else { Exit::Refused };
    let alarm = judged.answers.iter().any(|answer| answer.outcome == Outcome::Alarm);
    let alarm = if alarm || !judged.gathered.alarms.is_empty() { Exit::Alarm } else { Exit::Pass };
    Ok(refused.worst(alarm))
}

/// What the answers mean for a lock.
struct Decision {
    keep: BTreeSet<ArtifactDigest>,
    covered: Vec<Covered>,
    /// Packages that no accepted file would be left of.
    refused: BTreeSet<String>,
    undecided: bool,
    alarm: bool,
    others: OtherPlatforms,
}

impl Decision {
    fn of(judged: &Judged<'_>, others: OtherPlatforms) -> Self {
        let mut packages: BTreeMap<(&Path, String), bool> = BTreeMap::new();
        let (mut keep, mut refused) = (BTreeSet::new(), BTreeSet::new());
        let mut covered: BTreeMap<String, Covered> = BTreeMap::new();
        for answer in &judged.answers {
            let stays = stays(answer, others);
            let known = packages.entry((answer.item.place.path(), label(answer.item))).or_default();
            // What is not known yet is not refused.
            *known |= stays || answer.outcome == Outcome::Undecided;
            if let Some(digest) = digest(answer.item) {
                if stays {
                    keep.insert(digest)
                } else {
                    refused.insert(digest)
                };
            }
            if let Some(file) = covered_by(answer).filter(|_| stays) {
                let key = format!("{} {:?}", file.sha256, file.file.as_ref().map(|name| name.as_str().to_owned()));
                covered.entry(key).or_insert(file);
            }
        }
        // The same bytes under two names of which one is refused: the text tells them apart by their digest alone.
        keep.retain(|digest| !refused.contains(digest));
        let empty = packages.into_iter().filter(|(_, stays)| !stays).map(|((_, label), _)| label);
        Self {
            covered: covered.into_values().filter(|file| keep.contains(&file.sha256)).collect(),
            keep,
            refused: empty.collect(),
            undecided: judged.answers.iter().any(|answer| answer.outcome == Outcome::Undecided),
            alarm: judged.answers.iter().any(|answer| answer.outcome == Outcome::Alarm),
            others,
        }
    }

    fn stops(&self) -> bool {
        self.undecided || self.alarm || !self.refused.is_empty()
    }
}

/// Whether what an item is about may stay in the lock.
fn stays(answer: &Answer<'_>, others: OtherPlatforms) -> bool {
    let form = answer.item.package.as_ref().map(|package| package.form);
    match (answer.outcome, form) {
        (outcome, _) if outcome.lets_through() => true,
        // The project itself is no file, and nothing that an installer would fetch.
        (Outcome::NotSelectable, Some(Form::Folder)) => true,
        // docs/TRUST.md 6.2: an sdist that is left in a lock gets built.
        (Outcome::NotSelectable, Some(Form::Wheel)) => others == OtherPlatforms::Kept,
        _ => false,
    }
}

fn label(item: &Item) -> String {
    let Some(package) = &item.package else { return item.name.clone() };
    let version = package.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
    format!("{}{version}", package.project)
}

fn digest(item: &Item) -> Option<ArtifactDigest> {
    match &item.question {
        Question::File { wanted, .. } => Some(wanted.digest),
        _ => item.package.as_ref().and_then(|package| package.digest),
    }
}

/// A line of `attest.lock` for a file that passes.
fn covered_by(answer: &Answer<'_>) -> Option<Covered> {
    let Question::File { wanted, .. } = &answer.item.question else {
        return None;
    };
    let (project, version, file) = match &wanted.name {
        WantedName::File(name) => {
            let name = WheelName::parse(name).ok()?;
            (name.project.clone(), name.version.clone(), Some(name))
        }
        WantedName::Release { project, version } => (project.clone(), version.clone(), None),
    };
    let exempt = answer.outcome == Outcome::Exempt;
    Some(Covered { project, version, file, sha256: wanted.digest, groups: regress::groups(answer), exempt })
}

/// What would be written.
struct Plan {
    /// `attest.lock` first: if we crash behind it, it covers more than it needs to, which harms nobody.
    changes: Vec<Change>,
    locks: Vec<(PathBuf, Pruned, bool)>,
    covered: usize,
    /// Whether what `attest.lock` says would be different; that newer evidence says the same is no difference.
    differs: bool,
}

impl Plan {
    fn new(
        drafts: &[Draft],
        folder: &Path,
        before: Option<&Bundle>,
        decision: &Decision,
        judged: &Judged<'_>,
    ) -> anyhow::Result<Self> {
        let mut paths: BTreeMap<PathBuf, Option<&Draft>> = BTreeMap::new();
        for answer in &judged.answers {
            paths.entry(answer.item.place.path().to_owned()).or_default();
        }
        for draft in drafts {
            paths.insert(draft.source.clone(), Some(draft));
        }
        let (mut changes, mut locks) = (Vec::new(), Vec::new());
        for (path, draft) in paths {
            let (change, pruned) = change(&path, draft, &decision.keep)?;
            let differs = change.before.as_ref() != Some(&change.after);
            locks.push((change.path.clone(), pruned, differs));
            changes.extend(Some(change).filter(|_| differs));
        }
        let names = drafts.iter().filter_map(|draft| draft.target.file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>();
        let digests = decision.covered.iter().map(|file| file.sha256).collect();
        let evidence = Evidence::select(&judged.gathered.evidence, &digests);
        let after = Lockfile::new(run::now(), names, decision.others, decision.covered.clone(), evidence)?;
        let differs = before.is_none_or(|before| says_something_else(&before.lockfile, &after));
        changes.splice(..0, file_of_evidence(&folder.join(bundle::NAME), before, &after)?);
        Ok(Self { changes, locks, covered: decision.covered.len(), differs })
    }

    fn check(&self, judged: &Judged<'_>, run: &Run) -> anyhow::Result<Exit> {
        let mut would: Vec<String> = self
            .locks
            .iter()
            .filter(|(_, _, changed)| *changed)
            .map(|(path, pruned, _)| {
                let all = pruned.kept + pruned.removed;
                format!("{}: {} of {} would go", path.display(), pruned.removed, plural(all, "file"))
            })
            .collect();
        if self.differs {
            would.push(format!("{} does not say what is accepted now", bundle::NAME));
        }
        would.extend(judged.regressions.found.iter().map(ToString::to_string));
        let exit = if would.is_empty() { Exit::Pass } else { Exit::Refused };
        self.report(&would, exit, run)?;
        if exit != Exit::Pass {
            run.out.hint("`attest lock` writes what is accepted now; `git diff` then shows what changed");
        }
        Ok(exit)
    }

    fn write(&self, judged: &Judged<'_>, run: &Run) -> anyhow::Result<Exit> {
        together::write(&self.changes)?;
        for regression in &judged.regressions.found {
            run.out.warning(format_args!("{regression} [{}]", regression.code()));
        }
        self.report(&[], Exit::Pass, run)?;
        Ok(Exit::Pass)
    }

    fn report(&self, would_change: &[String], exit: Exit, run: &Run) -> anyhow::Result<()> {
        if run.out.is_json() {
            let lock = |(path, pruned, changed): &(PathBuf, Pruned, bool)| Locked {
                file: path.clone(),
                kept: pruned.kept,
                removed: pruned.removed,
                changed: *changed,
            };
            let locks = self.locks.iter().map(lock).collect();
            let report =
                Document { schema: "attest.locked/v1", locks, covered: self.covered, would_change, exit: exit.code() };
            return Ok(run.out.json(&report)?);
        }
        for (path, pruned, _) in &self.locks {
            let (kept, path) = (plural(pruned.kept, "file"), path.display());
            run.out.line(format_args!("{path}: {kept} kept, {} removed", pruned.removed))?;
        }
        run.out.line(format_args!("{}: evidence about {}", bundle::NAME, plural(self.covered, "file")))?;
        for change in would_change {
            run.out.line(format_args!("would change: {change}"))?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    locks: Vec<Locked>,
    covered: usize,
    would_change: &'a [String],
    exit: u8,
}

#[derive(Serialize)]
struct Locked {
    file: PathBuf,
    kept: usize,
    removed: usize,
    changed: bool,
}

fn change(path: &Path, draft: Option<&Draft>, keep: &BTreeSet<ArtifactDigest>) -> anyhow::Result<(Change, Pruned)> {
    let text = match draft {
        Some(draft) => draft.text.clone(),
        None => draft::read(path)?,
    };
    let pruned = prune::prune(path, &text, keep);
    let pruned = pruned.map_err(|error| Failure::usage(format!("{} was not pruned: {error}", path.display())))?;
    prune::again::look(path, &pruned.text, keep)
        .map_err(|error| Failure::usage(format!("{} was not pruned: {}", path.display(), causes(&error))))?;
    let target = draft.map_or_else(|| path.to_owned(), |draft| draft.target.clone());
    let before = match draft {
        Some(draft) => draft.before.clone(),
        None => Some(text.into_bytes()),
    };
    Ok((Change { path: target, before, after: pruned.text.clone().into_bytes() }, pruned))
}

/// Another file, another group that is gone, other locks. More groups than before are no reason to fail a build.
fn says_something_else(before: &Lockfile, after: &Lockfile) -> bool {
    let told = |lockfile: &Lockfile| (lockfile.locks().to_vec(), lockfile.other_platforms(), lockfile.files().len());
    let same = |(old, new): (&Covered, &Covered)| {
        let name = |file: &Covered| file.file.as_ref().map(|name| name.as_str().to_owned());
        let id =
            |file: &Covered| (file.sha256, file.project.clone(), file.version.to_string(), name(file), file.exempt);
        id(old) == id(new) && old.groups.is_subset(&new.groups)
    };
    told(before) != told(after) || !before.files().iter().zip(after.files()).all(same)
}

/// None where it would only be newer.
fn file_of_evidence(path: &Path, before: Option<&Bundle>, after: &Lockfile) -> anyhow::Result<Option<Change>> {
    let Some(before) = before else {
        let after = after.print(bundle::pack).into_bytes();
        return Ok(Some(Change { path: path.to_owned(), before: None, after }));
    };
    let old = before.lockfile.print(bundle::pack);
    let unchanged = after.clone().made_at(before.lockfile.made()).print(bundle::pack) == old;
    let bytes = crate::files::read(path, Lockfile::MAX_LEN as u64)?;
    let change = Change { path: path.to_owned(), before: Some(bytes), after: after.print(bundle::pack).into_bytes() };
    Ok(Some(change).filter(|_| !unchanged))
}
