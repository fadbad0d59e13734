//! Which statements block or abstain (docs/TRUST.md section 4). The widest filter: any key that the policy ever listed,
//! any log, bundle or file, no freshness and no proof asked; the digest alone decides what a statement is about.
//!
//! Shares no filter with [`crate::votes`]: the two modules read the same statements and decide by themselves.
mod foreign;
mod lift;

pub use self::foreign::foreign_code;
use crate::{
    artifact::ArtifactDigest,
    envelope::StatementId,
    policy::{GroupName, PartyName, Policy},
    statement::{Build, Network, Outcome, Predicate, Refusal, Statement},
    time::Timestamp,
    verify::{Heard, Place},
    votes::{Ignored, NotCounted, ignored},
};
use std::{collections::BTreeSet, fmt};

/// docs/TRUST.md 4.2: what a single build says may be chance.
const MIN_REPEAT: u32 = 2;

/// A statement that proves something against the file.
#[derive(Clone, Debug)]
pub struct Accusation {
    /// Whose.
    pub by: PartyName,
    /// Counted once, however many keys it has.
    pub group: GroupName,
    /// The signed statement.
    pub statement: StatementId,
    /// Where it was found.
    pub place: Place,
    /// What it proves.
    pub proof: Proof,
    /// Whether it blocks.
    pub state: AccusationState,
    /// The signer's entry in the policy.
    pub line: usize,
}

impl Accusation {
    /// Whether it stands between the file and its installation.
    pub fn blocks(&self) -> bool {
        matches!(self.state, AccusationState::Blocks { .. })
    }
}

/// What an accusation proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The same inputs gave other bytes.
    Contradiction {
        /// The statement that said otherwise.
        contradicts: StatementId,
        /// What the inputs gave.
        rebuilt: ArtifactDigest,
    },
    /// Code that is only in the published file, in a build whose content otherwise matches.
    ForeignCode {
        /// The members, as the statement names them.
        members: Vec<String>,
    },
}

/// Whether an accusation blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccusationState {
    /// It does.
    Blocks {
        /// The user had dismissed it until then.
        dismissed_until: Option<Timestamp>,
    },
    /// Its own group withdrew it, later in the same log (docs/TRUST.md 3.8).
    Lifted {
        /// The withdrawal.
        by: StatementId,
    },
    /// The user decided to live with it.
    Dismissed {
        /// In the user's words.
        reason: String,
        /// From then on it blocks again.
        expires: Timestamp,
        /// Of the policy.
        line: usize,
    },
}

/// A failed attempt: common, mostly innocent, shown, and never blocking (docs/TRUST.md 4.1).
#[derive(Clone, Debug)]
pub struct Abstention {
    /// Whose.
    pub by: PartyName,
    /// Whose group.
    pub group: GroupName,
    /// The signed statement.
    pub statement: StatementId,
    /// Where it was found.
    pub place: Place,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// For a statement that says it contradicts another: why it does not prove it.
    pub shortfall: Option<Shortfall>,
    /// Whether its own group has taken it back since.
    pub withdrawn: bool,
}

impl fmt::Display for Abstention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.outcome {
            Outcome::Different => "built something else",
            Outcome::Nondeterministic => "got two different results from two builds",
            Outcome::BuildFailed => "could not build it",
            Outcome::SourceNotFound => "did not find the source",
            Outcome::EnvironmentUnknown => "does not know the build environment",
        };
        write!(f, "{} abstains: {words}", self.by)?;
        match &self.shortfall {
            Some(shortfall) => write!(f, " ({shortfall})"),
            None => Ok(()),
        }
    }
}

/// What a claimed contradiction lacks to be one (docs/TRUST.md 4.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortfall {
    /// Only DIFFERENT contradicts.
    #[error("it names a statement, but only DIFFERENT contradicts")]
    Outcome,
    /// The statement that it names is not about this file, or says nothing that could be contradicted.
    #[error("it names statement {0}, which claims nothing about this file")]
    NoClaim(StatementId),
    /// Anybody can log a false claim about a good file: only those of the policy's parties are worth contradicting.
    #[error(
        "only strangers to the policy signed statement {0}, which it names, and nobody else claims anything from its inputs"
    )]
    StrangersClaim(StatementId),
    /// Other inputs may well give another result.
    #[error("it was built from inputs {found}, the statement it names from {expected}")]
    OtherInputs {
        /// Of the statement that it names.
        expected: ArtifactDigest,
        /// Its own.
        found: ArtifactDigest,
    },
    /// The network may have made the difference.
    #[error("its build had a network")]
    Network,
    /// Chance may have made the difference.
    #[error("it was built {0} times, expected at least 2")]
    Repeat(u32),
    /// It does not say what came out.
    #[error("it does not name the digest that it got")]
    NoDigest,
    /// It got what the other got.
    #[error("it got the same digest as the statement it names")]
    SameDigest,
}

