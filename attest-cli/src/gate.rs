//! The gate: every item of the input, judged by every policy, counted, and one exit code for all of it.

use std::collections::BTreeSet;

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName},
    policy::{Exempted, Exemption},
    time::Timestamp,
    verify::{Asking, Connection, Evidence, Pinning, Reason, Session, Verdict, Wanted, WantedName},
};

use crate::{
    evidence::{self, Gathered},
    exit::Exit,
    item::{GateError, Item, Question},
    layers::{Layer, Layers},
    run::{self, Run},
};

pub(crate) mod aged;
pub(crate) mod document;
pub(crate) mod verdicts;

/// What came of one item; the parts that docs/TRUST.md 1.4 adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Every policy accepts it.
    Passed,
    /// In some policy a pin stands in for missing votes, and nothing speaks against it (docs/TRUST.md 6.4).
    Pinned,
    /// Some policy exempts it, and the others accept it.
    Exempt,
    Refused,
    Undecided,
    /// Refused, and something is proven to be wrong.
    Alarm,
    NotAttestable,
    NotSelectable,
}

impl Outcome {
    /// What cannot be attested does not pass: only an exemption lets it.
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Passed | Self::Pinned | Self::Exempt | Self::NotSelectable => Exit::Pass,
            Self::Refused | Self::NotAttestable => Exit::Refused,
            Self::Undecided => Exit::Undecided,
            Self::Alarm => Exit::Alarm,
        }
    }

    const fn of(exit: Exit) -> Self {
        match exit {
            Exit::Pass => Self::Passed,
            Exit::Undecided => Self::Undecided,
            Exit::Alarm => Self::Alarm,
            Exit::Refused | Exit::Usage | Exit::Child(_) => Self::Refused,
        }
    }
}

/// One policy's word on a file.
#[derive(Debug)]
pub(crate) enum Word<'p> {
    Exempt(&'p Exemption),
    Verdict {
        verdict: Box<Verdict>,
        /// An exemption that would have applied had it not run out.
        expired: Option<&'p Exemption>,
    },
}

/// What one policy said about an item.
#[derive(Debug)]
pub(crate) struct Judgement<'p> {
    pub(crate) layer: &'p Layer,
    pub(crate) word: Word<'p>,
}

impl Judgement<'_> {
    /// The pin that stands in for votes.
    pub(crate) fn pinning(&self) -> Option<&Pinning> {
        match &self.word {
            Word::Verdict { verdict, .. } => match &**verdict {
                Verdict::Pinned(pinning) => Some(pinning),
                Verdict::Accepted(_) | Verdict::Rejected(_) => None,
            },
            Word::Exempt(_) => None,
        }
    }

    /// Refused because it is no wheel, and nothing worse is known of it.
    fn is_unattestable(&self) -> bool {
        match &self.word {
            Word::Verdict { verdict, .. } => {
                let reasons = verdict.reasons();
                !reasons.is_empty() && reasons.iter().all(|reason| matches!(reason, Reason::NotAttestable { .. }))
            }
            Word::Exempt(_) => true,
        }
    }

    fn exit(&self) -> Exit {
        match &self.word {
            Word::Exempt(_) => Exit::Pass,
            Word::Verdict { verdict, .. } => verdict.severity().map_or(Exit::Pass, Exit::from),
        }
    }
}

/// An item with what came of it.
#[derive(Debug)]
pub(crate) struct Answer<'p> {
    pub(crate) item: &'p Item,
    pub(crate) outcome: Outcome,
    /// One for each policy; none where there was nothing to judge.
    pub(crate) judgements: Vec<Judgement<'p>>,
}

/// Everything that was asked, and the evidence that it was answered from.
#[derive(Debug)]
pub(crate) struct Judged<'p> {
    pub(crate) answers: Vec<Answer<'p>>,
    pub(crate) gathered: Gathered,
}

impl Judged<'_> {
    /// The worst of all answers. A proven fork is an alarm whatever the files are.
    pub(crate) fn exit(&self) -> Exit {
        let forked = if self.gathered.alarms.is_empty() { Exit::Pass } else { Exit::Alarm };
        self.answers.iter().fold(forked, |worst, answer| worst.worst(answer.outcome.exit()))
    }

    /// How many items came out like this.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.answers.iter().filter(|answer| answer.outcome == outcome).count()
    }
}

/// Asks the logs of all policies once, and lets every policy judge every item.
pub(crate) fn judge<'p>(items: &'p [Item], layers: &'p Layers, run: &Run) -> anyhow::Result<Judged<'p>> {
    let now = run::now();
    let digests: BTreeSet<ArtifactDigest> = items
        .iter()
        .filter_map(|item| match &item.question {
            // What every policy exempts is nobody else's business: no log gets to know of it.
            Question::File { wanted, url } if !exempt_everywhere(layers, wanted, url.as_deref(), now) => {
                Some(wanted.digest)
            }
            _ => None,
        })
        .collect();
    let gathered = gather(&digests.into_iter().collect::<Vec<_>>(), layers, run)?;
    Ok(decide(items, layers, gathered))
}

