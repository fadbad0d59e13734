//! The gate: every item of the input, judged by every policy, counted, and one exit code for all of it.

use std::collections::BTreeSet;

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName},
    policy::{Exempted, Exemption},
    time::Timestamp,
    verify::{self, Connection, Memory, Pinning, Reason, Session, Verdict, Wanted, WantedName, Workers},
};

use crate::{
    cores,
    evidence::{self, Asking, Gathered, Means, bundle::Bundles},
    exit::Exit,
    gate::regress::Regressions,
    item::{GateError, Item, Question},
    layers::{Layer, Layers},
    run::{self, Pinned, Run},
};

pub(crate) mod aged;
mod bundled;
pub(crate) mod cause;
pub(crate) mod document;
mod github;
pub(crate) mod installation;
mod place;
pub(crate) mod regress;
pub(crate) mod report;
mod sarif;
pub(crate) mod summary;
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
    /// Whether the file may be installed: by votes, by a pin, or by an exemption.
    pub(crate) const fn lets_through(self) -> bool {
        matches!(self, Self::Passed | Self::Pinned | Self::Exempt)
    }

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
    /// Refused, but another hash of the same requirement is not.
    pub(crate) unpruned: bool,
}

/// Everything that was asked, and the evidence that it was answered from.
#[derive(Debug)]
pub(crate) struct Judged<'p> {
    pub(crate) answers: Vec<Answer<'p>>,
    pub(crate) gathered: Gathered,
    /// Against what `attest.lock` says was accepted.
    pub(crate) regressions: Regressions,
}

impl Judged<'_> {
    /// The worst of all answers. A proven fork is an alarm whatever the files are.
    pub(crate) fn exit(&self) -> Exit {
        let forked = if self.gathered.alarms.is_empty() { Exit::Pass } else { Exit::Alarm };
        let forked = forked.worst(self.regressions.exit());
        self.answers.iter().fold(forked, |worst, answer| worst.worst(answer.outcome.exit()))
    }

    /// Whether the evidence speaks against a file, or does not suffice for it.
    fn says_no(&self) -> bool {
        let no = |answer: &Answer<'_>| !answer.judgements.is_empty() && answer.outcome.exit() != Exit::Pass;
        let whole = self.gathered.alarms.is_empty() && self.regressions.exit() == Exit::Pass;
        !whole || self.answers.iter().any(no)
    }

    /// How many items came out like this.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.answers.iter().filter(|answer| answer.outcome == outcome).count()
    }
}

/// Asks the logs of all policies once, and lets every policy judge every item. What they said before will do where nothing was
/// added to them since and everything passes.
pub(crate) fn judge<'p>(items: &'p [Item], layers: &'p Layers, run: &Run) -> anyhow::Result<Judged<'p>> {
    let asking = match run.pinned {
        Pinned::Locked => Asking::Anew,
        Pinned::Free | Pinned::Frozen => Asking::Sparing { within: run.asked_within },
    };
    judge_if(asking, items, layers, run)
}

/// As [`judge`], from what the logs say now.
pub(crate) fn judge_now<'p>(items: &'p [Item], layers: &'p Layers, run: &Run) -> anyhow::Result<Judged<'p>> {
    judge_if(Asking::Anew, items, layers, run)
}

fn judge_if<'p>(asking: Asking, items: &'p [Item], layers: &'p Layers, run: &Run) -> anyhow::Result<Judged<'p>> {
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
    let bundles = Bundles::beside(items, run)?;
    let judge = |asking| judge_as(asking, items, (&digests, now), &bundles, layers, run);
    let mut judged = judge(asking)?;
    if judged.gathered.recalled && run.connection == Connection::Online && judged.says_no() {
        // Never from memory: what is missing may be there by now, and whose fault it is must be right.
        judged = judge(Asking::Anew)?;
    }
    tell_silence(&judged, run);
    Ok(judged)
}

/// That a log gave no answer is a reason where it leaves something open. Where what is at hand sufficed (`attest.lock`, other
/// logs), nobody would hear of it otherwise.
fn tell_silence(judged: &Judged<'_>, run: &Run) {
    let asked = run.connection == Connection::Online && run.pinned != Pinned::Frozen;
    if asked && judged.count(Outcome::Undecided) == 0 {
        for (origin, why) in &judged.gathered.evidence.unreachable {
            run.out.warning(format_args!("log {origin} gave no evidence, judged by what is at hand: {why}"));
        }
    }
}

