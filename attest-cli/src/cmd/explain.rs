//! `attest explain ITEM`: everything known about a file, and the line of the policy that decides.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName},
    envelope::Envelope,
    statement::Statement,
    verify::{Connection, Wanted, WantedName},
};
use serde_json::Value;

use crate::{
    evidence::{self, Gathered},
    exit::{Exit, Failure},
    gate::{self, Answer, Judged, Word, document::Document, report::Report},
    index::Index,
    input,
    item::{Item, Place, Question},
    layers::Layers,
    output::{Format, plural},
    pip::Pip,
    platform::find::Selection,
    run::Run,
    wheels,
};

use self::told::Told;

mod findings;
mod screen;
mod told;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A wheel, NAME==VERSION, sha256:HEX, or NAME: what the project's lock has of it.
    item: String,
    /// The Python whose pip knows the index, for NAME==VERSION.
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// A signed statement that counts like your own: for the keys that a policy lists under [[self]], and without a log. May
    /// be given more than once.
    #[arg(long, value_name = "FILE")]
    statement: Vec<PathBuf>,
}

impl Args {
    /// `--statement`.
    pub(crate) fn statements(&self) -> &[PathBuf] {
        &self.statement
    }
}

/// What was named.
enum Asked {
    Wheel(PathBuf),
    Release(ProjectName, Version),
    Digest(ArtifactDigest),
    /// In whatever version the project's lock has.
    Locked(ProjectName),
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let asked = parse(&args.item)?;
    evidence::are_envelopes(&args.statement)?;
    let layers = run.layers()?;
    match asked {
        Asked::Wheel(path) => {
            let items = [wheels::item(&path).map_err(|source| unreadable(&path, source))?];
            tell(&gate::judge_now(&items, &layers, run)?, &layers, run)
        }
        Asked::Release(project, version) => {
            let items = published(&project, &version, &args.python, run)?;
            tell(&gate::judge_now(&items, &layers, run)?, &layers, run)
        }
        Asked::Digest(digest) => by_digest(digest, &layers, run),
        Asked::Locked(project) => {
            let items = locked(&project, run)?;
            tell(&gate::judge(&items, &layers, run)?, &layers, run)
        }
    }
}

fn parse(text: &str) -> anyhow::Result<Asked> {
    if let Some(hex) = text.strip_prefix("sha256:") {
        return Ok(Asked::Digest(hex.parse()?));
    }
    if wheels::is_wheel(Path::new(text)) {
        return Ok(Asked::Wheel(PathBuf::from(text)));
    }
    if let Some((name, version)) = text.split_once("==") {
        return Ok(Asked::Release(ProjectName::new(name.trim())?, Version::new(version.trim())?));
    }
    if let Ok(digest) = text.parse() {
        return Ok(Asked::Digest(digest));
    }
    match ProjectName::new(text) {
        Ok(project) => Ok(Asked::Locked(project)),
        Err(_) => {
            Err(Failure::usage(format!("expected a wheel, NAME, NAME==VERSION or sha256:HEX, found {text:?}")).into())
        }
    }
}

/// What the project's lock has of a package, as far as it is installed here.
fn locked(project: &ProjectName, run: &Run) -> anyhow::Result<Vec<Item>> {
    let all = input::items(&[], &Selection::default(), run)?;
    let of_it: Vec<Item> = all.into_iter().filter(|item| package(item).as_ref() == Some(project)).collect();
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        of_it.into_iter().partition(|item| !matches!(item.question, Question::NotSelectable(_)));
    let items = if here.is_empty() { elsewhere } else { here };
    if items.is_empty() {
        let message = format!("the project's lock has no {}", project.as_str());
        let hint = format!("name a version: `attest explain {}==VERSION`", project.as_str());
        return Err(Failure::usage(message).hint(hint).into());
    }
    Ok(items)
}

fn package(item: &Item) -> Option<ProjectName> {
    if let Some(package) = &item.package {
        return Some(package.project.clone());
    }
    match &item.question {
        Question::File { wanted, .. } => match &wanted.name {
            WantedName::File(name) => Some(WheelName::parse(name).ok()?.project),
            WantedName::Release { project, .. } => Some(project.clone()),
        },
        // `NAME==VERSION` or less, as requirements have it.
        _ => ProjectName::new(item.name.split(['=', '<', '>', '!', '~', ';', '[', ' ']).next()?).ok(),
    }
}