/// Asks the logs of all policies, and looks among the user's own statements.
pub(crate) fn gather(digests: &[ArtifactDigest], layers: &Layers, run: &Run) -> anyhow::Result<Gathered> {
    let folders = [run.places()?.statements()?];
    let (sources, history) = (evidence::sources(layers), run.history()?);
    Ok(evidence::gather(&sources, &folders, &history, digests, run.connection, &run.out)?)
}

/// Lets every policy judge every item by what was gathered.
pub(crate) fn decide<'p>(items: &'p [Item], layers: &'p Layers, gathered: Gathered) -> Judged<'p> {
    let now = run::now();
    let benches: Vec<Bench<'p>> =
        layers.iter().map(|layer| Bench::open(layer, &gathered.evidence, gathered.connection, now)).collect();
    let answers = items.iter().map(|item| answer(item, &benches)).collect();
    Judged { answers, gathered }
}

/// One policy with the evidence it judges by.
struct Bench<'p> {
    layer: &'p Layer,
    session: Session<'p>,
    now: Timestamp,
}

impl<'p> Bench<'p> {
    fn open(layer: &'p Layer, evidence: &Evidence, connection: Connection, now: Timestamp) -> Self {
        let asking = Asking { now, connection, seen_serial: layer.seen_serial };
        // A log that only another policy names is not missed here.
        let mut evidence = evidence.clone();
        evidence.unreachable.retain(|(origin, _)| layer.policy.log(origin).is_some());
        Self { layer, session: Session::open(&layer.policy, &evidence, asking), now }
    }

    fn judge(&self, wanted: &Wanted, url: Option<&str>) -> Judgement<'p> {
        let word = match exempted(self.layer, wanted, url, self.now) {
            Exempted::Yes(exemption) => Word::Exempt(exemption),
            Exempted::Expired(exemption) => {
                Word::Verdict { verdict: Box::new(self.session.verify_from(wanted, url)), expired: Some(exemption) }
            }
            Exempted::No => Word::Verdict { verdict: Box::new(self.session.verify_from(wanted, url)), expired: None },
        };
        Judgement { layer: self.layer, word }
    }
}

fn answer<'p>(item: &'p Item, benches: &[Bench<'p>]) -> Answer<'p> {
    let unjudged = |outcome| Answer { item, outcome, judgements: Vec::new() };
    let (wanted, url) = match &item.question {
        Question::File { wanted, url } => (wanted, url.as_deref()),
        Question::Refused(GateError::Mismatch { .. }) => return unjudged(Outcome::Alarm),
        Question::Refused(_) => return unjudged(Outcome::Refused),
        Question::NotAttestable(_) => return unjudged(Outcome::NotAttestable),
        Question::NotSelectable(_) => return unjudged(Outcome::NotSelectable),
    };
    let judgements: Vec<_> = benches.iter().map(|bench| bench.judge(wanted, url)).collect();
    let worst = judgements.iter().fold(Exit::Pass, |worst, judgement| worst.worst(judgement.exit()));
    let exempt = judgements.iter().any(|judgement| matches!(judgement.word, Word::Exempt(_)));
    let pinned = judgements.iter().any(|judgement| judgement.pinning().is_some());
    let unattestable = judgements.iter().all(Judgement::is_unattestable);
    let outcome = match Outcome::of(worst) {
        Outcome::Passed if pinned => Outcome::Pinned,
        Outcome::Passed if exempt => Outcome::Exempt,
        Outcome::Refused if unattestable => Outcome::NotAttestable,
        other => other,
    };
    Answer { item, outcome, judgements }
}

fn exempted<'p>(layer: &'p Layer, wanted: &Wanted, url: Option<&str>, now: Timestamp) -> Exempted<'p> {
    match project(&wanted.name) {
        Some(project) => layer.policy.exempted(&wanted.digest, &project, url, now),
        None => Exempted::No,
    }
}

fn exempt_everywhere(layers: &Layers, wanted: &Wanted, url: Option<&str>, now: Timestamp) -> bool {
    layers.iter().all(|layer| matches!(exempted(layer, wanted, url, now), Exempted::Yes(_)))
}

fn project(name: &WantedName) -> Option<ProjectName> {
    match name {
        WantedName::File(name) => WheelName::parse(name).map_or_else(|_| sdist(name), |wheel| Some(wheel.project)),
        WantedName::Release { project, .. } => Some(project.clone()),
    }
}

/// The project of a source distribution. Votes are about wheels, but an exemption may be about its very bytes
/// (docs/TRUST.md 6.2, 6.3).
fn sdist(name: &str) -> Option<ProjectName> {
    let stem = name.strip_suffix(".tar.gz").or_else(|| name.strip_suffix(".zip"))?;
    let (project, version) = stem.rsplit_once('-')?;
    Version::new(version).ok()?;
    ProjectName::new(project).ok()
}
