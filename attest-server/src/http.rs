//! HTTP: the C2SP tlog-tiles read API at the root, `/api/v1` beside it, health and a page for people.
//!
//! The same router serves a log and a mirror; only the log takes statements. Paths are matched as they were sent, never
//! percent-decoded, so that there is one spelling of every resource.

mod endpoints;
mod file_body;
pub mod health;
mod impatient;
mod json;
mod lookup;
mod metrics;
mod negatives;
mod openapi;
mod page;
mod pages;
pub mod problem;
mod read;
mod request;
pub mod serve;
mod statements;
pub mod views;

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::Method,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

use crate::{
    admission::Admission,
    clock::Clock,
    config::{Limits, PublicUrl},
    freeze,
    metrics::census,
    mirror::MirrorState,
    mirrors::Mirrors,
    negatives::Editions,
    reader::Reader,
    rebuilders::live::LiveRebuilders,
    record::Record,
    sequencer::Sequencer,
};
use endpoints::Tag;
use health::Progress;
use problem::Problem;

/// Where operators may have it on a listener of its own.
const METRICS: &str = "/metrics";

/// The pages of a site that become files, each rendered as it is served.
pub(crate) fn still(site: &Arc<Site>) -> Router {
    let shared = pages::Static::default();
    let marked = middleware::from_fn(move |mut request: Request, next: Next| {
        request.extensions_mut().insert(shared.clone());
        next.run(request)
    });
    pages::routes().fallback(read::read).layer(marked).with_state(Arc::clone(site))
}

/// What the handlers share.
#[derive(Debug)]
pub struct Site {
    /// The published tree.
    pub reader: Reader,
    /// What the published tree says, for people and tools; none where this server keeps no record.
    pub record: Option<Record>,
    /// What is known of mirrors of the log.
    pub mirrors: Mirrors,
    /// Lists of negatives.
    pub negatives: Arc<Editions>,
    /// Log or mirror.
    pub role: Role,
    /// Folder of the database and the tiles, for its free space.
    pub data: PathBuf,
    /// Name of the log: the first line of every checkpoint.
    pub origin: String,
    /// The clock that ages are told by.
    pub clock: Clock,
    /// Where the site is for everybody else, where that is configured.
    pub public_url: Option<PublicUrl>,
    /// Verifier keys to show: the log's, and a mirror's own.
    pub vkeys: Vec<String>,
    /// From a request's head to its answer.
    pub request_timeout: Duration,
    /// Whether the log is read-only.
    pub freeze: freeze::Watch,
    /// Whether publishing goes on.
    pub progress: Progress,
}

/// What only one of log and mirror has.
#[derive(Debug)]
pub enum Role {
    /// A log that nobody runs, of which pages are made.
    Stopped,
    /// Takes statements.
    Log {
        /// Appends and publishes.
        sequencer: Sequencer,
        /// Checks what is submitted.
        admission: Admission,
        /// Who may submit.
        rebuilders: LiveRebuilders,
    },
    /// Follows a log.
    Mirror {
        /// How that goes.
        state: watch::Receiver<MirrorState>,
        /// How long the log may stay silent before the mirror is not ready.
        max_stale: Duration,
    },
}

/// Where a site is served.
#[derive(Debug)]
pub struct Listeners {
    /// Everything, to everybody.
    pub main: TcpListener,
    /// `/metrics` and health, for operators; where there is none, `/metrics` is on `main`.
    pub metrics: Option<TcpListener>,
}

/// Serves `site` until `stop` resolves, and finishes what was begun.
pub async fn serve(site: &Arc<Site>, listeners: Listeners, limits: Limits, stop: impl Future<Output = ()>) {
    let census = tokio::spawn(census::watch(site.data.clone()));
    let (ended, end) = oneshot::channel::<()>();
    let (router, operators) = match listeners.metrics {
        None => (public().merge(scraped()), None),
        Some(listener) => {
            let router = within(site, watched());
            let until = async { drop(end.await) };
            (public(), Some(tokio::spawn(serve::serve(listener, router, limits.clone(), until))))
        }
    };
    serve::serve(listeners.main, within(site, router), limits, stop).await;
    // Whoever watches sees the end as well.
    drop(ended);
    if let Some(operators) = operators {
        let _ = operators.await;
    }
    census.abort();
}

fn public() -> Router<Arc<Site>> {
    // Everything else is answered by the read API, whose paths only `tile::Resource` takes apart.
    endpoints::routes(|endpoint| endpoint.path != METRICS).merge(pages::routes()).fallback(pages::others)
}

/// What Prometheus asks.
fn scraped() -> Router<Arc<Site>> {
    endpoints::routes(|endpoint| endpoint.path == METRICS)
}

/// What those ask who watch: Prometheus, load balancers, watchdogs.
fn watched() -> Router<Arc<Site>> {
    endpoints::routes(|endpoint| endpoint.tag == Tag::Operation)
}

/// Any other method of what is read.
async fn not_here(method: Method) -> Response {
    match method {
        Method::OPTIONS => endpoints::preflight(endpoints::READ),
        _ => Problem::MethodNotAllowed { allow: endpoints::READ }.into_response(),
    }
}

fn within(site: &Arc<Site>, router: Router<Arc<Site>>) -> Router {
    let around = request::Around { limit: site.request_timeout, site: Some(Arc::clone(site)) };
    router.with_state(Arc::clone(site)).layer(middleware::from_fn_with_state(around, request::around))
}

/// What every request gets, whatever is served: an id, the limits of its client, a time limit, a place in the metrics.
pub(crate) fn guarded(router: Router, request_timeout: Duration) -> Router {
    let around = request::Around { limit: request_timeout, site: None };
    router.layer(middleware::from_fn_with_state(around, request::around))
}
