//! Everything that was said about a file, as lines and as JSON.

use std::{collections::BTreeSet, fmt};

use attest_core::{
    dissent::{Accusation, AccusationState, Proof},
    envelope::StatementId,
    merkle::TreeSize,
    policy::GroupName,
    statement::Method,
    verify::{Findings, LogStanding, Place, ViewStanding},
    votes::SourceClass,
};
use serde_json::{Value, json};

use crate::layers::Layer;

use super::told::Told;

/// Who said what, whether it counts, and below it where that is logged and what a rebuild differs in; then what the logs
/// showed.
pub(super) fn lines(found: &Findings, layer: &Layer, told: &Told) -> Vec<String> {
    let file = layer.path.display();
    let mut lines = Vec::new();
    for vote in &found.votes {
        let how = match (vote.equivalent, vote.method) {
            (true, _) => "equivalent",
            (false, Method::Exact) => "exact",
            (false, Method::Replayed) => "replayed",
        };
        lines.push(format!("vote       {} ({}): {how}, from {}", vote.by, vote.group, source(&vote.source)));
        lines.push(below(vote.statement, &vote.place, format_args!("{} ({file}:{})", vote.counts, vote.line)));
    }
    for claim in &found.publishers {
        lines.push(format!("publisher  {}: its own word, never counted", claim.by));
        lines.push(below(claim.statement, &claim.place, format_args!("shown only ({file}:{})", claim.line)));
    }
    for accusation in &found.accusations {
        let (by, group) = (&accusation.by, &accusation.group);
        lines.push(format!("against    {by} ({group}): {}; {}", proof(accusation), state(accusation)));
        lines.extend(told.differences(accusation.statement).map(|differences| format!("{INDENT}{differences}")));
        // Whole: `[[dismiss]]` and `attest withdraw` name it.
        let (statement, place) = (accusation.statement, &accusation.place);
        lines.push(format!("{INDENT}{place}; ({file}:{}), statement {statement}", accusation.line));
    }
    for abstention in &found.abstentions {
        let withdrawn = if abstention.withdrawn { ", withdrawn" } else { "" };
        lines.push(format!("abstains   {abstention}{withdrawn}"));
        lines.extend(told.differences(abstention.statement).map(|differences| format!("{INDENT}{differences}")));
        lines.push(below(abstention.statement, &abstention.place, format_args!("never blocks")));
    }
    for ignored in &found.ignored {
        let by = ignored.by.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
        lines.push(format!("no vote    {by}: {}", ignored.why));
        lines.push(below(ignored.statement, &ignored.place, format_args!("does not count")));
    }
    if lines.is_empty() {
        lines.push("nobody     has said anything about it".to_owned());
    }
    // The same from the log and from attest.lock is one line.
    let mut told = BTreeSet::new();
    lines.extend(found.logs.iter().map(standing).filter(|line| told.insert(line.clone())));
    lines.extend(found.negatives.iter().map(completeness));
    if found.negatives.is_empty() && !layer.policy.logs().is_empty() {
        lines.push("negatives  not known to be complete: this policy names no auditors".to_owned());
    }
    lines
}

/// The column behind the first word.
const INDENT: &str = "           ";

fn below(statement: StatementId, place: &Place, rest: fmt::Arguments<'_>) -> String {
    format!("{INDENT}{place}; {rest}, statement {}", &statement.to_string()[..SHORT])
}

/// As much of an id as tells two apart at a glance.
const SHORT: usize = 16;

/// Digests are for machines: the JSON document has them whole.
fn source(source: &SourceClass) -> String {
    match source {
        SourceClass::Commit { commit, .. } => format!("git commit {commit}"),
        SourceClass::Sdist(digest) => format!("sdist sha256:{}, never a commit", &digest.to_string()[..SHORT]),
    }
}

fn proof(accusation: &Accusation) -> String {
    match &accusation.proof {
        Proof::Contradiction { contradicts, rebuilt } => {
            format!("the inputs of statement {} gave sha256:{rebuilt}", &contradicts.to_string()[..SHORT])
        }
        Proof::ForeignCode { members } => {
            format!("code only in the published file: {}", members.join(", "))
        }
    }
}

