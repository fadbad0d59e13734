//! Asking: every answer is of one moment of the record, and a few indexed queries.
//!
//! Where a query joins, CROSS JOIN says in which order: SQLite has no statistics here that it could find a better one by.

mod entries;
mod files;
mod log;
mod projects;
mod rebuilders;
mod search;

use attest_core::merkle::{LeafIndex, TreeHead};
use rusqlite::Connection;

pub(crate) use self::{entries::Which, rebuilders::Key};
use super::{RecordError, number, schema};
use crate::reader::Reader;

/// The record as it is at one moment.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    connection: &'a Connection,
    reader: &'a Reader,
    covered: TreeHead,
}

impl<'a> Moment<'a> {
    pub(super) fn new(connection: &'a Connection, reader: &'a Reader) -> Result<Self, RecordError> {
        Ok(Self { connection, reader, covered: schema::covered(connection)? })
    }

    /// Entries that are in it.
    pub(crate) const fn covered(&self) -> TreeHead {
        self.covered
    }

    /// The log that it is of.
    pub(crate) const fn reader(&self) -> &Reader {
        self.reader
    }
}

/// Where a page begins: below an index, or at the end.
fn before(index: Option<LeafIndex>) -> i64 {
    index.map_or(i64::MAX, |index| number(index.get()))
}

/// A number of the tables that cannot be negative.
fn count(number: i64) -> Result<u64, RecordError> {
    u64::try_from(number).map_err(|_| RecordError::Damaged { what: "a number" })
}
