//! A job: one published wheel to rebuild, and everything that became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use attest_core::artifact::{ArtifactDigest, ArtifactError, ProjectName, Version};
use attest_core::envelope::StatementId;
use attest_core::statement::{Outcome, Predicate};
use serde::{Deserialize, Serialize};

/// Higher goes first.
pub(crate) type Priority = i32;

/// Numbers jobs of one rebuilder, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct JobId(u64);

/// A job as it was given to a worker: the how-manieth time. `7-2` is the second attempt at job 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    pub(crate) job: JobId,
    pub(crate) attempt: u32,
}

/// `NAME==VERSION`: a release, whose wheel for any platform is rebuilt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Release {
    pub(crate) project: ProjectName,
    pub(crate) version: Version,
}

/// What is to be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) release: Release,
    /// The very file, where whoever asks knows it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) sha256: Option<ArtifactDigest>,
    /// The signed statement that says it was reproduced, where that is why it is wished for: what comes out otherwise from
    /// the same inputs contradicts it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) claim: Option<String>,
}

/// A wish, and how urgent it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    pub(crate) wish: Wish,
    pub(crate) priority: Priority,
}

/// What a result says, as far as publishing it goes (docs/TRUST.md 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weight {
    /// The same bytes, or the same but for the closed list: goes out by itself.
    Vote,
    /// Could not be said: as configured.
    Abstention,
    /// Other bytes: waits for a person.
    Accusation,
}

/// A person's word about an accusation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// Whether it is signed.
    pub(crate) approved: bool,
    /// Why.
    pub(crate) reason: String,
    /// The statement of others that it contradicts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) contradicts: Option<StatementId>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// Whose.
    pub(crate) attempt: u32,
    /// Digest of `build.json`, which has those of everything else.
    pub(crate) build: ArtifactDigest,
    /// File name of the published wheel.
    pub(crate) name: String,
    /// Its digest.
    pub(crate) subject: ArtifactDigest,
    /// In one word, for people.
    pub(crate) verdict: String,
    pub(crate) weight: Weight,
}

/// What happened. A line of the journal is a list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum Event {
    /// Somebody wants it. `tool`: the attest that will build it; another one may come to another answer.
    Added { job: JobId, ask: Ask, tool: String, at: u64 },
    /// A worker has it.
    Given { given: Given, worker: String, at: u64 },
    /// It waits again, through no fault of its own.
    Returned { given: Given, why: String },
    /// It did not work out; `due`: when it is tried again, if at all.
    Failed { given: Given, why: String, due: Option<u64> },
    /// There is a result.
    Answered { job: JobId, answer: Answer, at: u64 },
    /// A person decided.
    Decided { job: JobId, decision: Decision },
    /// A log has the statement.
    Logged { job: JobId, origin: String, index: u64 },
    /// A person wants it tried again.
    Again { job: JobId },
    /// Nobody wants it any more.
    Removed { job: JobId },
    /// How far a feed was read.
    Position { feed: String, value: String },
    /// A whole job, in a journal that was rewritten.
    Kept { job: Box<Job> },
    /// The number of the next job, in a journal that was rewritten.
    Next { job: JobId },
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) ask: Ask,
    pub(crate) tool: String,
    pub(crate) added: u64,
    /// Workers that had it, by attempt, and since when; the last few.
    pub(crate) attempts: BTreeMap<u32, (String, u64)>,
    pub(crate) failures: u32,
    pub(crate) phase: Phase,
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Waits, not before `due`. `why`: what went wrong the last time.
    Queued { due: u64, why: Option<String> },
    /// A worker has it.
    Running { attempt: u32 },
    /// Given up.
    Failed { why: String },
    /// Built.
    Done { answer: Answer, at: u64, decision: Option<Decision>, logged: BTreeMap<String, u64> },
}

/// Attempts that are remembered: an answer to an older one comes too late.
const MAX_ATTEMPTS: usize = 32;

