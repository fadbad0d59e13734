//! What can be wrong with git, a repository or a commit.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::CommitId;
use super::command::OLDEST;
use super::listing::{MAX_ENTRIES, MAX_UNPACKED};

/// Why there is no commit to build from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// Not installed.
    #[error("expected git to be installed: {0}")]
    Missing(io::Error),
    /// Too old.
    #[error("expected git {}.{} or newer, found {found:?}", OLDEST.0, OLDEST.1)]
    Version {
        /// What it says of itself.
        found: String,
    },
    /// Built without sha1dc (docs/TRUST.md 3.6).
    #[error("expected a git that detects SHA-1 collisions, found one built with {found}")]
    Collisions {
        /// What it says of itself.
        found: String,
    },
    /// A file of ours.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// git says no.
    #[error("git could not {what}: {said}")]
    Failed {
        /// Which step.
        what: &'static str,
        /// Its last words.
        said: String,
    },
    /// Too slow.
    #[error("expected git to {what} within {} s, found it still running", limit.as_secs())]
    Time {
        /// Which step.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// Too big.
    #[error("expected a repository of at most {limit} bytes, found more")]
    Size {
        /// The limit.
        limit: u64,
    },
    /// An answer of git that is not in its format.
    #[error("expected git's answer in its own format when it was to {what}, found {found:?}")]
    Answer {
        /// Which step.
        what: &'static str,
        /// The beginning of it.
        found: String,
    },
    /// The user pressed Ctrl-C, or we are to end.
    #[error("interrupted")]
    Interrupted,
    /// Neither tag nor branch.
    #[error("expected a tag or a branch {name:?} in {url}, found none")]
    NoRef {
        /// As given.
        name: String,
        /// Where.
        url: String,
    },
    /// A tag or branch whose name a statement could not hold.
    #[error("expected a tag or branch with a name of printable ASCII, found {name:?}")]
    RefName {
        /// As given.
        name: String,
    },
    /// Two refs, two commits.
    #[error("expected one commit for {name}, found several: {}", found.join(", "))]
    Ambiguous {
        /// What was looked for.
        name: String,
        /// `REF (COMMIT)`
        found: Vec<String>,
    },
    /// The beginning of a commit's id.
    #[error(
        "expected a commit's whole id of 40 hex digits, found {found:?}: a short one can be made to fit another commit"
    )]
    ShortId {
        /// As given.
        found: String,
    },
    /// Not where it was when somebody wrote its commit down.
    #[error("expected {name} to lead to commit {expected}, found that it is at {found}: it was moved")]
    Moved {
        /// Tag or branch.
        name: String,
        /// As given.
        expected: CommitId,
        /// In the repository.
        found: CommitId,
    },
    /// A commit that no branch or tag leads to: it may come from anybody's fork (docs/TRUST.md 3.6).
    #[error("expected commit {commit} to be in the history of a branch or tag of {url}, found that it is in none")]
    Unreachable {
        /// As given.
        commit: CommitId,
        /// Where.
        url: String,
    },
    /// No tag fits the version.
    #[error("expected a tag for version {version} in {url}, found none among {tags}")]
    NoTag {
        /// Of the wheel.
        version: String,
        /// Where.
        url: String,
        /// How many tags there are.
        tags: usize,
    },
    /// Too much in one commit.
    #[error("expected a commit of at most {MAX_UNPACKED} bytes in {MAX_ENTRIES} files, found more")]
    TooLarge,
    /// A path that is not one, or that git itself uses.
    #[error("expected paths below the repository's folder, found {path:?}")]
    Path {
        /// As given.
        path: PathBuf,
    },
    /// Other repositories inside.
    #[error("expected a repository without submodules, found one at {path:?}: build from the sdist instead")]
    Submodule {
        /// Where.
        path: PathBuf,
    },
    /// Neither file nor link.
    #[error("expected files and symbolic links, found that {path:?} has mode {mode}")]
    Mode {
        /// Where.
        path: PathBuf,
        /// As git has it.
        mode: String,
    },
    /// A symbolic link that is absolute or climbs out.
    #[error("expected links to point into the repository, found that {path:?} points to {target:?}")]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// One path is two things.
    #[error("expected every path once, found {path:?} twice")]
    Duplicate {
        /// Which.
        path: PathBuf,
    },
}
