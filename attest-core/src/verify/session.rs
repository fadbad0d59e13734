//! Weighs what was heard about one file, and says what kind of answer it is.
use super::{
    Asking, Evidence, Findings, Heard, LogStanding, Memory, PinStanding, Pinning, Place, Reason, Rejection, Unreadable,
    Verdict, Wanted, WantedName, Workers,
    complete::{Lists, View, listed_checkpoints},
    heard::{Hearing, Standing},
    opened::{forks, open_all},
    verdict::Acceptance,
};
use crate::{
    artifact::{ProjectName, Version, WheelName},
    dissent::{Dissent, dissent},
    policy::{GroupName, Lined, Negatives, Policy, Ratchet, Release, Rule},
    votes::{Tally, votes},
};

/// One policy, one moment, and everything that was fetched, checked once for however many files.
#[derive(Debug)]
pub struct Session<'p> {
    policy: &'p Policy,
    asking: Asking,
    logs: Vec<LogStanding>,
    hearing: Hearing<'p>,
    lists: Lists,
    /// Against every file: an unusable policy, a fork.
    against_all: Vec<Reason>,
    /// What is missing of the evidence: it decides only where votes are missing.
    gaps: Vec<Reason>,
}

/// A log that no policy of ours names may say what it likes.
fn proven_forks(policy: &Policy, evidence: &Evidence) -> impl Iterator<Item = Reason> {
    evidence
        .forks
        .iter()
        .filter(|fork| policy.log(&fork.origin).is_some())
        .map(|fork| Reason::Fork { origin: fork.origin.clone(), notes: Box::new(fork.notes.clone()) })
}

impl<'p> Session<'p> {
    /// Checks every checkpoint, proof and signature of the evidence.
    pub fn open(policy: &'p Policy, evidence: &Evidence, asking: Asking) -> Self {
        Self::open_with(policy, evidence, asking, Workers::ONE)
    }

    /// As [`Session::open`], sooner: nearly all of the time goes into signatures, which need nothing of each other.
    pub fn open_with(policy: &'p Policy, evidence: &Evidence, asking: Asking, workers: Workers) -> Self {
        Self::open_beside(policy, evidence, asking, workers, &Memory::none())
    }

    /// As [`Session::open_with`], beside sessions of other policies under the same evidence: what one of them checked is not
    /// checked again.
    pub fn open_beside(
        policy: &'p Policy,
        evidence: &Evidence,
        asking: Asking,
        workers: Workers,
        memory: &Memory,
    ) -> Self {
        let opened = open_all(policy, asking, &evidence.logs);
        let hearing = Hearing::new(policy, evidence, &opened, workers, memory);
        let listed = listed_checkpoints(policy, evidence);
        let lists = Lists::open(policy, asking, evidence, &opened, &listed);
        let mut against_all = unusable_policy(policy, asking);
        against_all.extend(forks(opened.iter().filter_map(|opened| opened.signed.as_ref()).chain(&listed)));
        against_all.extend(proven_forks(policy, evidence));
        against_all.extend(hearing.forks.iter().cloned());
        against_all.extend(lists.alarms().iter().cloned());
        against_all.extend(opened.iter().filter_map(|opened| match &opened.standing.problem {
            Some(problem @ Reason::FinalRoot { .. }) => Some(problem.clone()),
            _ => None,
        }));
        against_all.dedup();
        let logs: Vec<_> = opened.into_iter().map(|opened| opened.standing).collect();
        let gaps = gaps(policy, evidence, &logs, &hearing.unreadable);
        Self { policy, asking, logs, hearing, lists, against_all, gaps }
    }

    /// The logs' answers, each under its checkpoint.
    pub fn logs(&self) -> &[LogStanding] {
        &self.logs
    }

    /// What is missing of the evidence, whether or not any file needs it.
    pub fn gaps(&self) -> &[Reason] {
        &self.gaps
    }

