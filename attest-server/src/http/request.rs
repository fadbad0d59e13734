//! What surrounds every request: an id, a time limit, one log line; and reading a body within a limit.

use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use attest_core::api;
use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hyper::body::Frame;
use tracing::Instrument as _;

use super::{Problem, Site};

/// Of a body over the limit, this many times the limit is still read and dropped: a client that is closed on while it
/// writes sees a reset instead of the answer that explains it.
const DRAIN: usize = 16;

/// Names a request in the logs and in the answer's `x-request-id`: random per process, then counted.
struct RequestId(u64, u64);

impl RequestId {
    fn next() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| getrandom::u64().unwrap_or_default());
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(*PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.0, self.1)
    }
}

/// Middleware around all handlers.
pub(super) async fn around(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let id = RequestId::next();
    let started = Instant::now();
    let method = request.method().clone();
    let path = loggable(request.uri().path());
    let limit = site.request_timeout;
    let span = tracing::error_span!("request", %id);
    let answer = async {
        let response = tokio::time::timeout(limit, next.run(request))
            .await
            .unwrap_or_else(|_| Problem::Timeout { seconds: limit.as_secs() }.into_response());
        let (status, milliseconds) = (response.status().as_u16(), milliseconds(started.elapsed()));
        if status >= 500 {
            tracing::warn!(%method, path, status, milliseconds, "answered");
        } else {
            tracing::debug!(%method, path, status, milliseconds, "answered");
        }
        response
    };
    let mut response = answer.instrument(span).await;
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Which digests a client asks about says what it is about to install: that is not logged.
fn loggable(path: &str) -> String {
    if path.starts_with(api::ARTIFACTS) { api::ARTIFACTS.to_owned() } else { path.to_owned() }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The whole body, when it is uncompressed, of type `expected` and not longer than `limit`.
pub(super) async fn body(
    headers: &HeaderMap,
    body: Body,
    expected: &'static str,
    limit: usize,
) -> Result<Bytes, Problem> {
    let content_type = text(headers, header::CONTENT_TYPE.as_str());
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let found = match headers.get(header::CONTENT_ENCODING) {
        None if essence.eq_ignore_ascii_case(expected) => None,
        None if content_type.is_empty() => Some("none".to_owned()),
        None => Some(content_type),
        Some(_) => Some(format!("{content_type} with an encoding")),
    };
    if let Some(found) = found {
        return Err(Problem::ContentType { expected, found });
    }
    collect(body, limit).await
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced <= limit {
        let mut collected = Vec::with_capacity(announced);
        loop {
            match frame(&mut body).await {
                None => return Ok(collected.into()),
                Some(Err(_)) => return Err(Problem::BodyTruncated),
                Some(Ok(data)) if collected.len() + data.len() > limit => break,
                Some(Ok(data)) => collected.extend_from_slice(&data),
            }
        }
    }
    let mut dropped = 0;
    while dropped < limit * DRAIN {
        match frame(&mut body).await {
            Some(Ok(data)) => dropped += data.len(),
            Some(Err(_)) | None => break,
        }
    }
    Err(Problem::BodyTooLarge { limit })
}

/// The next data of a body; trailers are skipped.
async fn frame(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_frame(cx)).await?;
        match next.map(Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            Ok(Err(_trailers)) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}
