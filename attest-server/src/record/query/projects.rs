//! Projects and releases.

use attest_core::{
    api::record::{Counts, FileRow, PAGE, Page, ProjectRow, ReleaseRow, ReleaseView},
    artifact::Version,
};
use rusqlite::OptionalExtension as _;

use super::{Moment, count};
use crate::record::{
    RecordError, number,
    tally::{self, OF_T, Of},
};

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
            "SELECT j.name, {OF_T},
                    (SELECT max(idx) FROM entry INDEXED BY entry_of_project WHERE project = j.id)
             FROM project j CROSS JOIN tally t ON t.kind = ?3 AND t.id = j.id WHERE {which} ORDER BY j.name LIMIT ?2"
        ))?;
        let mut rows = query.query((parameter, number(limit as u64), Of::PROJECT))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (counts, newest) = (tally::of_row(row, 1)?, count(row.get(9)?)?);
            found.push(ProjectRow { project: row.get(0)?, counts, newest });
        }
        Ok(found)
    }

    /// Statements about files of a project; `None` where there are none.
    pub(crate) fn project(&self, name: &str) -> Result<Option<Counts>, RecordError> {
        let id = self.number("SELECT id FROM project WHERE name = ?1", &[&name])?;
        id.map(|id| tally::counts(self.connection, Of::Project(id))).transpose()
    }

    /// Releases of a project, newest version first, and how many older ones there are.
    pub(crate) fn releases(&self, project: &str) -> Result<(Vec<ReleaseRow>, u64), RecordError> {
        let mut found = self.release_rows("j.name = ?1", [project])?;
        // Every version was parsed before it was written here; the text decides between two spellings of one.
        found.sort_by_cached_key(|release| Newest(Version::new(&release.version).ok(), release.version.clone()));
        let more = found.len().saturating_sub(MAX_RELEASES) as u64;
        found.truncate(MAX_RELEASES);
        Ok((found, more))
    }

    /// A release, under another spelling of its version where there is none under this one.
    pub(crate) fn release_like(&self, project: &str, version: &Version) -> Result<Option<ReleaseRow>, RecordError> {
        if let Some(exact) = self.release_row(project, version.as_str())? {
            return Ok(Some(exact));
        }
        let same = |row: &ReleaseRow| Version::new(&row.version).is_ok_and(|other| other.same_as(version));
        Ok(self.releases(project)?.0.into_iter().find(same))
    }

    fn release_row(&self, project: &str, version: &str) -> Result<Option<ReleaseRow>, RecordError> {
        Ok(self.release_rows("j.name = ?1 AND r.version = ?2", [project, version])?.pop())
    }

    fn release_rows(&self, which: &str, parameters: impl rusqlite::Params) -> Result<Vec<ReleaseRow>, RecordError> {
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT r.version, count(*), sum(f.groups > 0), sum(f.equivalent), min(f.groups), max(f.apart),
                    max(f.accused), {OF_T}
             FROM project j CROSS JOIN release r ON r.project = j.id
                  CROSS JOIN file f INDEXED BY file_of_release ON f.release = r.id
                  CROSS JOIN tally t ON t.kind = {} AND t.id = r.id
             WHERE {which} GROUP BY r.id",
            Of::RELEASE
        ))?;
        let mut rows = query.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(ReleaseRow {
                version: row.get(0)?,
                files: count(row.get(1)?)?,
                reproduced: count(row.get(2)?)?,
                equivalent: count(row.get(3)?)?,
                groups: count(row.get(4)?)?,
                agree: !row.get::<_, bool>(5)?,
                accused: row.get(6)?,
                counts: tally::of_row(row, 7)?,
            });
        }
        Ok(found)
    }

    /// One release; its files by name, after the one that a page ended with.
    pub(crate) fn release(
        &self,
        project: &str,
        version: &str,
        after: Option<u64>,
    ) -> Result<Option<ReleaseView>, RecordError> {
        let Some(row) = self.release_row(project, version)? else {
            return Ok(None);
        };
        Ok(Some(ReleaseView {
            project: project.to_owned(),
            groups: self.groups()?,
            files: self.files_of_release((project, version), after)?,
            row,
        }))
    }

    /// The cursor is the number of a file: many may have one name.
    fn files_of_release(
        &self,
        (project, version): (&str, &str),
        after: Option<u64>,
    ) -> Result<Page<FileRow>, RecordError> {
        let id = "SELECT r.id FROM release r JOIN project j ON j.id = r.project WHERE j.name = ?1 AND r.version = ?2";
        let release = self.number(id, &[&project, &version])?;
        let after = after.map_or(-1, number);
        let mut query = self.connection.prepare_cached(
            "SELECT id FROM file INDEXED BY file_of_name WHERE release = ?1
                 AND (name, id) > (coalesce((SELECT name FROM file WHERE id = ?2), ''), ?2)
             ORDER BY name, id LIMIT ?3",
        )?;
        let ids = query.query_map((release, after, number(PAGE as u64 + 1)), |row| row.get::<_, i64>(0))?;
        let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
        let next = (ids.len() > PAGE).then(|| {
            ids.truncate(PAGE);
            ids.last().map(ToString::to_string).unwrap_or_default()
        });
        let items = ids.into_iter().map(|id| self.files("f.id = ?1", [id])).collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Page { items, next })
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
