//! Why a file does not pass: a closed list, so that scripts can tell outage, refusal and alarm apart.
#[cfg(test)]
mod tests;
mod words;

use super::Incomplete;
use crate::{
    artifact::{ArtifactDigest, ArtifactError},
    checkpoint::CheckpointError,
    envelope::{EnvelopeError, StatementId},
    merkle::{LeafIndex, ProofError, TreeHead, TreeSize},
    policy::{GroupName, PartyName},
    time::Timestamp,
    votes::SourceClass,
};
use std::time::Duration;

/// How certain a "no" is (docs/TRUST.md 1.5). Ordered: of several the greatest decides, an alarm above all, and what is
/// refused on evidence above what only lacks evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Evidence is unreachable, stale or incomplete: asking again later may help. Exit code 3; refuses all the same.
    Undecided,
    /// The evidence is there, and the policy is not met. Exit code 1.
    Refused,
    /// Something is proven to be wrong. Exit code 4.
    Alarm,
}

impl Severity {
    /// The process exit code, the same in every output format.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Undecided => 3,
            Self::Alarm => 4,
        }
    }
}

/// One reason why a file does not pass. Display is one line; `line` is the line of the policy that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody whom the policy knows says anything about this file.
    NoStatement {
        /// Groups that must agree.
        need: u32,
        /// Of the threshold.
        line: usize,
    },
    /// Too few groups reproduced it.
    BelowThreshold {
        /// Groups that must agree.
        need: u32,
        /// Those that do.
        groups: Vec<GroupName>,
        /// Of the threshold.
        line: usize,
    },
    /// Enough groups reproduced it, but from different sources (docs/TRUST.md 3.7).
    SourcesDisagree {
        /// Groups that must agree.
        need: u32,
        /// Each source and its groups, the most supported first.
        classes: Vec<(SourceClass, Vec<GroupName>)>,
        /// Of the threshold.
        line: usize,
    },
    /// Enough groups reproduced it, but not all that a package rule requires.
    RequiredGroups {
        /// Those that are missing.
        missing: Vec<GroupName>,
        /// Of the first of them.
        line: usize,
    },
    /// A package rule names an index, and the file is from elsewhere (docs/TRUST.md 6.3).
    OtherIndex {
        /// What the origin must be below.
        expected: String,
        /// The real origin, where it is known.
        found: Option<String>,
        /// Of the rule.
        line: usize,
    },
    /// This very file had the votes it needs, and has them no more (docs/TRUST.md 6.4).
    LostAttestation {
        /// The day on which it was last seen with them.
        since: Timestamp,
        /// Of the ratchet.
        line: usize,
    },
    /// Another version of the project was attested, and this one is not (docs/TRUST.md 6.4).
    Regression {
        /// The version that was.
        attested: String,
        /// Of the ratchet.
        line: usize,
    },
    /// The file of this name had other bytes (docs/TRUST.md 6.4).
    ChangedDigest {
        /// What it had.
        expected: ArtifactDigest,
        /// What it has now.
        found: ArtifactDigest,
        /// Of the ratchet.
        line: usize,
    },
    /// A pin stood in for votes, and has run out (docs/TRUST.md 6.4).
    PinExpired {
        /// When.
        expires: Timestamp,
        /// Of the pin.
        line: usize,
    },
    /// A rebuilder proved that the same inputs give other bytes, or that the file holds foreign code. One group refuses,
    /// two are an alarm (docs/TRUST.md 4.2).
    Contradicted {
        /// Who says so.
        groups: Vec<GroupName>,
        /// The statements that say so.
        statements: Vec<StatementId>,
    },
    /// A rebuilder contradicts a statement that nobody showed: part of the evidence is missing.
    UnresolvedContradiction {
        /// Who says so.
        by: PartyName,
        /// Where.
        statement: StatementId,
        /// What is missing.
        contradicts: StatementId,
    },
    /// The policy wants proof that no dissent was withheld, and there is none (docs/TRUST.md 4.4).
    IncompleteView {
        /// The log whose negatives are not all known.
        origin: String,
        /// What is missing.
        why: Incomplete,
        /// Of `negatives`.
        line: usize,
    },
    /// One key signed two lists of negatives of one log for one size.
    TwoLists {
        /// Of the log.
        origin: String,
        /// The auditor, or the log itself.
        signer: String,
        /// Both signed notes: evidence to keep.
        notes: Box<[String; 2]>,
    },
    /// A signed list of negatives is not that of the log: an entry that the log proves to have says otherwise.
    WrongList {
        /// Of the log.
        origin: String,
        /// Auditors who signed it, and the log where it did.
        signers: Vec<String>,
        /// Of the entry: a negative that the list omits, or an entry that it lists and that is none.
        index: LeafIndex,
        /// The signed note: evidence to keep.
        note: String,
    },
    /// A log of the policy did not answer.
    LogUnreachable {
        /// Which.
        origin: String,
        /// In the words of whoever asked.
        why: String,
    },
    /// What came as a log's answer has no checkpoint.
    MalformedCheckpoint {
        /// The log that it is said to be from, where that much could be read.
        origin: Option<String>,
        /// What is wrong.
        error: CheckpointError,
    },
    /// Too few witness groups cosigned the checkpoint.
    WitnessQuorum {
        /// Of the log.
        origin: String,
        /// Witness groups that must have cosigned.
        need: u32,
        /// Those that did.
        groups: Vec<GroupName>,
        /// Of `witness-threshold`.
        line: usize,
    },
    /// Too few of the cosignatures are recent.
    StaleCheckpoint {
        /// Of the log.
        origin: String,
        /// When the quorum was last complete.
        as_of: Timestamp,
        /// The caller's clock.
        now: Timestamp,
        /// How old it may be.
        max_age: Duration,
        /// Of `witness-threshold`.
        line: usize,
    },
    /// A finished log shows another size than its final one.
    NotFinal {
        /// Of the log.
        origin: String,
        /// In the policy.
        expected: TreeSize,
        /// In the checkpoint.
        found: TreeSize,
        /// Of the log's entry.
        line: usize,
    },
    /// A finished log signed its final size with another root than the policy pins. Only with the log's own signature and
    /// for exactly that size: a checkpoint of another size contradicts nothing ([`Reason::NotFinal`]).
    FinalRoot {
        /// Of the log.
        origin: String,
        /// In the policy.
        expected: TreeHead,
        /// The signed note: evidence to keep.
        note: String,
        /// Of the log's entry.
        line: usize,
    },
    /// The log signed two checkpoints that cannot both be true.
    Fork {
        /// Of the log.
        origin: String,
        /// Both signed notes: evidence to keep.
        notes: Box<[String; 2]>,
    },
    /// A statement that would count is not where the log's answer says it is.
    BadProof {
        /// Of the log.
        origin: String,
        /// As claimed.
        index: LeafIndex,
        /// What is wrong.
        error: ProofError,
    },
    /// An entry in a log's answer is no statement.
    MalformedEntry {
        /// Of the log.
        origin: String,
        /// As claimed.
        index: LeafIndex,
        /// What is wrong.
        error: EnvelopeError,
    },
    /// The policy is out of date.
    PolicyExpired {
        /// When it ended.
        expires: Timestamp,
        /// Of `expires`.
        line: usize,
    },
    /// An older policy than one that was used before (docs/TRUST.md 1.2).
    PolicyRollback {
        /// In this policy.
        serial: u64,
        /// The highest one seen.
        seen: u64,
        /// Of `serial`.
        line: usize,
    },
    /// Not a wheel: there is nothing to vote on.
    NotAttestable {
        /// Of the file.
        name: String,
        /// What is wrong with it.
        error: ArtifactError,
    },
    /// The file's bytes are not those of its pinned digest.
    DigestMismatch {
        /// Pinned.
        expected: ArtifactDigest,
        /// Of the bytes.
        found: ArtifactDigest,
    },
}

