//! Links between statements: what one takes back or contradicts, and what does that to it.

use attest_core::{
    api::record::{About, EntryRow, EntryView, Standing},
    envelope::{Envelope, StatementId},
    merkle::LeafIndex,
    statement::{Predicate, Statement},
};

use super::account::Account;
use crate::http::{
    Site,
    views::{self, ViewError},
};

/// Another entry, and what it has to do with this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// What this entry does to the other one, or has done to it.
    pub(super) relation: &'static str,
    /// The other one, where it is in this log.
    pub(super) entry: Option<EntryRow>,
    /// Its statement.
    pub(super) statement: StatementId,
}

/// Everything that an entry names or is named by, among the newest about its file.
pub(super) fn of(site: &Site, view: &EntryView, account: Option<&Account>) -> Result<Vec<Mention>, ViewError> {
    let Some(about) = &view.row.about else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let named = account.map(|account| [("takes back", account.withdraws), ("contradicts", account.contradicts)]);
    for (relation, statement) in named.into_iter().flatten() {
        let Some(statement) = statement else { continue };
        // Several may have signed the very same statement.
        let entries = views::search(site, &statement.to_string())?.entries;
        if entries.is_empty() {
            found.push(Mention { relation, entry: None, statement });
        }
        found.extend(entries.into_iter().map(|entry| Mention { relation, entry: Some(entry), statement }));
    }
    if let Some(index) = view.row.withdrawn_by {
        let entry = views::entry(site, LeafIndex::new(index))?;
        found.extend(entry.and_then(|entry| Mention::by("is taken back by", entry.row)));
    }
    if !is_contradicted(site, about)? {
        return Ok(found);
    }
    for other in views::file(site, about.sha256)?.into_iter().flat_map(|file| file.statements) {
        if contradicts(&other, about.statement_id) {
            found.extend(Mention::by("is contradicted by", other.row));
        }
    }
    Ok(found)
}

impl Mention {
    fn by(relation: &'static str, entry: EntryRow) -> Option<Self> {
        let statement = entry.about.as_ref()?.statement_id;
        Some(Self { relation, statement, entry: Some(entry) })
    }
}

/// Whether anybody contradicts a statement about the file. Nearly always nobody does, and then no statement about it has
/// to be read.
fn is_contradicted(site: &Site, about: &About) -> Result<bool, ViewError> {
    let found = views::search(site, &about.sha256.to_string())?;
    let mut cells = found.files.iter().flat_map(|file| &file.cells);
    Ok(cells.any(|cell| cell.standing == Standing::Contradicted))
}

/// Whether a statement names that one as what it contradicts.
fn contradicts(view: &EntryView, statement: StatementId) -> bool {
    let envelope = view.envelope.as_ref().and_then(|envelope| Envelope::parse(envelope.as_bytes()).ok());
    let parsed = envelope.and_then(|envelope| Statement::parse(envelope.payload()).ok());
    match parsed.as_ref().map(Statement::predicate) {
        Some(Predicate::NotReproduced { refusal, .. }) => refusal.contradicts == Some(statement),
        _ => false,
    }
}