fn state(accusation: &Accusation) -> String {
    match &accusation.state {
        AccusationState::Blocks { dismissed_until: None } => "blocks".to_owned(),
        AccusationState::Blocks { dismissed_until: Some(end) } => format!("blocks again since {end}"),
        AccusationState::Lifted { .. } => "lifted: its group withdrew it".to_owned(),
        AccusationState::Dismissed { reason, expires, line } => {
            format!("dismissed until {expires} in line {line}: {reason}")
        }
    }
}

/// What a log showed.
fn standing(log: &LogStanding) -> String {
    let origin = log.origin.as_deref().unwrap_or("unknown");
    let size = log.size.map_or_else(|| "no readable checkpoint".to_owned(), |size| format!("{size} entries"));
    let witnessed = log.witnessed_at.map_or_else(String::new, |at| format!(", witnessed at {at}"));
    let problem = log.problem.as_ref().map_or_else(String::new, |problem| format!("; {problem}"));
    let foreign = if log.in_policy { "" } else { "; not in this policy" };
    format!("log        {origin}: {size}{witnessed}{problem}{foreign}")
}

/// Whether everything that speaks against the file was shown.
fn completeness(view: &ViewStanding) -> String {
    let origin = &view.origin;
    let about = view.size.map_or_else(String::new, |size| {
        let groups: Vec<_> = view.groups.iter().map(GroupName::as_str).collect();
        let witnessed = view.witnessed_at.map_or_else(String::new, |at| format!(", witnessed at {at}"));
        format!(" of its first {size} entries (list signed by {}{witnessed})", groups.join(", "))
    });
    match &view.missing {
        None => format!("negatives  {origin}: complete, all{about} were shown"),
        Some(why) => format!("negatives  {origin}: not complete{about}: {why}"),
    }
}

/// The same for tools.
pub(super) fn document(layer: &Layer, found: &Findings, told: &Told) -> Value {
    let votes = found.votes.iter().map(|vote| {
        json!({ "by": vote.by.as_str(), "group": vote.group.as_str(), "statement": vote.statement,
            "place": vote.place.to_string(), "source": vote.source.to_string(), "equivalent": vote.equivalent,
            "counts": vote.counts.to_string(), "line": vote.line })
    });
    let accusations = found.accusations.iter().map(|accusation| {
        json!({ "by": accusation.by.as_str(), "group": accusation.group.as_str(), "statement": accusation.statement,
            "place": accusation.place.to_string(), "proof": proof(accusation), "blocks": accusation.blocks(),
            "state": state(accusation), "line": accusation.line,
            "differences": told.document(accusation.statement) })
    });
    let abstentions = found.abstentions.iter().map(|abstention| {
        json!({ "by": abstention.by.as_str(), "group": abstention.group.as_str(), "statement": abstention.statement,
            "place": abstention.place.to_string(), "outcome": abstention.outcome, "withdrawn": abstention.withdrawn,
            "differences": told.document(abstention.statement) })
    });
    let ignored = found.ignored.iter().map(|ignored| {
        json!({ "by": ignored.by.as_ref().map(ToString::to_string), "statement": ignored.statement,
            "place": ignored.place.to_string(), "why": ignored.why.to_string() })
    });
    let publishers = found.publishers.iter().map(
        |claim| json!({ "by": claim.by.as_str(), "statement": claim.statement, "place": claim.place.to_string() }),
    );
    let logs = found.logs.iter().map(|log| {
        json!({ "origin": log.origin, "size": log.size.map(TreeSize::get),
            "witnessedAt": log.witnessed_at.map(|at| at.to_string()), "inPolicy": log.in_policy,
            "problem": log.problem.as_ref().map(ToString::to_string) })
    });
    let negatives = found.negatives.iter().map(|view| {
        json!({ "origin": view.origin, "complete": view.missing.is_none(), "size": view.size.map(TreeSize::get),
            "groups": view.groups.iter().map(GroupName::as_str).collect::<Vec<_>>(),
            "witnessedAt": view.witnessed_at.map(|at| at.to_string()),
            "missing": view.missing.as_ref().map(ToString::to_string) })
    });
    json!({ "policy": layer.path, "negatives": negatives.collect::<Vec<_>>(), "votes": votes.collect::<Vec<_>>(), "accusations": accusations.collect::<Vec<_>>(),
        "abstentions": abstentions.collect::<Vec<_>>(), "ignored": ignored.collect::<Vec<_>>(),
        "publishers": publishers.collect::<Vec<_>>(), "logs": logs.collect::<Vec<_>>() })
}
