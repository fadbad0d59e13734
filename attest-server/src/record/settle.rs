//! What statements come to together: docs/TRUST.md 3.8 (taking back) and 4.2 (contradictions), and disagreements.
//!
//! What is found depends on the entries alone and not on how they were divided into transactions: a statement that comes
//! later may prove an earlier one right, so everything about a file is looked at again whenever something new is said of it.

use std::collections::{BTreeMap, BTreeSet};

use attest_core::{
    api::record::{DisagreementKind, Standing},
    artifact::ArtifactDigest,
    dissent,
    envelope::StatementId,
    merkle::LeafIndex,
    statement::Statement,
};
use rusqlite::Connection;

use super::{
    RecordError,
    book::{Batch, Counted},
    codes::Coded,
    facts::{Facts, Says, prefix},
};

/// Outputs of the same inputs that are told apart: two are a disagreement, and more make it no worse.
const OUTPUTS: usize = 16;

/// What was said about one digest.
struct Said {
    index: i64,
    says: Says,
    standing: Standing,
    file: i64,
    statement: StatementId,
    names: Option<StatementId>,
    withdrawn_by: Option<i64>,
    inputs: Option<i64>,
    counted: Counted,
}

/// Looks at the files and inputs of which something was said. `from`: entries below it were looked at together already;
/// none where whose they are has changed.
pub(super) fn settle(batch: &mut Batch<'_>, from: Option<i64>) -> Result<(), RecordError> {
    for digest in std::mem::take(&mut batch.digests) {
        settle_digest(batch, &digest)?;
    }
    for inputs in std::mem::take(&mut batch.inputs) {
        settle_inputs(batch, inputs, from.unwrap_or(0))?;
    }
    Ok(())
}

/// A statement that proves something by itself is a disagreement of its own.
pub(super) fn accuse(connection: &Connection, index: i64, says: Says, party: Option<i64>) -> Result<(), RecordError> {
    if says != Says::ForeignCode {
        return Ok(());
    }
    disagree(connection, DisagreementKind::ForeignCode, (index, party), None)
}

/// `other`: -1 stands for none, because a primary key has no NULL.
fn disagree(
    connection: &Connection,
    kind: DisagreementKind,
    entry: (i64, Option<i64>),
    other: Option<(i64, Option<i64>)>,
) -> Result<(), RecordError> {
    let (other, other_party) = other.unwrap_or((-1, None));
    connection.prepare_cached("INSERT OR REPLACE INTO disagreement VALUES (?1, ?2, ?3, ?4, ?5)")?.execute((
        entry.0,
        kind.code(),
        other,
        entry.1,
        other_party,
    ))?;
    Ok(())
}

fn forget(connection: &Connection, entry: i64, kind: DisagreementKind) -> Result<(), RecordError> {
    let forget = "DELETE FROM disagreement WHERE entry = ?1 AND kind = ?2";
    connection.prepare_cached(forget)?.execute((entry, kind.code()))?;
    Ok(())
}

fn settle_digest(batch: &mut Batch<'_>, digest: &[u8; 32]) -> Result<(), RecordError> {
    let said = said_about(batch.connection, digest)?;
    let withdrawn = taken_back(batch, &said)?;
    let mut groups: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    let mut standings = Vec::new();
    for one in &said {
        groups.entry(one.file).or_default();
        let withdrawn_by = withdrawn.get(&one.index).copied();
        let standing = match one.says {
            Says::Contradicts if one.counted.party.is_some() => judge(batch, &said, one)?,
            _ => one.standing,
        };
        if (standing, withdrawn_by) != (one.standing, one.withdrawn_by) {
            standings.push((one, standing, withdrawn_by));
        }
        if let (Says::Reproduced, Some(party), None) = (one.says, one.counted.party, withdrawn_by) {
            groups.entry(one.file).or_default().extend(batch.parties.group(party));
        }
    }
    let mut update = batch.connection.prepare_cached("UPDATE file SET groups = ?2 WHERE id = ?1 AND groups <> ?2")?;
    for (file, groups) in &groups {
        update.execute((file, super::number(groups.len() as u64)))?;
    }
    let mut update =
        batch.connection.prepare_cached("UPDATE entry SET standing = ?2, withdrawn_by = ?3 WHERE idx = ?1")?;
    for (one, standing, withdrawn_by) in standings {
        update.execute((one.index, standing.code(), withdrawn_by))?;
        batch.count(one.counted, one.standing, -1);
        batch.count(one.counted, standing, 1);
    }
    Ok(())
}

fn said_about(connection: &Connection, digest: &[u8; 32]) -> Result<Vec<Said>, RecordError> {
    let mut query = connection.prepare_cached(
        "SELECT e.idx, e.says, e.standing, e.file, e.statement, e.names, e.withdrawn_by, e.inputs,
                e.project, f.release, e.party, e.time
         FROM file f CROSS JOIN entry e INDEXED BY entry_of_file ON e.file = f.id
         WHERE f.prefix = ?1 AND f.sha256 = ?2 ORDER BY e.idx",
    )?;
    let mut rows = query.query((prefix(digest), digest))?;
    let mut said = Vec::new();
    while let Some(row) = rows.next()? {
        let damaged = RecordError::Damaged { what: "a row of an entry" };
        let (Some(says), Some(standing)) = (Says::of_code(row.get(1)?), Standing::of_code(row.get(2)?)) else {
            return Err(damaged);
        };
        said.push(Said {
            index: row.get(0)?,
            says,
            standing,
            file: row.get(3)?,
            statement: StatementId::from_bytes(row.get(4)?),
            names: row.get::<_, Option<[u8; 32]>>(5)?.map(StatementId::from_bytes),
            withdrawn_by: row.get(6)?,
            inputs: row.get(7)?,
            counted: Counted { project: row.get(8)?, release: row.get(9)?, party: row.get(10)?, time: row.get(11)? },
        });
    }
    Ok(said)
}

