//! The members of the predicates. Field order here is the order in which they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::artifact::ArtifactDigest;
use crate::envelope::StatementId;

/// 64 lower-case hex digits.
pub type Sha256 = ArtifactDigest;

/// `{"sha256": HEX}` and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// The one digest.
    pub sha256: Sha256,
}

impl From<Sha256> for Digest {
    fn from(sha256: Sha256) -> Self {
        Self { sha256 }
    }
}

/// How it was built: the body shared by all but `withdrawn`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// Who built it.
    pub rebuilder: Rebuilder,
    /// What the source was taken from.
    pub origin: Origin,
    /// The source: one entry of the kind that `origin` names, and beside an sdist the commit that it was verified
    /// against.
    pub source: Vec<Source>,
    /// The commands and knobs.
    pub recipe: RecipeRef,
    /// How the output became equal.
    pub method: Method,
    /// Where it was built.
    pub environment: Environment,
    /// Build requirements as installed; more than [`super::MAX_DEPENDENCIES`] as one reference to their
    /// [`super::dependency_record`].
    pub resolved_dependencies: Vec<Dependency>,
    /// SHA-256 of the RFC 8785 JSON of {source, recipe digest, sorted dependency digests}: [`super::inputs_digest`].
    pub inputs_digest: Digest,
    /// SHA-256 of the wheel's RECORD rows: [`super::record_digest`].
    pub record_digest: Digest,
    /// RFC 3339 Z; shown, never trusted.
    pub rebuilt_at: String,
    /// How many builds agreed.
    pub repeat: u32,
    /// What else came out, for example logs.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub byproducts: Vec<Byproduct>,
}

/// Who built it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilder {
    /// URI, bound to a key by the policy.
    pub id: String,
    /// Versions of its tools, by name.
    pub version: BTreeMap<String, String>,
}

/// What the source was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Origin {
    /// A commit.
    Git,
    /// The published source distribution.
    Sdist,
}

/// How the output became equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Method {
    /// The build emitted the bytes.
    Exact,
    /// Time, mode, create_system and order of zip members were set afterwards, nothing else.
    Replayed,
}

/// Where a recipe comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecipeKind {
    /// Knobs only, found from the published file.
    Inferred,
    /// Commands, images or patches of its own.
    Custom,
}

/// Whether the sdist was held against its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FromCommit {
    /// It is what the commit beside it gives.
    Verified,
    /// Nobody knows what commit it is.
    Unverified,
}

/// What the build could reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Network {
    /// Nothing, project hooks included.
    None,
    /// Build requirements were fetched while it ran.
    FetchOnly,
    /// Everything.
    Open,
}

/// What time it was for the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Clock {
    /// The real time.
    Real,
    /// The real time, with SOURCE_DATE_EPOCH set.
    SourceDateEpoch,
    /// The time of the published build.
    Replayed,
}

/// A source: told apart by shape, which their digests make unambiguous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// A commit.
    #[serde(rename_all = "camelCase")]
    Git {
        /// `git+https://HOST/PATH`: lower-case host, no userinfo, port, `.git` or trailing slash.
        uri: String,
        /// `refs/tags/…` or `refs/heads/…`, fetched by the rebuilder itself.
        r#ref: String,
        /// The commit.
        digest: GitDigest,
        /// SHA-256 of the tree, because a commit id may be SHA-1: [`super::tree_sha256`].
        tree_sha256: Sha256,
    },
    /// A published source distribution.
    #[serde(rename_all = "camelCase")]
    Sdist {
        /// File name.
        name: String,
        /// Of the file.
        digest: Digest,
        /// Whether it was held against a commit.
        from_commit: FromCommit,
    },
}

/// `{"gitCommit": HEX}` and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitDigest {
    /// 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
    pub git_commit: String,
}

/// The recipe, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecipeRef {
    /// Where it comes from.
    pub kind: RecipeKind,
    /// Of its text.
    pub digest: Digest,
    /// The text itself, where it has at most [`super::MAX_RECIPE`] bytes.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub content: Option<String>,
    /// Where the text is.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub download_location: Option<String>,
}

/// Where it was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// `linux/x86_64`
    pub platform: String,
    /// Environment variables of the build.
    pub variables: BTreeMap<String, String>,
    /// Octal, four digits: `0022`.
    pub umask: String,
    /// Directory of the source during the build.
    pub build_path: String,
    /// What time it was.
    pub clock: Clock,
    /// What could be reached.
    pub network: Network,
    /// The interpreter.
    pub python: Tool,
    /// The library that compressed the wheel.
    pub zlib: Tool,
    /// C compiler, where one ran.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub cc: Option<Tool>,
    /// Linker, where one ran.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub ld: Option<Tool>,
    /// C library, where native code was built.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub libc: Option<Tool>,
    /// The image, where it ran in one.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub container_image: Option<Digest>,
}

/// A program or library of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// As it names itself.
    pub version: String,
    /// Of its file, where that was taken.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub digest: Option<Digest>,
}

/// A build requirement, by purl and digest of the file that was installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// purl.
    pub uri: String,
    /// Of the installed file.
    pub digest: Digest,
}

/// Something else that came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Byproduct {
    /// File name in the result folder.
    pub name: String,
    /// Of that file.
    pub digest: Digest,
}

/// One member that differs in an `equivalent` statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Equivalence {
    /// Path in the wheel: of the closed list in docs/TRUST.md 3.4.
    pub path: String,
    /// Of the member as published.
    pub published: Sha256,
    /// Of the member as rebuilt.
    pub rebuilt: Sha256,
}

/// Takes an earlier statement about the same subject back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawal {
    /// The statement.
    pub statement_id: StatementId,
    /// For people.
    pub reason: String,
}

/// The part of `not-reproduced` beside the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What happened.
    pub outcome: Outcome,
    /// What came out, where something did.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub rebuilt: Option<Digest>,
    /// The statement that this one refutes: same inputs, other output (docs/TRUST.md 4.2).
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub contradicts: Option<StatementId>,
    /// The first [`super::MAX_DIFFERENCES`].
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub differences: Vec<Difference>,
    /// How many there were before truncation.
    pub differences_total: u64,
    /// The whole report.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub report: Option<Digest>,
}

/// What happened instead of the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Other bytes, the same each time.
    Different,
    /// Our own builds disagree.
    Nondeterministic,
    /// No output.
    BuildFailed,
    /// No source to build from.
    SourceNotFound,
    /// The environment of the published build could not be found.
    EnvironmentUnknown,
}

/// One difference between the published and the rebuilt wheel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Member, escaped to printable ASCII.
    pub path: String,
    /// In what.
    pub kind: DifferenceKind,
}

/// In what a member differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DifferenceKind {
    /// Its bytes.
    Content,
    /// It is not in the rebuilt wheel.
    OnlyInPublished,
    /// It is not in the published wheel.
    OnlyInRebuilt,
    /// Time, mode or creator.
    ZipMetadata,
    /// Its place among the members.
    Order,
    /// How it is compressed.
    Compression,
}

/// An optional member is absent or has its type; `null` is a third spelling that nobody needs.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
