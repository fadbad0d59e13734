//! Rebuilders, and where they do not agree.

use std::collections::BTreeSet;

use attest_core::{
    api::record::{Disagreement, DisagreementKind, PAGE, Page, RebuilderRow},
    merkle::LeafIndex,
};
use rusqlite::{OptionalExtension as _, Row};

use super::{Moment, before, count};
use crate::record::{
    RecordError,
    codes::Coded as _,
    number,
    tally::{self, Of},
};

/// A rebuilder on the list, and what only its own page shows.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) row: RebuilderRow,
    pub(crate) url: String,
    pub(crate) contact: String,
    pub(crate) certificate: Option<String>,
}

/// What signatures are checked with.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) fingerprint: String,
    /// Where it is an OpenPGP key.
    pub(crate) certificate: Option<String>,
}

impl Moment<'_> {
    /// The key of a rebuilder, by its id.
    pub(crate) fn key(&self, id: &str) -> Result<Option<Key>, RecordError> {
        let mut query = self.connection.prepare_cached("SELECT fingerprint, certificate FROM party WHERE tag = ?1")?;
        let key = |row: &Row<'_>| Ok(Key { fingerprint: row.get(0)?, certificate: row.get(1)? });
        Ok(query.query_row([id], key).optional()?)
    }

    /// Everybody on the list, by name.
    pub(crate) fn rebuilders(&self) -> Result<Vec<Listed>, RecordError> {
        let mut query = self.connection.prepare_cached(
            "SELECT id, tag, name, grp, fingerprint, url, contact, certificate,
                    (SELECT max(idx) FROM entry INDEXED BY entry_of_party WHERE party = y.id)
             FROM party y ORDER BY name, tag",
        )?;
        let mut rows = query.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            found.push(Listed {
                row: RebuilderRow {
                    id: row.get(1)?,
                    name: row.get(2)?,
                    group: row.get(3)?,
                    fingerprint: row.get(4)?,
                    counts: tally::counts(self.connection, Of::Party(id))?,
                    newest: row.get::<_, Option<i64>>(8)?.map(count).transpose()?,
                },
                url: row.get(5)?,
                contact: row.get(6)?,
                certificate: row.get(7)?,
            });
        }
        Ok(found)
    }

    /// A part of the list, after a rebuilder by the id of its key. `None` where there is no such one any more.
    pub(crate) fn rebuilders_after(&self, after: Option<&str>) -> Result<Option<Page<RebuilderRow>>, RecordError> {
        let all = self.rebuilders()?;
        let first = match after {
            None => 0,
            Some(id) => match all.iter().position(|listed| listed.row.id == id) {
                Some(at) => at + 1,
                None => return Ok(None),
            },
        };
        let mut items: Vec<RebuilderRow> = all.into_iter().skip(first).map(|listed| listed.row).collect();
        let next = (items.len() > PAGE).then(|| {
            items.truncate(PAGE);
            items.last().map(|last| last.id.clone()).unwrap_or_default()
        });
        Ok(Some(Page { items, next }))
    }

    /// The groups on the list, by name.
    pub(crate) fn groups(&self) -> Result<Vec<String>, RecordError> {
        let mut query = self.connection.prepare_cached("SELECT DISTINCT grp FROM party")?;
        let groups: BTreeSet<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(groups.into_iter().collect())
    }

    /// Where statements do not agree, newest first.
    pub(crate) fn disagreements(&self, below: Option<LeafIndex>) -> Result<Page<Disagreement>, RecordError> {
        // All of one entry are on one page, so that its index can be where the next one begins.
        const MOST_OF_ONE: usize = 16;
        let mut found = self.disagreeing("entry < ?1", before(below), None, PAGE + MOST_OF_ONE)?;
        let next = (found.len() > PAGE).then(|| {
            let cut = found[PAGE].0;
            let end = found.partition_point(|(entry, ..)| *entry > cut);
            // More than a page about one entry is cut short: it is one withdrawal of many copies of a statement.
            found.truncate(if end == 0 { PAGE } else { end });
            found.last().map(|last| last.0.to_string()).unwrap_or_default()
        });
        let items = found.into_iter().map(|found| self.disagreement(found)).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// Where a rebuilder, by the id of its key, and another do not agree; the newest, and whether there are older ones.
    pub(crate) fn disagreements_of(&self, id: &str) -> Result<(Vec<Disagreement>, bool), RecordError> {
        let Some(party) = self.number("SELECT id FROM party WHERE tag = ?1", &[&id])? else {
            return Ok((Vec::new(), false));
        };
        let mut found = self.disagreeing("party = ?2 AND entry < ?1", i64::MAX, Some(party), PAGE + 1)?;
        found.extend(self.disagreeing("other_party = ?2 AND entry < ?1", i64::MAX, Some(party), PAGE + 1)?);
        found.sort_by(|left, right| right.cmp(left));
        found.dedup();
        let more = found.len() > PAGE;
        found.truncate(PAGE);
        let found = found.into_iter().map(|found| self.disagreement(found)).collect::<Result<_, _>>()?;
        Ok((found, more))
    }

    fn disagreeing(
        &self,
        which: &str,
        below: i64,
        party: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, i64, i64)>, RecordError> {
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT entry, kind, other FROM disagreement WHERE {which} AND ?2 IS ?2 ORDER BY entry DESC LIMIT ?3"
        ))?;
        let rows =
            query.query_map((below, party, number(limit as u64)), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn disagreement(&self, (entry, kind, other): (i64, i64, i64)) -> Result<Disagreement, RecordError> {
        let kind = DisagreementKind::of_code(kind).ok_or(RecordError::Damaged { what: "a disagreement" })?;
        let other = (other >= 0).then(|| self.named(other)).transpose()?;
        Ok(Disagreement { kind, entry: self.named(entry)?, other })
    }
}
