//! The last look at a pruned lock: by the readers that verify goes by, and not by what was looked for to be cut out. What
//! one of them finds and the other does not (a form of an older version, a hash in a URL) would stay in a lock that is
//! said to be pruned.

use std::{collections::BTreeSet, path::Path};

use attest_core::artifact::ArtifactDigest;

use super::super::everything;
use crate::{
    input::InputError,
    item::{GateError, Item, Place, Question},
};

/// A pruned text with more in it than was accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgainError {
    #[error("the pruned text cannot be read")]
    Unreadable(#[from] InputError),
    #[error(
        "{place}: {name} would stay, which is not accepted: it is listed in a form that attest can read, but not prune"
    )]
    Stays { place: Place, name: String },
}

/// Holds what is left in the text of a lock to what was accepted. Files that it includes are pruned, and looked at, by
/// themselves.
pub(crate) fn look(path: &Path, text: &str, keep: &BTreeSet<ArtifactDigest>) -> Result<(), AgainError> {
    let mut items = everything(text, path)?.into_iter();
    match items.find(|item| item.place.path() == path && !is_accepted(item, keep)) {
        Some(item) => Err(AgainError::Stays { place: item.place, name: item.name }),
        None => Ok(()),
    }
}

/// What has no digest is no file: the judges decided about it, and there is nothing to cut out.
fn is_accepted(item: &Item, keep: &BTreeSet<ArtifactDigest>) -> bool {
    let listed = item.digest().or_else(|| item.package.as_ref().and_then(|package| package.digest));
    match (&item.question, listed) {
        (Question::Refused(GateError::NoFile), _) => true,
        (Question::Refused(_), _) => false,
        (_, digest) => digest.is_none_or(|digest| keep.contains(&digest)),
    }
}
