//! Writing: entries become rows, many in one transaction, together with how many are covered.
//!
//! If we crash anywhere, the tables are those of some number of entries, and the next start goes on from there.

use std::{collections::BTreeSet, path::Path};

use attest_core::{
    api::record::Standing,
    merkle::{LeafIndex, TreeHead, TreeSize},
    tile::{Entry, root_from_tiles},
    votes::Recipes,
};
use rusqlite::Connection;

use super::{
    RecordError,
    codes::Coded,
    facts::{Facts, Says},
    names::{Names, Place},
    number,
    parties::{Difference, Parties},
    schema, settle,
    tally::{Changes, Column, Of},
};
use crate::{
    reader::{ReadError, Reader},
    rebuilders::Rebuilders,
};

const DAY: u64 = 86_400;

/// The one writer.
#[derive(Debug)]
pub(super) struct Book {
    connection: Connection,
    names: Names,
    parties: Parties,
    recipes: Recipes,
    covered: TreeHead,
}

/// A transaction, while it is put together.
pub(super) struct Batch<'a> {
    pub(super) connection: &'a Connection,
    pub(super) reader: &'a Reader,
    pub(super) parties: &'a mut Parties,
    pub(super) recipes: &'a Recipes,
    names: &'a mut Names,
    pub(super) changes: Changes,
    /// Digests of files of which something was said.
    pub(super) digests: BTreeSet<[u8; 32]>,
    /// Inputs of which a result was said, and from which entry on they are looked at.
    pub(super) inputs: BTreeSet<i64>,
}

impl Book {
    /// Goes on with the file at `path`, or makes it. `None`: what is there is not this log's record as `reader` has it.
    pub(super) fn open(path: &Path, vkey: &str, reader: &Reader) -> Result<Option<Self>, RecordError> {
        let Some(connection) = schema::open(path, vkey)? else {
            return Ok(None);
        };
        let covered = schema::covered(&connection)?;
        if covered.size > reader.published().head.size || head(reader, covered.size)? != covered {
            return Ok(None);
        }
        let (names, parties, recipes) = (Names::default(), Parties::default(), Recipes::new());
        Ok(Some(Self { connection, names, parties, recipes, covered }))
    }

    /// The entries that are in it.
    pub(super) const fn covered(&self) -> TreeSize {
        self.covered.size
    }

    /// Adds the next entries, in one transaction.
    pub(super) fn add(&mut self, reader: &Reader, entries: &[Entry]) -> Result<(), RecordError> {
        let first = self.covered.size.get();
        let below = TreeSize::new(first + entries.len() as u64);
        let covered = head(reader, below)?;
        self.within(reader, |batch| {
            for (index, entry) in (first..).zip(entries) {
                batch.insert(index, entry.as_bytes())?;
            }
            settle::settle(batch, Some(number(first)))?;
            schema::set_covered(batch.connection, covered)
        })?;
        self.covered = covered;
        Ok(())
    }

    /// Makes the tables those of this list of rebuilders.
    pub(super) fn attribute(&mut self, reader: &Reader, list: &Rebuilders) -> Result<(), RecordError> {
        let difference = Difference::between(&self.connection, list)?;
        if difference.is_empty() {
            self.parties = Parties::read(&self.connection, list)?;
            return Ok(());
        }
        self.within(reader, |batch| {
            difference.write(batch.connection)?;
            *batch.parties = Parties::read(batch.connection, list)?;
            for party in &difference.gone {
                batch.forget(*party)?;
            }
            for party in &difference.moved {
                batch.revisit(*party)?;
            }
            if !difference.new.is_empty() {
                batch.attribute()?;
            }
            settle::settle(batch, None)
        })
    }

    /// All that `work` writes, or nothing.
    fn within(
        &mut self,
        reader: &Reader,
        work: impl FnOnce(&mut Batch<'_>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let transaction = self.connection.unchecked_transaction()?;
        let mut batch = Batch {
            connection: &transaction,
            reader,
            parties: &mut self.parties,
            recipes: &self.recipes,
            names: &mut self.names,
            changes: Changes::default(),
            digests: BTreeSet::new(),
            inputs: BTreeSet::new(),
        };
        let done = work(&mut batch).and_then(|()| batch.changes.write(&transaction));
        let done = done.and_then(|()| Ok(transaction.commit()?));
        if done.is_err() {
            // It remembers numbers that were given out in a transaction that never was.
            self.names = Names::default();
        }
        done
    }
}

/// A row of an entry, as far as its counts need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) project: Option<i64>,
    pub(super) release: Option<i64>,
    pub(super) party: Option<i64>,
    pub(super) time: Option<i64>,
}