    /// Bytes in the evidence that are no statement.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.hearing.unreadable
    }

    /// Decides about one file of unknown origin: where a package rule names an index, it is refused.
    pub fn verify(&self, wanted: &Wanted) -> Verdict {
        self.verify_from(wanted, None)
    }

    /// Decides about one file. `url` is where it really comes from.
    pub fn verify_from(&self, wanted: &Wanted, url: Option<&str>) -> Verdict {
        let heard = self.hearing.about(&wanted.digest);
        let named = |id| self.hearing.named(id);
        let view = self.lists.view(&wanted.digest, &heard);
        let dissent = dissent(self.policy, &heard, named, self.asking.now);
        let named = match Named::of(wanted) {
            Ok(named) => named,
            Err(reason) => {
                // Another name is no way around what is proven against the bytes (docs/TRUST.md 4.3).
                let mut others = self.against_all.clone();
                others.extend(blocking(&dissent));
                let findings = self.findings(self.policy.threshold(), None, None, dissent, view);
                return Verdict::Rejected(Rejection::new(reason, others, findings));
            }
        };
        let file = named.release(wanted);
        let rule = self.policy.rule(file.project);
        let need = rule.threshold();
        let tally = votes(self.policy, &rule, wanted, &heard, &dissent.contradicting());
        let mut reasons = self.against(&dissent, &view);
        reasons.extend(elsewhere(&rule, url));
        let pin = self.pin(&file);
        let agreed = tally.agreed(&rule).cloned();
        if agreed.is_none() {
            reasons.extend(self.without_votes(&heard, &file, pin, || missing(&rule, &tally)));
        }
        let findings = self.findings(need, pin, Some(tally), dissent, view);
        if !reasons.is_empty() {
            return Verdict::Rejected(Rejection::new(reasons.remove(0), reasons, findings));
        }
        match (agreed, pin) {
            (Some((source, groups)), _) => Verdict::Accepted(Acceptance { source, groups, findings }),
            (None, Some(pin)) => Verdict::Pinned(Pinning { pin, findings }),
            // Without votes and without a pin a reason was given.
            (None, None) => Verdict::Rejected(Rejection::new(
                Reason::NoStatement { need: need.value, line: need.line },
                Vec::new(),
                findings,
            )),
        }
    }

    /// The pin of a file, expired or not.
    fn pin(&self, file: &Release<'_>) -> Option<PinStanding> {
        let ratchet = self.policy.ratchet()?;
        let pin = ratchet.pin(file)?;
        Some(PinStanding { since: pin.value.since(), expires: ratchet.expires().value, line: pin.line })
    }

    /// What it comes to that too few groups agree; nothing where a pin stands in for them.
    fn without_votes(
        &self,
        heard: &[&Heard<'_>],
        file: &Release<'_>,
        pin: Option<PinStanding>,
        missing: impl FnOnce() -> Reason,
    ) -> Vec<Reason> {
        let mut reasons = self.gaps.clone();
        reasons.extend(unproven(heard));
        // An outage is not a refusal: what is missing could be the votes. Nor does a pin help in one (docs/TRUST.md 6.4):
        // what is missing could be dissent too, and of a pinned file nothing else is known.
        if !reasons.is_empty() {
            return reasons;
        }
        match pin {
            Some(pin) if self.asking.now < pin.expires => return reasons,
            Some(pin) => reasons.push(Reason::PinExpired { expires: pin.expires, line: pin.line }),
            None => reasons.extend(self.policy.ratchet().and_then(|ratchet| worse(ratchet, file))),
        }
        reasons.push(missing());
        reasons
    }

    /// What speaks against a file however many votes it has.
    fn against(&self, dissent: &Dissent, view: &View) -> Vec<Reason> {
        let mut reasons = self.against_all.clone();
        reasons.extend(blocking(dissent));
        reasons.extend(view.alarms.iter().cloned());
        let negatives = self.policy.negatives();
        if let Negatives::Complete { .. } = negatives.value {
            // docs/TRUST.md 4.4: nothing shows that no dissent was withheld.
            reasons.extend(view.logs.iter().filter_map(|log| {
                let why = log.missing.clone()?;
                Some(Reason::IncompleteView { origin: log.origin.clone(), why, line: negatives.line })
            }));
        }
        reasons
    }

    fn findings(
        &self,
        need: Lined<u32>,
        pin: Option<PinStanding>,
        tally: Option<Tally>,
        dissent: Dissent,
        view: View,
    ) -> Findings {
        let (votes, publishers, mut ignored) = match tally {
            Some(tally) => (tally.votes, tally.publishers, tally.ignored),
            None => (Vec::new(), Vec::new(), Vec::new()),
        };
        ignored.extend(dissent.ignored);
        Findings {
            need,
            pin,
            votes,
            publishers,
            accusations: dissent.accusations,
            abstentions: dissent.abstentions,
            ignored,
            logs: self.logs.clone(),
            gaps: self.gaps.clone(),
            negatives: view.logs,
        }
    }
}

