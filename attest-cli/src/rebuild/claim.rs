//! What somebody's signed statement claims, read so that anybody can replay it: no key and no trust is needed, because
//! what is checked is not who says it but whether it holds.

use attest_core::artifact::ArtifactDigest;
use attest_core::envelope::{Envelope, EnvelopeError, StatementId};
use attest_core::recipe::{BuildLock, LockError};
use attest_core::statement::{
    Build, Dependency, Environment, Network, Outcome, Predicate, Statement, StatementError, Subject, dependency_record,
};

use super::record::Verdict;
use super::result::ResultFolder;

mod surroundings;

pub(crate) use surroundings::{Surrounding, compare};

/// The biggest file that may hold an envelope: one of 65,535 bytes, spaced out.
pub(crate) const MAX_ENVELOPE: u64 = 256 << 10;
/// docs/TRUST.md 4.2
const MIN_REPEAT: u32 = 2;

/// Why a statement cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// No envelope.
    #[error("expected a signed statement: {0}")]
    Envelope(#[from] EnvelopeError),
    /// No statement.
    #[error("expected a statement about a wheel: {0}")]
    Statement(#[from] StatementError),
    /// It takes another one back.
    #[error("expected a statement about a build, found a withdrawal, which has nothing to replay")]
    Withdrawal,
    /// Not a file of the index.
    #[error("expected dependencies such as pkg:pypi/NAME@VERSION, found {found:?}")]
    Dependency {
        /// As given.
        found: String,
    },
    /// Not one file per project.
    #[error("expected dependencies that can be installed together: {0}")]
    Lock(#[from] LockError),
    /// The list is elsewhere.
    #[error(
        "expected the list of dependencies with sha256 {expected}, which the statement names by digest alone: give its recipe's folder, with build.lock, as --recipe"
    )]
    Unlisted {
        /// Of the list.
        expected: ArtifactDigest,
    },
    /// The recipe says one lock, the statement another.
    #[error("expected the dependencies of the recipe's build.lock in the statement, found others")]
    OtherLock,
}

/// What came out of the build, as a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claimed {
    /// This file.
    Output(ArtifactDigest),
    /// Nothing, because the build failed.
    Failure,
    /// Two builds that do not agree.
    Disagreement,
    /// That they did not find out.
    Ignorance,
}

/// Whether a statement holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The same came out.
    Holds,
    /// Something else came out.
    Fails,
    /// It could not be found out.
    Open,
}

/// A statement about a build.
#[derive(Debug)]
pub(crate) struct Claim {
    id: StatementId,
    statement: Statement,
    claimed: Claimed,
}

impl Claim {
    /// Reads an envelope. Its signature is not looked at.
    pub(crate) fn parse(envelope: &[u8]) -> Result<Self, ClaimError> {
        let envelope = Envelope::parse(envelope)?;
        let statement = Statement::parse(envelope.payload())?;
        let claimed = match statement.predicate() {
            Predicate::Reproduced(_) => Claimed::Output(statement.subject().digest),
            Predicate::Equivalent { rebuilt, .. } => Claimed::Output(*rebuilt),
            Predicate::NotReproduced { refusal, .. } => match (refusal.outcome, refusal.rebuilt) {
                (Outcome::Nondeterministic, _) => Claimed::Disagreement,
                (_, Some(rebuilt)) => Claimed::Output(rebuilt.sha256),
                (Outcome::BuildFailed, None) => Claimed::Failure,
                (_, None) => Claimed::Ignorance,
            },
            Predicate::Withdrawn(_) => return Err(ClaimError::Withdrawal),
        };
        Ok(Self { id: envelope.statement_id(), statement, claimed })
    }

    /// The statement's id.
    pub(crate) fn id(&self) -> StatementId {
        self.id
    }

    /// The published file.
    pub(crate) fn subject(&self) -> &Subject {
        self.statement.subject()
    }

    /// What it says of it.
    pub(crate) fn predicate(&self) -> &Predicate {
        self.statement.predicate()
    }

    /// How it was built.
    pub(crate) fn build(&self) -> Option<&Build> {
        self.statement.predicate().build()
    }

