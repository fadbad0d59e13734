//! The gate's answers as one JSON document, `attest.verify/v1`.

use std::path::Path;

use attest_core::{
    policy::GroupName,
    verify::{Reason, Verdict},
};
use serde::Serialize;

use crate::{
    gate::{
        Answer, Judged, Judgement, Outcome, Word,
        aged::{Aged, ShownPin},
    },
    item::Question,
    layers::{Layer, Layers},
    run,
};

/// The whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    schema: &'static str,
    policies: Vec<Policy<'a>>,
    logs: Vec<Log<'a>>,
    files: Vec<File<'a>>,
    alarms: Vec<String>,
    /// How many files pass without the votes of a policy, and for how long already.
    aged: Aged,
    summary: Summary,
    exit: u8,
}

#[derive(Debug, Serialize)]
struct Policy<'a> {
    layer: String,
    file: &'a Path,
    serial: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Log<'a> {
    origin: &'a str,
    size: u64,
    url: &'a str,
    /// Where a mirror answered: why the log itself did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    stands_in: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    source: Source<'a>,
    outcome: Outcome,
    /// For what never came before a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Why>,
    judgements: Vec<Said<'a>>,
}

#[derive(Debug, Serialize)]
struct Source<'a> {
    file: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    policy: &'a Path,
    accepted: bool,
    need: Option<u32>,
    groups: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    reasons: Vec<Why>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exempt: Option<&'a str>,
    /// A pin of the policy's ratchet: it stands in for votes, or can go where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<ShownPin>,
}

#[derive(Debug, Serialize)]
struct Why {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    checked: usize,
    passed: usize,
    pinned: usize,
    refused: usize,
    undecided: usize,
    exempt: usize,
    not_attestable: usize,
    not_selectable: usize,
}

impl<'a> Document<'a> {
    pub(crate) fn new(judged: &'a Judged<'a>, layers: &'a Layers) -> Self {
        let policy = |layer: &'a Layer| Policy {
            layer: layer.owner.to_string(),
            file: &layer.path,
            serial: layer.policy.serial().value,
        };
        Self {
            schema: "attest.verify/v1",
            policies: layers.iter().map(policy).collect(),
            logs: judged
                .gathered
                .asked
                .iter()
                .map(|asked| Log {
                    origin: &asked.origin,
                    size: asked.size,
                    url: &asked.url,
                    stands_in: asked.stands_in.as_deref(),
                })
                .collect(),
            files: judged.answers.iter().map(File::new).collect(),
            alarms: judged.gathered.alarms.iter().map(ToString::to_string).collect(),
            aged: Aged::of(judged, run::now()),
            summary: Summary {
                checked: judged.answers.len(),
                passed: judged.count(Outcome::Passed),
                pinned: judged.count(Outcome::Pinned),
                refused: judged.count(Outcome::Refused) + judged.count(Outcome::Alarm),
                undecided: judged.count(Outcome::Undecided),
                exempt: judged.count(Outcome::Exempt),
                not_attestable: judged.count(Outcome::NotAttestable),
                not_selectable: judged.count(Outcome::NotSelectable),
            },
            exit: judged.exit().code(),
        }
    }
}

impl<'a> File<'a> {
    fn new(answer: &'a Answer<'a>) -> Self {
        let why = |code, message| Some(Why { code, message, line: None, hint: None });
        let (sha256, reason) = match &answer.item.question {
            Question::File { wanted, .. } => (Some(wanted.digest.to_string()), None),
            Question::Refused(error) => {
                let hint = Some(error.hint());
                (None, Some(Why { code: error.code(), message: error.to_string(), line: None, hint }))
            }
            Question::NotAttestable(error) => (None, why(error.code(), error.to_string())),
            Question::NotSelectable(elsewhere) => (None, why(elsewhere.code(), elsewhere.to_string())),
        };
        Self {
            name: &answer.item.name,
            sha256,
            source: Source { file: answer.item.place.path(), line: answer.item.place.line_number() },
            outcome: answer.outcome,
            reason,
            judgements: answer.judgements.iter().map(Said::new).collect(),
        }
    }
}

impl<'a> Said<'a> {
    fn new(judgement: &'a Judgement<'a>) -> Self {
        let mut said = Self {
            policy: &judgement.layer.path,
            accepted: true,
            need: None,
            groups: Vec::new(),
            source: None,
            reasons: Vec::new(),
            exempt: None,
            pin: None,
        };
        match &judgement.word {
            Word::Exempt(exemption) => said.exempt = Some(exemption.reason()),
            Word::Verdict { verdict, .. } => {
                said.need = Some(verdict.findings().need.value);
                said.accepted = verdict.is_accepted();
                said.pin = verdict.findings().pin.map(|pin| ShownPin::new(pin, verdict));
                if let Verdict::Accepted(accepted) = &**verdict {
                    said.groups = accepted.groups.iter().map(GroupName::as_str).collect();
                    said.source = Some(accepted.source.to_string());
                }
                said.reasons = verdict.reasons().iter().map(Why::new).collect();
            }
        }
        said
    }
}

impl Why {
    fn new(reason: &Reason) -> Self {
        Self { code: reason.code(), message: reason.to_string(), line: reason.policy_line(), hint: Some(reason.hint()) }
    }
}
