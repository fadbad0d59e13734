//! What a text may mean.

use attest_core::{
    api::record::{EntryRow, FileRow, ProjectRow, RebuilderRow, SearchAnswer},
    artifact::{ArtifactDigest, ProjectName, WheelName},
    envelope::StatementId,
    merkle::LeafIndex,
};

use super::Moment;
use crate::{
    record::{RecordError, facts::prefix},
    store::index::Keys,
};

/// Of each kind in one answer.
const MOST: usize = 20;
/// Digits of an abbreviated commit, as git has them at least.
const SHORT: usize = 7;

impl Moment<'_> {
    /// `text` is trimmed and cut.
    pub(crate) fn search(&self, text: &str) -> Result<SearchAnswer, RecordError> {
        let mut answer = SearchAnswer {
            query: text.to_owned(),
            projects: self.projects_like(text)?,
            files: self.files_named(text)?,
            entries: self.entries_named(text)?,
            rebuilders: self.rebuilders_like(text)?,
        };
        if let Ok(digest) = text.to_ascii_lowercase().parse::<ArtifactDigest>() {
            answer.files = self.files_of(digest)?;
        }
        Ok(answer)
    }

    /// The project of that name first, then those whose names begin like that.
    fn projects_like(&self, text: &str) -> Result<Vec<ProjectRow>, RecordError> {
        let Ok(name) = ProjectName::new(text.trim_end_matches(['-', '_', '.'])) else {
            return Ok(Vec::new());
        };
        // Normal names are of `-`, digits and lower-case letters, all of which sort below `{`. The name itself is the
        // first of those that begin with it.
        self.project_rows("j.name >= ?1 AND j.name < ?1 || '{'", (name.as_str(), MOST))
    }

    fn files_named(&self, text: &str) -> Result<Vec<FileRow>, RecordError> {
        let Ok(name) = WheelName::parse(text) else {
            return Ok(Vec::new());
        };
        self.files(
            "f.release = (SELECT r.id FROM release r JOIN project j ON j.id = r.project WHERE j.name = ?1 AND r.version = ?2)
             AND f.name = ?3 ORDER BY f.id LIMIT ?4",
            (name.project.as_str(), name.version.as_str(), name.as_str(), super::number(MOST as u64)),
        )
    }

    fn entries_named(&self, text: &str) -> Result<Vec<EntryRow>, RecordError> {
        let mut found = Vec::new();
        if let Ok(index) = text.parse::<LeafIndex>() {
            found.extend(self.entry(index)?);
        }
        if let Ok(id) = text.to_ascii_lowercase().parse::<StatementId>() {
            found.extend(self.entries_of_statement(id)?);
        }
        found.extend(self.entries_of_commit(text)?);
        found.dedup_by_key(|row| row.index);
        Ok(found)
    }

    /// By the index beside the log, whose hints are looked at.
    fn entries_of_statement(&self, id: StatementId) -> Result<Vec<EntryRow>, RecordError> {
        let mut found = Vec::new();
        for index in self.reader.lookup_statement(id, MOST)? {
            let is_it = Keys::of_entry(&self.reader.entry(index)?).statement == Some(id);
            if is_it && self.covered.size.contains(index) {
                found.extend(self.entry(index)?);
            }
        }
        Ok(found)
    }

    /// Whole or abbreviated.
    fn entries_of_commit(&self, text: &str) -> Result<Vec<EntryRow>, RecordError> {
        let text = text.to_ascii_lowercase();
        if !(SHORT..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let bound = |fill: &str| {
            let digits: String = text.chars().chain(fill.repeat(16).chars()).take(16).collect();
            u64::from_str_radix(&digits, 16).map(|digits| prefix(&digits.to_be_bytes())).unwrap_or_default()
        };
        let mut query = self.connection.prepare_cached(
            "SELECT id FROM source WHERE prefix BETWEEN ?1 AND ?2 AND kind = 1
                 AND lower(hex(substr(digest, 1, length(digest) - 32))) GLOB ?3 || '*' ORDER BY id LIMIT 100",
        )?;
        // Commits that begin alike can be made up, so a limit is for those that really match. Of hexadecimal digits none
        // means anything to GLOB.
        let mut rows = query.query((bound("0"), bound("f"), &text))?;
        let mut found = Vec::new();
        while let (Some(row), true) = (rows.next()?, found.len() < MOST) {
            let which = "e.source = ?1 ORDER BY e.idx DESC LIMIT ?2";
            let left = super::number((MOST - found.len()) as u64);
            let of = (row.get::<_, i64>(0)?, left);
            found.extend(self.rows("entry e INDEXED BY entry_of_source", which, of)?);
        }
        Ok(found)
    }

    fn rebuilders_like(&self, text: &str) -> Result<Vec<RebuilderRow>, RecordError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let text = text.to_lowercase();
        let rows = self.rebuilders()?.into_iter().map(|listed| listed.row);
        let is_like = |row: &RebuilderRow| {
            row.name.to_lowercase().contains(&text) || row.id == text || row.fingerprint.to_lowercase() == text
        };
        Ok(rows.filter(is_like).take(MOST).collect())
    }
}
