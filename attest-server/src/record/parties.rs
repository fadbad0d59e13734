//! Whose signature an entry has: one of the rebuilders that are listed now, or nobody's.
//!
//! The list is not part of the log, so the tables say which list they were made with. When it changes, only what that
//! changes is asked again: the entries of keys that were taken off, and for keys that were added the entries of nobody.

use std::collections::HashMap;

use attest_core::{
    artifact::ArtifactDigest,
    key::{PublicKey, RawKey},
};
use rusqlite::Connection;

use super::{RecordError, facts::Facts};
use crate::rebuilders::{Rebuilder, Rebuilders};

/// Authors that are remembered: whoever signs chooses the text.
const AUTHORS: usize = 4_096;

/// The list that the tables were made with, ready to verify.
#[derive(Debug, Default)]
pub(super) struct Parties {
    listed: Vec<Listed>,
    /// For each author the one whose key last signed: most likely it did again.
    last: HashMap<String, usize>,
}

#[derive(Debug)]
struct Listed {
    id: i64,
    group: String,
    url: String,
    key: PublicKey,
}

/// How a list differs from the one that the tables were made with.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Numbers of those that are not listed any more.
    pub(super) gone: Vec<i64>,
    /// Those that are new.
    pub(super) new: Vec<Rebuilder>,
    /// Still listed, of another group.
    pub(super) moved: Vec<i64>,
    /// Still listed, with another name, address or contact.
    pub(super) renamed: Vec<(i64, Rebuilder)>,
}

impl Difference {
    pub(super) fn between(connection: &Connection, list: &Rebuilders) -> Result<Self, RecordError> {
        let mut difference = Self::default();
        let mut wanted: HashMap<[u8; 32], &Rebuilder> = list.iter().map(|one| (identity(one.key()), one)).collect();
        let mut query = connection.prepare("SELECT id, key, grp, name, url, contact FROM party")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let Some(rebuilder) = wanted.remove(&row.get::<_, [u8; 32]>(1)?) else {
                difference.gone.push(id);
                continue;
            };
            let is = |at: usize, text: &str| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_str()? == text);
            if !is(2, rebuilder.group())? {
                difference.moved.push(id);
            }
            let same = is(2, rebuilder.group())? && is(3, rebuilder.name())? && is(4, rebuilder.url())?;
            if !(same && is(5, rebuilder.contact())?) {
                difference.renamed.push((id, rebuilder.clone()));
            }
        }
        // In the order of the list, so that the numbers do not depend on a hash.
        difference.new = list.iter().filter(|one| wanted.contains_key(&identity(one.key()))).cloned().collect();
        Ok(difference)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.renamed.is_empty()
    }

    /// Writes the new list.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), RecordError> {
        for id in &self.gone {
            connection.execute("DELETE FROM party WHERE id = ?1", [id])?;
        }
        for (id, one) in &self.renamed {
            connection.execute(
                "UPDATE party SET name = ?2, grp = ?3, url = ?4, contact = ?5 WHERE id = ?1",
                (id, one.name(), one.group(), one.url(), one.contact()),
            )?;
        }
        for one in &self.new {
            connection.execute(
                "INSERT INTO party (key, tag, name, grp, url, contact, fingerprint, certificate)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (
                    identity(one.key()),
                    one.id(),
                    one.name(),
                    one.group(),
                    one.url(),
                    one.contact(),
                    one.key().fingerprint(),
                    one.certificate(),
                ),
            )?;
        }
        Ok(())
    }
}

impl Parties {
    /// Those of `list` that are in the tables.
    pub(super) fn read(connection: &Connection, list: &Rebuilders) -> Result<Self, RecordError> {
        let mut query = connection.prepare("SELECT id, key FROM party")?;
        let ids = query.query_map([], |row| Ok((row.get::<_, [u8; 32]>(1)?, row.get::<_, i64>(0)?)))?;
        let ids: HashMap<_, _> = ids.collect::<Result<_, _>>()?;
        let listed = list.iter().filter_map(|one| {
            Some(Listed {
                id: *ids.get(&identity(one.key()))?,
                group: one.group().to_owned(),
                url: one.url().to_owned(),
                key: one.key().clone(),
            })
        });
        Ok(Self { listed: listed.collect(), last: HashMap::new() })
    }

    /// The number of the one whose key verifies this entry.
    pub(super) fn signer(&mut self, facts: &Facts) -> Option<i64> {
        let author = facts.author().unwrap_or_default();
        let likely = self.last.get(author).copied();
        let likely = likely.or_else(|| self.listed.iter().position(|one| one.url == author));
        let others = (0..self.listed.len()).filter(|at| Some(*at) != likely);
        let found = likely.into_iter().chain(others).find(|at| signed_by(facts, &self.listed[*at].key))?;
        if likely != Some(found) || !self.last.contains_key(author) {
            if self.last.len() >= AUTHORS {
                self.last.clear();
            }
            self.last.insert(author.to_owned(), found);
        }
        Some(self.listed[found].id)
    }

    /// Who a number votes as.
    pub(super) fn group(&self, id: i64) -> Option<&str> {
        self.listed.iter().find(|one| one.id == id).map(|one| one.group.as_str())
    }
}

fn signed_by(facts: &Facts, key: &PublicKey) -> bool {
    facts.envelope.check_signature(key).is_ok()
}

/// Of a key with all that it holds: a certificate that got another subkey verifies other entries.
fn identity(key: &PublicKey) -> [u8; 32] {
    let mut raw: Vec<[u8; 32]> = key.raw_keys().iter().map(RawKey::as_bytes).copied().collect();
    raw.sort_unstable();
    let text = [key.fingerprint().into_bytes(), raw.concat()].concat();
    *ArtifactDigest::of(&text).as_bytes()
}
