//! `build.json`: what a statement will say about a rebuild, and `report.json`: what differs, in detail.
//!
//! JSON Schemas: `schemas/build-record.schema.json`, `schemas/report.schema.json`.

use attest_core::artifact::ArtifactDigest;
use attest_core::envelope::StatementId;
use attest_core::statement::{
    Dependency, Difference, DifferenceKind, Environment, Equivalence, Origin, Outcome, RecipeKind, Source,
};
use serde::{Deserialize, Serialize};

use super::compare::Found;
use super::lineage::Lineage;
use super::native::Evidence;
use super::result::ResultError;

/// The value of `schema`.
pub(crate) const SCHEMA: &str = "https://w3id.org/attest/build-record/v1";

/// The value of `schema` in a report.
const REPORT_SCHEMA: &str = "https://w3id.org/attest/report/v1";

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Verdict {
    /// The build emitted the published bytes.
    Exact,
    /// It emitted them but for time, mode, system and order of the zip's members, which the recipe's container sets.
    Replayed,
    /// It emitted the same but for a closed list of members.
    Equivalent,
    /// It emitted other bytes.
    Different,
    /// Two builds do not agree with each other, so nothing follows about the published file.
    Nondeterministic,
    /// It emitted nothing.
    BuildFailed,
    /// It emitted other bytes, but how the published file was built is partly guessed.
    EnvironmentUnknown,
}

impl Verdict {
    /// Whether the result has the published bytes.
    pub(crate) fn is_equal(self) -> bool {
        matches!(self, Self::Exact | Self::Replayed)
    }

    /// The outcome for a `not-reproduced` statement; nothing for what is no refusal.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Exact | Self::Replayed | Self::Equivalent => None,
            Self::Different => Some(Outcome::Different),
            Self::Nondeterministic => Some(Outcome::Nondeterministic),
            Self::BuildFailed => Some(Outcome::BuildFailed),
            Self::EnvironmentUnknown => Some(Outcome::EnvironmentUnknown),
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exact => "EXACT",
            Self::Replayed => "REPLAYED",
            Self::Equivalent => "EQUIVALENT",
            Self::Different => "DIFFERENT",
            Self::Nondeterministic => "NONDETERMINISTIC",
            Self::BuildFailed => "BUILD_FAILED",
            Self::EnvironmentUnknown => "ENVIRONMENT_UNKNOWN",
        })
    }
}

/// A file by name and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RecordedFile {
    /// File name.
    pub(crate) name: String,
    /// SHA-256 of its bytes.
    pub sha256: ArtifactDigest,
}

/// `build.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BuildRecord {
    /// [`SCHEMA`]
    pub(crate) schema: String,
    /// Version of attest.
    pub(crate) attest: String,
    /// The published file.
    pub(crate) subject: RecordedFile,
    /// How it came out.
    pub(crate) verdict: Verdict,
    /// What came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rebuilt: Option<RecordedFile>,
    /// What the build itself emitted, where the recipe's container was set afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) emitted: Option<ArtifactDigest>,
    /// For EQUIVALENT: every member that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) equivalent: Option<Vec<Equivalence>>,
    /// Git or sdist.
    pub(crate) origin: Origin,
    /// What it was built from.
    pub(crate) source: Vec<Source>,
    /// Inferred or custom.
    pub(crate) recipe_kind: RecipeKind,
    /// What it was built in.
    pub(crate) environment: Environment,
    /// What it was built with.
    pub(crate) resolved_dependencies: Vec<Dependency>,
    /// Of the published wheel's files.
    pub(crate) record_digest: ArtifactDigest,
    /// RFC 3339, UTC.
    pub(crate) rebuilt_at: String,
    /// How many builds agreed.
    pub(crate) repeat: u32,
    /// How many differences there are, all of which are in the report.
    pub(crate) differences_total: u64,
    /// The first of them.
    pub(crate) differences: Vec<Difference>,
    /// The statement that this refutes: the same inputs gave other bytes (docs/TRUST.md 4.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contradicts: Option<StatementId>,
    /// Digests of the other files in the folder.
    pub(crate) files: Vec<RecordedFile>,
}

impl BuildRecord {
    /// A verdict that the record's own digests do not bear out is never signed.
    pub(crate) fn check(&self) -> Result<(), ResultError> {
        if self.schema != SCHEMA {
            return Err(ResultError::Schema { found: self.schema.clone() });
        }
        let equal = self.rebuilt.as_ref().is_some_and(|file| file.sha256 == self.subject.sha256);
        if self.verdict.is_equal() != equal {
            return Err(ResultError::Contradiction { field: "rebuilt" });
        }
        if self.verdict == Verdict::Exact && self.differences_total != 0 {
            return Err(ResultError::Contradiction { field: "differencesTotal" });
        }
        let in_container = |one: &Difference| matches!(one.kind, DifferenceKind::ZipMetadata | DifferenceKind::Order);
        if self.verdict == Verdict::Replayed && !self.differences.iter().all(in_container) {
            return Err(ResultError::Contradiction { field: "differences" });
        }
        if (self.verdict == Verdict::Replayed && self.emitted.is_none())
            || (self.verdict == Verdict::Exact && self.emitted.is_some())
        {
            return Err(ResultError::Contradiction { field: "emitted" });
        }
        if (self.verdict == Verdict::Equivalent) != self.equivalent.is_some() {
            return Err(ResultError::Contradiction { field: "equivalent" });
        }
        if self.contradicts.is_some() && self.verdict != Verdict::Different {
            return Err(ResultError::Contradiction { field: "contradicts" });
        }
        Ok(())
    }
}

/// `report.json`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    /// How it came out.
    pub(crate) verdict: Verdict,
    /// In words.
    pub(crate) explanation: &'a [String],
    /// All differences.
    pub(crate) differences: &'a [Found],
    /// Where the source comes from.
    pub(crate) lineage: &'a Lineage,
    /// Of a wheel with compiled code: what it says about where it was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) native: Option<&'a Evidence>,
}

impl Report<'_> {
    /// The text of `report.json`.
    pub(crate) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Document<'a> {
            schema: &'static str,
            #[serde(flatten)]
            report: &'a Report<'a>,
        }
        serde_json::to_vec_pretty(&Document { schema: REPORT_SCHEMA, report: self })
    }
}