/// docs/TRUST.md 3.8: which entries were taken back by which: by the same group, about the same file; what speaks for the
/// file at any index, what speaks against it only by a later one.
fn taken_back(batch: &Batch<'_>, said: &[Said]) -> Result<BTreeMap<i64, i64>, RecordError> {
    let mut taken = BTreeMap::new();
    let group = |one: &Said| one.counted.party.and_then(|party| batch.parties.group(party));
    let mut of: BTreeMap<StatementId, Vec<&Said>> = BTreeMap::new();
    for withdrawal in said.iter().filter(|one| one.says == Says::Withdraws) {
        if of.is_empty() {
            for one in said {
                of.entry(one.statement).or_default().push(one);
            }
        }
        let kind = DisagreementKind::Withdrawn;
        forget(batch.connection, withdrawal.index, kind)?;
        let (Some(by), Some(names)) = (group(withdrawal), withdrawal.names) else { continue };
        for one in of.get(&names).into_iter().flatten() {
            let in_order = one.says.claims() || (one.says != Says::Withdraws && one.index < withdrawal.index);
            if one.file == withdrawal.file && in_order && group(one) == Some(by) {
                taken.entry(one.index).or_insert(withdrawal.index);
                let (entry, other) = ((withdrawal.index, withdrawal.counted.party), (one.index, one.counted.party));
                disagree(batch.connection, kind, entry, Some(other))?;
            }
        }
    }
    Ok(taken)
}

/// docs/TRUST.md 4.2: whether it proves what it says. A statement of a stranger is not worth contradicting, unless somebody
/// on the list claims what it claims.
fn judge(batch: &Batch<'_>, said: &[Said], accuser: &Said) -> Result<Standing, RecordError> {
    let Some(named_id) = accuser.names else {
        return Ok(Standing::Abstained);
    };
    let mut named = said.iter().filter(|one| one.statement == named_id);
    // The same statement may have been signed by a stranger too.
    let Some(first) = named.clone().next() else {
        return Ok(Standing::Abstained);
    };
    let accusation = statement(batch, accuser.index)?;
    let Ok(rebuilt) = dissent::contradiction(&accusation, named_id, &statement(batch, first.index)?) else {
        return Ok(Standing::Abstained);
    };
    if named.any(|one| one.counted.party.is_some()) {
        return Ok(Standing::Contradicted);
    }
    let claims = |one: &&Said| one.says.claims() && one.counted.party.is_some() && one.inputs == accuser.inputs;
    for one in said.iter().filter(claims) {
        if dissent::claims_otherwise(&statement(batch, one.index)?, &accusation, rebuilt) {
            return Ok(Standing::Contradicted);
        }
    }
    Ok(Standing::Abstained)
}

/// One result of some inputs.
#[derive(Clone, Copy)]
struct Outcome {
    index: i64,
    party: i64,
    output: i64,
}

/// For every entry from `from` on the earliest one that says of the same inputs that they gave something else.
fn settle_inputs(batch: &Batch<'_>, inputs: i64, from: i64) -> Result<(), RecordError> {
    let mut query = batch
        .connection
        .prepare_cached("SELECT idx, party, output FROM entry WHERE inputs = ?1 AND party IS NOT NULL ORDER BY idx")?;
    let rows =
        query.query_map([inputs], |row| Ok(Outcome { index: row.get(0)?, party: row.get(1)?, output: row.get(2)? }))?;
    let mut firsts: Vec<First> = Vec::new();
    for row in rows {
        let row = row?;
        if row.index >= from && firsts.iter().any(|first| first.outcome.output != row.output) {
            let kind = DisagreementKind::SameInputs;
            forget(batch.connection, row.index, kind)?;
            if let Some(other) = other_result(batch, row, &mut firsts)? {
                let (entry, other) = ((row.index, Some(row.party)), (other.index, Some(other.party)));
                disagree(batch.connection, kind, entry, Some(other))?;
            }
        }
        if firsts.len() < OUTPUTS && firsts.iter().all(|first| first.outcome.output != row.output) {
            firsts.push(First { outcome: row, whole: None });
        }
    }
    Ok(())
}

/// The earliest entry with an output.
struct First {
    outcome: Outcome,
    /// Inputs and output in full, once somebody asked.
    whole: Option<(ArtifactDigest, ArtifactDigest)>,
}

/// The rows hold the beginnings of digests, which may be made alike: that it is the same inputs is read in the entries.
fn other_result(batch: &Batch<'_>, row: Outcome, firsts: &mut [First]) -> Result<Option<Outcome>, RecordError> {
    let Some((inputs, output)) = dissent::result(&statement(batch, row.index)?) else {
        return Ok(None);
    };
    for first in firsts.iter_mut().filter(|first| first.outcome.output != row.output) {
        if first.whole.is_none() {
            first.whole = dissent::result(&statement(batch, first.outcome.index)?);
        }
        if first.whole.is_some_and(|whole| whole.0 == inputs && whole.1 != output) {
            return Ok(Some(first.outcome));
        }
    }
    Ok(None)
}

/// The statement of an entry that is known to be one.
fn statement(batch: &Batch<'_>, index: i64) -> Result<Statement, RecordError> {
    let damaged = RecordError::Damaged { what: "a row of an entry" };
    let index = u64::try_from(index).map_err(|_| RecordError::Damaged { what: "an index" })?;
    let entry = batch.reader.entry(LeafIndex::new(index))?;
    Ok(Facts::of_entry(&entry).ok_or(damaged)?.statement)
}
