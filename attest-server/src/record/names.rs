//! What entries have in common, each with a number: projects, releases, files, sources, authors.

use std::collections::HashMap;

use attest_core::statement::Subject;
use rusqlite::{Connection, OptionalExtension as _};

use super::{
    RecordError,
    facts::{SourceDigest, prefix},
};

/// Numbers that are kept in memory, of each kind; then they are forgotten and read again.
const KEPT: usize = 1 << 16;

/// Gives the numbers out. What it remembers is in the tables, or in the transaction that goes on: forget it with that.
#[derive(Debug, Default)]
pub(super) struct Names {
    authors: HashMap<String, i64>,
    projects: HashMap<String, i64>,
    releases: HashMap<(i64, String), i64>,
    sources: HashMap<SourceDigest, i64>,
}

/// Where a statement's subject is in the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) project: i64,
    pub(super) release: i64,
    pub(super) file: i64,
}

impl Names {
    pub(super) fn author(&mut self, connection: &Connection, name: &str) -> Result<i64, RecordError> {
        if let Some(id) = self.authors.get(name) {
            return Ok(*id);
        }
        let found = "SELECT id FROM author WHERE name = ?1";
        let id = match connection.prepare_cached(found)?.query_row([name], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => connection.prepare_cached("INSERT INTO author (name) VALUES (?1)")?.insert([name])?,
        };
        remember(&mut self.authors, name.to_owned(), id);
        Ok(id)
    }

    pub(super) fn place(&mut self, connection: &Connection, subject: &Subject) -> Result<Place, RecordError> {
        let project = self.project(connection, subject.name.project.as_str())?;
        let release = self.release(connection, project, subject.name.version.as_str())?;
        let (digest, name) = (subject.digest.as_bytes(), subject.name.as_str());
        let find = "SELECT id FROM file WHERE prefix = ?1 AND sha256 = ?2 AND name = ?3";
        let found = connection.prepare_cached(find)?.query_row((prefix(digest), digest, name), |row| row.get(0));
        let file = match found.optional()? {
            Some(id) => id,
            None => connection
                .prepare_cached(
                    "INSERT INTO file (release, prefix, sha256, name, groups, equivalent, apart, accused)
                     VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0)",
                )?
                .insert((release, prefix(digest), digest, name))?,
        };
        Ok(Place { project, release, file })
    }

    fn project(&mut self, connection: &Connection, name: &str) -> Result<i64, RecordError> {
        if let Some(id) = self.projects.get(name) {
            return Ok(*id);
        }
        let find = "SELECT id FROM project WHERE name = ?1";
        let id = match connection.prepare_cached(find)?.query_row([name], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => connection.prepare_cached("INSERT INTO project (name) VALUES (?1)")?.insert([name])?,
        };
        remember(&mut self.projects, name.to_owned(), id);
        Ok(id)
    }

    fn release(&mut self, connection: &Connection, project: i64, version: &str) -> Result<i64, RecordError> {
        let key = (project, version.to_owned());
        if let Some(id) = self.releases.get(&key) {
            return Ok(*id);
        }
        let find = "SELECT id FROM release WHERE project = ?1 AND version = ?2";
        let found = connection.prepare_cached(find)?.query_row((project, version), |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None => connection
                .prepare_cached("INSERT INTO release (project, version) VALUES (?1, ?2)")?
                .insert((project, version))?,
        };
        remember(&mut self.releases, key, id);
        Ok(id)
    }

    pub(super) fn source(&mut self, connection: &Connection, source: SourceDigest) -> Result<i64, RecordError> {
        if let Some(id) = self.sources.get(&source) {
            return Ok(*id);
        }
        let key = (prefix(source.bytes()), source.kind(), source.bytes());
        let find = "SELECT id FROM source WHERE prefix = ?1 AND kind = ?2 AND digest = ?3";
        let id = match connection.prepare_cached(find)?.query_row(key, |row| row.get(0)).optional()? {
            Some(id) => id,
            None => connection
                .prepare_cached("INSERT INTO source (prefix, kind, digest) VALUES (?1, ?2, ?3)")?
                .insert(key)?,
        };
        remember(&mut self.sources, source, id);
        Ok(id)
    }
}

fn remember<K: std::hash::Hash + Eq>(kept: &mut HashMap<K, i64>, key: K, id: i64) {
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(key, id);
}
