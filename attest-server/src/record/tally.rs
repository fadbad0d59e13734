//! Counts, kept as entries come and as their standing changes.

use std::collections::HashMap;

use attest_core::api::record::{Counts, Standing};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::RecordError;

const COLUMNS: usize = 8;

/// Of what there are counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Of {
    Everything,
    Project(i64),
    Release(i64),
    Party(i64),
    /// A day by its number since 1970, as statements say they were made.
    Day(i64),
}

impl Of {
    pub(super) const PROJECT: i64 = 1;
    pub(super) const RELEASE: i64 = 2;
    pub(super) const PARTY: i64 = 3;
    pub(super) const DAY: i64 = 4;

    const fn key(self) -> (i64, i64) {
        match self {
            Self::Everything => (0, 0),
            Self::Project(id) => (Self::PROJECT, id),
            Self::Release(id) => (Self::RELEASE, id),
            Self::Party(id) => (Self::PARTY, id),
            Self::Day(day) => (Self::DAY, day),
        }
    }
}

/// What counts change by, until it is written.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<Of, [i64; COLUMNS]>);

impl Changes {
    /// One more or, with -1, one less.
    pub(super) fn add(&mut self, of: Of, column: Column, by: i64) {
        self.0.entry(of).or_default()[column.0] += by;
    }

    /// Adds them to what is stored.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), RecordError> {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO tally VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET
                 reproduced = reproduced + excluded.reproduced, no_votes = no_votes + excluded.no_votes,
                 equivalent = equivalent + excluded.equivalent, abstained = abstained + excluded.abstained,
                 contradicted = contradicted + excluded.contradicted, withdrawn = withdrawn + excluded.withdrawn,
                 withdrawals = withdrawals + excluded.withdrawals, others = others + excluded.others",
        )?;
        // In the order of the table, so that its pages are written one after the other.
        let mut changes: Vec<_> = self.0.drain().filter(|(_, by)| by.iter().any(|by| *by != 0)).collect();
        changes.sort_unstable();
        for (of, [a, b, c, d, e, f, g, h]) in changes {
            let (kind, id) = of.key();
            upsert.execute((kind, id, a, b, c, d, e, f, g, h))?;
        }
        Ok(())
    }
}

/// What an entry counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column(usize);

impl Column {
    /// Of what it comes to by itself, and what takes it back.
    pub(super) const fn of(standing: Standing, withdrawn_by: Option<i64>) -> Self {
        Self(match (withdrawn_by, standing) {
            (Some(_), _) => 5,
            (None, Standing::Reproduced) => 0,
            (None, Standing::NoVote) => 1,
            (None, Standing::Equivalent) => 2,
            (None, Standing::Abstained) => 3,
            (None, Standing::Contradicted | Standing::ForeignCode) => 4,
            (None, Standing::Withdrawal) => 6,
            (None, Standing::Other) => 7,
        })
    }
}

/// The columns of counts, for queries that join.
pub(super) const OF_T: &str =
    "t.reproduced, t.no_votes, t.equivalent, t.abstained, t.contradicted, t.withdrawn, t.withdrawals, t.others";

/// What is stored of one thing.
pub(super) fn counts(connection: &Connection, of: Of) -> Result<Counts, RecordError> {
    let mut query = connection.prepare_cached(&format!("SELECT {OF_T} FROM tally t WHERE kind = ?1 AND id = ?2"))?;
    Ok(query.query_row(of.key(), |row| of_row(row, 0)).optional()?.unwrap_or_default())
}

/// Eight columns from `first` on, in the order of the table.
pub(super) fn of_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
    let count = |at: usize| row.get::<_, i64>(first + at).map(|count| u64::try_from(count).unwrap_or_default());
    Ok(Counts {
        reproduced: count(0)?,
        no_votes: count(1)?,
        equivalent: count(2)?,
        abstained: count(3)?,
        contradicted: count(4)?,
        withdrawn: count(5)?,
        withdrawals: count(6)?,
        others: count(7)?,
    })
}