fn judge_as<'p>(
    asking: Asking,
    items: &'p [Item],
    // As of then: what was exempt when the logs were asked is not judged by answers that are about other files.
    (digests, now): (&BTreeSet<ArtifactDigest>, Timestamp),
    bundles: &Bundles,
    layers: &'p Layers,
    run: &Run,
) -> anyhow::Result<Judged<'p>> {
    if bundles.is_empty() {
        let gathered = gather_as(asking, &digests.iter().copied().collect::<Vec<_>>(), layers, run)?;
        return Ok(decide_at(now, items, layers, gathered));
    }
    let (gathered, answered) = bundled::gather(asking, items, digests, bundles, layers, run)?;
    let mut judged = decide_at(now, items, layers, gathered);
    judged.regressions = Regressions::of(&judged.answers, bundles, &answered, run.pinned);
    Ok(judged)
}

/// Asks the logs of all policies, and looks among the user's own statements.
pub(crate) fn gather(digests: &[ArtifactDigest], layers: &Layers, run: &Run) -> anyhow::Result<Gathered> {
    gather_as(Asking::Anew, digests, layers, run)
}

fn gather_as(asking: Asking, digests: &[ArtifactDigest], layers: &Layers, run: &Run) -> anyhow::Result<Gathered> {
    let folders = run.statements()?;
    let (sources, history, cache) = (evidence::sources(layers), run.history()?, run.evidence()?);
    let places = run.places()?;
    let (data, connection) = (places.data()?, run.connection);
    let means = Means { history: &history, cache: &cache, data, connection, asking, out: &run.out };
    Ok(evidence::gather(&sources, &folders, digests, &means)?)
}

/// Lets every policy judge every item by what was gathered.
pub(crate) fn decide<'p>(items: &'p [Item], layers: &'p Layers, gathered: Gathered) -> Judged<'p> {
    decide_at(run::now(), items, layers, gathered)
}

fn decide_at<'p>(now: Timestamp, items: &'p [Item], layers: &'p Layers, gathered: Gathered) -> Judged<'p> {
    let memory = Memory::new(layers.iter().map(|layer| &layer.policy));
    let benches: Vec<Bench<'p>> = layers.iter().map(|layer| Bench::open(layer, &gathered, &memory, now)).collect();
    // Reading the recipes of votes takes as long as checking signatures.
    let asked: Vec<&'p Item> = items.iter().collect();
    let mut answers: Vec<Answer<'p>> = cores::map(&asked, |item| answer(item, &benches));
    mark_unpruned(&mut answers);
    Judged { answers, gathered, regressions: Regressions::default() }
}

/// One policy with the evidence it judges by.
struct Bench<'p> {
    layer: &'p Layer,
    session: Session<'p>,
    now: Timestamp,
}

impl<'p> Bench<'p> {
    fn open(layer: &'p Layer, gathered: &Gathered, memory: &Memory, now: Timestamp) -> Self {
        let asking = verify::Asking { now, connection: gathered.connection, seen_serial: layer.seen_serial };
        let workers = Workers::new(cores::count());
        let session = Session::open_beside(&layer.policy, &gathered.evidence, asking, workers, memory);
        Self { layer, session, now }
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
    let unjudged = |outcome| Answer { item, outcome, judgements: Vec::new(), unpruned: false };
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
    Answer { item, outcome, judgements, unpruned: false }
}

/// Hashes in requirements have no names, so all of them have to pass although one of them would do (docs/TRUST.md 6.1).
/// Who has one that passes only needs to leave out the others.
fn mark_unpruned(answers: &mut [Answer<'_>]) {
    let line = |answer: &Answer<'_>| match &answer.item.question {
        Question::File { wanted, .. } if matches!(wanted.name, WantedName::Release { .. }) => {
            // Locks in JSON have one line for each hash; the name is the requirement in all of them.
            Some((answer.item.place.path().to_owned(), answer.item.name.clone()))
        }
        _ => None,
    };
    let passing: BTreeSet<_> =
        answers.iter().filter(|answer| answer.outcome.exit() == Exit::Pass).filter_map(line).collect();
    for answer in answers.iter_mut().filter(|answer| answer.outcome == Outcome::Refused) {
        answer.unpruned = line(answer).is_some_and(|line| passing.contains(&line));
    }
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
    release(name).map(|(project, _)| project)
}

/// The release that a file is of, as far as its name says.
pub(crate) fn release(name: &WantedName) -> Option<(ProjectName, Version)> {
    match name {
        WantedName::File(name) => {
            WheelName::parse(name).map_or_else(|_| sdist(name), |wheel| Some((wheel.project, wheel.version)))
        }
        WantedName::Release { project, version } => Some((project.clone(), version.clone())),
    }
}

/// The release of a source distribution. Votes are about wheels, but an exemption may be about its very bytes
/// (docs/TRUST.md 6.2, 6.3).
fn sdist(name: &str) -> Option<(ProjectName, Version)> {
    let stem = name.strip_suffix(".tar.gz").or_else(|| name.strip_suffix(".zip"))?;
    let (project, version) = stem.rsplit_once('-')?;
    Some((ProjectName::new(project).ok()?, Version::new(version).ok()?))
}
