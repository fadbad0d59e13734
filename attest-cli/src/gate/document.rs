//! The gate's answers as one JSON document: `attest.verify/v1`, and under other names what other commands answer.

use std::path::Path;

use attest_core::{policy::GroupName, verify::Verdict};
use serde::Serialize;

use crate::{
    buildtools::show,
    gate::{
        Answer, Judgement, Outcome, Word,
        aged::{Aged, ShownPin},
        cause::Cause,
        installation::Installation,
        regress::Regression,
        report::Report,
        summary::Summary,
    },
    item::Question,
    layers::Layer,
    run,
};

/// The whole answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    schema: &'static str,
    policies: Vec<Policy<'a>>,
    logs: Vec<Log<'a>>,
    files: Vec<File<'a>>,
    alarms: Vec<String>,
    /// How many files pass without the votes of a policy, and for how long already.
    aged: Aged,
    /// What got worse since `attest.lock` was written.
    regressions: Vec<Regressed>,
    summary: Summary,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    build_tools: Option<show::Document<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    installation: Option<&'a Installation<'a>>,
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
    /// Who brings it in, where the lock says so.
    #[serde(rename = "requiredBy", skip_serializing_if = "<[String]>::is_empty")]
    required_by: &'a [String],
    outcome: Outcome,
    /// For what never came before a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Why<'a>>,
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
    reasons: Vec<Why<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exempt: Option<&'a str>,
    /// A pin of the policy's ratchet: it stands in for votes, or can go where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<ShownPin>,
}

#[derive(Debug, Serialize)]
struct Regressed {
    code: &'static str,
    message: String,
    hint: &'static str,
}

impl Regressed {
    fn new(regression: &Regression) -> Self {
        Self { code: regression.code(), message: regression.to_string(), hint: regression.hint() }
    }
}

/// A [`Cause`] for tools.
#[derive(Debug, Serialize)]
struct Why<'a> {
    code: &'static str,
    message: String,
    /// Of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    hint: &'a str,
}

impl<'a> Document<'a> {
    pub(crate) fn new(report: &Report<'a>) -> Self {
        let judged = report.judged;
        Self {
            schema: report.schema,
            policies: report.layers.iter().map(Policy::new).collect(),
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
            regressions: judged.regressions.found.iter().map(Regressed::new).collect(),
            summary: Summary::of(judged),
            exit: report.exit().code(),
            build_tools: report.tools.map(|tools| tools.document(judged)),
            installation: report.installation,
        }
    }
}

impl<'a> Policy<'a> {
    fn new(layer: &'a Layer) -> Self {
        Self { layer: layer.owner.to_string(), file: &layer.path, serial: layer.policy.serial().value }
    }
}

impl<'a> File<'a> {
    fn new(answer: &'a Answer<'a>) -> Self {
        let sha256 = match &answer.item.question {
            Question::File { wanted, .. } => Some(wanted.digest.to_string()),
            _ => None,
        };
        let reason = if sha256.is_none() { answer.causes().into_iter().next() } else { None };
        Self {
            name: &answer.item.name,
            sha256,
            source: Source { file: answer.item.place.path(), line: answer.item.place.line_number() },
            required_by: answer.item.package.as_ref().map_or(&[], |package| &package.required_by),
            outcome: answer.outcome,
            reason: reason.map(Why::from),
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
            reasons: judgement.causes().into_iter().map(Why::from).collect(),
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
            }
        }
        said
    }
}

impl<'a> From<Cause<'a>> for Why<'a> {
    fn from(cause: Cause<'a>) -> Self {
        let line = cause.decided.and_then(|decided| decided.line);
        Self { code: cause.code, message: cause.message, line, hint: cause.hint }
    }
}
