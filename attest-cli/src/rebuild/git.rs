//! Commits as sources: `--source git+URL@REF`.
//!
//! | module | what it does |
//! |---|---|
//! | [`address`] | reads what the user wrote |
//! | [`command`] | runs the system's git, so that neither the repository nor the machine's settings make it do more |
//! | [`repository`] | keeps a bare copy of all branches and tags, and finds the commit in it |
//! | [`checkout`] | takes one commit out of it, with its history, for a build |
//! | [`listing`] | what a commit holds, before any of it is written |
//! | [`tag`] | which tag is a version's |
//! | [`forge`] | which repository a wheel's metadata name |
//!
//! A repository is a stranger's. Its hooks, attributes, submodules and names are read by git outside of the room, so git
//! runs with a configuration that has no hooks, filters or helpers; what is checked out is looked at before that.
//!
//! Out of scope: submodules (refused), files kept by git-lfs (their pointers are what is built, and that is said), and
//! repositories with SHA-256 ids.

pub(crate) mod address;
pub(crate) mod checkout;
mod command;
mod error;
pub(crate) mod forge;
mod listing;
pub(crate) mod repository;
mod tag;
#[cfg(test)]
mod tests;

pub(crate) use command::{Git, Limits as GitLimits};

/// A commit by its whole id, SHA-1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommitId(String);

impl CommitId {
    /// Forty lower-case hex digits; nothing for anything shorter, which names a commit only until there is another.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
