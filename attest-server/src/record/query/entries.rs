//! Rows of entries.

use attest_core::{
    api::record::{About, EntryRow, PAGE, Page, SignedBy, Standing},
    artifact::ArtifactDigest,
    envelope::StatementId,
    merkle::LeafIndex,
};
use rusqlite::{Row, ToSql};

use super::{Moment, before, count};
use crate::record::{
    RecordError,
    codes::Coded,
    facts::{Says, SourceDigest, prefix},
    number,
};

/// Columns of a row, whatever is asked for.
const COLUMNS: &str = "
    e.idx, e.standing, e.statement, e.outcome, e.origin, e.method, e.time, e.withdrawn_by,
    y.tag, y.name, y.grp, a.name, f.name, f.sha256, r.version, j.name, s.kind, s.digest, e.lack";
const JOINED: &str = "
    LEFT JOIN party y ON y.id = e.party LEFT JOIN author a ON a.id = e.author LEFT JOIN file f ON f.id = e.file
    LEFT JOIN release r ON r.id = f.release LEFT JOIN project j ON j.id = e.project LEFT JOIN source s ON s.id = e.source";

/// Which entries a list is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    /// All of them.
    All,
    /// About files of a project.
    Project(&'a str),
    /// About a file, whatever its name.
    File(ArtifactDigest),
    /// By a rebuilder, by the id of its key.
    Rebuilder(&'a str),
}

impl Moment<'_> {
    /// A page of entries below an index, newest first.
    pub(crate) fn entries(&self, which: Which<'_>, below: Option<LeafIndex>) -> Result<Page<EntryRow>, RecordError> {
        let mut items = self.newest(which, below, PAGE + 1)?;
        items.truncate(PAGE + 1);
        let next = (items.len() > PAGE).then(|| {
            items.truncate(PAGE);
            items.last().map(|last| last.index.to_string()).unwrap_or_default()
        });
        Ok(Page { items, next })
    }

    /// The newest entries below an index.
    pub(crate) fn newest(
        &self,
        which: Which<'_>,
        below: Option<LeafIndex>,
        limit: usize,
    ) -> Result<Vec<EntryRow>, RecordError> {
        let (below, limit) = (before(below), number(limit as u64));
        match which {
            Which::All => self.rows("entry e", "e.idx < ?1 ORDER BY e.idx DESC LIMIT ?2", (below, limit)),
            Which::Project(name) => self.rows(
                "entry e INDEXED BY entry_of_project",
                "e.project = (SELECT id FROM project WHERE name = ?3) AND e.idx < ?1 ORDER BY e.idx DESC LIMIT ?2",
                (below, limit, name),
            ),
            Which::File(digest) => self.rows(
                "entry e INDEXED BY entry_of_file",
                "e.file IN (SELECT id FROM file WHERE prefix = ?3 AND sha256 = ?4) AND e.idx < ?1
                 ORDER BY e.idx DESC LIMIT ?2",
                (below, limit, prefix(digest.as_bytes()), digest.as_bytes()),
            ),
            Which::Rebuilder(tag) => self.rows(
                "entry e INDEXED BY entry_of_party",
                "e.party = (SELECT id FROM party WHERE tag = ?3) AND e.idx < ?1 ORDER BY e.idx DESC LIMIT ?2",
                (below, limit, tag),
            ),
        }
    }

    /// The newest entries that prove a contradiction of this statement.
    pub(crate) fn contradicting(&self, statement: StatementId, limit: usize) -> Result<Vec<EntryRow>, RecordError> {
        self.rows(
            "entry e INDEXED BY entry_of_named",
            "e.names = ?1 AND e.says = ?2 AND e.standing = ?3 ORDER BY e.idx DESC LIMIT ?4",
            (statement.as_bytes(), Says::Contradicts.code(), Standing::Contradicted.code(), number(limit as u64)),
        )
    }

    /// One entry.
    pub(crate) fn entry(&self, index: LeafIndex) -> Result<Option<EntryRow>, RecordError> {
        Ok(self.rows("entry e", "e.idx = ?1", [number(index.get())])?.pop())
    }

    /// As [`Moment::entry`], of one that another row names.
    pub(super) fn named(&self, index: i64) -> Result<EntryRow, RecordError> {
        let found = self.rows("entry e", "e.idx = ?1", [index])?.pop();
        found.ok_or(RecordError::Damaged { what: "the index of an entry" })
    }

    pub(super) fn rows(
        &self,
        from: &str,
        which: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<EntryRow>, RecordError> {
        let query = format!("SELECT {COLUMNS} FROM {from} {JOINED} WHERE {which}");
        let mut query = self.connection.prepare_cached(&query)?;
        let mut rows = query.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(entry(row)?);
        }
        Ok(found)
    }

    /// One number, where there is one.
    pub(super) fn number(&self, query: &str, parameters: &[&dyn ToSql]) -> Result<Option<i64>, RecordError> {
        use rusqlite::OptionalExtension as _;
        let mut query = self.connection.prepare_cached(query)?;
        Ok(query.query_row(parameters, |row| row.get::<_, Option<i64>>(0)).optional()?.flatten())
    }
}

fn entry(row: &Row<'_>) -> Result<EntryRow, RecordError> {
    let standing = word(row, 1)?.ok_or(RecordError::Damaged { what: "the standing of an entry" })?;
    let commit = match row.get::<_, Option<i64>>(16)? {
        Some(1) => Some(hex(SourceDigest::commit_of(row.get_ref(17)?.as_blob().map_err(rusqlite::Error::from)?))),
        _ => None,
    };
    Ok(EntryRow {
        index: count(row.get(0)?)?,
        standing,
        by: signer(row)?,
        about: about(row)?,
        no_vote: word(row, 18)?,
        outcome: word(row, 3)?,
        origin: word(row, 4)?,
        method: word(row, 5)?,
        commit,
        stated_time: row.get::<_, Option<i64>>(6)?.map(count).transpose()?,
        withdrawn_by: row.get::<_, Option<i64>>(7)?.map(count).transpose()?,
    })
}

fn signer(row: &Row<'_>) -> Result<SignedBy, RecordError> {
    Ok(match row.get(8)? {
        Some(id) => SignedBy { id: Some(id), name: row.get(9)?, group: row.get(10)? },
        None => SignedBy { id: None, name: row.get::<_, Option<String>>(11)?.unwrap_or_default(), group: None },
    })
}

fn about(row: &Row<'_>) -> Result<Option<About>, RecordError> {
    let Some(statement) = row.get::<_, Option<[u8; 32]>>(2)? else {
        return Ok(None);
    };
    Ok(Some(About {
        statement_id: StatementId::from_bytes(statement),
        project: row.get(15)?,
        version: row.get(14)?,
        file: row.get(12)?,
        sha256: ArtifactDigest::from_bytes(row.get(13)?),
    }))
}

fn word<T: Coded>(row: &Row<'_>, at: usize) -> Result<Option<T>, RecordError> {
    let Some(code) = row.get::<_, Option<i64>>(at)? else {
        return Ok(None);
    };
    T::of_code(code).map(Some).ok_or(RecordError::Damaged { what: "a word of an entry" })
}

/// Of a standing that is stored in another table's query.
pub(super) fn standing(code: i64) -> Result<Standing, RecordError> {
    Standing::of_code(code).ok_or(RecordError::Damaged { what: "the standing of an entry" })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
