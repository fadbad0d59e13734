//! What is handed to the sequencer: everything that can be computed beforehand is.

use std::sync::Arc;

use attest_core::{
    envelope::{StatementId, VerifiedStatement},
    key::PublicKey,
    tile::Entry,
};

use super::duplicates::SignerId;
use crate::store::record::Record;

/// A verified statement as it will be logged. The statement itself is not kept: nothing behind here reads it.
#[derive(Clone, Debug)]
pub struct Submission {
    pub(super) record: Arc<Record>,
    pub(super) id: StatementId,
    pub(super) signer: PublicKey,
    pub(super) signer_id: SignerId,
}

impl Submission {
    /// `entry` is the envelope that `statement` was verified from: its one canonical form, so the bytes that came in.
    pub fn new(entry: Entry, statement: &VerifiedStatement) -> Self {
        Self {
            record: Arc::new(Record::of_statement(entry, statement)),
            id: statement.id(),
            signer: statement.signer().clone(),
            signer_id: SignerId::of(statement.signer()),
        }
    }

    /// What will be logged.
    pub fn entry(&self) -> &Entry {
        self.record.entry()
    }

    /// The id of the statement.
    pub const fn id(&self) -> StatementId {
        self.id
    }

    /// Whose key verified it.
    pub const fn signer(&self) -> &PublicKey {
        &self.signer
    }
}
