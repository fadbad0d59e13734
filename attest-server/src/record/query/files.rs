//! Files, and what each group says of them.

use std::collections::BTreeMap;

use attest_core::{
    api::record::{Agreement, Cell, FileRow, Standing},
    artifact::ArtifactDigest,
};

use super::{Moment, entries};
use crate::record::{
    RecordError,
    codes::Coded as _,
    facts::{Says, SourceDigest, prefix},
    number,
};

/// Sources of one file in one answer: more than one is worth a look already.
const MAX_SOURCES: usize = 20;

impl Moment<'_> {
    /// The files of a digest, the one that most groups reproduced first.
    pub(crate) fn files_of(&self, sha256: ArtifactDigest) -> Result<Vec<FileRow>, RecordError> {
        let found = self.number(
            "SELECT id FROM file WHERE prefix = ?1 AND sha256 = ?2 ORDER BY groups DESC, id LIMIT 1",
            &[&prefix(sha256.as_bytes()), sha256.as_bytes()],
        )?;
        let Some(first) = found else {
            return Ok(Vec::new());
        };
        let others = "f.prefix = (SELECT prefix FROM file WHERE id = ?1)
                      AND f.sha256 = (SELECT sha256 FROM file WHERE id = ?1) AND f.id <> ?1";
        let mut files = self.files("f.id = ?1", [first])?;
        files.extend(self.files(&format!("{others} ORDER BY f.id LIMIT ?2"), (first, number(MAX_SOURCES as u64)))?);
        Ok(files)
    }

    /// How many entries are about a file, whatever its name.
    pub(crate) fn said_about(&self, sha256: ArtifactDigest) -> Result<u64, RecordError> {
        let query = "SELECT count(*) FROM file f CROSS JOIN entry e INDEXED BY entry_of_file ON e.file = f.id
                     WHERE f.prefix = ?1 AND f.sha256 = ?2";
        super::count(self.number(query, &[&prefix(sha256.as_bytes()), sha256.as_bytes()])?.unwrap_or(0))
    }

    /// `which`: with an order, where there may be more than one.
    pub(super) fn files(&self, which: &str, parameters: impl rusqlite::Params) -> Result<Vec<FileRow>, RecordError> {
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT f.id, j.name, r.version, f.name, f.sha256, f.groups FROM file f CROSS JOIN release r ON r.id = f.release
             CROSS JOIN project j ON j.id = r.project WHERE {which}"
        ))?;
        let mut rows = query.query(parameters)?;
        let mut files = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, sha256): (i64, [u8; 32]) = (row.get(0)?, row.get(4)?);
            files.push(FileRow {
                project: row.get(1)?,
                version: row.get(2)?,
                file: row.get(3)?,
                sha256: ArtifactDigest::from_bytes(sha256),
                cells: self.cells(id, &sha256)?,
                groups: super::count(row.get(5)?)?,
                agreement: self.agreement(id)?,
            });
        }
        Ok(files)
    }

    /// What each group says: of what it did not take back the weightiest, and of that the newest. What speaks against the
    /// bytes speaks against them under every name (docs/TRUST.md 4.3).
    fn cells(&self, file: i64, sha256: &[u8; 32]) -> Result<Vec<Cell>, RecordError> {
        let mut query = self.connection.prepare_cached(
            "SELECT y.grp, e.standing, max(e.idx)
             FROM file f CROSS JOIN entry e INDEXED BY entry_of_file ON e.file = f.id CROSS JOIN party y ON y.id = e.party
             WHERE f.prefix = ?1 AND f.sha256 = ?2 AND (f.id = ?3 OR e.standing IN (?4, ?5))
                   AND e.withdrawn_by IS NULL AND e.standing <> ?6
             GROUP BY y.grp, e.standing",
        )?;
        let (one, two, none) = (Standing::Contradicted, Standing::ForeignCode, Standing::Withdrawal);
        let mut rows = query.query((prefix(sha256), sha256, file, one.code(), two.code(), none.code()))?;
        let mut heaviest: BTreeMap<String, (u8, i64)> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let found = (weight(entries::standing(row.get(1)?)?), row.get(2)?);
            let held = heaviest.entry(row.get(0)?).or_insert(found);
            *held = found.max(*held);
        }
        let cell = |(group, (_, index)): (String, (u8, i64))| {
            let entry = self.named(index)?;
            Ok(Cell { group, standing: entry.standing, entry })
        };
        heaviest.into_iter().map(cell).collect()
    }

    /// docs/TRUST.md 3.7, of the votes that were not taken back.
    fn agreement(&self, file: i64) -> Result<Agreement, RecordError> {
        let mut query = self.connection.prepare_cached(
            "SELECT DISTINCT s.kind, s.digest FROM entry e INDEXED BY entry_of_file JOIN source s ON s.id = e.source
             WHERE e.file = ?1 AND e.says = ?2 AND e.party IS NOT NULL AND e.withdrawn_by IS NULL
             ORDER BY s.kind, s.digest LIMIT ?3",
        )?;
        let mut rows = query.query((file, Says::Reproduced.code(), number(MAX_SOURCES as u64 + 1)))?;
        let (mut commits, mut sdists) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(0)? == 1 {
                let stored = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                commits.push(entries::hex(SourceDigest::commit_of(stored)));
            } else {
                sdists.push(ArtifactDigest::from_bytes(row.get(1)?));
            }
        }
        // Votes from a commit and votes from an sdist are counted apart.
        let found = commits.len() + sdists.len();
        let more = found > MAX_SOURCES;
        if more && sdists.pop().is_none() {
            commits.pop();
        }
        Ok(Agreement { commits, sdists, agree: found <= 1, more })
    }
}

/// An accusation before a vote, that before an equivalent, that before what is no vote, that before an abstention.
const fn weight(standing: Standing) -> u8 {
    match standing {
        Standing::Other | Standing::Withdrawal => 0,
        Standing::Abstained => 1,
        Standing::NoVote => 2,
        Standing::Equivalent => 3,
        Standing::Reproduced => 4,
        Standing::Contradicted => 5,
        Standing::ForeignCode => 6,
    }
}