impl JobId {
    pub(crate) const FIRST: Self = Self(1);

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Wish {
    /// Two wishes with the same key, and the same tool, have one answer.
    pub(crate) fn key(&self) -> String {
        let digest = self.sha256.map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{}{digest}", self.release)
    }

    /// Whether a published file is what was wished for; if not, why.
    pub(crate) fn check(&self, name: &attest_core::artifact::WheelName, digest: ArtifactDigest) -> Result<(), String> {
        let Release { project, version } = &self.release;
        if name.project != *project || !name.version.same_as(version) {
            return Err(format!("expected a wheel of {}, found {}", self.release, name.as_str()));
        }
        match self.sha256 {
            Some(expected) if expected != digest => {
                Err(format!("expected the published file to have sha256 {expected}, found {digest}"))
            }
            _ => Ok(()),
        }
    }
}

impl Weight {
    /// Of exactly what would be signed.
    pub(crate) fn of(predicate: &Predicate) -> Self {
        match predicate {
            Predicate::Reproduced(_) | Predicate::Equivalent { .. } => Self::Vote,
            Predicate::NotReproduced { refusal, .. } if refusal.outcome == Outcome::Different => Self::Accusation,
            Predicate::NotReproduced { .. } => Self::Abstention,
            // Never made from a build.
            Predicate::Withdrawn(_) => Self::Accusation,
        }
    }
}

impl Job {
    pub(crate) fn new(id: JobId, ask: Ask, tool: String, added: u64) -> Self {
        let phase = Phase::Queued { due: 0, why: None };
        Self { id, ask, tool, added, attempts: BTreeMap::new(), failures: 0, phase }
    }

    /// Number of the next attempt.
    pub(crate) fn next_attempt(&self) -> u32 {
        self.attempts.last_key_value().map_or(1, |(attempt, _)| attempt + 1)
    }

    pub(crate) fn give(&mut self, attempt: u32, worker: String, at: u64) {
        self.attempts.insert(attempt, (worker, at));
        if self.attempts.len() > MAX_ATTEMPTS {
            self.attempts.pop_first();
        }
        self.phase = Phase::Running { attempt };
    }

    /// The attempt that runs.
    pub(crate) fn running(&self) -> Option<Given> {
        match self.phase {
            Phase::Running { attempt } => Some(Given { job: self.id, attempt }),
            _ => None,
        }
    }

    /// Whether this worker was given this attempt.
    pub(crate) fn was_given(&self, attempt: u32, worker: &str) -> bool {
        self.attempts.get(&attempt).is_some_and(|(known, _)| known == worker)
    }

    /// The answer that a person has to decide about.
    pub(crate) fn to_review(&self) -> Option<&Answer> {
        match &self.phase {
            Phase::Done { answer, decision: None, .. } if answer.weight == Weight::Accusation => Some(answer),
            _ => None,
        }
    }
}

/// By spelling: `1.0` and `1.0.0` are one version and two wishes, and get one statement.
impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.project == other.project && self.version.as_str() == other.version.as_str()
    }
}

impl Eq for Release {}

impl FromStr for Release {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        let (project, version) =
            text.split_once("==").ok_or_else(|| ReleaseError::Form { found: text.chars().take(80).collect() })?;
        Ok(Self { project: ProjectName::new(project.trim())?, version: Version::new(version.trim())? })
    }
}

impl TryFrom<String> for Release {
    type Error = ReleaseError;

    fn try_from(text: String) -> Result<Self, ReleaseError> {
        text.parse()
    }
}

impl From<Release> for String {
    fn from(release: Release) -> Self {
        release.to_string()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={}", self.project.as_str(), self.version.as_str())
    }
}

/// What is no release.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    #[error("expected NAME==VERSION, found {found:?}")]
    Form { found: String },
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for JobId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.job, self.attempt)
    }
}

/// What is no attempt at a job.
#[derive(Debug, thiserror::Error)]
#[error("expected JOB-ATTEMPT, found {found:?}")]
pub(crate) struct GivenError {
    found: String,
}

impl FromStr for Given {
    type Err = GivenError;

    fn from_str(text: &str) -> Result<Self, GivenError> {
        let given = text
            .split_once('-')
            .and_then(|(job, attempt)| Some(Self { job: job.parse().ok()?, attempt: attempt.parse().ok()? }));
        // One spelling: it becomes a folder's name.
        given
            .filter(|given| given.to_string() == text)
            .ok_or_else(|| GivenError { found: text.chars().take(40).collect() })
    }
}
