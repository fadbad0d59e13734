//! Which statements are votes (docs/TRUST.md section 3). The strictest filter: whatever is not shown to be a vote is none.
//!
//! Shares no filter with [`crate::dissent`]: the two modules read the same statements and decide by themselves.
mod eligible;
mod inputs;
mod lack;

pub use self::lack::{Lack, Recipes, agreement, lack};

use crate::{
    artifact::ArtifactDigest,
    envelope::StatementId,
    escape::Escaped,
    merkle::ProofError,
    policy::{GroupName, Party, PartyName, Policy, Role, Rule},
    statement::{Method, Origin, Outcome, Predicate},
    verify::{Heard, Place, Wanted},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What a file was built from: votes that agree on it count together (docs/TRUST.md 3.7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceClass {
    /// A commit. Its tree is part of it, because a SHA-1 alone can be made to name two trees.
    Commit {
        /// Lower-case hex.
        commit: String,
        /// SHA-256 of the tree.
        tree: ArtifactDigest,
    },
    /// An sdist. Never printed as a commit: what is only in the sdist reproduces everywhere (docs/TRUST.md 3.5).
    Sdist(ArtifactDigest),
}

impl fmt::Display for SourceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit { commit, .. } => write!(f, "commit {commit}"),
            Self::Sdist(digest) => write!(f, "sdist {digest}"),
        }
    }
}

/// A statement that meets every rule for a vote.
#[derive(Clone, Debug)]
pub struct Vote {
    /// Whose.
    pub by: PartyName,
    /// Whose vote it is.
    pub group: GroupName,
    /// The signed statement.
    pub statement: StatementId,
    /// Where it was found.
    pub place: Place,
    /// What the file was built from.
    pub source: SourceClass,
    /// Whether the build emitted the bytes or zip metadata was replayed.
    pub method: Method,
    /// Whether it is the weaker `equivalent` claim, which the policy names for this package.
    pub equivalent: bool,
    /// The signer's entry in the policy.
    pub line: usize,
    /// Whether it counts among the others.
    pub counts: Counts,
}

/// Whether a vote counts among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// In the class that most groups agree on.
    Yes,
    /// More groups built from another source.
    OtherSource,
    /// The group names two sources, so it counts for neither (docs/TRUST.md 3.7). The other claim need not be a vote.
    GroupSplit,
    /// The group itself contradicts a statement about the file (docs/TRUST.md 3.7).
    GroupContradicts,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "counts",
            Self::OtherSource => "does not count: more groups built from another source",
            Self::GroupSplit => "does not count: its group claims two sources",
            Self::GroupContradicts => "does not count: its group also contradicts a statement about this file",
        })
    }
}

/// What a publisher says about the project's own file: shown, never counted (docs/TRUST.md 3.9).
#[derive(Clone, Debug)]
pub struct Claim {
    /// Whose.
    pub by: PartyName,
    /// The signed statement.
    pub statement: StatementId,
    /// Where it was found.
    pub place: Place,
    /// The signer's entry in the policy.
    pub line: usize,
}

/// A statement about the file that does not count.
#[derive(Clone, Debug)]
pub struct Ignored {
    /// Whose; `None` when no key of the policy signed it.
    pub by: Option<PartyName>,
    /// The statement.
    pub statement: StatementId,
    /// Where it was found.
    pub place: Place,
    /// The rule that it does not meet.
    pub why: NotCounted,
}

/// Why a statement is no vote: one variant per rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCounted {
    /// 3.1
    #[error("no key of the policy signed it")]
    UnknownKey,
    /// 3.1
    #[error("it is in no log: only keys under [[self]] vote from a folder")]
    NotLogged,
    /// 3.1
    #[error("it is only in a log that the policy does not list, or under a checkpoint that is not this log's")]
    UnknownLog,
    /// 3.1
    #[error("it is not in the log where it is said to be: {0}")]
    NotIncluded(ProofError),
    /// 3.1, 5.1
    #[error("the checkpoint is stale, or too few witnesses cosigned it")]
    Checkpoint,
    /// 2.4
    #[error("its key is not valid at this place of the log (line {line} of the policy)")]
    OutsideValidity {
        /// The signer's entry.
        line: usize,
    },
    /// 3.2
    #[error("it is about {}, expected {}", Escaped(.found), Escaped(.expected))]
    OtherName {
        /// The file that was asked about.
        expected: String,
        /// In the statement.
        found: String,
    },
    /// 3.3, 3.5: whoever asks.
    #[error(transparent)]
    Lacks(#[from] Lack),
    /// 3.4
    #[error("the method is {found}, which the policy does not accept (line {line})")]
    Method {
        /// In the statement.
        found: &'static str,
        /// Of `accept-method`.
        line: usize,
    },
    /// 3.4
    #[error("it only claims equivalence, which no rule of the policy accepts for this project")]
    Equivalent,
    /// 3.5
    #[error("the source is {found}, which the policy does not accept (line {line})")]
    Origin {
        /// In the statement.
        found: &'static str,
        /// Of `accept-origin`.
        line: usize,
    },
    /// 3.5, 3.6
    #[error("the policy pins repository {url} (line {line}), which an sdist never satisfies")]
    PinnedButSdist {
        /// Pinned.
        url: String,
        /// Of the pin.
        line: usize,
    },
    /// 3.6
    #[error("the source is {found}, expected the pinned repository git+{expected} (line {line})")]
    Repository {
        /// Pinned.
        expected: String,
        /// In the statement.
        found: String,
        /// Of the pin.
        line: usize,
    },
    /// 3.6
    #[error("the ref is {found}, expected {expected} (line {line})")]
    Ref {
        /// Pinned, the version filled in.
        expected: String,
        /// In the statement.
        found: String,
        /// Of the pin.
        line: usize,
    },
    /// The policy binds the key to a rebuilder id.
    #[error("the rebuilder is {found:?}, expected {expected:?} for this key (line {line})")]
    RebuilderId {
        /// In the policy.
        expected: String,
        /// In the statement.
        found: String,
        /// The signer's entry.
        line: usize,
    },
    /// 3.8
    #[error("withdrawn by its group in statement {by}")]
    Withdrawn {
        /// The withdrawal.
        by: StatementId,
    },
    /// 3.8
    #[error("a withdrawal of {of} without effect: not by a valid key of the same group, or about another file")]
    IdleWithdrawal {
        /// What it names.
        of: StatementId,
    },
    /// 4.3: nobody's dissent, because nobody in the policy signed it.
    #[error("no key of the policy signed it (it says {})", outcome_word(*.outcome))]
    UnknownDissent {
        /// In the statement.
        outcome: Outcome,
    },
}