/// A contradiction of a statement that nobody showed.
#[derive(Clone, Debug)]
pub(crate) struct Unresolved {
    pub(crate) by: PartyName,
    pub(crate) statement: StatementId,
    pub(crate) contradicts: StatementId,
}

/// What [`dissent`] found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dissent {
    pub(crate) accusations: Vec<Accusation>,
    pub(crate) abstentions: Vec<Abstention>,
    pub(crate) unresolved: Vec<Unresolved>,
    pub(crate) ignored: Vec<Ignored>,
}

impl Dissent {
    /// Groups whose accusations block.
    pub(crate) fn blocking(&self) -> BTreeSet<GroupName> {
        self.groups(|state| matches!(state, AccusationState::Blocks { .. }))
    }

    /// Groups that stand by an accusation of theirs, whether or not the user dismissed it: they do not vote.
    pub(crate) fn contradicting(&self) -> BTreeSet<GroupName> {
        self.groups(|state| !matches!(state, AccusationState::Lifted { .. }))
    }

    fn groups(&self, which: impl Fn(&AccusationState) -> bool) -> BTreeSet<GroupName> {
        let matching = self.accusations.iter().filter(|accusation| which(&accusation.state));
        matching.map(|accusation| accusation.group.clone()).collect()
    }
}

/// Sorts what was heard about a digest into accusations and abstentions. `named` finds a statement by its id, by a party
/// of the policy where one signed it.
pub(crate) fn dissent<'a, 'p: 'a>(
    policy: &Policy,
    heard: &[&Heard<'_>],
    named: impl Fn(StatementId) -> Option<&'a Heard<'p>>,
    now: Timestamp,
) -> Dissent {
    let mut dissent = Dissent::default();
    for statement in heard {
        let Predicate::NotReproduced { build, refusal } = statement.statement().predicate() else {
            continue;
        };
        let Some(party) = statement.by() else {
            let why = NotCounted::UnknownDissent { outcome: refusal.outcome };
            dissent.ignored.push(ignored(statement, None, why));
            continue;
        };
        let finding = judge(statement, build, refusal, heard, &named);
        let lifted = lift::withdrawal(heard, statement, party);
        match finding {
            Finding::Proves(proof) => dissent.accusations.push(Accusation {
                by: party.name().clone(),
                group: party.group().clone(),
                statement: statement.id(),
                place: statement.best_place(),
                proof,
                state: state(policy, statement.id(), lifted, now),
                line: party.line(),
            }),
            // Dismissed or lifted, nobody needs to look for the other statement.
            Finding::Unresolved(contradicts)
                if lifted.is_none()
                    && policy.dismissal(statement.id()).is_none_or(|dismissal| now >= dismissal.expires()) =>
            {
                dissent.unresolved.push(Unresolved {
                    by: party.name().clone(),
                    statement: statement.id(),
                    contradicts,
                });
            }
            Finding::Unresolved(_) | Finding::Abstains(_) => dissent.abstentions.push(Abstention {
                by: party.name().clone(),
                group: party.group().clone(),
                statement: statement.id(),
                place: statement.best_place(),
                outcome: refusal.outcome,
                shortfall: match finding {
                    Finding::Abstains(shortfall) => shortfall,
                    _ => None,
                },
                withdrawn: lifted.is_some(),
            }),
        }
    }
    dissent
}

enum Finding {
    Proves(Proof),
    Unresolved(StatementId),
    Abstains(Option<Shortfall>),
}

/// docs/TRUST.md 4.2
fn judge<'a, 'p: 'a>(
    heard: &Heard<'_>,
    build: &Build,
    refusal: &Refusal,
    about: &[&Heard<'_>],
    named: &impl Fn(StatementId) -> Option<&'a Heard<'p>>,
) -> Finding {
    if let Some(members) = foreign_code(refusal) {
        return Finding::Proves(Proof::ForeignCode { members });
    }
    let Some(contradicts) = refusal.contradicts else {
        return Finding::Abstains(None);
    };
    let Some(other) = named(contradicts) else {
        // The claim would block if it is right, and it cannot be judged without the statement it names.
        return match own_shortfall(build, refusal) {
            Some(shortfall) => Finding::Abstains(Some(shortfall)),
            None => Finding::Unresolved(contradicts),
        };
    };
    let found = contradiction(heard.statement(), contradicts, other.statement());
    let found = found.and_then(|rebuilt| {
        let worthy = other.by().is_some() || claimed_by_a_party(about, heard.statement(), rebuilt);
        worthy.then_some(rebuilt).ok_or(Shortfall::StrangersClaim(contradicts))
    });
    match found {
        Ok(rebuilt) => Finding::Proves(Proof::Contradiction { contradicts, rebuilt }),
        Err(shortfall) => Finding::Abstains(Some(shortfall)),
    }
}

