//! The list of a size: which shards changed since the last one, and their digests.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use attest_core::{
    merkle::{LeafIndex, TreeHead, TreeSize},
    negatives::{Listing, Record, Shard, ShardDigest, ShardId, Table, subject_of_entry},
    note::KeyName,
};
use sha2::{Digest as _, Sha256};

use super::ListError;
use crate::store::tree::LogTree;

/// Makes lists of one tree.
#[derive(Debug)]
pub struct Lister {
    tree: Arc<LogTree>,
    /// For each shard, what it was in the largest list so far.
    known: Mutex<Vec<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    digest: ShardDigest,
    count: u64,
    /// Of the list that it is from.
    upto: u64,
}

/// The list of the first entries of a log.
#[derive(Clone, Debug)]
pub struct List {
    size: TreeSize,
    table: Table,
    counts: Vec<u64>,
    /// Records of entries that were not sealed when it was made.
    unsealed: Arc<Vec<Record>>,
}

impl List {
    /// Digests of the shards.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Number of records.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Bytes of a shard.
    pub fn bytes(&self, shard: ShardId) -> usize {
        let count = self.counts.get(usize::from(shard.get())).copied().unwrap_or_default();
        usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(Record::LEN)
    }

    /// What a note says about it.
    pub fn listing(&self, origin: &KeyName, head: TreeHead) -> Result<Listing, ListError> {
        Ok(Listing::new(origin.clone(), head, self.count(), &self.table)?)
    }
}

impl Lister {
    /// For a tree.
    pub fn new(tree: Arc<LogTree>) -> Self {
        let nothing = Known { digest: ShardDigest::EMPTY, count: 0, upto: 0 };
        Self { tree, known: Mutex::new(vec![nothing; ShardId::COUNT]) }
    }

    /// The list of the first `size` entries, which the tree has. Costs what came since the last one: a shard is hashed
    /// again when it has records that are newer.
    pub fn list(&self, size: TreeSize) -> Result<List, ListError> {
        // The tail first: what is sealed in between is in the records then.
        let (sealed, mut unsealed) = self.tree.unsealed_negatives();
        let records = self.tree.index().negatives();
        let covered = records.covered();
        if covered < sealed.min(size) {
            return Err(ListError::Behind { covered, needed: sealed.min(size) });
        }
        let mut newest = records.newest();
        unsealed.retain(|record| size.contains(record.index));
        for record in &unsealed {
            if let Some(newest) = newest.get_mut(usize::from(ShardId::of(&record.subject).get())) {
                *newest = (*newest).max(record.index.get() + 1);
            }
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut table, mut counts) = (Table::empty(), Vec::with_capacity(ShardId::COUNT));
        for ((shard, newest), known) in ShardId::all().zip(newest).zip(known.iter_mut()) {
            let mut current = *known;
            if newest > known.upto.min(size.get()) {
                let (mut hash, mut count) = (Sha256::new(), 0);
                records.each(shard, size, &unsealed, |record| {
                    hash.update(record.to_bytes());
                    count += 1;
                })?;
                current = Known { digest: ShardDigest::from_bytes(hash.finalize().into()), count, upto: size.get() };
            }
            current.upto = current.upto.max(size.get());
            table.set(shard, current.digest);
            counts.push(current.count);
            if size.get() >= known.upto {
                *known = current;
            }
        }
        Ok(List { size, table, counts, unsealed: Arc::new(unsealed) })
    }

    /// The bytes of a shard of a list, however much the log has grown since; `None` when it is longer than anybody reads.
    pub fn shard(&self, list: &List, shard: ShardId) -> Result<Option<Vec<u8>>, ListError> {
        let length = list.bytes(shard);
        if length > Shard::MAX_LEN {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(length);
        let records = self.tree.index().negatives();
        records.each(shard, list.size, &list.unsealed, |record| bytes.extend(record.to_bytes()))?;
        let (expected, found) = (list.table.get(shard), ShardDigest::of(&bytes));
        if found != expected {
            return Err(ListError::Damaged { shard, expected, found });
        }
        Ok(Some(bytes))
    }

    /// The list by the entries alone: every one is read and judged. Slow; for who doubts the records.
    pub fn recount(&self, size: TreeSize) -> Result<List, ListError> {
        let mut all: BTreeSet<Record> = BTreeSet::new();
        for index in (0..size.get()).map(LeafIndex::new) {
            if let Some(subject) = subject_of_entry(&self.tree.entry(index)?) {
                all.insert(Record { subject, index });
            }
        }
        let (mut table, mut counts) = (Table::empty(), vec![0; ShardId::COUNT]);
        for shard in ShardId::all() {
            let of_shard = all.iter().filter(|record| ShardId::of(&record.subject) == shard);
            let records: Vec<_> = of_shard.flat_map(|record| record.to_bytes()).collect();
            table.set(shard, ShardDigest::of(&records));
            counts[usize::from(shard.get())] = (records.len() / Record::LEN) as u64;
        }
        Ok(List { size, table, counts, unsealed: Arc::default() })
    }
}
