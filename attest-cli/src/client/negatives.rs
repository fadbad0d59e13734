//! Lists of negatives of a log or mirror (docs/negatives.md).

use attest_core::{
    api::{FoundNegatives, NEGATIVES, NegativesQuery, SHARDS},
    negatives::{Edition, Shard, ShardDigest},
};

use super::{ClientError, LogClient};

/// Shards of 8 MiB in base64, a table, some notes.
const MAX_FOUND: u64 = 16 << 20;

impl LogClient {
    /// A list, the newest or that of a size, with the shards asked for that fit into one answer.
    pub(crate) fn negatives(&self, query: &NegativesQuery) -> Result<Edition, ClientError> {
        let url = format!("{}{NEGATIVES}?{query}", self.base);
        let found: FoundNegatives =
            self.ask_json(self.client.get(url.trim_end_matches('?')), MAX_FOUND, "a list of negatives")?;
        found.into_edition().ok_or_else(|| self.garbage("a list of negatives", b""))
    }

    /// One shard.
    pub(crate) fn shard(&self, digest: ShardDigest) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}{SHARDS}/{digest}", self.base);
        self.ask(self.client.get(url), Shard::MAX_LEN as u64)
    }
}