/// Whether a party of the policy claims that these inputs gave something else than `rebuilt`, so that the contradiction
/// holds against its claim too, whoever signed the statement that it names.
fn claimed_by_a_party(about: &[&Heard<'_>], accuser: &Statement, rebuilt: ArtifactDigest) -> bool {
    about.iter().any(|other| other.by().is_some() && claims_otherwise(other.statement(), accuser, rebuilt))
}

/// Whether `other` claims that the inputs of `accuser` gave something else than `rebuilt`: a contradiction of anybody's
/// statement holds against it too, where a party of the policy signed it.
pub fn claims_otherwise(other: &Statement, accuser: &Statement, rebuilt: ArtifactDigest) -> bool {
    let inputs = accuser.predicate().build().map(|build| build.inputs_digest);
    claim(other).is_some_and(|(claim, claimed)| inputs == Some(claim.inputs_digest) && claimed != rebuilt)
}

/// What a build gave and from what inputs (digests of both), where the statement says it and, for one that speaks against
/// the file, where neither network nor chance may have made the difference. Two statements of the same inputs and another
/// output cannot both be right.
pub fn result(statement: &Statement) -> Option<(ArtifactDigest, ArtifactDigest)> {
    let (build, output) = match statement.predicate() {
        Predicate::NotReproduced { build, refusal } if own_shortfall(build, refusal).is_none() => {
            (build, refusal.rebuilt?.sha256)
        }
        _ => claim(statement)?,
    };
    Some((build.inputs_digest.sha256, output))
}

/// What a statement claims to have built, and from what; nothing where it claims no such thing.
pub fn claim(statement: &Statement) -> Option<(&Build, ArtifactDigest)> {
    match statement.predicate() {
        Predicate::Reproduced(build) => Some((build, statement.subject().digest)),
        Predicate::Equivalent { build, rebuilt, .. } => Some((build, *rebuilt)),
        Predicate::NotReproduced { .. } | Predicate::Withdrawn(_) => None,
    }
}

/// What a statement that something came out different lacks by itself, whatever it names (docs/TRUST.md 4.2).
pub fn own_shortfall(build: &Build, refusal: &Refusal) -> Option<Shortfall> {
    if refusal.outcome != Outcome::Different {
        Some(Shortfall::Outcome)
    } else if build.environment.network != Network::None {
        Some(Shortfall::Network)
    } else if build.repeat < MIN_REPEAT {
        Some(Shortfall::Repeat(build.repeat))
    } else if refusal.rebuilt.is_none() {
        Some(Shortfall::NoDigest)
    } else {
        None
    }
}

/// docs/TRUST.md 4.2, of two statements alone: the digest that the inputs of `named` gave `accuser`, or why that proves
/// nothing. Whose statement `named` is decides whether it is worth contradicting, which is not asked here.
///
/// # Errors
/// The first thing that is missing.
pub fn contradiction(
    accuser: &Statement,
    named_id: StatementId,
    named: &Statement,
) -> Result<ArtifactDigest, Shortfall> {
    let Predicate::NotReproduced { build, refusal } = accuser.predicate() else {
        return Err(Shortfall::Outcome);
    };
    if let Some(shortfall) = own_shortfall(build, refusal) {
        return Err(shortfall);
    }
    let (claim, claimed) = claim(named).ok_or(Shortfall::NoClaim(named_id))?;
    if named.subject().digest != accuser.subject().digest {
        return Err(Shortfall::NoClaim(named_id));
    }
    if claim.inputs_digest != build.inputs_digest {
        return Err(Shortfall::OtherInputs { expected: claim.inputs_digest.sha256, found: build.inputs_digest.sha256 });
    }
    let rebuilt = refusal.rebuilt.ok_or(Shortfall::NoDigest)?.sha256;
    if rebuilt == claimed {
        return Err(Shortfall::SameDigest);
    }
    Ok(rebuilt)
}

fn state(policy: &Policy, statement: StatementId, lifted: Option<StatementId>, now: Timestamp) -> AccusationState {
    if let Some(by) = lifted {
        return AccusationState::Lifted { by };
    }
    match policy.dismissal(statement) {
        Some(dismissal) if now < dismissal.expires() => AccusationState::Dismissed {
            reason: dismissal.reason().to_owned(),
            expires: dismissal.expires(),
            line: dismissal.line(),
        },
        Some(dismissal) => AccusationState::Blocks { dismissed_until: Some(dismissal.expires()) },
        None => AccusationState::Blocks { dismissed_until: None },
    }
}
