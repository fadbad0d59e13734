//! Links between statements: what one takes back or contradicts, and what does that to it.

use attest_core::{
    api::record::{EntryRow, EntryView, PAGE},
    envelope::StatementId,
    merkle::LeafIndex,
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

/// What is shown of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions {
    pub(super) found: Vec<Mention>,
    /// More statements contradict it than are among them.
    pub(super) more: bool,
}

/// Everything that an entry names or is named by.
pub(super) fn of(site: &Site, view: &EntryView, account: Option<&Account>) -> Result<Mentions, ViewError> {
    let Some(about) = &view.row.about else {
        return Ok(Mentions::default());
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
    let mut contradicting = views::contradicting(site, about.statement_id, PAGE + 1)?;
    let more = contradicting.len() > PAGE;
    contradicting.truncate(PAGE);
    found.extend(contradicting.into_iter().filter_map(|row| Mention::by("is contradicted by", row)));
    Ok(Mentions { found, more })
}

impl Mention {
    fn by(relation: &'static str, entry: EntryRow) -> Option<Self> {
        let statement = entry.about.as_ref()?.statement_id;
        Some(Self { relation, statement, entry: Some(entry) })
    }
}
