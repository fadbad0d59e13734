//! The negatives list of a log (docs/TRUST.md 4.4): where every refutation and every withdrawal among its first N entries
//! is, so that hiding one shows. The format, for other implementations: `docs/negatives.md`.
//!
//! ```text
//! entries [0, N) -> records (subject sha256, index), sorted -> 256 shards by first byte -> table of their digests -> note
//! ```
//!
//! A client that has the note and the shards of the digests that it asks about knows all negatives for them: the note
//! names the digest of the table, the table that of each shard. In scope: what is a negative, records, shards, table,
//! note. Out of scope: who has to sign the note, and whether it is fresh ([`crate::verify`]).

mod edition;
mod listing;
mod shard;
mod table;

pub use self::{
    edition::{CompleteView, Edition, EditionError, Opened},
    listing::{HEADER, Listing, ListingError, ListingNote},
    shard::{Record, Shard, ShardDigest, ShardError, ShardId},
    table::{ListDigest, Table, TableError},
};
use crate::{
    artifact::ArtifactDigest,
    envelope::Envelope,
    statement::{Predicate, Statement},
};

/// Whether a statement is on the list: everything that speaks against a file, and everything that takes something back.
pub fn is_negative(statement: &Statement) -> bool {
    match statement.predicate() {
        Predicate::NotReproduced { .. } | Predicate::Withdrawn(_) => true,
        Predicate::Reproduced(_) | Predicate::Equivalent { .. } => false,
    }
}

/// The artifact that a log entry is a negative about. The one rule, for logs, mirrors and clients alike, and the widest
/// filter (docs/TRUST.md 4.3): the entry is a canonical envelope around a statement; who signed it, and whether the
/// signature holds, is not asked. Bytes that are no statement are none.
pub fn subject_of_entry(entry: &[u8]) -> Option<ArtifactDigest> {
    let envelope = Envelope::parse(entry).ok()?;
    let statement = Statement::parse(envelope.payload()).ok()?;
    is_negative(&statement).then(|| statement.subject().digest)
}
