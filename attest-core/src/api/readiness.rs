//! Whether a server does its work, for load balancers and watchdogs.

use serde::{Deserialize, Serialize};

use super::record::LogRole;

/// `GET` it here; answered with [`Readiness`], 200 or 503.
pub const READY: &str = "/readyz";

/// `GET` this to hear whether the process answers; the body is `ok` and a line end.
pub const HEALTH: &str = "/healthz";

/// Body of [`READY`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Readiness {
    /// What it does.
    pub status: ReadyStatus,
    /// Log or mirror.
    pub role: LogRole,
    /// What keeps it from its work, or what an operator should know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Entries that are published.
    pub size: u64,
    /// When this process published its checkpoint (RFC 3339, UTC).
    pub published_at: String,
    /// How long ago that was.
    pub published_age_seconds: u64,
    /// Bytes that may still be written to its disk, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub free_bytes: Option<u64>,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadyStatus {
    /// All of it.
    Ready,
    /// The log that is mirrored answers, but shows nothing new.
    Stalled,
    /// Serves what it has, which may not be the newest.
    Stale,
    /// The log stopped, or its disk is full.
    Down,
    /// Publishes without the cosignatures of a quorum of witnesses, as it was told to.
    Unwitnessed,
    /// Read-only by its operator's will.
    Frozen,
    /// The log that is mirrored contradicts itself.
    Forked,
    /// The log that is mirrored signed a list of negatives that is not its own.
    Alarm,
}
