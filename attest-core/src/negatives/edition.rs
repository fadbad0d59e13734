//! A note with its table and some of its shards, as servers hand them out.
use super::{ListingError, ListingNote, Record, Shard, ShardDigest, ShardError, ShardId, Table, TableError};
use crate::artifact::ArtifactDigest;
use std::collections::BTreeMap;

/// What a log or mirror says about the negatives of one size; nothing in it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The signed note.
    pub note: Vec<u8>,
    /// The table.
    pub table: Vec<u8>,
    /// Some of the shards, at most one of each.
    pub shards: Vec<(ShardId, Vec<u8>)>,
    /// Checkpoint notes of that size: who witnessed it, and when.
    pub checkpoints: Vec<Vec<u8>>,
}

impl Edition {
    /// Checks that the parts belong together: the table is the note's, the shards are the table's. Who signed is not
    /// looked at.
    pub fn open(&self) -> Result<Opened, EditionError> {
        let note = ListingNote::parse(&self.note)?;
        let table = Table::parse(&self.table)?;
        if table.digest() != note.listing().list() {
            return Err(EditionError::OtherTable);
        }
        let mut opened = Opened { note, table, shards: BTreeMap::new() };
        for (id, bytes) in &self.shards {
            opened.add(*id, bytes)?;
        }
        Ok(opened)
    }
}

/// Note, table and shards that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    note: ListingNote,
    table: Table,
    shards: BTreeMap<ShardId, Shard>,
}

impl Opened {
    /// The note.
    pub const fn note(&self) -> &ListingNote {
        &self.note
    }

    /// The table.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Adds a shard that was fetched by itself.
    pub fn add(&mut self, id: ShardId, bytes: &[u8]) -> Result<(), EditionError> {
        let expected = self.table.get(id);
        // Before anything in it is read: it is what the signers looked at, or nothing.
        if ShardDigest::of(bytes) != expected {
            return Err(EditionError::OtherShard { shard: id, expected });
        }
        let shard = Shard::parse(id, bytes)?;
        let size = self.note.listing().head().size;
        if let Some(record) = shard.records().iter().find(|record| !size.contains(record.index)) {
            return Err(EditionError::Beyond { shard: id, record: *record });
        }
        self.shards.insert(id, shard);
        self.check_count()
    }

    /// Adds what another server had of the same list.
    pub(crate) fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.note.listing(), other.note.listing(), "of one listing");
        self.shards.extend(other.shards);
    }

    /// The count cannot be recomputed from some of the shards, but it must be possible with them, and right with all.
    fn check_count(&self) -> Result<(), EditionError> {
        let known: usize = self.shards.values().map(|shard| shard.records().len()).sum();
        let unknown = self.table.occupied().filter(|id| !self.shards.contains_key(id)).count();
        let count = self.note.listing().count();
        // A shard that is not here and not empty has a record at least.
        let found = known as u64 + unknown as u64;
        if found > count || (unknown == 0 && found != count) {
            return Err(EditionError::Count { expected: count, found });
        }
        Ok(())
    }

    /// All negatives about an artifact among the entries of the note's tree; `None` when the shard is not here. A shard
    /// without records needs none.
    pub fn about(&self, subject: &ArtifactDigest) -> Option<&[Record]> {
        let id = ShardId::of(subject);
        if self.table.get(id) == ShardDigest::EMPTY {
            return Some(&[]);
        }
        self.shards.get(&id).map(|shard| shard.about(subject))
    }

    /// Shards with records that these digests need and that are not here.
    pub fn missing<'a>(&self, subjects: impl IntoIterator<Item = &'a ArtifactDigest>) -> Vec<ShardId> {
        let mut missing: Vec<_> =
            subjects.into_iter().filter(|subject| self.about(subject).is_none()).map(ShardId::of).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// All negatives about these artifacts, if the note is right.
    ///
    /// # Errors
    /// [`EditionError::Missing`] names the first shard that is not here.
    pub fn complete(&self, subjects: &[ArtifactDigest]) -> Result<CompleteView, EditionError> {
        let mut records = Vec::new();
        for subject in subjects {
            let shard = ShardId::of(subject);
            records.extend_from_slice(self.about(subject).ok_or(EditionError::Missing { shard })?);
        }
        records.sort_unstable();
        records.dedup();
        Ok(CompleteView { note: self.note.clone(), records })
    }
}

/// "These are all negatives about these artifacts as of that size", by the word of whoever signed the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteView {
    note: ListingNote,
    records: Vec<Record>,
}

impl CompleteView {
    /// Whose word it is, and about which tree.
    pub const fn note(&self) -> &ListingNote {
        &self.note
    }

    /// The negatives, sorted.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

/// Why note, table and shards do not go together. The party at fault is whoever handed them out, unless one who signed
/// the note is: what is out of order under a right digest was signed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditionError {
    /// A record of an entry that the note's tree does not have.
    #[error("expected records of entries that the note's tree has in shard {shard}, found index {}", record.index)]
    Beyond {
        /// Which.
        shard: ShardId,
        /// The record.
        record: Record,
    },
    /// Shards with another number of records than the note says.
    #[error("expected {expected} negatives in all, found shards for {found} at least")]
    Count {
        /// In the note.
        expected: u64,
        /// In the shards at hand, and one for each other that is not empty.
        found: u64,
    },
    /// A shard that is needed is not here.
    #[error("shard {shard} of the negatives is missing")]
    Missing {
        /// Which.
        shard: ShardId,
    },
    /// The note is malformed.
    #[error(transparent)]
    Note(#[from] ListingError),
    /// A shard with another digest than the table has.
    #[error("expected shard {shard} of the negatives to have the SHA-256 {expected}, found another")]
    OtherShard {
        /// Which.
        shard: ShardId,
        /// In the table.
        expected: ShardDigest,
    },
    /// A table with another digest than the note has.
    #[error("expected the table of shards that the note names, found another")]
    OtherTable,
    /// A shard is malformed.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The table is malformed.
    #[error(transparent)]
    Table(#[from] TableError),
}
