//! `GET /api/v1/negatives`: the newest list of negatives, with the shards asked for; `GET /negatives/{sha256}`: one shard.

use std::sync::Arc;

use attest_core::api::{FoundNegatives, NegativesQuery};
use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, Uri, header},
    response::Response,
};

use super::{Problem, Site, read};

/// Bytes of shards in one answer; what does not fit is had by its digest.
const MAX_ANSWER: usize = 8 << 20;

type Answer = ([(HeaderName, &'static str); 2], Json<FoundNegatives>);

/// A list. Served as a file, the query is ignored and the answer has no shards: clients then ask for each.
pub(super) async fn list(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Result<Answer, Problem> {
    let query: NegativesQuery = query.unwrap_or_default().parse().map_err(Problem::NegativesQuery)?;
    let what = "no list of negatives of that size is kept here";
    let made = site.negatives.find(query.size).ok_or(Problem::NotFound { what })?;
    let editions = Arc::clone(&site.negatives);
    let edition = tokio::task::spawn_blocking(move || editions.edition(&made, &query.shards, MAX_ANSWER));
    let edition = edition.await.map_err(|_| Problem::Interrupted)??;
    // A list of one size does not change, but the cosignatures of its checkpoint do.
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    Ok((headers, Json(FoundNegatives::of(&edition))))
}

/// A shard, by its digest.
pub(super) async fn shard(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    // From the path as it was sent: what axum takes out of it is percent-decoded.
    let what = "no list of negatives that is kept here has such a shard";
    let digest = uri.path().rsplit('/').next().unwrap_or_default();
    let digest = digest.parse().map_err(|_| Problem::NotFound { what })?;
    let editions = Arc::clone(&site.negatives);
    let bytes = tokio::task::spawn_blocking(move || editions.shard(digest));
    let bytes = bytes.await.map_err(|_| Problem::Interrupted)??.ok_or(Problem::NotFound { what })?;
    Ok(read::by_digest(bytes, &digest.to_string(), &headers))
}
