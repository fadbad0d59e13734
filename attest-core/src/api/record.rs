//! The public record: what a log says about projects, releases, files and rebuilders, for people and for tools.
//!
//! Every page of the site is one of these answers, drawn; there is nothing on a page that the API does not give. All of it
//! is a view: it helps to find entries, and what is to be believed is in the entries (docs/TRUST.md). Unlike the answers
//! of [`crate::api`] that a verdict rests on, nothing here is evidence.
//!
//! Lists are newest first, and in pages: `next` is the cursor of the page after it, an index that its entries are below.

mod entry;
mod log;
mod project;
mod rebuilder;

pub use self::{
    entry::{About, EntryRow, EntryView, NoVote, PathStep, Side, Standing},
    log::{
        CheckpointView, Coverage, CoveredProject, Day, HealthView, LogRole, LogView, MirrorState, MirrorView,
        NegativesView, WitnessView,
    },
    project::{Agreement, Cell, FileRow, FileView, ProjectRow, ProjectView, ReleaseRow, ReleaseView, Threshold},
    rebuilder::{RebuilderRow, RebuilderView, SignedBy},
};

use serde::{Deserialize, Serialize};

/// What the log is: [`LogView`].
pub const LOG: &str = "/api/v1/log";
/// Names of projects, in order, from a name on: `?after={name}`; [`Page`] of [`ProjectRow`].
pub const PROJECTS: &str = "/api/v1/projects";
/// `/api/v1/files/{sha256}?before={index}`: [`FileView`].
pub const FILES: &str = "/api/v1/files";
/// `/api/v1/entries?before={index}`: [`Page`] of [`EntryRow`]; `/api/v1/entries/{index}`: [`EntryView`].
pub const ENTRIES: &str = "/api/v1/entries";
/// By name: `?after={id}`; [`Page`] of [`RebuilderRow`]; `/api/v1/rebuilders/{id}?before={index}`: [`RebuilderView`].
pub const REBUILDERS: &str = "/api/v1/rebuilders";
/// `?before={index}`: [`Page`] of [`Disagreement`].
pub const DISAGREEMENTS: &str = "/api/v1/disagreements";
/// `?q={text}`: [`SearchAnswer`].
pub const SEARCH: &str = "/api/v1/search";

/// Rows on one page.
pub const PAGE: usize = 50;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Page<T> {
    /// At most [`PAGE`].
    pub items: Vec<T>,
    /// Cursor of what comes after them; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// How many statements say what. Each counts in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// Bit for bit, as a vote has to be built.
    pub reproduced: u64,
    /// Bit for bit, and no vote ([`Standing::NoVote`]).
    pub no_votes: u64,
    /// But for a closed list of members.
    pub equivalent: u64,
    /// Could not: no vote and no stop.
    pub abstained: u64,
    /// Prove something against the file ([`Standing::accuses`]).
    pub contradicted: u64,
    /// Were taken back, whatever they said.
    pub withdrawn: u64,
    /// Take an earlier statement back.
    pub withdrawals: u64,
    /// No statements, or of nobody on the list of rebuilders.
    pub others: u64,
}

/// Two statements that cannot both be right, or one that proves something by itself, or one that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disagreement {
    /// What it is.
    pub kind: DisagreementKind,
    /// The later one.
    pub entry: EntryRow,
    /// The one that it disagrees with or takes back; absent for foreign code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub other: Option<EntryRow>,
}

/// Kinds of [`Disagreement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisagreementKind {
    /// The same inputs, and another output.
    SameInputs,
    /// Code that is only in the published file.
    ForeignCode,
    /// A statement was withdrawn by the key that signed it.
    Withdrawn,
}

/// What a text may mean, at most 20 of each kind. An exact match of one thing is the only element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchAnswer {
    /// The text, as it was understood: trimmed, and cut to [`MAX_QUERY`] bytes.
    pub query: String,
    /// Projects with that name, or whose names begin like that.
    pub projects: Vec<ProjectRow>,
    /// Files of that name or digest.
    pub files: Vec<FileRow>,
    /// Entries of that statementId, index or commit.
    pub entries: Vec<EntryRow>,
    /// Rebuilders with that in their name.
    pub rebuilders: Vec<RebuilderRow>,
}

/// Bytes of a search.
pub const MAX_QUERY: usize = 200;
