//! The log's newest list of negatives, without its shards.

use attest_core::{
    api::{NEGATIVES, SHARDS},
    negatives::{Shard, ShardDigest},
};
use reqwest::StatusCode;

use super::{FetchError, Upstream};

/// Note, table and checkpoints, in JSON.
const MAX_LEN: usize = 1 << 20;

impl Upstream {
    /// The answer of `GET /api/v1/negatives`; `None` where the log has none. Not tried again: the next round does.
    pub async fn negatives(&self) -> Result<Option<Vec<u8>>, FetchError> {
        self.found(format!("{}{NEGATIVES}", self.base), MAX_LEN).await
    }

    /// A shard of such a list; `None` where it is not there any more.
    pub async fn shard(&self, digest: ShardDigest) -> Result<Option<Vec<u8>>, FetchError> {
        self.found(format!("{}{SHARDS}/{digest}", self.base), Shard::MAX_LEN).await
    }

    async fn found(&self, url: String, limit: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let transport =
            |source: reqwest::Error| FetchError::Transport { url: url.clone(), source: source.without_url() };
        let mut response = self.client.get(&url).send().await.map_err(transport)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => return Ok(None),
            found => return Err(FetchError::Status { url, found }),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if bytes.len() + chunk.len() > limit {
                return Err(FetchError::TooLarge { url, limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }
}
