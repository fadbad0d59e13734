//! What is known about files, on one screen for each: the verdict and the line of the policy behind it, who said what and
//! where it is logged, what the logs showed, and the next command.

use std::{collections::BTreeSet, io};

use attest_core::{
    artifact::{ProjectName, WheelName},
    verify::{Verdict, Wanted, WantedName},
};

use crate::{
    gate::{Answer, Judged, Judgement, Outcome, Word, aged, verdicts},
    item::Question,
    output::{Output, Style, plural},
};

use super::{findings, told::Told};

/// Reasons that one more rebuild answers.
const WANT_REBUILDS: [&str; 4] = ["no-statement", "below-threshold", "required-groups", "regression"];

/// Prints them all. Of many files of a release, those that nobody mentions are one line.
pub(super) fn print(judged: &Judged<'_>, out: &Output) -> io::Result<()> {
    let told = Told::read(&judged.gathered.evidence);
    let (mentioned, silent): (Vec<_>, Vec<_>) =
        judged.answers.iter().partition(|answer| judged.answers.len() == 1 || is_mentioned(answer));
    for answer in mentioned {
        print_answer(answer, &told, out)?;
    }
    if !silent.is_empty() {
        let names: Vec<&str> = silent.iter().map(|answer| answer.item.name.as_str()).collect();
        out.line(format_args!("nobody says anything about {}: {}", plural(names.len(), "file"), names.join(", ")))?;
    }
    for alarm in &judged.gathered.alarms {
        out.line(out.paint(Style::Bad, format_args!("alarm: {alarm}")))?;
    }
    Ok(())
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

fn print_answer(answer: &Answer<'_>, told: &Told, out: &Output) -> io::Result<()> {
    out.line(out.paint(Style::Strong, &answer.item.name))?;
    match &answer.item.question {
        Question::File { wanted, url } => {
            out.line(format_args!("  sha256:{}", wanted.digest))?;
            if let Some(url) = url {
                out.line(format_args!("  from {url}"))?;
            }
            let whence = verdicts::whence(answer);
            if !whence.is_empty() {
                out.line(format_args!("  in {whence}"))?;
            }
        }
        Question::Refused(error) => out.line(format_args!("  refused: {error}"))?,
        Question::NotAttestable(why) => out.line(format_args!("  not attestable: {why}"))?,
        Question::NotSelectable(elsewhere) => {
            out.line(format_args!("  not for this machine: {elsewhere}"))?;
        }
    }
    for judgement in &answer.judgements {
        print_judgement(judgement, told, out)?;
    }
    next(answer, out);
    Ok(())
}

fn print_judgement(judgement: &Judgement<'_>, told: &Told, out: &Output) -> io::Result<()> {
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
        Verdict::Rejected(_) => {
            let text = format!("not accepted by the {} policy {file}", layer.owner);
            out.line(format_args!("  {}", out.paint(Style::Bad, text)))?;
            for cause in judgement.causes() {
                out.line(format_args!("    {}: {cause}", cause.code))?;
            }
        }
    }
    for line in findings::lines(found, layer, told) {
        out.line(format_args!("    {line}"))?;
    }
    Ok(())
}

/// What to do now, as a command where there is one.
fn next(answer: &Answer<'_>, out: &Output) {
    if matches!(answer.outcome, Outcome::Passed | Outcome::Pinned | Outcome::Exempt) {
        return;
    }
    let causes = answer.causes();
    let mut told = BTreeSet::new();
    // Whoever reads this screen is not sent to it.
    let helps = |hint: &str| !hint.is_empty() && !hint.starts_with("`attest explain NAME`");
    for cause in causes.iter().filter(|cause| helps(cause.hint) && told.insert(cause.hint)) {
        out.hint(cause.hint);
    }
    let Question::File { wanted, .. } = &answer.item.question else { return };
    if let Some((project, version)) =
        release(wanted).filter(|_| causes.iter().any(|cause| WANT_REBUILDS.contains(&cause.code)))
    {
        out.hint(format_args!("next: attest rebuild {}=={version}", project.as_str()));
    }
}

fn release(wanted: &Wanted) -> Option<(ProjectName, String)> {
    match &wanted.name {
        WantedName::File(name) => {
            let wheel = WheelName::parse(name).ok()?;
            Some((wheel.project.clone(), wheel.version.as_str().to_owned()))
        }
        WantedName::Release { project, version } => Some((project.clone(), version.as_str().to_owned())),
    }
}
