//! The log at a glance.

use attest_core::{
    api::record::{Counts, CoveredProject, Day},
    artifact::ProjectName,
    time::Timestamp,
};

use super::Moment;
use crate::record::{
    RecordError,
    codes::Coded as _,
    facts::Says,
    number,
    tally::{self, Of},
};

const SECONDS: u64 = 86_400;
/// Days of the chart.
const DAYS: u64 = 90;

impl Moment<'_> {
    /// Of everything.
    pub(crate) fn counts(&self) -> Result<Counts, RecordError> {
        tally::counts(self.connection, Of::Everything)
    }

    /// Projects that anything is said about. Nothing is ever deleted, so the last number is how many there are.
    pub(crate) fn project_count(&self) -> Result<u64, RecordError> {
        self.total("SELECT coalesce(max(id), 0) FROM project")
    }

    /// As [`Moment::project_count`], of files.
    pub(crate) fn file_count(&self) -> Result<u64, RecordError> {
        self.total("SELECT coalesce(max(id), 0) FROM file")
    }

    /// The last days on which statements say that they were made. What says that it was made after tomorrow is not shown:
    /// anybody may write any time, and one in the year 9999 would make all others vanish.
    pub(crate) fn days(&self, now: Timestamp) -> Result<Vec<Day>, RecordError> {
        let tomorrow = number(now.secs() / SECONDS + 1);
        let last = "SELECT max(id) FROM tally WHERE kind = ?1 AND id <= ?2";
        let Some(last) = self.number(last, &[&Of::DAY, &tomorrow])? else {
            return Ok(Vec::new());
        };
        let last = u64::try_from(last).unwrap_or_default();
        let days = (last + 1).saturating_sub(DAYS)..=last;
        days.map(|day| Ok(Day { start: day * SECONDS, counts: tally::counts(self.connection, Of::Day(number(day)))? }))
            .collect()
    }

    /// How far a project is rebuilt: by the release that has the newest vote.
    pub(crate) fn covered_project(&self, project: &ProjectName) -> Result<CoveredProject, RecordError> {
        let nothing = CoveredProject { project: project.as_str().to_owned(), groups: 0, version: None, accused: false };
        let Some(id) = self.number("SELECT id FROM project WHERE name = ?1", &[&project.as_str()])? else {
            return Ok(nothing);
        };
        let counts = tally::counts(self.connection, Of::Project(id))?;
        let accused = counts.contradicted > 0;
        if counts.reproduced == 0 {
            return Ok(CoveredProject { accused, ..nothing });
        }
        // The newest is nearly always a reproduction.
        let release = "SELECT f.release FROM entry e INDEXED BY entry_of_project JOIN file f ON f.id = e.file
                       WHERE e.project = ?1 AND e.says = ?2 AND e.party IS NOT NULL
                             AND e.withdrawn_by IS NULL ORDER BY e.idx DESC LIMIT 1";
        let Some(release) = self.number(release, &[&id, &Says::Reproduced.code()])? else {
            return Ok(CoveredProject { accused, ..nothing });
        };
        let mut query = self.connection.prepare_cached(
            "SELECT r.version, (SELECT min(groups) FROM file INDEXED BY file_of_release WHERE release = r.id)
             FROM release r WHERE r.id = ?1",
        )?;
        let (version, groups) = query.query_row([release], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(CoveredProject { groups: super::count(groups)?, version: Some(version), accused, ..nothing })
    }
}
