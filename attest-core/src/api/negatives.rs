//! Lists of negatives over HTTP ([`crate::negatives`], docs/negatives.md).

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    merkle::TreeSize,
    negatives::{Edition, ListingNote, ShardId},
};

/// `GET` the newest list here; answered with [`FoundNegatives`]. What to ask for: [`NegativesQuery`].
pub const NEGATIVES: &str = "/api/v1/negatives";

/// `GET` one shard by its digest: `/negatives/{sha256}`. Never changes, so that it can be cached and served as a file.
pub const SHARDS: &str = "/negatives";

/// Which list, and which of its shards: `shards=001fff`, `size=17`, `shards=00&size=17`, or nothing. One spelling each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegativesQuery {
    /// Ascending, each once.
    pub shards: Vec<ShardId>,
    /// The newest where `None`.
    pub size: Option<TreeSize>,
}

impl fmt::Display for NegativesQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.shards.is_empty() {
            f.write_str("shards=")?;
            self.shards.iter().try_for_each(|shard| write!(f, "{shard}"))?;
        }
        let between = if self.shards.is_empty() { "" } else { "&" };
        self.size.map_or(Ok(()), |size| write!(f, "{between}size={size}"))
    }
}

impl FromStr for NegativesQuery {
    type Err = NegativesQueryError;

    fn from_str(text: &str) -> Result<Self, NegativesQueryError> {
        let refused = || NegativesQueryError { found: text.chars().take(80).collect() };
        if text.len() > 2 * ShardId::COUNT + 64 {
            return Err(refused());
        }
        let (shards, size) = match text.split_once("size=") {
            Some((shards, size)) => (shards.strip_suffix('&').unwrap_or(shards), Some(size)),
            None => (text, None),
        };
        let names = shards.strip_prefix("shards=").unwrap_or_default();
        let shards = names.as_bytes().chunks(2).map(|name| std::str::from_utf8(name).ok()?.parse().ok());
        let query = Self {
            shards: shards.collect::<Option<_>>().ok_or_else(refused)?,
            size: size.map(str::parse).transpose().map_err(|_| refused())?,
        };
        let ascending = query.shards.is_sorted_by(|one, next| one < next);
        if ascending && query.to_string() == text { Ok(query) } else { Err(refused()) }
    }
}

/// Not a [`NegativesQuery`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a query like `shards=001fff&size=17`, shards ascending, or a part of it, found {found:?}")]
pub struct NegativesQueryError {
    /// The text, cut short.
    pub found: String,
}

/// A list of negatives: the note, the table, and those of the asked shards that have records and fit into the answer.
/// The others are had from [`SHARDS`] by the digest in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FoundNegatives {
    /// The signed note.
    pub note: String,
    /// Checkpoint notes of that size, with the cosignatures that this server has seen.
    pub checkpoints: Vec<String>,
    /// The digests of all shards, in base64.
    pub table: String,
    /// Shards in base64, by name.
    pub shards: BTreeMap<String, String>,
}

impl FoundNegatives {
    /// Checkpoint notes that are read of one answer.
    pub const MAX_CHECKPOINTS: usize = 8;

    /// The answer that says this.
    pub fn of(edition: &Edition) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shards = edition.shards.iter().map(|(id, bytes)| (id.to_string(), STANDARD.encode(bytes)));
        Self {
            note: text(&edition.note),
            checkpoints: edition.checkpoints.iter().map(|note| text(note)).collect(),
            table: STANDARD.encode(&edition.table),
            shards: shards.collect(),
        }
    }

    /// What the answer says; `None` for what is not of its form. Nothing of it is believed.
    pub fn into_edition(self) -> Option<Edition> {
        if self.checkpoints.len() > Self::MAX_CHECKPOINTS || self.note.len() > ListingNote::MAX_LEN {
            return None;
        }
        let shard = |(id, bytes): (String, String)| Some((id.parse().ok()?, STANDARD.decode(bytes).ok()?));
        Some(Edition {
            note: self.note.into_bytes(),
            table: STANDARD.decode(self.table).ok()?,
            shards: self.shards.into_iter().map(shard).collect::<Option<_>>()?,
            checkpoints: self.checkpoints.into_iter().map(String::into_bytes).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_one_spelling() {
        for text in ["", "shards=00", "shards=001fff", "size=0", "size=17", "shards=00&size=17"] {
            assert_eq!(text.parse::<NegativesQuery>().unwrap().to_string(), text);
        }
        let all: String = ShardId::all().map(|shard| shard.to_string()).collect();
        assert_eq!(format!("shards={all}").parse::<NegativesQuery>().unwrap().shards.len(), 256);
        for text in [
            "shards=",
            "shards=0",
            "shards=0000",
            "shards=ff00",
            "shards=0A",
            "shards=00&",
            "&size=1",
            "size=01",
            "size=",
            "size=1&shards=00",
            "size=1&size=1",
            "shards=00size=1",
            "x",
            "shards=00%",
            "shards=é0",
        ] {
            assert!(text.parse::<NegativesQuery>().is_err(), "{text}");
        }
        assert!(format!("shards={}", "00".repeat(400)).parse::<NegativesQuery>().is_err());
    }
}
