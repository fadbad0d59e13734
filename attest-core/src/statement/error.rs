//! Why a statement was refused.

use super::{
    MAX_DEPENDENCIES, MAX_DIFFERENCE_PATH, MAX_DIFFERENCES, MAX_MEMBERS, MAX_RECIPE, Origin, Outcome, STATEMENT_TYPE,
    Sha256,
};
use crate::artifact::ArtifactError;
use crate::ijson::IJsonError;

/// Why a statement was refused: one variant per rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Not I-JSON, or a member is missing, unknown or of another type.
    #[error("expected a statement: {0}")]
    Json(#[from] IJsonError),
    /// Not `_type` of Statement v1.
    #[error("expected _type {STATEMENT_TYPE:?}, found {found:?}")]
    Type {
        /// The type, shortened.
        found: String,
    },
    /// None of the four predicate types.
    #[error("expected a predicateType of https://w3id.org/attest/, found {found:?}")]
    PredicateType {
        /// The type, shortened.
        found: String,
    },
    /// No subject, or several.
    #[error("expected exactly one subject, found {found}")]
    SubjectCount {
        /// How many there are.
        found: usize,
    },
    /// The subject's name is no wheel file name.
    #[error("subject: {0}")]
    SubjectName(ArtifactError),
    /// The purl is not that of the name.
    #[error("expected the subject's uri to be {expected:?} as its name says, found {found:?}")]
    SubjectUri {
        /// Derived from the name.
        expected: String,
        /// In the statement, shortened.
        found: String,
    },
    /// A member means what it should, written in a form that other readers do not accept.
    #[error("expected {member} as the schema has it, found another JSON type or form")]
    Spelling {
        /// Name of the member, shortened.
        member: String,
    },
    /// A text that has a form of its own.
    #[error("expected {member} to be {expected}, found {found:?}")]
    Form {
        /// Which member.
        member: &'static str,
        /// The form.
        expected: &'static str,
        /// The text, shortened.
        found: String,
    },
    /// An empty, long or unprintable text.
    #[error("expected {member} to have 1 to {max} bytes without control characters, found {found:?}")]
    Text {
        /// Which member.
        member: &'static str,
        /// Longest text.
        max: usize,
        /// The text, shortened.
        found: String,
    },
    /// `repeat` is 0.
    #[error("expected repeat to be at least 1, found 0")]
    NoBuild,
    /// The recipe's text is not what its digest says.
    #[error("expected the recipe's text to have its digest {expected}, found {found}")]
    RecipeDigest {
        /// `recipe.digest`.
        expected: Sha256,
        /// Of the text.
        found: Sha256,
    },
    /// The recipe's text is too long to be inside.
    #[error("expected a recipe of at most {MAX_RECIPE} bytes inside the statement, found {found}")]
    RecipeLength {
        /// Length in bytes.
        found: usize,
    },
    /// `inputsDigest` is not that of the inputs listed.
    #[error("expected inputsDigest {expected} as source, recipe and dependencies give it, found {found}")]
    InputsDigest {
        /// Computed from the statement.
        expected: Sha256,
        /// In the statement.
        found: Sha256,
    },
    /// `source` does not fit `origin`.
    #[error("expected one source of the kind {origin:?}, found {git} commits and {sdist} sdists")]
    Sources {
        /// What `origin` says.
        origin: Origin,
        /// How many commits.
        git: usize,
        /// How many sdists.
        sdist: usize,
    },
    /// An sdist was not held against the commit beside it, or is said to be held against one that is not there.
    #[error("expected a commit beside an sdist exactly when fromCommit is VERIFIED")]
    UnverifiedCommit,
    /// More dependencies than are listed one by one.
    #[error("expected at most {MAX_DEPENDENCIES} dependencies, found {found}: name more by their record")]
    TooManyDependencies {
        /// How many there are.
        found: usize,
    },
    /// The outcome has output, and `rebuilt` is missing.
    #[error("expected rebuilt (the digest of the output) with outcome {outcome:?}, found none")]
    RebuiltMissing {
        /// The outcome.
        outcome: Outcome,
    },
    /// The outcome has no output, and `rebuilt` is there.
    #[error("expected no rebuilt with outcome {outcome:?}, found one")]
    RebuiltUnexpected {
        /// The outcome.
        outcome: Outcome,
    },
    /// `rebuilt` is the subject's own digest.
    #[error("expected the rebuilt digest to differ from the subject's, found {found} twice")]
    RebuiltEqual {
        /// The digest.
        found: Sha256,
    },
    /// Only DIFFERENT refutes another statement.
    #[error("expected contradicts only with outcome Different, found it with {outcome:?}")]
    Contradicts {
        /// The outcome.
        outcome: Outcome,
    },
    /// Differences without anything to differ.
    #[error("expected no differences where nothing was rebuilt, found {found}")]
    DifferencesWithoutOutput {
        /// How many there are in all.
        found: u64,
    },
    /// More differences than a statement lists.
    #[error("expected at most {MAX_DIFFERENCES} differences, found {found}")]
    TooManyDifferences {
        /// How many there are.
        found: usize,
    },
    /// The total does not fit the list.
    #[error("expected differencesTotal to be {listed}, or more of a full list, found {total}")]
    DifferencesTotal {
        /// How many are listed.
        listed: usize,
        /// What the statement says.
        total: u64,
    },
    /// A cut list that does not keep what matters most.
    #[error(
        "expected a cut list of differences to have other content first, then code that only the published file has"
    )]
    DifferenceOrder,
    /// A path that is not escaped, or too long.
    #[error("expected a path of 1 to {MAX_DIFFERENCE_PATH} printable ASCII characters, found {found:?}")]
    DifferencePath {
        /// The path, shortened.
        found: String,
    },
    /// An `equivalent` statement without differing members, or with too many.
    #[error("expected 1 to {MAX_MEMBERS} members in an equivalent statement, found {found}")]
    MemberCount {
        /// How many there are.
        found: usize,
    },
    /// A member that may not differ.
    #[error("expected only dist-info/sboms/* and RECORD to differ in an equivalent statement, found {found:?}")]
    MemberPath {
        /// The path, shortened.
        found: String,
    },
    /// Members out of order, or one of them twice.
    #[error("expected the members of an equivalent statement sorted by path, each once, found {found:?} out of order")]
    MemberOrder {
        /// The path, shortened.
        found: String,
    },
    /// A member that does not differ.
    #[error("expected member {path:?} to differ, found the same digest twice")]
    MemberEqual {
        /// The path, shortened.
        path: String,
    },
}
