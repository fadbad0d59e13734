//! What a rebuilder says: [in-toto Statement
//! v1](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) with attest's predicate types. JSON
//! Schemas: `schemas/`.
//!
//! Several predicate types share one body, so that a reader that ignores unknown fields can never count a refutation as
//! a vote. Unknown fields are accepted only inside `predicate` (and its objects); everywhere else they are errors.
//!
//! ```text
//! {"_type":"https://in-toto.io/Statement/v1",
//!  "subject":[{"name":"six-1.16.0-py2.py3-none-any.whl",
//!              "uri":"pkg:pypi/six@1.16.0?file_name=six-1.16.0-py2.py3-none-any.whl",
//!              "digest":{"sha256":"8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"}}],
//!  "predicateType":"https://w3id.org/attest/reproduced/v1",
//!  "predicate":{"rebuilder":…,"origin":"SDIST","source":[…],"recipe":…,…}}
//! ```

mod body;
mod digests;
mod error;
mod form;
mod limits;
mod rules;
mod tree;
mod weight;
mod wire;

pub use body::{
    Build, Byproduct, Clock, Dependency, Difference, DifferenceKind, Digest, Environment, Equivalence, FromCommit,
    GitDigest, Method, Network, Origin, Outcome, Rebuilder, RecipeKind, RecipeRef, Refusal, Sha256, Source, Tool,
    Withdrawal,
};
pub use digests::{dependency_record, inputs_digest, record_digest};
pub use error::StatementError;
pub use form::{is_ref, is_repository, may_differ};
pub use limits::{MAX_DEPENDENCIES, MAX_DIFFERENCE_PATH, MAX_DIFFERENCES, MAX_MEMBERS, MAX_RECIPE, MAX_TEXT, abridged};

pub(crate) use form::{is_file_name, is_variable};
pub use tree::{TreeEntry, TreeMode, tree_sha256};
pub use weight::is_code;
pub(crate) use weight::{Weight, weight};

use crate::artifact::{ArtifactDigest, WheelName};

/// Bytes of a statement about a small wheel.
const TYPICAL: usize = 2048;

/// `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Bit for bit the same: its existence is the claim.
pub const REPRODUCED: &str = "https://w3id.org/attest/reproduced/v1";
/// The same but for a closed list of members: a weaker claim of its own.
pub const EQUIVALENT: &str = "https://w3id.org/attest/equivalent/v1";
/// Not the same, or nothing to compare.
pub const NOT_REPRODUCED: &str = "https://w3id.org/attest/not-reproduced/v1";
/// Takes an earlier statement back.
pub const WITHDRAWN: &str = "https://w3id.org/attest/withdrawn/v1";

/// A statement about exactly one published file. Name, purl and wheel grammar agree (docs/TRUST.md 3.2) or it does not
/// parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    subject: Subject,
    predicate: Predicate,
}

impl Statement {
    /// A statement to sign. Lists beyond the limits of docs/TRUST.md 7 are truncated here, never an error, so what
    /// [`Statement::predicate`] shows is what gets signed: differences to [`MAX_DIFFERENCES`] with escaped paths,
    /// dependencies to the digest of their [`dependency_record`], a recipe's text left out beyond [`MAX_RECIPE`].
    ///
    /// # Errors
    /// When it breaks a rule that [`Statement::parse`] enforces.
    pub fn new(subject: Subject, mut predicate: Predicate) -> Result<Self, StatementError> {
        limits::truncate(&mut predicate);
        // What is signed here, others must be able to read: through the same parser (docs/TRUST.md 2.1).
        Self::parse(&Self { subject, predicate }.to_bytes())
    }

    /// The one parser: used by signing, admission, indexing and verifying alike (docs/TRUST.md 2.1).
    ///
    /// # Errors
    /// The first rule that the payload breaks.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        let (subject, predicate) = wire::parse(payload)?;
        rules::check(&subject, &predicate)?;
        let statement = Self { subject, predicate };
        // Nearly every statement is in the form that we write, and then there is nothing left to compare.
        if wire::to_bytes(&statement, payload.len()) != payload {
            wire::check_spelling(&statement, payload)?;
        }
        Ok(statement)
    }

    /// Compact JSON in a fixed key order, within the limits of docs/TRUST.md 7.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_bytes(self, TYPICAL)
    }

    /// The published file.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What is said of it.
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }
}

/// The published file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// File name; the purl follows from it.
    pub name: WheelName,
    /// SHA-256 of the file as published.
    pub digest: ArtifactDigest,
}

/// What is said of the subject, by predicate type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// [`REPRODUCED`]
    Reproduced(Build),
    /// [`EQUIVALENT`]
    Equivalent {
        /// How it was built.
        build: Build,
        /// What came out.
        rebuilt: ArtifactDigest,
        /// Every member that differs.
        members: Vec<Equivalence>,
    },
    /// [`NOT_REPRODUCED`]
    NotReproduced {
        /// How it was built.
        build: Build,
        /// What happened instead.
        refusal: Refusal,
    },
    /// [`WITHDRAWN`]
    Withdrawn(Withdrawal),
}

impl Predicate {
    /// The predicate type's URI.
    pub fn type_uri(&self) -> &'static str {
        match self {
            Self::Reproduced(_) => REPRODUCED,
            Self::Equivalent { .. } => EQUIVALENT,
            Self::NotReproduced { .. } => NOT_REPRODUCED,
            Self::Withdrawn(_) => WITHDRAWN,
        }
    }

    /// How it was built; a withdrawal tells nothing of it.
    pub fn build(&self) -> Option<&Build> {
        match self {
            Self::Reproduced(build) | Self::Equivalent { build, .. } | Self::NotReproduced { build, .. } => Some(build),
            Self::Withdrawn(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