impl Batch<'_> {
    fn insert(&mut self, index: u64, entry: &[u8]) -> Result<(), RecordError> {
        let Some(facts) = Facts::of_entry(entry, self.recipes) else {
            let mut insert =
                self.connection.prepare_cached("INSERT INTO entry (idx, says, standing) VALUES (?1, ?2, ?3)")?;
            let says = Says::Nothing;
            insert.execute((number(index), says.code(), says.standing().code()))?;
            self.changes.add(Of::Everything, Column::of(says.standing(), None), 1);
            return Ok(());
        };
        let connection = self.connection;
        let place = self.names.place(connection, facts.statement.subject())?;
        let author = facts.author().map(|author| self.names.author(connection, author)).transpose()?;
        let source = facts.source().map(|source| self.names.source(connection, source)).transpose()?;
        let party = self.parties.signer(&facts);
        let says = facts.says();
        let standing = party.map_or(Says::Nothing.standing(), |_| says.standing());
        let (inputs, output) = facts.result().unzip();
        let time = facts.time().map(number);
        let mut insert = connection.prepare_cached(
            "INSERT INTO entry (idx, says, standing, party, author, project, file, statement, lack, outcome, origin,
                                method, source, time, inputs, output, names)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?;
        insert.execute(rusqlite::params![
            number(index),
            says.code(),
            standing.code(),
            party,
            author,
            place.project,
            place.file,
            facts.id.as_bytes(),
            facts.lack.map(Coded::code),
            facts.outcome().map(Coded::code),
            facts.origin().map(Coded::code),
            facts.method().map(Coded::code),
            source,
            time,
            inputs,
            output,
            facts.names().map(|id| *id.as_bytes()),
        ])?;
        let Place { project, release, .. } = place;
        let counted = Counted { project: Some(project), release: Some(release), party, time };
        self.count(counted, Column::of(standing, None), 1);
        self.digests.insert(*facts.statement.subject().digest.as_bytes());
        if party.is_some() {
            self.inputs.extend(inputs);
            settle::accuse(connection, number(index), says, party)?;
        }
        Ok(())
    }

    /// Counts an entry in all that it belongs to; with -1, not any more.
    pub(super) fn count(&mut self, entry: Counted, column: Column, by: i64) {
        self.changes.add(Of::Everything, column, by);
        let day = entry.time.map(|time| Of::Day(time.div_euclid(number(DAY))));
        let of = [entry.project.map(Of::Project), entry.release.map(Of::Release), entry.party.map(Of::Party), day];
        for of in of.into_iter().flatten() {
            self.changes.add(of, column, by);
        }
    }

    /// The entries of a key that is not listed any more are nobody's.
    fn forget(&mut self, party: i64) -> Result<(), RecordError> {
        self.each(Some(party), |batch, index, _, counted, old| {
            let nobody = Says::Nothing.standing();
            batch.count(counted, old, -1);
            batch.count(Counted { party: None, ..counted }, Column::of(nobody, None), 1);
            batch.set_party(index, None, nobody)
        })?;
        for column in ["party", "other_party"] {
            self.connection.execute(&format!("DELETE FROM disagreement WHERE {column} = ?1"), [party])?;
        }
        Ok(())
    }

    /// The files of a rebuilder that is of another group now.
    fn revisit(&mut self, party: i64) -> Result<(), RecordError> {
        let mut query = self
            .connection
            .prepare("SELECT DISTINCT f.sha256 FROM entry e JOIN file f ON f.id = e.file WHERE e.party = ?1")?;
        for digest in query.query_map([party], |row| row.get(0))? {
            self.digests.insert(digest?);
        }
        Ok(())
    }

    /// Asks again whose the entries of nobody are.
    fn attribute(&mut self) -> Result<(), RecordError> {
        self.each(None, |batch, index, says, counted, old| {
            let entry = batch.reader.entry(LeafIndex::new(u64::try_from(index).unwrap_or_default()))?;
            let Some(party) = Facts::of_entry(&entry, batch.recipes).and_then(|facts| batch.parties.signer(&facts))
            else {
                return Ok(());
            };
            batch.count(counted, old, -1);
            batch.count(Counted { party: Some(party), ..counted }, Column::of(says.standing(), None), 1);
            batch.set_party(index, Some(party), says.standing())?;
            settle::accuse(batch.connection, index, says, Some(party))
        })
    }

    fn set_party(&self, index: i64, party: Option<i64>, standing: Standing) -> Result<(), RecordError> {
        let update = "UPDATE entry SET party = ?2, standing = ?3, withdrawn_by = NULL WHERE idx = ?1";
        self.connection.prepare_cached(update)?.execute((index, party, standing.code()))?;
        Ok(())
    }

    /// Every statement of a party, or of nobody, some at a time: what is asked for must not change while it is read.
    fn each(
        &mut self,
        party: Option<i64>,
        mut work: impl FnMut(&mut Self, i64, Says, Counted, Column) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        const AT_ONCE: usize = 4_096;
        let mut from = -1;
        loop {
            let mut query = self.connection.prepare_cached(
                "SELECT e.idx, e.says, e.standing, e.project, f.release, e.time, f.sha256, e.inputs, e.withdrawn_by
                 FROM entry e JOIN file f ON f.id = e.file WHERE e.party IS ?1 AND e.idx > ?2 ORDER BY e.idx LIMIT ?3",
            )?;
            let rows = query.query_map((party, from, number(AT_ONCE as u64)), |row| {
                let counted = Counted { project: row.get(3)?, release: row.get(4)?, party, time: row.get(5)? };
                let words: (i64, i64, Option<i64>) = (row.get(1)?, row.get(2)?, row.get(8)?);
                let touched: ([u8; 32], Option<i64>) = (row.get(6)?, row.get(7)?);
                Ok((row.get::<_, i64>(0)?, words, counted, touched))
            })?;
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            for (index, (says, standing, withdrawn_by), counted, (digest, inputs)) in &rows {
                let damaged = RecordError::Damaged { what: "a row of an entry" };
                let (Some(says), Some(standing)) = (Says::of_code(*says), Coded::of_code(*standing)) else {
                    return Err(damaged);
                };
                self.digests.insert(*digest);
                self.inputs.extend(inputs);
                work(self, *index, says, *counted, Column::of(standing, *withdrawn_by))?;
            }
            match rows.last() {
                Some((last, ..)) if rows.len() == AT_ONCE => from = *last,
                _ => return Ok(()),
            }
        }
    }
}

/// The head of the published tree when it had that many entries.
fn head(reader: &Reader, size: TreeSize) -> Result<TreeHead, ReadError> {
    let root = root_from_tiles(size, |tile| reader.tree().hashes(tile))?;
    Ok(TreeHead { size, root })
}
