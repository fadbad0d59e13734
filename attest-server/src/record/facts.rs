//! What the record keeps of an entry: taken from its bytes alone, whoever signed it.

use attest_core::{
    api::record::{NoVote, Standing},
    artifact::ArtifactDigest,
    dissent,
    envelope::{Envelope, StatementId},
    statement::{Build, Method, Origin, Outcome, Predicate, Source, Statement},
    time::Timestamp,
    votes::{self, Recipes},
};

use super::codes::Coded;

/// Bytes of the text that a statement calls its rebuilder by: longer ones are cut.
const MAX_AUTHOR: usize = 200;

/// What a statement says, before it is asked who signed it and what others say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It is none.
    Nothing,
    Reproduced,
    Equivalent,
    Abstains,
    /// Abstains, or proves something together with the statement that it names (docs/TRUST.md 4.2).
    Contradicts,
    ForeignCode,
    Withdraws,
    /// Reproduced it, in a way that is no vote ([`Facts::lack`]).
    NoVote,
}

impl Coded for Says {
    const ALL: &'static [Self] = &[
        Self::Nothing,
        Self::Reproduced,
        Self::Equivalent,
        Self::Abstains,
        Self::Contradicts,
        Self::ForeignCode,
        Self::Withdraws,
        Self::NoVote,
    ];
}

impl Says {
    /// Whether it speaks for the file.
    pub(super) const fn claims(self) -> bool {
        matches!(self, Self::Reproduced | Self::NoVote | Self::Equivalent)
    }

    /// What it comes to by itself, where a listed rebuilder signed it.
    pub(super) const fn standing(self) -> Standing {
        match self {
            Self::Nothing => Standing::Other,
            Self::Reproduced => Standing::Reproduced,
            Self::NoVote => Standing::NoVote,
            Self::Equivalent => Standing::Equivalent,
            Self::Abstains | Self::Contradicts => Standing::Abstained,
            Self::ForeignCode => Standing::ForeignCode,
            Self::Withdraws => Standing::Withdrawal,
        }
    }
}

/// An entry, parsed.
#[derive(Debug)]
pub(super) struct Facts {
    /// For the signature.
    pub(super) envelope: Envelope,
    pub(super) id: StatementId,
    pub(super) statement: Statement,
    /// What it lacks to be a vote, if it claims anything.
    pub(super) lack: Option<NoVote>,
}

impl Facts {
    /// `None` for what is no statement: it counts as one of the others, and is never a failure.
    pub(super) fn of_entry(entry: &[u8], recipes: &Recipes) -> Option<Self> {
        let envelope = Envelope::parse(entry).ok()?;
        let statement = Statement::parse(envelope.payload()).ok()?;
        let lack = votes::lack(&statement, recipes).as_ref().map(NoVote::from);
        Some(Self { id: envelope.statement_id(), envelope, statement, lack })
    }

    pub(super) fn says(&self) -> Says {
        match self.statement.predicate() {
            Predicate::Reproduced(_) if self.lack.is_some() => Says::NoVote,
            Predicate::Reproduced(_) => Says::Reproduced,
            Predicate::Equivalent { .. } => Says::Equivalent,
            Predicate::Withdrawn(_) => Says::Withdraws,
            Predicate::NotReproduced { refusal, .. } if dissent::foreign_code(refusal).is_some() => Says::ForeignCode,
            Predicate::NotReproduced { refusal, .. } if refusal.contradicts.is_some() => Says::Contradicts,
            Predicate::NotReproduced { .. } => Says::Abstains,
        }
    }

    fn build(&self) -> Option<&Build> {
        self.statement.predicate().build()
    }

    /// `rebuilder.id`, cut. A withdrawal has none.
    pub(super) fn author(&self) -> Option<&str> {
        let id = self.build()?.rebuilder.id.as_str();
        let mut end = id.len().min(MAX_AUTHOR);
        while !id.is_char_boundary(end) {
            end -= 1;
        }
        Some(&id[..end])
    }

    /// The statement that it contradicts or takes back.
    pub(super) fn names(&self) -> Option<StatementId> {
        match self.statement.predicate() {
            Predicate::Withdrawn(withdrawal) => Some(withdrawal.statement_id),
            Predicate::NotReproduced { refusal, .. } => refusal.contradicts,
            Predicate::Reproduced(_) | Predicate::Equivalent { .. } => None,
        }
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self.statement.predicate() {
            Predicate::NotReproduced { refusal, .. } => Some(refusal.outcome),
            _ => None,
        }
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        Some(self.build()?.origin)
    }

    pub(super) fn method(&self) -> Option<Method> {
        Some(self.build()?.method)
    }

    /// The one source of the kind that `origin` names; an sdist's commit is not what it was built from (docs/TRUST.md 3.5).
    pub(super) fn source(&self) -> Option<SourceDigest> {
        let build = self.build()?;
        build.source.iter().find_map(|source| match (build.origin, source) {
            (Origin::Git, Source::Git { digest, tree_sha256, .. }) => {
                SourceDigest::commit(&digest.git_commit, tree_sha256)
            }
            (Origin::Sdist, Source::Sdist { digest, .. }) => Some(SourceDigest::Sdist(*digest.sha256.as_bytes())),
            _ => None,
        })
    }

    /// When it was built, by its own words.
    pub(super) fn time(&self) -> Option<u64> {
        Some(self.build()?.rebuilt_at.parse::<Timestamp>().ok()?.secs())
    }

    /// Inputs and output, where two that differ are a disagreement.
    pub(super) fn result(&self) -> Option<(i64, i64)> {
        let (inputs, output) = dissent::result(&self.statement)?;
        Some((prefix(inputs.as_bytes()), prefix(output.as_bytes())))
    }
}

/// Bytes of the digest of a tree.
const TREE: usize = 32;

/// What a file was built from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SourceDigest {
    /// 20 bytes (SHA-1) or 32, and the SHA-256 of the tree: a SHA-1 alone can be made to name two (docs/TRUST.md 3.6).
    Commit(Vec<u8>),
    Sdist([u8; 32]),
}

impl SourceDigest {
    fn commit(hex: &str, tree: &ArtifactDigest) -> Option<Self> {
        let pairs = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let mut bytes: Vec<u8> = pairs.collect::<Option<_>>()?;
        bytes.extend(tree.as_bytes());
        Some(Self::Commit(bytes))
    }

    /// Of the bytes of a stored commit, those that git names it by.
    pub(super) fn commit_of(stored: &[u8]) -> &[u8] {
        &stored[..stored.len().saturating_sub(TREE)]
    }

    pub(super) const fn kind(&self) -> i64 {
        match self {
            Self::Commit(_) => 1,
            Self::Sdist(_) => 2,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Commit(bytes) => bytes,
            Self::Sdist(bytes) => bytes,
        }
    }
}

/// The first 63 bits of a digest as a number that SQLite stores and sorts as they are.
pub(super) fn prefix(digest: &[u8]) -> i64 {
    let mut first = [0; 8];
    first.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    i64::from_be_bytes(first).cast_unsigned().wrapping_shr(1).cast_signed()
}
