//! The answer, with all the evidence it rests on: `attest explain` only prints it.
use super::{Reason, Severity, ViewStanding};
use crate::{
    dissent::{Abstention, Accusation},
    escape::Escaped,
    merkle::{LeafIndex, TreeSize},
    policy::{GroupName, Lined},
    time::Timestamp,
    votes::{Claim, Ignored, SourceClass, Vote},
};
use std::fmt;

/// Whether a file may be installed.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Enough independent groups reproduced it from one source, and nothing speaks against it.
    Accepted(Acceptance),
    /// Votes are missing, and a pin of the policy's ratchet stands in for them; nothing else speaks against it
    /// (docs/TRUST.md 6.4).
    Pinned(Pinning),
    /// It may not.
    Rejected(Rejection),
}

/// Why a file was accepted.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// What the groups built it from.
    pub source: SourceClass,
    /// The groups that agree.
    pub groups: Vec<GroupName>,
    /// Everything that was looked at.
    pub findings: Findings,
}

/// Why a file may be installed although votes are missing.
#[derive(Clone, Debug)]
pub struct Pinning {
    /// What stands in for the votes.
    pub pin: PinStanding,
    /// Everything that was looked at.
    pub findings: Findings,
}

/// A pin of the policy's ratchet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinStanding {
    /// The day on which the file was pinned.
    pub since: Timestamp,
    /// When all pins of the policy end.
    pub expires: Timestamp,
    /// Of the policy.
    pub line: usize,
}

/// Why a file was not accepted.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// At least one, the most severe first.
    reasons: Vec<Reason>,
    /// Everything that was looked at.
    pub findings: Findings,
}

impl Rejection {
    pub(crate) fn new(first: Reason, others: Vec<Reason>, findings: Findings) -> Self {
        let mut reasons = vec![first];
        reasons.extend(others);
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.severity()));
        Self { reasons, findings }
    }

    /// At least one, the most severe first.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Of the most severe reason.
    pub fn severity(&self) -> Severity {
        self.reasons.iter().map(Reason::severity).max().unwrap_or(Severity::Alarm)
    }
}

impl Verdict {
    /// Whether the file may be installed.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_) | Self::Pinned(_))
    }

    /// Empty for a file that may be installed.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Accepted(_) | Self::Pinned(_) => &[],
            Self::Rejected(rejection) => rejection.reasons(),
        }
    }

    /// `None` for a file that may be installed.
    pub fn severity(&self) -> Option<Severity> {
        match self {
            Self::Accepted(_) | Self::Pinned(_) => None,
            Self::Rejected(rejection) => Some(rejection.severity()),
        }
    }

    /// Everything that was looked at.
    pub fn findings(&self) -> &Findings {
        match self {
            Self::Accepted(acceptance) => &acceptance.findings,
            Self::Pinned(pinning) => &pinning.findings,
            Self::Rejected(rejection) => &rejection.findings,
        }
    }
}

/// Everything that was looked at for one file, whatever the answer.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Groups that must agree, and the line that says so.
    pub need: Lined<u32>,
    /// The pin of the file, expired or not. With votes enough it can go.
    pub pin: Option<PinStanding>,
    /// Statements that meet every rule for a vote, and whether they count.
    pub votes: Vec<Vote>,
    /// What publishers say about their own files.
    pub publishers: Vec<Claim>,
    /// Contradictions and foreign code, blocking or not.
    pub accusations: Vec<Accusation>,
    /// Failed attempts: they never block.
    pub abstentions: Vec<Abstention>,
    /// Everything else that was said about the file, and why it does not count.
    pub ignored: Vec<Ignored>,
    /// The logs that were asked.
    pub logs: Vec<LogStanding>,
    /// What is missing of the evidence: logs that did not answer, answers that are of no use. It decides only where votes
    /// are missing; with the quorum met it is only to be shown.
    pub gaps: Vec<Reason>,
    /// Log by log, whether everything that speaks against the file was shown. Empty where the policy has no auditors.
    pub negatives: Vec<ViewStanding>,
}

/// One log's answer, under one checkpoint.
#[derive(Clone, Debug)]
pub struct LogStanding {
    /// Of the log; `None` when not even that could be read.
    pub origin: Option<String>,
    /// Of the checkpoint.
    pub size: Option<TreeSize>,
    /// When the witness quorum last vouched for the checkpoint.
    pub witnessed_at: Option<Timestamp>,
    /// Why votes in it do not count (now).
    pub problem: Option<Reason>,
    /// Whether the policy lists the log; if not, only dissent is taken from it.
    pub in_policy: bool,
}

/// Where a statement was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a log.
    Logged {
        /// Of the log, as its checkpoint says.
        origin: String,
        /// In the log.
        index: LeafIndex,
        /// Of the checkpoint that the proof leads to; `None` where nothing is proven.
        size: Option<TreeSize>,
        /// When the witness quorum last vouched for that checkpoint.
        witnessed_at: Option<Timestamp>,
    },
    /// In a folder, bundle or other file.
    Unlogged,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logged { origin, index, size, .. } => {
                write!(f, "{} index {}", Escaped(origin), index.get())?;
                match size {
                    Some(size) => write!(f, " of {}", size.get()),
                    None => f.write_str(" (not proven)"),
                }
            }
            Self::Unlogged => f.write_str("unlogged"),
        }
    }
}
