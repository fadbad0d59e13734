//! Who signs.

use serde::{Deserialize, Serialize};

use super::{Counts, Disagreement, EntryRow, Page};

/// Whose signature an entry has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedBy {
    /// Of a listed rebuilder whose key verifies the entry: names its page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// As listed; otherwise what the statement says of itself, which nobody checked.
    pub name: String,
    /// As listed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
}

/// A rebuilder in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RebuilderRow {
    /// 16 hexadecimal digits that name the key in URLs.
    pub id: String,
    /// As listed.
    pub name: String,
    /// Who it votes as.
    pub group: String,
    /// The key, as `ed25519:…` or `openpgp:…`.
    pub fingerprint: String,
    /// What it said.
    pub counts: Counts,
    /// Index of its newest entry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub newest: Option<u64>,
}

/// One rebuilder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RebuilderView {
    /// As in lists.
    pub row: RebuilderRow,
    /// Its page.
    pub url: String,
    /// Where its operator is reached.
    pub contact: String,
    /// The armored certificate, for a key that is an OpenPGP one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<String>,
    /// What it said.
    pub entries: Page<EntryRow>,
    /// Where it and another do not agree, newest first: as far back as a page goes. Older ones are among all
    /// ([`super::DISAGREEMENTS`]).
    pub disagreements: Vec<Disagreement>,
    /// Whether there are older ones.
    pub more_disagreements: bool,
}
