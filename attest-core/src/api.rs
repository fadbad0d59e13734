//! JSON of the log's HTTP API beside the tiles, shared by server and CLI.
//!
//! Everything here is transport. What a server answers is evidence: the client checks proofs and signatures over the bytes
//! in it ([`crate::proof`], [`crate::verify`]) and believes nothing else. Unknown members are refused, so that a client never
//! overlooks what a newer server wants to say.

mod negatives;
mod readiness;
pub mod record;

pub use negatives::{FoundNegatives, NEGATIVES, NegativesQuery, NegativesQueryError, SHARDS};
pub use readiness::{HEALTH, READY, Readiness, ReadyStatus};

use serde::{Deserialize, Serialize};

use crate::{artifact::ArtifactDigest, envelope::StatementId};

/// `POST` one envelope here; answered with [`Submitted`] when its entry is published.
pub const STATEMENTS: &str = "/api/v1/statements";

/// `POST` a [`Lookup`] here; answered with [`Found`].
pub const LOOKUP: &str = "/api/v1/lookup";

/// `GET` everything about one artifact: `/api/v1/artifacts/{sha256}?from={index}`; answered with [`Found`].
pub const ARTIFACTS: &str = "/api/v1/artifacts";

/// Content type of a submission: DSSE's JSON form, here always the canonical one of [`crate::envelope`].
pub const ENVELOPE_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

/// Digests in one lookup: enough for the lock of a large project in one request.
pub const MAX_LOOKUP: usize = 1_000;

/// Answer to a submission: 201 for a new entry, 200 for one that was there before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Submitted {
    /// Where the entry is.
    pub index: u64,
    /// Of the statement in the entry.
    pub statement_id: StatementId,
    /// A finished `.tlog-proof` over the entry.
    pub proof: String,
    /// The entry as it was logged first, when the same key had signed the same statement before: the proof is over it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub envelope: Option<String>,
}

/// Asks for everything that is logged about these artifacts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lookup {
    /// SHA-256 of the published files, at most [`MAX_LOOKUP`].
    pub digests: Vec<ArtifactDigest>,
}

/// What is logged about some artifacts, under one checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Found {
    /// The signed checkpoint that all proofs lead to.
    pub checkpoint: String,
    /// In the order in which they were asked for.
    pub artifacts: Vec<FoundArtifact>,
}

/// What is logged about one artifact.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FoundArtifact {
    /// SHA-256 of the published file.
    pub sha256: ArtifactDigest,
    /// By index.
    pub entries: Vec<FoundEntry>,
    /// Set when one answer does not hold them all: the rest is had from [`ARTIFACTS`] with `from` this index.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub more_from: Option<u64>,
}

/// An entry of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FoundEntry {
    /// Where it is.
    pub index: u64,
    /// The entry itself: a canonical envelope.
    pub envelope: String,
    /// Inclusion proof: base64 hashes, leaf sibling first.
    pub proof: Vec<String>,
}

/// Body of every answer that is an error ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// The kind of error; the same for all of a kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was expected and what was found this time.
    pub detail: String,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// What the server's operator finds this request by.
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}
