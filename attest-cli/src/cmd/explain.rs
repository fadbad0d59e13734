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
    verify::{Reason, Verdict, Wanted, WantedName},
};
use serde_json::{Value, json};

use crate::{
    evidence::Gathered,
    exit::{Exit, Failure},
    gate::{
        self, Answer, Judged, Judgement, Outcome, Word, aged,
        document::Document,
        verdicts::{self, why},
    },
    index::Index,
    item::{Item, Place, Question},
    layers::Layers,
    output::{Output, Style, plural},
    pip::Pip,
    run::Run,
    wheels,
};

mod findings;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A wheel, NAME==VERSION, or sha256:HEX.
    item: String,
    /// The Python whose pip knows the index, for NAME==VERSION.
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
}

/// What was named.
enum Asked {
    Wheel(PathBuf),
    Release(ProjectName, Version),
    Digest(ArtifactDigest),
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let asked = parse(&args.item)?;
    let layers = run.layers()?;
    match asked {
        Asked::Wheel(path) => {
            let items = [wheels::item(&path).map_err(|source| unreadable(&path, source))?];
            tell(&gate::judge(&items, &layers, run)?, &layers, run)
        }
        Asked::Release(project, version) => {
            let items = published(&project, &version, &args.python, run)?;
            tell(&gate::judge(&items, &layers, run)?, &layers, run)
        }
        Asked::Digest(digest) => by_digest(digest, &layers, run),
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
    Err(Failure::usage(format!("expected a wheel, NAME==VERSION or sha256:HEX, found {text:?}")).into())
}

fn unreadable(path: &Path, source: io::Error) -> anyhow::Error {
    anyhow::Error::from(source).context(format!("{} cannot be read", path.display()))
}

/// The wheels that the index has of a release.
fn published(project: &ProjectName, version: &Version, python: &Path, run: &Run) -> anyhow::Result<Vec<Item>> {
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
        let message = format!("the index has no wheel of {}=={} with a sha256", project.as_str(), version.as_str());
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
    if nothing && !run.out.is_json() {
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
    let out = &run.out;
    if out.is_json() {
        let mut document = serde_json::to_value(Document::new(judged, layers))?;
        document["schema"] = json!("attest.explain/v1");
        document["findings"] = judged.answers.iter().map(findings_json).collect();
        out.json(&document)?;
        return Ok(judged.exit());
    }
    // Of many files of a release, those that nobody mentions are one line.
    let (mentioned, silent): (Vec<_>, Vec<_>) =
        judged.answers.iter().partition(|answer| judged.answers.len() == 1 || is_mentioned(answer));
    for answer in mentioned {
        print(answer, out)?;
    }
    if !silent.is_empty() {
        let names: Vec<&str> = silent.iter().map(|answer| answer.item.name.as_str()).collect();
        out.line(format_args!("nobody says anything about {}: {}", plural(names.len(), "file"), names.join(", ")))?;
    }
    for alarm in &judged.gathered.alarms {
        out.line(out.paint(Style::Bad, format_args!("alarm: {alarm}")))?;
    }
    Ok(judged.exit())
}

fn is_mentioned(answer: &Answer<'_>) -> bool {
    answer.judgements.iter().any(|judgement| match &judgement.word {
        Word::Exempt(_) => true,
        Word::Verdict { verdict, .. } => {
            let found = verdict.findings();
            !(found.votes.is_empty()
                && found.publishers.is_empty()
                && found.accusations.is_empty()
                && found.abstentions.is_empty()
                && found.ignored.is_empty())
        }
    })
}

fn print(answer: &Answer<'_>, out: &Output) -> io::Result<()> {
    out.line(out.paint(Style::Strong, &answer.item.name))?;
    match &answer.item.question {
        Question::File { wanted, url } => {
            out.line(format_args!("  sha256:{}", wanted.digest))?;
            if let Some(url) = url {
                out.line(format_args!("  from {url}"))?;
            }
        }
        Question::Refused(error) => out.line(format_args!("  refused: {error}"))?,
        Question::NotAttestable(why) => out.line(format_args!("  not attestable: {why}"))?,
        Question::NotSelectable(elsewhere) => {
            out.line(format_args!("  not for this machine: {elsewhere}"))?;
        }
    }
    for judgement in &answer.judgements {
        print_judgement(judgement, out)?;
    }
    next(answer, out);
    Ok(())
}

fn print_judgement(judgement: &Judgement<'_>, out: &Output) -> io::Result<()> {
    let layer = judgement.layer;
    let file = layer.path.display();
    let verdict = match &judgement.word {
        Word::Exempt(exemption) => {
            let text = format!("exempt by the {} policy: {}", layer.owner, exemption.reason());
            return out.line(format_args!("  {} ({file}:{})", out.paint(Style::Caution, text), exemption.line()));
        }
        Word::Verdict { verdict, .. } => verdict,
    };
    let found = verdict.findings();
    match &**verdict {
        Verdict::Accepted(accepted) => {
            let text = format!("accepted by the {} policy {file}", layer.owner);
            out.line(format_args!("  {}", out.paint(Style::Good, text)))?;
            let groups = verdicts::list(&accepted.groups);
            let (have, need) = (accepted.groups.len(), found.need);
            out.line(format_args!(
                "    {have} of {} groups agree on {}: {groups} ({file}:{})",
                need.value, accepted.source, need.line
            ))?;
        }
        Verdict::Pinned(pinned) => {
            let text = format!("taken by the {} policy {file} although votes are missing", layer.owner);
            out.line(format_args!("  {}", out.paint(Style::Caution, text)))?;
            out.line(format_args!("    {}", aged::pin(&pinned.pin, layer)))?;
        }
        Verdict::Rejected(rejected) => {
            let text = format!("not accepted by the {} policy {file}", layer.owner);
            out.line(format_args!("  {}", out.paint(Style::Bad, text)))?;
            for reason in rejected.reasons() {
                out.line(format_args!("    {}: {}", reason.code(), why(reason, layer)))?;
            }
        }
    }
    for line in findings::lines(found, layer)
        .into_iter()
        .chain(found.logs.iter().map(findings::standing))
        .chain(found.negatives.iter().map(findings::completeness))
    {
        out.line(format_args!("    {line}"))?;
    }
    Ok(())
}

fn next(answer: &Answer<'_>, out: &Output) {
    if matches!(answer.outcome, Outcome::Passed | Outcome::Pinned | Outcome::Exempt) {
        return;
    }
    let hints = answer.judgements.iter().filter_map(|judgement| match &judgement.word {
        Word::Verdict { verdict, .. } => verdict.reasons().first().map(Reason::hint),
        Word::Exempt(_) => None,
    });
    for hint in hints.collect::<BTreeSet<_>>() {
        out.hint(hint);
    }
}

fn findings_json(answer: &Answer<'_>) -> Value {
    let judged = answer.judgements.iter().filter_map(|judgement| match &judgement.word {
        Word::Verdict { verdict, .. } => Some((judgement.layer, verdict.findings())),
        Word::Exempt(_) => None,
    });
    judged.map(|(layer, found)| findings::document(layer, found)).collect()
}
