//! Whether the same key signed the same statement before (docs/TRUST.md 2.5).
//!
//! Two entries are the same submission when the statementId and the public key are equal; the signature bytes are not
//! compared, since a key can sign the same bytes in many ways.

use std::collections::{HashMap, VecDeque};

use attest_core::{
    envelope::{Envelope, StatementId},
    key::PublicKey,
    merkle::{LeafIndex, TreeSize},
};
use sha2::{Digest, Sha256};

use super::pool::Item;
use crate::store::tree::{LogTree, ReadError};

/// Identity of a signer's whole key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SignerId([u8; 32]);

impl SignerId {
    pub(super) fn of(key: &PublicKey) -> Self {
        let mut hash = Sha256::new();
        for raw in key.raw_keys() {
            hash.update(raw.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

/// The first of `candidates` (entries with this statement) that `key` signed.
///
/// The signature is verified again: the index does not say who signed, and an entry does not name its key.
pub(super) fn find(
    tree: &LogTree,
    candidates: &[LeafIndex],
    id: StatementId,
    key: &PublicKey,
) -> Result<Option<LeafIndex>, ReadError> {
    for index in candidates {
        if signed_by(&tree.entry(*index)?, id, key) {
            return Ok(Some(*index));
        }
    }
    Ok(None)
}

fn signed_by(entry: &[u8], id: StatementId, key: &PublicKey) -> bool {
    let envelope = Envelope::parse(entry).ok().filter(|envelope| envelope.statement_id() == id);
    envelope.is_some_and(|envelope| envelope.verify(key).is_ok())
}

/// Statements that the first look into the index can have missed: everything from `start` on.
#[derive(Debug)]
pub(super) struct Recent {
    start: u64,
    by_statement: HashMap<StatementId, Vec<Known>>,
    /// By index from `start`; `None` for an entry that is no statement.
    order: VecDeque<Option<StatementId>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    index: u64,
    /// Not known for what an earlier process logged.
    signer: Option<SignerId>,
}

impl Recent {
    /// What an earlier process committed and did not seal.
    pub(super) fn recovered(tree: &LogTree) -> Self {
        let start = tree.index().covered().get();
        let mut recent = Self { start, by_statement: HashMap::new(), order: VecDeque::new() };
        for index in start..tree.size().get() {
            let record = tree.unsealed(LeafIndex::new(index));
            recent.push(record.and_then(|record| record.keys().statement), None);
        }
        recent
    }

    /// Notes the statement of the next entry.
    pub(super) fn push(&mut self, statement: Option<StatementId>, signer: Option<SignerId>) {
        let index = self.start + self.order.len() as u64;
        self.order.push_back(statement);
        if let Some(statement) = statement {
            self.by_statement.entry(statement).or_default().push(Known { index, signer });
        }
    }

    /// Takes back the entries from `size` on, which were not committed.
    pub(super) fn truncate(&mut self, size: TreeSize) {
        while self.start + self.order.len() as u64 > size.get() {
            if let Some(Some(statement)) = self.order.pop_back() {
                self.remove(statement, size.get()..);
            }
        }
    }

    /// Forgets what every look into the index finds by now.
    pub(super) fn forget(&mut self, below: TreeSize) {
        while self.start < below.get() {
            let Some(statement) = self.order.pop_front() else {
                break;
            };
            self.start += 1;
            if let Some(statement) = statement {
                self.remove(statement, ..self.start);
            }
        }
    }

    fn remove(&mut self, statement: StatementId, gone: impl std::ops::RangeBounds<u64>) {
        if let Some(known) = self.by_statement.get_mut(&statement) {
            known.retain(|known| !gone.contains(&known.index));
            if known.is_empty() {
                self.by_statement.remove(&statement);
            }
        }
    }

    /// Where the submission is logged already.
    pub(super) fn find(&self, tree: &LogTree, item: &Item) -> Result<Option<LeafIndex>, ReadError> {
        for known in self.by_statement.get(&item.id).into_iter().flatten() {
            let index = LeafIndex::new(known.index);
            match known.signer {
                Some(signer) if signer == item.signer => return Ok(Some(index)),
                Some(_) => {}
                None => {
                    if let Some(index) = find(tree, &[index], item.id, &item.key)? {
                        return Ok(Some(index));
                    }
                }
            }
        }
        if item.looked_below.get() >= self.start {
            return Ok(None);
        }
        // Sealed after the first look, and forgotten here before this one.
        let candidates = tree.index().statement(item.id)?;
        find(tree, &candidates, item.id, &item.key)
    }
}