impl Tally {
    /// The source that enough groups agree on, each of them with no other (docs/TRUST.md 3.7).
    fn agreed(&self, rule: &Rule) -> Option<&(crate::votes::SourceClass, Vec<GroupName>)> {
        let need = usize::try_from(rule.threshold().value).ok().filter(|need| *need > 0)?;
        let all_required =
            |groups: &[GroupName]| rule.required().iter().all(|required| groups.contains(&required.value));
        self.classes.first().filter(|(_, groups)| groups.len() >= need && all_required(groups))
    }
}

/// docs/TRUST.md 6.3: what a name is good for depends on who serves it.
fn elsewhere(rule: &Rule, url: Option<&str>) -> Option<Reason> {
    let index = rule.other_index(url)?;
    Some(Reason::OtherIndex { expected: index.value.clone(), found: url.map(ToOwned::to_owned), line: index.line })
}

/// What is worse than it was when the ratchet was made or turned (docs/TRUST.md 6.4).
fn worse(ratchet: &Ratchet, file: &Release<'_>) -> Option<Reason> {
    if let Some(entry) = ratchet.was_attested(file) {
        return Some(Reason::LostAttestation { since: entry.value.since(), line: entry.line });
    }
    if let Some(entry) = ratchet.with_other_bytes(file) {
        let (expected, found) = (entry.value.digest(), *file.digest);
        return Some(Reason::ChangedDigest { expected, found, line: entry.line });
    }
    let entry = ratchet.other_version(file)?;
    Some(Reason::Regression { attested: entry.value.version().as_str().to_owned(), line: entry.line })
}

/// docs/TRUST.md 1.2
fn unusable_policy(policy: &Policy, asking: Asking) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let (serial, expires) = (policy.serial(), policy.expires());
    if let Some(seen) = asking.seen_serial.filter(|seen| serial.value < *seen) {
        reasons.push(Reason::PolicyRollback { serial: serial.value, seen, line: serial.line });
    }
    if asking.now >= expires.value {
        reasons.push(Reason::PolicyExpired { expires: expires.value, line: expires.line });
    }
    reasons
}

/// What is missing of the evidence, log by log: a log that gave one good answer has answered. Not where its answer is only
/// what somebody kept of it: what is missing there may be what speaks against a file.
fn gaps(policy: &Policy, evidence: &Evidence, logs: &[LogStanding], unreadable: &[Unreadable]) -> Vec<Reason> {
    let mut gaps = Vec::new();
    for log in policy.logs() {
        let answers = || logs.iter().filter(|answer| answer.origin.as_deref() == Some(log.origin()));
        let told = evidence.unreachable.iter().find(|(origin, _)| origin == log.origin());
        let good = answers().any(|answer| answer.problem.is_none());
        if good && told.is_none() {
            continue;
        }
        let problems: Vec<_> = answers().filter_map(|answer| answer.problem.clone()).collect();
        if !good && !problems.is_empty() {
            gaps.extend(problems);
            continue;
        }
        gaps.push(Reason::LogUnreachable {
            origin: log.origin().to_owned(),
            why: told.map_or_else(|| "it was not asked".to_owned(), |(_, why)| why.clone()),
        });
    }
    // Answers that name no log: whose they should have been is unknown.
    gaps.extend(logs.iter().filter(|answer| answer.origin.is_none()).filter_map(|answer| answer.problem.clone()));
    gaps.extend(unreadable.iter().filter(|bytes| bytes.in_policy).filter_map(|bytes| match &bytes.place {
        Place::Logged { origin, index, .. } => {
            Some(Reason::MalformedEntry { origin: origin.clone(), index: *index, error: bytes.error.clone() })
        }
        Place::Unlogged => None,
    }));
    gaps
}

