//! What surrounds every request: an id, the limits of its client, a time limit, one log line; and reading a body.

use std::{
    net::IpAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use attest_core::api::{self, record};
use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hyper::body::Frame;
use tracing::Instrument as _;

use super::{
    Problem, Site,
    pages::{self, Asked},
    problem::{self, Expected},
};
use crate::{
    metrics::{Endpoint, instruments},
    quota::{
        Moment,
        addresses::{Access, Addresses, Presence, TooMany},
        client::TrustedProxies,
    },
};

/// Of a body over the limit, this many times the limit is still read and dropped: a client that is closed on while it
/// writes sees a reset instead of the answer that explains it.
const DRAIN: usize = 16;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Letters of an id that a client or a proxy brings.
const MAX_REQUEST_ID: usize = 64;

/// Names a request in the logs, in errors and in the answer's `x-request-id`: as a client or proxy called it, or else
/// random per process, then counted.
struct RequestId(String);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let brought = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_plain(id));
        brought.map_or_else(Self::next, |id| Self(id.to_owned()))
    }

    fn next() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| getrandom::u64().unwrap_or_default());
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{:016x}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Nothing that could be taken for another line, field or markup wherever logs are read.
fn is_plain(id: &str) -> bool {
    (1..=MAX_REQUEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// What the middleware knows.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) limit: Duration,
    /// Whose pages say it to a browser, where there are pages.
    pub(super) site: Option<Arc<Site>>,
}

/// Middleware around all handlers.
pub(super) async fn around(State(around): State<Around>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let RequestId(id) = RequestId::of(request.headers());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let endpoint = endpoint(uri.path());
    let span = tracing::error_span!("request", id);
    let answer = async {
        let response = answer(&around, request, next, endpoint, started).await;
        let (took, status) = (started.elapsed(), response.status().as_u16());
        instruments().http.answered(endpoint, status, took);
        if endpoint == Endpoint::Statements && response.status().is_success() {
            instruments().stages.total.observe(took);
        }
        // The path is put together only where it is logged.
        let milliseconds = milliseconds(took);
        if status >= 500 && response.extensions().get::<Expected>().is_none() {
            tracing::warn!(%method, path = loggable(uri.path()), status, milliseconds, "answered");
        } else {
            tracing::debug!(%method, path = loggable(uri.path()), status, milliseconds, "answered");
        }
        response
    };
    let response = answer.instrument(span).await;
    let mut response = problem::finish(response, &id);
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(around: &Around, request: Request, next: Next, endpoint: Endpoint, started: Instant) -> Response {
    let asked = around.site.as_ref().map(|site| (Arc::clone(site), Asked::of(&request)));
    let refuse = |problem: Problem| match &asked {
        Some((site, asked)) => pages::told(site, asked, problem.into_response()),
        None => problem.into_response(),
    };
    // In flight until the answer is there. Only requests without a connection, in tests, have no visitor.
    let _presence =
        match request.extensions().get::<Visitor>().map(|visitor| visitor.enter(&request, endpoint, started)) {
            Some(Err(too_many)) => return refuse(Problem::TooManyRequests(too_many)),
            Some(Ok(presence)) => presence,
            None => None,
        };
    let limit = around.limit;
    let answered = tokio::time::timeout(limit, next.run(request)).await;
    answered.unwrap_or_else(|_| refuse(Problem::Timeout { seconds: limit.as_secs() }))
}

/// Who is at the other end of a connection, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) peer: IpAddr,
    pub(super) doors: Arc<Doors>,
}

/// What all connections of a listener share.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) proxies: TrustedProxies,
    pub(super) addresses: Arc<Addresses>,
}

impl Visitor {
    fn enter(&self, request: &Request, endpoint: Endpoint, now: Instant) -> Result<Option<Presence>, TooMany> {
        let Some(client) = self.doors.proxies.request(self.peer, request.headers()) else {
            return Ok(None);
        };
        let access = access(endpoint, request.uri());
        self.doors.addresses.request(client, access, Moment::of(now)).map(Some)
    }
}