fn unreadable(path: &Path, source: io::Error) -> anyhow::Error {
    anyhow::Error::from(source).context(format!("{} cannot be read", path.display()))
}

/// The wheels that the index has of a release.
fn published(project: &ProjectName, version: &Version, python: &Path, run: &Run) -> anyhow::Result<Vec<Item>> {
    let (name, release) = (project.as_str(), version.as_str());
    if run.connection == Connection::Offline {
        let message = format!("the index is not asked with --offline, so the files of {name}=={release} are not known");
        let hint =
            format!("`attest explain {name} --offline` takes the version from the project's lock; or name a wheel");
        return Err(Failure::new(Exit::Undecided, message).hint(hint).into());
    }
    let data = run.places()?.data()?.to_owned();
    let task = run.out.task(format!("asking the index for {}", project.as_str()));
    let pip = Pip::query(python, &data)?;
    let files = Index::new(pip.settings(), &data)?.project(project)?;
    drop(task);
    let mut items = Vec::new();
    for file in files {
        let Ok(wheel) = WheelName::parse(&file.name) else {
            continue;
        };
        let Some(digest) = file.digest.filter(|_| wheel.version.same_as(version)) else {
            continue;
        };
        let wanted = Box::new(Wanted { digest, name: WantedName::File(file.name.clone()) });
        let question = Question::File { wanted, url: Some(file.url.to_string()) };
        items.push(Item::new(file.name, Place::file(Path::new("the index")), question));
    }
    if items.is_empty() {
        let message = format!("the index has no wheel of {name}=={release} with a sha256");
        return Err(Failure::usage(message).into());
    }
    Ok(items)
}

/// A digest alone says nothing about a name, so it never passes a gate (docs/TRUST.md 3.2): exit 3 at best.
fn by_digest(digest: ArtifactDigest, layers: &Layers, run: &Run) -> anyhow::Result<Exit> {
    let gathered = gate::gather(&[digest], layers, run)?;
    let items: Vec<Item> = names(&gathered, digest)
        .into_iter()
        .map(|name| {
            let wanted = Box::new(Wanted { digest, name: WantedName::File(name.clone()) });
            Item::new(name, Place::file(Path::new("statements")), Question::File { wanted, url: None })
        })
        .collect();
    let nothing = items.is_empty();
    let judged = gate::decide(&items, layers, gathered);
    let exit = tell(&judged, layers, run)?;
    if nothing && run.out.is_text() {
        let logs = plural(judged.gathered.asked.len(), "log");
        run.out.line(format_args!("sha256:{digest}: nobody says anything about it ({logs} asked)"))?;
        for (origin, why) in &judged.gathered.evidence.unreachable {
            run.out.line(format_args!("  log {origin} did not answer: {why}"))?;
        }
    }
    run.out.hint("a digest is a query: `attest verify` judges files that have a name");
    Ok(exit.worst(Exit::Undecided))
}

/// The file names under which statements speak about a digest.
fn names(gathered: &Gathered, digest: ArtifactDigest) -> BTreeSet<String> {
    let logged = gathered.evidence.logs.iter().flat_map(|view| &view.entries).map(|entry| &entry.envelope);
    logged
        .chain(&gathered.evidence.unlogged)
        .filter_map(|bytes| Statement::parse(Envelope::parse(bytes).ok()?.payload()).ok())
        .filter(|statement| statement.subject().digest == digest)
        .map(|statement| statement.subject().name.as_str().to_owned())
        .collect()
}

fn tell(judged: &Judged<'_>, layers: &Layers, run: &Run) -> anyhow::Result<Exit> {
    let report = Report::new("attest.explain/v1", judged, layers);
    match run.out.format() {
        Format::Text => screen::print(judged, &run.out)?,
        Format::Json => {
            let told = Told::read(&judged.gathered.evidence);
            let mut document = serde_json::to_value(Document::new(&report))?;
            document["findings"] = judged.answers.iter().map(|answer| findings_json(answer, &told)).collect();
            run.out.json(&document)?;
        }
        Format::Sarif | Format::Github => return Ok(report.print(run)?),
    }
    Ok(report.exit())
}

fn findings_json(answer: &Answer<'_>, told: &Told) -> Value {
    let judged = answer.judgements.iter().filter_map(|judgement| match &judgement.word {
        Word::Verdict { verdict, .. } => Some((judgement.layer, verdict.findings())),
        Word::Exempt(_) => None,
    });
    judged.map(|(layer, found)| findings::document(layer, found, told)).collect()
}
