//! An entry on its way through the log: made once, then only pointed at.

use attest_core::{envelope::VerifiedStatement, merkle::LeafHash, tile::Entry};

use super::index::Keys;

/// An entry with its leaf hash and what it is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    entry: Entry,
    leaf: LeafHash,
    keys: Keys,
}

impl Record {
    /// The record of bytes that are in a log, whatever they are.
    pub fn of_entry(entry: Entry) -> Self {
        let keys = Keys::of_entry(entry.as_bytes());
        Self::new(entry, keys)
    }

    /// The record of a statement that was admitted: `entry` is the envelope that it was verified from.
    pub fn of_statement(entry: Entry, statement: &VerifiedStatement) -> Self {
        let keys = Keys::of_statement(statement.id(), statement.statement());
        Self::new(entry, keys)
    }

    fn new(entry: Entry, keys: Keys) -> Self {
        let leaf = LeafHash::of(entry.as_bytes());
        Self { entry, leaf, keys }
    }

    /// The bytes in the log.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Their hash in the tree.
    pub const fn leaf(&self) -> LeafHash {
        self.leaf
    }

    /// What they are found by.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }
}
