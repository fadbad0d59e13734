//! The gate behind the proxy: a few threads that put one batched question for each project page.
//!
//! The gate blocks while it asks logs, so it has threads of its own. Policies are read anew for every page: what somebody
//! changes in one holds from the next page on.

use std::{
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
};

use attest_core::{
    artifact::ProjectName,
    verify::{Wanted, WantedName},
};
use tokio::sync::oneshot;

use super::listing::{Kind, Listed};
use crate::{
    gate::{self, Answer, Outcome, Word},
    item::{Item, Place, Question, Unattestable},
    output::causes,
    run::Run,
};

/// Pages that are judged at the same time.
pub(crate) const BENCHES: usize = 4;

/// What the policy says about a file.
#[derive(Clone, Debug)]
pub(super) enum Decision {
    Passed,
    Blocked(Blocked),
}

/// Why a file is kept back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    /// Asking again later may help: evidence was unreachable, stale or incomplete.
    pub(super) undecided: bool,
    pub(super) alarm: bool,
    /// Stable, for tools.
    pub(super) code: &'static str,
    pub(super) reason: String,
}

/// A project page that waits for its decisions.
#[derive(Debug)]
pub(crate) struct Case {
    items: Vec<Item>,
    answer: oneshot::Sender<Result<Vec<Decision>, String>>,
}

/// Where cases are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Judges {
    cases: mpsc::Sender<Case>,
}

impl Judges {
    pub(crate) fn new() -> (Self, Mutex<mpsc::Receiver<Case>>) {
        let (cases, waiting) = mpsc::channel();
        (Self { cases }, Mutex::new(waiting))
    }

    /// One decision for each file, in their order.
    pub(super) async fn judge(
        &self,
        page: &str,
        project: &ProjectName,
        files: &[Listed],
    ) -> Result<Vec<Decision>, String> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let place = Place::file(Path::new(page));
        let items = files.iter().map(|file| item(file, project, &place)).collect();
        let (answer, answered) = oneshot::channel();
        let gone = |()| "the proxy ends".to_owned();
        self.cases.send(Case { items, answer }).map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }
}

fn item(file: &Listed, project: &ProjectName, place: &Place) -> Item {
    let name = match &file.kind {
        Kind::Wheel(_) => WantedName::File(file.name.clone()),
        // Nobody attests to one; by project and version an exemption can still let it pass.
        Kind::Sdist(version) => WantedName::Release { project: project.clone(), version: version.clone() },
    };
    let wanted = Box::new(Wanted { digest: file.digest, name });
    let question = Question::File { wanted, url: Some(file.url.to_string()) };
    Item::new(file.name.clone(), place.clone(), question)
}

/// Judges until nobody can ask any more.
pub(crate) fn sit(cases: &Mutex<mpsc::Receiver<Case>>, run: &Run) {
    loop {
        // The lock is held while waiting: the next to come takes the next case.
        let next = cases.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(case) = next else {
            return;
        };
        let decided = decide(&case.items, run).map_err(|error| causes(error.as_ref()));
        // Whoever asked may be gone.
        let _ = case.answer.send(decided);
    }
}

fn decide(items: &[Item], run: &Run) -> anyhow::Result<Vec<Decision>> {
    let layers = run.layers()?;
    let judged = gate::judge(items, &layers, run)?;
    let forked = judged.gathered.alarms.first().map(ToString::to_string);
    let decisions = judged.answers.iter().map(|answer| match &forked {
        // A log that forked is believed about nothing (docs/TRUST.md 5.4).
        Some(fork) if answer.outcome != Outcome::Exempt => {
            Decision::Blocked(Blocked { undecided: false, alarm: true, code: "fork", reason: fork.clone() })
        }
        _ => decision(answer),
    });
    Ok(decisions.collect())
}

fn decision(answer: &Answer<'_>) -> Decision {
    // Statements are about wheels: a source distribution passes only where a policy exempts it.
    let is_sdist = matches!(&answer.item.question,
        Question::File { wanted, .. } if matches!(wanted.name, WantedName::Release { .. }));
    if answer.outcome == Outcome::Exempt || answer.outcome.lets_through() && !is_sdist {
        return Decision::Passed;
    }
    let (code, reason) = why(answer);
    let undecided = answer.outcome == Outcome::Undecided;
    Decision::Blocked(Blocked { undecided, alarm: answer.outcome == Outcome::Alarm, code, reason })
}

/// The first reason of the first policy that says no.
fn why(answer: &Answer<'_>) -> (&'static str, String) {
    match &answer.item.question {
        Question::File { wanted, .. } => {
            if let WantedName::Release { .. } = wanted.name {
                return (Unattestable::Sdist.code(), Unattestable::Sdist.to_string());
            }
            let verdicts = answer.judgements.iter().filter_map(|judgement| match &judgement.word {
                Word::Verdict { verdict, .. } if !verdict.is_accepted() => Some(verdict),
                _ => None,
            });
            let worst = verdicts.max_by_key(|verdict| verdict.severity());
            let reason = worst.and_then(|verdict| {
                let severity = verdict.severity();
                let reasons = verdict.reasons();
                reasons.iter().find(|reason| Some(reason.severity()) == severity).or(reasons.first())
            });
            reason.map_or(("refused", "the policy says no".to_owned()), |reason| (reason.code(), reason.to_string()))
        }
        Question::Refused(error) => (error.code(), error.to_string()),
        Question::NotAttestable(why) => (why.code(), why.to_string()),
        Question::NotSelectable(elsewhere) => (elsewhere.code(), elsewhere.to_string()),
    }
}
