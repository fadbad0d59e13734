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
    /// Files that at least one group reproduced.
    pub reproduced: u64,
    /// Groups that reproduced the file that fewest did.
    pub groups: u64,
    /// Statements about its files.
    pub counts: Counts,
}

/// One release: its files by the groups of rebuilders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseView {
    /// Normalised name.
    pub project: String,
    /// As in the file names.
    pub version: String,
    /// The columns: every group that said anything about one of the files, and every listed one.
    pub groups: Vec<String>,
    /// The rows, by name.
    pub files: Vec<FileRow>,
    /// Statements about its files.
    pub counts: Counts,
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
    /// Whether those that reproduced it mean the same source.
    pub agreement: Agreement,
}

/// What one group says of one file: its weightiest statement that it did not take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cell {
    /// The group.
    pub group: String,
    /// An accusation before a reproduction, that before an equivalent, that before an abstention.
    pub standing: Standing,
    /// Its entry.
    pub entry: EntryRow,
}

/// Whether the groups that reproduced a file mean the same source (docs/TRUST.md 3.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agreement {
    /// Commits that are named.
    pub commits: Vec<String>,
    /// Sdists that are named.
    pub sdists: Vec<ArtifactDigest>,
    /// At most one source in all: a commit and an sdist are two.
    pub agree: bool,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileView {
    /// As in lists.
    pub row: FileRow,
    /// What a policy that lists all of this server's rebuilders would say at each threshold, from 1 up;
    /// empty where nobody is listed or more is said of the file than is weighed.
    pub thresholds: Vec<Threshold>,
    /// Everything said about it, newest first and at most [`super::PAGE`], whole.
    pub statements: Vec<EntryView>,
    /// Entries about it that are not among them.
    pub more: u64,
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