/// Statements of known keys that a log's answer does not prove: a better answer may.
fn unproven(heard: &[&Heard<'_>]) -> Vec<Reason> {
    let of_known = heard.iter().filter(|heard| {
        let proven = |seen: &super::heard::Seen| matches!(seen.standing, Standing::Included | Standing::Pending);
        heard.by().is_some() && !heard.seen().iter().any(proven)
    });
    of_known
        .flat_map(|heard| heard.seen())
        .filter_map(|seen| match (&seen.standing, &seen.place) {
            (Standing::NotIncluded(error), Place::Logged { origin, index, .. }) => {
                Some(Reason::BadProof { origin: origin.clone(), index: *index, error: error.clone() })
            }
            _ => None,
        })
        .collect()
}

/// docs/TRUST.md 4.2: one group refuses, two are an alarm.
fn blocking(dissent: &Dissent) -> Vec<Reason> {
    let groups: Vec<GroupName> = dissent.blocking().into_iter().collect();
    let mut reasons = Vec::new();
    if !groups.is_empty() {
        let blocking = dissent.accusations.iter().filter(|accusation| accusation.blocks());
        reasons.push(Reason::Contradicted {
            groups,
            statements: blocking.map(|accusation| accusation.statement).collect(),
        });
    }
    reasons.extend(dissent.unresolved.iter().map(|unresolved| Reason::UnresolvedContradiction {
        by: unresolved.by.clone(),
        statement: unresolved.statement,
        contradicts: unresolved.contradicts,
    }));
    reasons
}

/// Why the votes at hand do not suffice, when all evidence is at hand.
fn missing(rule: &Rule, tally: &Tally) -> Reason {
    let (need, line) = (rule.threshold().value, rule.threshold().line);
    let groups: usize = tally.classes.iter().map(|(_, groups)| groups.len()).sum();
    match tally.classes.as_slice() {
        [] if tally.votes.is_empty() && tally.ignored.is_empty() => Reason::NoStatement { need, line },
        [] => Reason::BelowThreshold { need, groups: Vec::new(), line },
        [(_, groups), ..] if u32::try_from(groups.len()).is_ok_and(|groups| groups >= need) => {
            let missing: Vec<_> = rule.required().iter().filter(|required| !groups.contains(&required.value)).collect();
            let line = missing.first().map_or(line, |first| first.line);
            Reason::RequiredGroups {
                missing: missing.into_iter().map(|required| required.value.clone()).collect(),
                line,
            }
        }
        [(_, groups)] => Reason::BelowThreshold { need, groups: groups.clone(), line },
        classes if u32::try_from(groups).is_ok_and(|groups| groups >= need) => {
            Reason::SourcesDisagree { need, classes: classes.to_vec(), line }
        }
        [(_, groups), ..] => Reason::BelowThreshold { need, groups: groups.clone(), line },
    }
}

/// What a file is called, in the parts that rules are about.
enum Named<'a> {
    Wheel(Box<WheelName>),
    Release(&'a ProjectName, &'a Version),
}

impl<'a> Named<'a> {
    fn of(wanted: &'a Wanted) -> Result<Self, Reason> {
        match &wanted.name {
            WantedName::File(name) => WheelName::parse(name)
                .map(|name| Self::Wheel(Box::new(name)))
                .map_err(|error| Reason::NotAttestable { name: name.clone(), error }),
            WantedName::Release { project, version } => Ok(Self::Release(project, version)),
        }
    }

    fn release<'b>(&'b self, wanted: &'b Wanted) -> Release<'b> {
        let (project, version, file) = match self {
            Self::Wheel(name) => (&name.project, &name.version, Some(name.as_str())),
            Self::Release(project, version) => (*project, *version, None),
        };
        Release { digest: &wanted.digest, project, version, file }
    }
}
