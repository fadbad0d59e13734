//! Projects and releases.

use attest_core::{
    api::record::{Counts, PAGE, Page, ProjectRow, ReleaseRow, ReleaseView},
    artifact::Version,
};
use rusqlite::OptionalExtension as _;

use super::{Moment, count};
use crate::record::{
    RecordError, number,
    tally::{self, Of},
};

/// Files of one release in one answer; no release on an index has nearly as many.
const MAX_FILES: usize = 1_000;
/// Releases of one project in one answer, the newest: whoever is listed may make up versions.
const MAX_RELEASES: usize = 2_000;

impl Moment<'_> {
    /// Projects after a name, in order.
    pub(crate) fn projects(&self, after: Option<&str>) -> Result<Page<ProjectRow>, RecordError> {
        let mut items = self.project_rows("j.name > ?1", (after.unwrap_or_default(), PAGE + 1))?;
        let next = (items.len() > PAGE).then(|| {
            items.truncate(PAGE);
            items.last().map(|last| last.project.clone()).unwrap_or_default()
        });
        Ok(Page { items, next })
    }

    /// `which`: with ?1 as its parameter.
    pub(super) fn project_rows(
        &self,
        which: &str,
        (parameter, limit): (&str, usize),
    ) -> Result<Vec<ProjectRow>, RecordError> {
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT j.name, t.reproduced, t.equivalent, t.abstained, t.contradicted, t.withdrawals, t.others,
                    (SELECT max(idx) FROM entry INDEXED BY entry_of_project WHERE project = j.id)
             FROM project j CROSS JOIN tally t ON t.kind = ?3 AND t.id = j.id WHERE {which} ORDER BY j.name LIMIT ?2"
        ))?;
        let mut rows = query.query((parameter, number(limit as u64), Of::PROJECT))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (counts, newest) = (tally::of_row(row, 1)?, count(row.get(7)?)?);
            found.push(ProjectRow { project: row.get(0)?, counts, newest });
        }
        Ok(found)
    }

    /// Statements about files of a project; `None` where there are none.
    pub(crate) fn project(&self, name: &str) -> Result<Option<Counts>, RecordError> {
        let id = self.number("SELECT id FROM project WHERE name = ?1", &[&name])?;
        id.map(|id| tally::counts(self.connection, Of::Project(id))).transpose()
    }

    /// Releases of a project, newest version first.
    pub(crate) fn releases(&self, project: &str) -> Result<Vec<ReleaseRow>, RecordError> {
        let mut query = self.connection.prepare_cached(
            "SELECT r.version, count(*), sum(f.groups > 0), min(f.groups),
                    t.reproduced, t.equivalent, t.abstained, t.contradicted, t.withdrawals, t.others
             FROM project j CROSS JOIN release r ON r.project = j.id
                  CROSS JOIN file f INDEXED BY file_of_release ON f.release = r.id
                  CROSS JOIN tally t ON t.kind = ?2 AND t.id = r.id
             WHERE j.name = ?1 GROUP BY r.id",
        )?;
        let mut rows = query.query((project, Of::RELEASE))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(ReleaseRow {
                version: row.get(0)?,
                files: count(row.get(1)?)?,
                reproduced: count(row.get(2)?)?,
                groups: count(row.get(3)?)?,
                counts: tally::of_row(row, 4)?,
            });
        }
        // Every version was parsed before it was written here; the text decides between two spellings of one.
        found.sort_by_cached_key(|release| Newest(Version::new(&release.version).ok(), release.version.clone()));
        found.truncate(MAX_RELEASES);
        Ok(found)
    }

    /// One release, its files by name.
    pub(crate) fn release(&self, project: &str, version: &str) -> Result<Option<ReleaseView>, RecordError> {
        let id = "SELECT r.id FROM release r JOIN project j ON j.id = r.project WHERE j.name = ?1 AND r.version = ?2";
        let Some(id) = self.number(id, &[&project, &version])? else {
            return Ok(None);
        };
        let mut files = self.files("f.release = ?1", (id, MAX_FILES))?;
        files.sort_by(|left, right| (&left.file, left.sha256).cmp(&(&right.file, right.sha256)));
        Ok(Some(ReleaseView {
            project: project.to_owned(),
            version: version.to_owned(),
            groups: self.groups()?,
            files,
            counts: tally::counts(self.connection, Of::Release(id))?,
        }))
    }

    /// Whether anything is said about a project, and how many are there.
    pub(super) fn total(&self, query: &str) -> Result<u64, RecordError> {
        count(self.connection.prepare_cached(query)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
    }
}

/// Sorts newest versions first.
struct Newest(Option<Version>, String);

impl Ord for Newest {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let versions = match (&self.0, &other.0) {
            (Some(left), Some(right)) => right.compare(left),
            (left, right) => right.is_some().cmp(&left.is_some()),
        };
        versions.then_with(|| self.1.cmp(&other.1))
    }
}

impl PartialOrd for Newest {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Newest {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Newest {}
