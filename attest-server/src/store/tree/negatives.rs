//! The negatives that are not sealed yet.

use attest_core::{
    merkle::{LeafIndex, TreeSize},
    negatives::Record,
};

use super::LogTree;

impl LogTree {
    /// The negatives of the entries that are not sealed, and the index of the first such entry: those below are in the
    /// index by now.
    pub fn unsealed_negatives(&self) -> (TreeSize, Vec<Record>) {
        let (base, records) = {
            let tail = self.read();
            (tail.base(), tail.records(tail.base(), tail.size()).unwrap_or_default())
        };
        let records = (base..).zip(records).filter_map(|(index, record)| {
            Some(Record { subject: record.keys().negative_about()?, index: LeafIndex::new(index) })
        });
        (TreeSize::new(base), records.collect())
    }
}