/// What [`votes`] found.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) votes: Vec<Vote>,
    pub(crate) publishers: Vec<Claim>,
    pub(crate) ignored: Vec<Ignored>,
    /// Groups by source, the most supported first. Groups that claim two sources, or contradict, are in none.
    pub(crate) classes: Vec<(SourceClass, Vec<GroupName>)>,
}

/// Counts the votes for `wanted` among what was heard about its digest. `contradicting`: groups with a contradiction of
/// their own that was not lifted (docs/TRUST.md 3.7).
pub(crate) fn votes(
    policy: &Policy,
    rule: &Rule,
    wanted: &Wanted,
    heard: &[&Heard<'_>],
    contradicting: &BTreeSet<GroupName>,
) -> Tally {
    let mut tally = Tally { votes: Vec::new(), publishers: Vec::new(), ignored: Vec::new(), classes: Vec::new() };
    let question = eligible::Question { policy, rule, wanted, heard, recipes: Recipes::new() };
    let mut sources: Sources = BTreeMap::new();
    for statement in heard {
        match statement.statement().predicate() {
            Predicate::Reproduced(_) | Predicate::Equivalent { .. } => {}
            Predicate::Withdrawn(withdrawal) => {
                tally.ignored.extend(question.idle_withdrawal(statement, withdrawal.statement_id));
                continue;
            }
            // Dissent's business.
            Predicate::NotReproduced { .. } => continue,
        }
        let Some(party) = statement.by() else {
            tally.ignored.push(ignored(statement, None, NotCounted::UnknownKey));
            continue;
        };
        if party.role() == Role::Publisher {
            tally.publishers.push(Claim {
                by: party.name().clone(),
                statement: statement.id(),
                place: statement.best_place(),
                line: party.line(),
            });
            continue;
        }
        let judged = question.claim(statement, party).and_then(|claim| {
            if question.binds(statement, party) {
                sources.entry(party.group().clone()).or_default().insert(claim.source.clone());
            }
            question.vote(statement, party, claim)
        });
        match judged {
            Ok(vote) => tally.votes.push(vote),
            Err(why) => tally.ignored.push(ignored(statement, Some(party), why)),
        }
    }
    tally.agree(rule, contradicting, &sources);
    tally
}

pub(crate) fn ignored(heard: &Heard<'_>, by: Option<&Party>, why: NotCounted) -> Ignored {
    Ignored { by: by.map(|party| party.name().clone()), statement: heard.id(), place: heard.best_place(), why }
}

/// What each group claims to have built the file from.
type Sources = BTreeMap<GroupName, BTreeSet<SourceClass>>;

impl Tally {
    /// docs/TRUST.md 3.7: votes count per source, a group in two classes counts in none. `sources` are those of all that
    /// a group claims, votes or not.
    fn agree(&mut self, rule: &Rule, contradicting: &BTreeSet<GroupName>, sources: &Sources) {
        let split = |group: &GroupName| sources.get(group).is_some_and(|sources| sources.len() > 1);
        let votes = self.votes.iter().map(|vote| (vote.group.clone(), vote.source.clone()));
        self.classes = agreement(votes, |group| contradicting.contains(group) || split(group));
        // A source without the groups that must be among those who agree is none to follow, however many others name it.
        let lacks = |groups: &[GroupName]| rule.required().iter().any(|required| !groups.contains(&required.value));
        // Stable: of two equally supported sources the first by value, the same for everybody.
        self.classes.sort_by_key(|(_, groups)| (lacks(groups), std::cmp::Reverse(groups.len())));
        let leading = self.classes.first().map(|(source, _)| source);
        for vote in &mut self.votes {
            vote.counts = if contradicting.contains(&vote.group) {
                Counts::GroupContradicts
            } else if split(&vote.group) {
                Counts::GroupSplit
            } else if Some(&vote.source) == leading {
                Counts::Yes
            } else {
                Counts::OtherSource
            };
        }
    }
}

pub(crate) fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Git => "GIT",
        Origin::Sdist => "SDIST",
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Different => "DIFFERENT",
        Outcome::Nondeterministic => "NONDETERMINISTIC",
        Outcome::BuildFailed => "BUILD_FAILED",
        Outcome::SourceNotFound => "SOURCE_NOT_FOUND",
        Outcome::EnvironmentUnknown => "ENVIRONMENT_UNKNOWN",
    }
}
