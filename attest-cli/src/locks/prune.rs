//! The same lock without the files that were not accepted, so that the installer itself enforces the result: every other
//! byte stays as it is, formatting and comments too.
//!
//! What is in a lock, [`super`]'s readers decide; here it is only found again in the text, by its sha256, and cut out. A
//! result that does not read as the lock minus exactly those files is an error, never written, and neither is one in which
//! the readers find a file that was not accepted ([`again`]).

use std::{collections::BTreeSet, ops::Range, path::Path};

use attest_core::artifact::ArtifactDigest;

use super::Format;

pub(crate) mod again;
mod requirements;
mod tables;

/// A lock after pruning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pruned {
    pub(crate) text: String,
    /// Files that stay.
    pub(crate) kept: usize,
    /// Files that went.
    pub(crate) removed: usize,
}

/// A lock that cannot be pruned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PruneError {
    #[error("expected requirements with hashes, pylock.toml, uv.lock or poetry.lock: no other format is pruned")]
    NoLock,
    #[error("expected TOML: {message}")]
    Toml { message: String },
    #[error("line {line}: a form of listing files that attest can read, but not prune")]
    Form { line: usize },
    #[error("nothing of {package} would be left")]
    Empty { package: String },
    #[error("the pruned text would not be the same lock without what was removed")]
    Unfaithful,
}

/// Removes every file whose digest is not to be kept, and whatever has no sha256 alone.
pub(crate) fn prune(path: &Path, text: &str, keep: &BTreeSet<ArtifactDigest>) -> Result<Pruned, PruneError> {
    match Format::of(path, text) {
        Format::Requirements => requirements::prune(text, keep),
        Format::Uv => tables::prune(text, &tables::UV, keep),
        Format::Poetry => tables::prune(text, &tables::POETRY, keep),
        Format::Pylock => tables::prune(text, &tables::PYLOCK, keep),
        Format::Pdm | Format::Pipfile | Format::Report => Err(PruneError::NoLock),
    }
}

/// The text without these parts, which may touch and overlap.
fn without(text: &str, mut cuts: Vec<Range<usize>>) -> String {
    cuts.sort_by_key(|cut| (cut.start, cut.end));
    let (mut pruned, mut at) = (String::with_capacity(text.len()), 0);
    for cut in cuts {
        pruned.push_str(text.get(at..cut.start).unwrap_or_default());
        at = at.max(cut.end);
    }
    pruned.push_str(text.get(at..).unwrap_or_default());
    pruned
}

#[cfg(test)]
mod tests;
