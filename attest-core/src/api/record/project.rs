//! Projects, releases and files.

use serde::{Deserialize, Serialize};

use super::{Counts, EntryRow, EntryView, Page, Standing};
use crate::artifact::ArtifactDigest;

/// A project in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectRow {
    /// Normalised name.
    pub project: String,
    /// Statements about its files.
    pub counts: Counts,
    /// Index of the newest.
    pub newest: u64,
}

/// One project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectView {
    /// Normalised name.
    pub project: String,
    /// Statements about its files.
    pub counts: Counts,
    /// Newest version first, as PEP 440 orders them.
    pub releases: Vec<ReleaseRow>,
    /// Older ones that are not among them.
    pub more_releases: u64,
    /// What was said.
    pub entries: Page<EntryRow>,
}

/// A release in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseRow {
    /// As in the file names.
    pub version: String,
    /// Files that anything is said about.
    pub files: u64,
    /// Files that at least one group's vote reproduced ([`FileRow::groups`]).
    pub reproduced: u64,
    /// Files that no vote reproduced, and a group found equivalent.
    pub equivalent: u64,
    /// [`FileRow::groups`] of the file that has fewest.
    pub groups: u64,
    /// Whether the votes for each file mean one source.
    pub agree: bool,
    /// Whether anything speaks against one of its files.
    pub accused: bool,
    /// Statements about its files.
    pub counts: Counts,
}

/// One release: its files by the groups of rebuilders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseView {
    /// Normalised name.
    pub project: String,
    /// Of all of its files.
    pub row: ReleaseRow,
    /// The columns: every listed group.
    pub groups: Vec<String>,
    /// The rows, by name.
    pub files: Page<FileRow>,
}

/// A published file in a list. One name may be there more than once, with another digest each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileRow {
    /// Normalised name.
    pub project: String,
    /// As in the file name.
    pub version: String,
    /// Its name.
    pub file: String,
    /// Its digest.
    pub sha256: ArtifactDigest,
    /// One for each group that said something.
    pub cells: Vec<Cell>,
    /// Groups whose votes count and mean one source: the highest threshold that a policy of all of this server's rebuilders
    /// would find met. What speaks against the file is not asked for that, but where it cannot be judged none is met.
    pub groups: u64,
    /// Whether the votes mean the same source.
    pub agreement: Agreement,
}

/// What one group says of one file: its weightiest statement that it did not take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cell {
    /// The group.
    pub group: String,
    /// An accusation before a vote, that before an equivalent, that before what is no vote, that before an abstention.
    pub standing: Standing,
    /// Its entry.
    pub entry: EntryRow,
}

/// Whether the votes for a file mean the same source (docs/TRUST.md 3.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agreement {
    /// Commits that are named.
    pub commits: Vec<String>,
    /// Sdists that are named.
    pub sdists: Vec<ArtifactDigest>,
    /// At most one source in all: a commit and an sdist are two.
    pub agree: bool,
    /// Whether there are more than are named here.
    pub more: bool,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileView {
    /// As in lists.
    pub row: FileRow,
    /// What a policy that lists all of this server's rebuilders would say at each threshold, from 1 up;
    /// empty where nobody is listed.
    pub thresholds: Vec<Threshold>,
    /// Everything said about it, newest first, whole.
    pub statements: Page<EntryView>,
    /// How many entries that is.
    pub said: u64,
}

/// The answer at one threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Threshold {
    /// Groups asked for.
    pub threshold: u64,
    /// Whether that many reproduced it and nothing blocks.
    pub accepted: bool,
    /// Why not, in one line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}