/// By what an answer costs: reads of the store, proofs, and drawing.
fn access(endpoint: Endpoint, uri: &Uri) -> Access {
    /// Entries with their proofs, or several searches.
    const EXPENSIVE: [&str; 6] = ["/file/", "/entry/", "/search", record::FILES, record::ENTRIES, record::SEARCH];
    /// Some queries.
    const PAGES: [&str; 6] = ["/project", "/entries", "/rebuilder", "/disagreements", "/log", "/feed.atom"];
    let path = uri.path();
    match endpoint {
        Endpoint::Statements => Access::Submit,
        Endpoint::Lookup => Access::Lookup,
        // Up to 8 MiB of shards, put together for this one answer.
        _ if path == api::NEGATIVES && uri.query().is_some() => Access::Lookup,
        // A list is one indexed query; each of its entries is not.
        _ if path == record::ENTRIES => Access::View,
        _ if EXPENSIVE.iter().any(|costly| path.starts_with(costly)) => Access::Lookup,
        Endpoint::Record => Access::View,
        _ if path == "/" || PAGES.iter().any(|page| path.starts_with(page)) => Access::View,
        _ => Access::Read,
    }
}

fn endpoint(path: &str) -> Endpoint {
    match path {
        "/checkpoint" => Endpoint::Checkpoint,
        "/healthz" | "/readyz" | "/metrics" => Endpoint::Health,
        api::STATEMENTS => Endpoint::Statements,
        api::LOOKUP => Endpoint::Lookup,
        path if path.starts_with("/tile/entries/") => Endpoint::Entries,
        path if path.starts_with("/tile/") => Endpoint::Tile,
        path if path.starts_with(api::ARTIFACTS) => Endpoint::Lookup,
        path if path.starts_with("/api/v1/") && path != api::NEGATIVES => Endpoint::Record,
        _ => Endpoint::Other,
    }
}

/// Which files and projects a client asks about says what it is about to install: that is not logged.
fn loggable(path: &str) -> &str {
    let private = [api::ARTIFACTS, record::FILES, record::PROJECTS, "/file", "/project"];
    let about = |folder: &&str| path.strip_prefix(*folder).is_some_and(|rest| rest.starts_with('/'));
    private.into_iter().find(about).unwrap_or(path)
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
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let content_type = String::from_utf8_lossy(content_type);
    let found = match headers.get(header::CONTENT_ENCODING) {
        None if essence.eq_ignore_ascii_case(expected.as_bytes()) => None,
        None if content_type.is_empty() => Some("none".to_owned()),
        None => Some(content_type.into_owned()),
        Some(_) => Some(format!("{content_type} with an encoding")),
    };
    if let Some(found) = found {
        return Err(Problem::ContentType { expected, found });
    }
    collect(body, limit).await
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

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::http::views::ViewError;

    #[test]
    fn a_page_costs_what_its_twin_of_the_api_costs_and_proofs_cost_most() {
        let cost = |path: &str| {
            let uri: Uri = path.parse().unwrap();
            access(endpoint(uri.path()), &uri)
        };
        for (page, twin, access) in [
            ("/file/00/", "/api/v1/files/00", Access::Lookup),
            ("/file/00/before/7/", "/api/v1/files/00?before=7", Access::Lookup),
            ("/entry/7/", "/api/v1/entries/7", Access::Lookup),
            ("/search/?q=six", "/api/v1/search?q=six", Access::Lookup),
            ("/project/six/", "/api/v1/projects/six", Access::View),
            ("/entries/before/7/", "/api/v1/entries?before=7", Access::View),
            ("/disagreements/", "/api/v1/disagreements", Access::View),
            ("/log/", "/api/v1/log", Access::View),
            ("/", "/rebuilders/", Access::View),
            ("/entry/7/pae", "/entry/7/", Access::Lookup),
            ("/checkpoint", "/tile/0/000", Access::Read),
            ("/style.css", "/icon.svg", Access::Read),
        ] {
            assert_eq!((cost(page), cost(twin)), (access, access), "{page} {twin}");
        }
    }

    /// While it is filled, every request would write a line about nothing that an operator could mend.
    #[test]
    fn that_the_record_is_being_made_is_an_answer_and_no_trouble() {
        let response = Problem::View(ViewError::NotYet).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        assert!(response.extensions().get::<Expected>().is_some());
        assert!(Problem::Interrupted.into_response().extensions().get::<Expected>().is_none());
    }
}
