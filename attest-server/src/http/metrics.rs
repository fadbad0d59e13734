//! `/metrics`: what Prometheus scrapes.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, header},
};

use super::{Problem, Site};
use crate::metrics::scrape::{CONTENT_TYPE, exposition};

/// One exposition.
pub(super) async fn metrics(
    State(site): State<Arc<Site>>,
) -> Result<([(HeaderName, &'static str); 2], String), Problem> {
    let text = tokio::task::spawn_blocking(move || exposition(&site)).await.map_err(|_| Problem::Interrupted)?;
    let text = text.map_err(|_| Problem::Metrics)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], text))
}
