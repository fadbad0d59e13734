//! The log itself.

use serde::{Deserialize, Serialize};

use super::{Counts, EntryRow, RebuilderRow};

/// The log at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogView {
    /// First line of every checkpoint.
    pub origin: String,
    /// Log or mirror.
    pub role: LogRole,
    /// Verifier keys: the log's first, then a mirror's own.
    pub vkeys: Vec<String>,
    /// The newest published one.
    pub checkpoint: CheckpointView,
    /// Entries that this record covers: what is above is published and not recorded yet.
    pub recorded: u64,
    /// Set when the log takes nothing more, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frozen: Option<String>,
    /// Who decides about the list of rebuilders: name and contact.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operator: Option<String>,
    /// Of everything recorded.
    pub counts: Counts,
    /// Projects that anything is said about.
    pub projects: u64,
    /// Files that anything is said about.
    pub files: u64,
    /// The last 90 days on which statements say they were made, without gaps, oldest first.
    pub days: Vec<Day>,
    /// All that are listed.
    pub rebuilders: Vec<RebuilderRow>,
    /// The newest.
    pub newest: Vec<EntryRow>,
    /// Of the list of projects that this server is configured with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub coverage: Option<Coverage>,
    /// What this server was told of that mirrors the log, as it found them last.
    pub mirrors: Vec<MirrorView>,
    /// The newest lists of negatives that this server signed, the newest first.
    pub negatives: Vec<NegativesView>,
    /// How this server does.
    pub health: HealthView,
}

/// A mirror, as this server saw it last; it asks in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MirrorView {
    /// Where it is.
    pub url: String,
    /// What was found.
    pub state: MirrorState,
    /// When it was asked last. Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked: Option<u64>,
    /// Size of the last checkpoint of it that the log's key verifies.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<u64>,
    /// When that was seen first. Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<u64>,
    /// Entries that this server publishes and that one did not, when it was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub behind: Option<u64>,
    /// Why nothing usable came, or how the two contradict each other.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// What became of asking a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MirrorState {
    /// Not asked yet.
    Unknown,
    /// Its checkpoint is the log's and of the same history.
    Consistent,
    /// Its checkpoint is the log's, of more than this server has: not compared yet.
    Ahead,
    /// No usable answer.
    Unreachable,
    /// The log's key signed another history for it: an alarm.
    Fork,
}

/// A signed list of everything that speaks against files (docs/negatives.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NegativesView {
    /// Of the log that it is of.
    pub size: u64,
    /// Entries in it.
    pub count: u64,
    /// The note, as served.
    pub note: String,
}

/// How the server does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthView {
    /// Whether it does its work: what `/readyz` says.
    pub ready: bool,
    /// What is not as it should be, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Whether it takes statements: a mirror and a frozen log do not.
    pub accepting: bool,
    /// Published entries that are not sealed into files yet.
    pub unsealed: u64,
    /// Published entries that are not in this record yet.
    pub unrecorded: u64,
    /// Why the record does not go on, where it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub record_stopped: Option<String>,
}

/// Log or mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogRole {
    /// Takes statements.
    Log,
    /// Follows a log.
    Mirror,
}

/// A signed tree head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckpointView {
    /// The note, as served.
    pub note: String,
    /// Entries in the tree.
    pub size: u64,
    /// In base64.
    pub root_hash: String,
    /// When this server first served it. Seconds since 1970.
    pub published: u64,
    /// Who else signed it. Their signatures are not checked here: whoever relies on them does.
    pub witnesses: Vec<WitnessView>,
}

/// A cosignature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WitnessView {
    /// Name of the key.
    pub name: String,
    /// When the witness says it saw the tree. Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time: Option<u64>,
}

/// What statements say was built on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Day {
    /// Its beginning (UTC). Seconds since 1970.
    pub start: u64,
    /// Of that day.
    pub counts: Counts,
}

/// How much of a list of projects is rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Coverage {
    /// Of how many.
    pub total: u64,
    /// Have a release of which every file has a vote, and nothing speaks against any file of them.
    pub reproduced: u64,
    /// In the list's order.
    pub projects: Vec<CoveredProject>,
}

/// One project of that list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoveredProject {
    /// Normalised name.
    pub project: String,
    /// Of the release that was rebuilt last; 0 where nobody did.
    pub groups: u64,
    /// That release.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// Whether anything accuses a file of it.
    pub accused: bool,
}
