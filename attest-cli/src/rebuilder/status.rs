//! How a rebuilder stands, in numbers: what `attest rebuilder status`, the page, `/status.json` and `/metrics` show.

use std::collections::BTreeMap;

use attest_core::time::Timestamp;
use serde::Serialize;

use super::job::{Job, Phase, Weight};
use super::queue::State;

/// Results that are listed, newest first.
const LATEST: usize = 50;

/// In numbers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    schema: &'static str,
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) failed: usize,
    pub(crate) done: usize,
    /// Accusations that a person has to look at.
    pub(crate) to_review: usize,
    /// Statements that every log has, and those that some log has not.
    pub(crate) logged: usize,
    pub(crate) to_log: usize,
    /// Of what may be shown.
    pub(crate) verdicts: BTreeMap<String, usize>,
    pub(crate) latest: Vec<Latest>,
}

/// A result that may be shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Latest {
    pub(crate) file: String,
    pub(crate) sha256: String,
    pub(crate) verdict: String,
    /// Digest of its `build.json`.
    pub(crate) build: String,
    pub(crate) at: String,
    /// Index in each log.
    pub(crate) logged: BTreeMap<String, u64>,
}

impl Status {
    /// `logs`: how many there are.
    pub(crate) fn of(state: &State, logs: usize) -> Self {
        let mut status = Self {
            schema: "attest.rebuilder-status/v1",
            waiting: 0,
            running: 0,
            failed: 0,
            done: 0,
            to_review: 0,
            logged: 0,
            to_log: 0,
            verdicts: BTreeMap::new(),
            latest: Vec::new(),
        };
        let mut done: Vec<(u64, &Job)> = Vec::new();
        for job in state.jobs() {
            match &job.phase {
                Phase::Queued { .. } => status.waiting += 1,
                Phase::Running { .. } => status.running += 1,
                Phase::Failed { .. } => status.failed += 1,
                Phase::Done { at, answer, logged, .. } => {
                    status.done += 1;
                    status.to_review += usize::from(job.to_review().is_some());
                    if is_public(job) {
                        *status.verdicts.entry(answer.verdict.clone()).or_default() += 1;
                        done.push((*at, job));
                    }
                    if logs > 0 && logged.len() >= logs {
                        status.logged += 1;
                    } else if logs > 0 && is_public(job) && answer.weight != Weight::Abstention {
                        status.to_log += 1;
                    }
                }
            }
        }
        done.sort_by_key(|(at, job)| std::cmp::Reverse((*at, job.id)));
        status.latest = done.into_iter().take(LATEST).filter_map(|(_, job)| latest(job)).collect();
        status
    }
}

/// An accusation is nobody's business before a person has said that it stands.
pub(crate) fn is_public(job: &Job) -> bool {
    match &job.phase {
        Phase::Done { answer, decision, .. } => {
            answer.weight != Weight::Accusation || decision.as_ref().is_some_and(|decision| decision.approved)
        }
        _ => false,
    }
}

fn latest(job: &Job) -> Option<Latest> {
    let Phase::Done { answer, at, logged, .. } = &job.phase else {
        return None;
    };
    Some(Latest {
        file: answer.name.clone(),
        sha256: answer.subject.to_string(),
        verdict: answer.verdict.clone(),
        build: answer.build.to_string(),
        at: Timestamp::from_secs(*at).to_string(),
        logged: logged.clone(),
    })
}