impl Reason {
    /// Stable name for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoStatement { .. } => "no-statement",
            Self::BelowThreshold { .. } => "below-threshold",
            Self::SourcesDisagree { .. } => "sources-disagree",
            Self::RequiredGroups { .. } => "required-groups",
            Self::OtherIndex { .. } => "other-index",
            Self::LostAttestation { .. } => "lost-attestation",
            Self::Regression { .. } => "regression",
            Self::ChangedDigest { .. } => "changed-digest",
            Self::PinExpired { .. } => "pin-expired",
            Self::Contradicted { .. } => "contradicted",
            Self::UnresolvedContradiction { .. } => "unresolved-contradiction",
            Self::IncompleteView { .. } => "incomplete-view",
            Self::TwoLists { .. } => "two-lists",
            Self::WrongList { .. } => "wrong-list",
            Self::LogUnreachable { .. } => "log-unreachable",
            Self::MalformedCheckpoint { .. } => "malformed-checkpoint",
            Self::WitnessQuorum { .. } => "witness-quorum",
            Self::StaleCheckpoint { .. } => "stale-checkpoint",
            Self::NotFinal { .. } => "not-final",
            Self::FinalRoot { .. } => "final-root",
            Self::Fork { .. } => "fork",
            Self::BadProof { .. } => "bad-proof",
            Self::MalformedEntry { .. } => "malformed-entry",
            Self::PolicyExpired { .. } => "policy-expired",
            Self::PolicyRollback { .. } => "policy-rollback",
            Self::NotAttestable { .. } => "not-attestable",
            Self::DigestMismatch { .. } => "digest-mismatch",
        }
    }

    /// What kind of "no" it is. Garbage from a log, mirror or bundle is never an alarm: it proves nothing.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Contradicted { groups, .. } if groups.len() > 1 => Severity::Alarm,
            Self::NoStatement { .. }
            | Self::BelowThreshold { .. }
            | Self::SourcesDisagree { .. }
            | Self::RequiredGroups { .. }
            | Self::OtherIndex { .. }
            | Self::LostAttestation { .. }
            | Self::Regression { .. }
            | Self::ChangedDigest { .. }
            | Self::PinExpired { .. }
            | Self::Contradicted { .. }
            | Self::NotAttestable { .. } => Severity::Refused,
            Self::UnresolvedContradiction { .. }
            | Self::IncompleteView { .. }
            | Self::LogUnreachable { .. }
            | Self::MalformedCheckpoint { .. }
            | Self::WitnessQuorum { .. }
            | Self::StaleCheckpoint { .. }
            | Self::NotFinal { .. }
            | Self::BadProof { .. }
            | Self::MalformedEntry { .. }
            | Self::PolicyExpired { .. } => Severity::Undecided,
            Self::TwoLists { .. }
            | Self::WrongList { .. }
            | Self::FinalRoot { .. }
            | Self::Fork { .. }
            | Self::PolicyRollback { .. }
            | Self::DigestMismatch { .. } => Severity::Alarm,
        }
    }

    /// Whether it says that votes are missing, and nothing worse: what a pin can stand in for (docs/TRUST.md 6.4).
    pub const fn is_missing_votes(&self) -> bool {
        matches!(
            self,
            Self::NoStatement { .. }
                | Self::BelowThreshold { .. }
                | Self::SourcesDisagree { .. }
                | Self::RequiredGroups { .. }
        )
    }

    /// The line of the policy that decided, where one did.
    pub const fn policy_line(&self) -> Option<usize> {
        match self {
            Self::NoStatement { line, .. }
            | Self::BelowThreshold { line, .. }
            | Self::SourcesDisagree { line, .. }
            | Self::RequiredGroups { line, .. }
            | Self::OtherIndex { line, .. }
            | Self::LostAttestation { line, .. }
            | Self::Regression { line, .. }
            | Self::ChangedDigest { line, .. }
            | Self::PinExpired { line, .. }
            | Self::IncompleteView { line, .. }
            | Self::WitnessQuorum { line, .. }
            | Self::StaleCheckpoint { line, .. }
            | Self::NotFinal { line, .. }
            | Self::FinalRoot { line, .. }
            | Self::PolicyExpired { line, .. }
            | Self::PolicyRollback { line, .. } => Some(*line),
            _ => None,
        }
    }
}
