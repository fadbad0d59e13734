//! What statements come to together: docs/TRUST.md 3.8 (taking back) and 4.2 (contradictions), and disagreements.
//!
//! What is found depends on the entries alone and not on how they were divided into transactions: a statement that comes
//! later may prove an earlier one right, so everything about a file is looked at again whenever something new is said of it.
//! Of that, rows are read again and nothing else: entries are read, and disagreements written, only for what is new or is
//! named by it, so that who says much about one file makes nobody read it all again and again.

use std::collections::{BTreeMap, BTreeSet};

use attest_core::{
    api::record::{DisagreementKind, Standing},
    artifact::ArtifactDigest,
    dissent,
    envelope::{Envelope, StatementId},
    merkle::LeafIndex,
    statement::Statement,
    votes,
};
use rusqlite::Connection;

use super::{
    RecordError,
    book::{Batch, Counted},
    codes::Coded,
    facts::{Says, prefix},
    tally::Column,
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
    output: Option<i64>,
    source: Option<i64>,
    counted: Counted,
}

/// Which entries were not looked at together with the others yet.
#[derive(Clone, Copy)]
struct New(i64);

impl New {
    const fn has(self, one: &Said) -> bool {
        one.index >= self.0
    }
}

/// Looks at the files and inputs of which something was said. `from`: entries below it were looked at together already;
/// none where whose they are has changed.
pub(super) fn settle(batch: &mut Batch<'_>, from: Option<i64>) -> Result<(), RecordError> {
    for digest in std::mem::take(&mut batch.digests) {
        settle_digest(batch, &digest, from.map_or(New(0), New))?;
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

fn settle_digest(batch: &mut Batch<'_>, digest: &[u8; 32], new: New) -> Result<(), RecordError> {
    let mut said = said_about(batch.connection, digest)?;
    let withdrawn = taken_back(batch, &said, new)?;
    let judged = judged(batch, &said, new)?;
    let mut update =
        batch.connection.prepare_cached("UPDATE entry SET standing = ?2, withdrawn_by = ?3 WHERE idx = ?1")?;
    for one in &mut said {
        let standing = judged.get(&one.index).copied().unwrap_or(one.standing);
        let withdrawn_by = withdrawn.get(&one.index).copied();
        if (standing, withdrawn_by) != (one.standing, one.withdrawn_by) {
            update.execute((one.index, standing.code(), withdrawn_by))?;
            batch.count(one.counted, Column::of(one.standing, one.withdrawn_by), -1);
            batch.count(one.counted, Column::of(standing, withdrawn_by), 1);
            (one.standing, one.withdrawn_by) = (standing, withdrawn_by);
        }
    }
    weigh(batch, &said)
}

/// What a file comes to, name by name.
#[derive(Default)]
struct Weighed<'a> {
    votes: Vec<(&'a str, i64)>,
    equivalent: bool,
}

/// Writes what each file of a digest comes to. Whoever accuses it under one name votes for it under none (docs/TRUST.md
/// 3.7 and 4.3). Where a contradiction cannot be judged, because what it names is not here, whoever verifies is undecided:
/// then no threshold is met (docs/TRUST.md 4.2).
fn weigh(batch: &Batch<'_>, said: &[Said]) -> Result<(), RecordError> {
    let mut files: BTreeMap<i64, Weighed<'_>> = BTreeMap::new();
    let mut accusers: BTreeSet<&str> = BTreeSet::new();
    let mut statements: BTreeSet<StatementId> = BTreeSet::new();
    let mut is_undecided = false;
    for one in said {
        let file = files.entry(one.file).or_default();
        let stands = one.counted.party.filter(|_| one.withdrawn_by.is_none());
        let Some(group) = stands.and_then(|party| batch.parties.group(party)) else { continue };
        match one.standing {
            Standing::Reproduced => file.votes.extend(one.source.map(|source| (group, source))),
            Standing::Equivalent => file.equivalent = true,
            standing if standing.accuses() => {
                accusers.insert(group);
            }
            // It has a result where it lacks nothing but the statement that it names.
            Standing::Abstained if one.says == Says::Contradicts && one.inputs.is_some() => {
                if statements.is_empty() {
                    statements.extend(said.iter().map(|other| other.statement));
                }
                is_undecided |= one.names.is_some_and(|names| !statements.contains(&names));
            }
            _ => {}
        }
    }
    let mut update = batch.connection.prepare_cached(
        "UPDATE file SET groups = ?2, equivalent = ?3, apart = ?4, accused = ?5
         WHERE id = ?1 AND (groups, equivalent, apart, accused) <> (?2, ?3, ?4, ?5)",
    )?;
    for (file, Weighed { votes, equivalent }) in files {
        let mut sources: BTreeMap<&str, i64> = BTreeMap::new();
        let split: BTreeSet<&str> = votes
            .iter()
            .filter(|(group, source)| *sources.entry(group).or_insert(*source) != *source)
            .map(|(group, _)| *group)
            .collect();
        let apart = votes.iter().any(|(_, source)| *source != votes[0].1);
        let out = |group: &&str| accusers.contains(group) || split.contains(group);
        let groups = votes::agreement(votes, out).first().map_or(0, |(_, groups)| groups.len());
        let groups = if is_undecided { 0 } else { super::number(groups as u64) };
        let equivalent = equivalent && groups == 0 && !is_undecided;
        update.execute((file, groups, equivalent, apart, !accusers.is_empty()))?;
    }
    Ok(())
}

fn said_about(connection: &Connection, digest: &[u8; 32]) -> Result<Vec<Said>, RecordError> {
    let mut query = connection.prepare_cached(
        "SELECT e.idx, e.says, e.standing, e.file, e.statement, e.names, e.withdrawn_by, e.inputs,
                e.project, f.release, e.party, e.time, e.output, e.source
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
            output: row.get(12)?,
            source: row.get(13)?,
            counted: Counted { project: row.get(8)?, release: row.get(9)?, party: row.get(10)?, time: row.get(11)? },
        });
    }
    Ok(said)
}

