//! What the entries say, and whether the index finds them.

use std::sync::Arc;

use attest_core::{
    merkle::{LeafIndex, TreeSize},
    tile::Entry,
};
use axum::body::Bytes;
use serde::Serialize;

use super::finding::Fault;
use crate::{
    admission::admit,
    rebuilders::Rebuilders,
    store::index::{Keys, audit::Audit},
};

/// Entries by what they are. Nothing in here is a fault: what counts is for each reader's policy to say, and a log keeps
/// what it logged when a rebuilder leaves its list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Entries that are statements.
    pub(crate) statements: u64,
    /// Entries that are not; they are found by nothing and are nobody's vote.
    pub(crate) not_statements: u64,
    /// Statements whose signature a listed rebuilder made; only with a list.
    pub(crate) by_listed: u64,
    /// Statements whose signature nobody on the list made; only with a list.
    pub(crate) by_others: u64,
    /// What the index has to find: statements, artifacts, projects.
    #[serde(skip)]
    pub(crate) indexed: [u64; 3],
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.statements += other.statements;
        self.not_statements += other.not_statements;
        self.by_listed += other.by_listed;
        self.by_others += other.by_others;
        for (all, more) in self.indexed.iter_mut().zip(other.indexed) {
            *all += more;
        }
    }
}

/// Looks at entries, from any thread.
#[derive(Debug, Default)]
pub(crate) struct Inspector {
    /// The index, and the size below which it must have everything.
    pub(crate) index: Option<(Arc<Audit>, TreeSize)>,
    pub(crate) rebuilders: Option<Rebuilders>,
}

impl Inspector {
    /// Counts the entries from index `first` on, and says what the index does not find.
    pub(crate) fn look(&self, first: u64, entries: &[Entry]) -> (Counts, Vec<Fault>) {
        let (mut counts, mut faults) = (Counts::default(), Vec::new());
        for (index, entry) in (first..).zip(entries) {
            let keys = Keys::of_entry(entry.as_bytes());
            if keys.subject.is_none() {
                counts.not_statements += 1;
            } else {
                counts.statements += 1;
                match self.rebuilders.as_ref().map(|listed| admit(listed, Bytes::copy_from_slice(entry.as_bytes()))) {
                    None => {}
                    Some(Ok(_)) => counts.by_listed += 1,
                    Some(Err(_)) => counts.by_others += 1,
                }
            }
            if let Some((audit, covered)) = &self.index
                && covered.contains(LeafIndex::new(index))
            {
                let subject = u64::from(keys.subject.is_some());
                for (all, more) in
                    counts.indexed.iter_mut().zip([u64::from(keys.statement.is_some()), subject, subject])
                {
                    *all += more;
                }
                faults.extend(find(audit, LeafIndex::new(index), &keys));
            }
        }
        (counts, faults)
    }
}

/// Asks the index for one entry in every way that it is found by.
fn find(audit: &Audit, index: LeafIndex, keys: &Keys) -> Option<Fault> {
    match audit.missing(index, keys) {
        Ok(None) => None,
        Ok(Some(by)) => Some(Fault::new("index", format!("entry {index} to be found by its {by}"), "it is not")),
        Err(error) => Some(Fault::new("index", format!("to look for entry {index}"), crate::logging::chain(&error))),
    }
}
