//! Counts, kept as entries come and as their standing changes.

use std::collections::HashMap;

use attest_core::api::record::{Counts, Standing};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::RecordError;

const COLUMNS: usize = 6;

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
    pub(super) fn add(&mut self, of: Of, standing: Standing, by: i64) {
        self.0.entry(of).or_default()[column(standing)] += by;
    }

    /// Adds them to what is stored.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), RecordError> {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO tally VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET
                 reproduced = reproduced + excluded.reproduced, equivalent = equivalent + excluded.equivalent,
                 abstained = abstained + excluded.abstained, contradicted = contradicted + excluded.contradicted,
                 withdrawals = withdrawals + excluded.withdrawals, others = others + excluded.others",
        )?;
        // In the order of the table, so that its pages are written one after the other.
        let mut changes: Vec<_> = self.0.drain().filter(|(_, by)| by.iter().any(|by| *by != 0)).collect();
        changes.sort_unstable();
        for (of, [a, b, c, d, e, f]) in changes {
            let (kind, id) = of.key();
            upsert.execute((kind, id, a, b, c, d, e, f))?;
        }
        Ok(())
    }
}

const fn column(standing: Standing) -> usize {
    match standing {
        Standing::Reproduced => 0,
        Standing::Equivalent => 1,
        Standing::Abstained => 2,
        Standing::Contradicted | Standing::ForeignCode => 3,
        Standing::Withdrawal => 4,
        Standing::Other => 5,
    }
}

/// What is stored of one thing.
pub(super) fn counts(connection: &Connection, of: Of) -> Result<Counts, RecordError> {
    let mut query = connection.prepare_cached(
        "SELECT reproduced, equivalent, abstained, contradicted, withdrawals, others FROM tally
         WHERE kind = ?1 AND id = ?2",
    )?;
    Ok(query.query_row(of.key(), |row| of_row(row, 0)).optional()?.unwrap_or_default())
}

/// Six columns from `first` on, in the order of the table.
pub(super) fn of_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
    let count = |at: usize| row.get::<_, i64>(first + at).map(|count| u64::try_from(count).unwrap_or_default());
    Ok(Counts {
        reproduced: count(0)?,
        equivalent: count(1)?,
        abstained: count(2)?,
        contradicted: count(3)?,
        withdrawals: count(4)?,
        others: count(5)?,
    })
}