/// docs/TRUST.md 3.8: which entries were taken back by which: by the same group, about the same file; what speaks for the
/// file at any index, what speaks against it only by a later one.
fn taken_back(batch: &Batch<'_>, said: &[Said], new: New) -> Result<BTreeMap<i64, i64>, RecordError> {
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
        if new.0 == 0 {
            // Whose they are has changed: what was found before may hold no more.
            forget(batch.connection, withdrawal.index, kind)?;
        }
        let (Some(by), Some(names)) = (group(withdrawal), withdrawal.names) else { continue };
        for one in of.get(&names).into_iter().flatten() {
            let in_order = one.says.claims() || (one.says != Says::Withdraws && one.index < withdrawal.index);
            if one.file == withdrawal.file && in_order && group(one) == Some(by) {
                taken.entry(one.index).or_insert(withdrawal.index);
                if new.has(withdrawal) || new.has(one) {
                    let (entry, other) = ((withdrawal.index, withdrawal.counted.party), (one.index, one.counted.party));
                    disagree(batch.connection, kind, entry, Some(other))?;
                }
            }
        }
    }
    Ok(taken)
}

/// What the accusations come to of which that is not known yet: new ones, and those that something new may prove right.
fn judged(batch: &Batch<'_>, said: &[Said], new: New) -> Result<BTreeMap<i64, Standing>, RecordError> {
    let is_open = |one: &&Said| {
        one.says == Says::Contradicts && one.counted.party.is_some() && (new.has(one) || !one.standing.accuses())
    };
    let accusations: Vec<&Said> = said.iter().filter(is_open).collect();
    if accusations.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut statements: BTreeMap<StatementId, Named<'_>> = BTreeMap::new();
    for one in said {
        let named = statements.entry(one.statement).or_insert(Named { first: one, listed: false, new: false });
        named.listed |= one.counted.party.is_some();
        named.new |= new.has(one);
    }
    let claims = Claims::of(said, new);
    let mut found = BTreeMap::new();
    for accuser in accusations {
        let Some(named) = accuser.names.and_then(|names| statements.get(&names)) else {
            found.insert(accuser.index, Standing::Abstained);
            continue;
        };
        if new.has(accuser) || named.new || claims.is_new(accuser.inputs) {
            found.insert(accuser.index, judge(batch, accuser, named, &claims)?);
        }
    }
    Ok(found)
}

/// A statement that an accusation may name. It may have been signed by several, strangers too.
struct Named<'a> {
    first: &'a Said,
    /// Somebody on the list signed it.
    listed: bool,
    new: bool,
}

/// The first claims of somebody on the list that certain inputs gave certain outputs; more of the same prove no more.
struct Claims<'a> {
    first: BTreeMap<i64, Vec<&'a Said>>,
    new: BTreeSet<i64>,
}

impl<'a> Claims<'a> {
    fn of(said: &'a [Said], new: New) -> Self {
        let mut claims = Self { first: BTreeMap::new(), new: BTreeSet::new() };
        for one in said.iter().filter(|one| one.says.claims() && one.counted.party.is_some()) {
            let Some(inputs) = one.inputs else { continue };
            let known = claims.first.entry(inputs).or_default();
            if known.len() < OUTPUTS && known.iter().all(|first| first.output != one.output) {
                known.push(one);
                if new.has(one) {
                    claims.new.insert(inputs);
                }
            }
        }
        claims
    }

    fn is_new(&self, inputs: Option<i64>) -> bool {
        inputs.is_some_and(|inputs| self.new.contains(&inputs))
    }

    /// Those of the same inputs and another output than this accusation's.
    fn against(&self, accuser: &Said) -> impl Iterator<Item = &'a Said> {
        let of = accuser.inputs.and_then(|inputs| self.first.get(&inputs));
        of.into_iter().flatten().copied().filter(move |claim| claim.output != accuser.output)
    }
}

/// docs/TRUST.md 4.2: whether it proves what it says. A statement of a stranger is not worth contradicting, unless somebody
/// on the list claims what it claims.
fn judge(batch: &Batch<'_>, accuser: &Said, named: &Named<'_>, claims: &Claims<'_>) -> Result<Standing, RecordError> {
    let accusation = statement(batch, accuser.index)?;
    let named_statement = statement(batch, named.first.index)?;
    let Ok(rebuilt) = dissent::contradiction(&accusation, named.first.statement, &named_statement) else {
        return Ok(Standing::Abstained);
    };
    if named.listed {
        return Ok(Standing::Contradicted);
    }
    for claim in claims.against(accuser) {
        if dissent::claims_otherwise(&statement(batch, claim.index)?, &accusation, rebuilt) {
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
    let envelope = Envelope::parse(&entry).ok();
    envelope.and_then(|envelope| Statement::parse(envelope.payload()).ok()).ok_or(damaged)
}