    /// In words.
    pub(crate) fn says(&self) -> String {
        match self.claimed {
            Claimed::Output(digest) => format!("that the build gives sha256:{digest}"),
            Claimed::Failure => "that the build fails".to_owned(),
            Claimed::Disagreement => "that two builds do not agree".to_owned(),
            Claimed::Ignorance => "that no build could be made".to_owned(),
        }
    }

    /// The very files that it says to have built with. `recipe` is the lock that its recipe binds or has beside it.
    pub(crate) fn lock(build: &Build, recipe: Option<&BuildLock>) -> Result<BuildLock, ClaimError> {
        let stated = &build.resolved_dependencies;
        let recorded = stated.len() == 1 && stated[0].uri.starts_with("attest:");
        let Some(lock) = recipe else {
            return if recorded {
                Err(ClaimError::Unlisted { expected: stated[0].digest.sha256 })
            } else {
                parse(stated)
            };
        };
        let ours = dependencies(lock);
        let same = if recorded {
            ArtifactDigest::of(&dependency_record(&ours)) == stated[0].digest.sha256
        } else {
            dependency_record(&ours) == dependency_record(stated)
        };
        if same { Ok(lock.clone()) } else { Err(ClaimError::OtherLock) }
    }

    /// Whether it holds, after a build of the same inputs.
    pub(crate) fn standing(&self, result: &ResultFolder) -> Standing {
        let record = result.record();
        let rebuilt = record.rebuilt.as_ref().map(|file| file.sha256);
        match (self.claimed, record.verdict) {
            (Claimed::Disagreement, Verdict::Nondeterministic) | (Claimed::Failure, Verdict::BuildFailed) => {
                Standing::Holds
            }
            (Claimed::Output(claimed), _) if rebuilt == Some(claimed) => Standing::Holds,
            // Of builds that fail or do not agree here nothing follows about others, and that two of ours agree does not
            // show that two of theirs did.
            (Claimed::Ignorance | Claimed::Disagreement, _) | (_, Verdict::Nondeterministic | Verdict::BuildFailed) => {
                Standing::Open
            }
            (Claimed::Output(_) | Claimed::Failure, _) => Standing::Fails,
        }
    }

    /// Whether another output of ours contradicts it (docs/TRUST.md 4.2): only a claim of equality, from the same inputs, of
    /// a build without network that was repeated, and where nothing around the build explains the difference.
    pub(crate) fn is_contradicted_by(&self, inputs: ArtifactDigest, environment: &Environment, repeat: u32) -> bool {
        let claims = matches!(self.predicate(), Predicate::Reproduced(_) | Predicate::Equivalent { .. });
        let same = |build: &Build| {
            build.inputs_digest.sha256 == inputs
                && !compare(&build.environment, environment).iter().any(Surrounding::explains)
        };
        claims && self.build().is_some_and(same) && environment.network == Network::None && repeat >= MIN_REPEAT
    }
}

/// As the statement's own lock would be written.
fn dependencies(lock: &BuildLock) -> Vec<Dependency> {
    let dependency = |file: &attest_core::recipe::LockedFile| Dependency {
        uri: format!("pkg:pypi/{}@{}", file.project(), file.version()),
        digest: file.sha256().into(),
    };
    lock.files().iter().map(dependency).collect()
}

fn parse(stated: &[Dependency]) -> Result<BuildLock, ClaimError> {
    let line = |dependency: &Dependency| {
        let (name, version) = dependency.uri.strip_prefix("pkg:pypi/")?.split_once('@')?;
        Some((name.to_owned(), format!("{name}=={version} --hash=sha256:{}\n", dependency.digest.sha256)))
    };
    let lines = stated.iter().map(|one| line(one).ok_or_else(|| ClaimError::Dependency { found: one.uri.clone() }));
    let mut lines = lines.collect::<Result<Vec<_>, _>>()?;
    lines.sort();
    Ok(lines.into_iter().map(|(_, line)| line).collect::<String>().parse()?)
}

#[cfg(test)]
mod tests;
