//! HTTP: the C2SP tlog-tiles read API at the root, `/api/v1` beside it, health and a page for people.
//!
//! The same router serves a log and a mirror; only the log takes statements. Paths are matched as they were sent, never
//! percent-decoded, so that there is one spelling of every resource.

mod file_body;
pub mod health;
mod impatient;
mod lookup;
mod metrics;
mod negatives;
mod page;
pub mod problem;
mod read;
mod request;
pub mod serve;
mod statements;

use std::{path::PathBuf, sync::Arc, time::Duration};

use attest_core::api;
use axum::{
    Router, middleware,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

use crate::{
    admission::Admission, clock::Clock, config::Limits, freeze, metrics::census, mirror::MirrorState,
    negatives::Editions, reader::Reader, rebuilders::live::LiveRebuilders, sequencer::Sequencer,
};
use health::Progress;
use problem::Problem;

/// What the handlers share.
#[derive(Debug)]
pub struct Site {
    /// The published tree.
    pub reader: Reader,
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
        None => (endpoints().merge(scraped()), None),
        Some(listener) => {
            let router = within(site, scraped().merge(probed()));
            let until = async { drop(end.await) };
            (endpoints(), Some(tokio::spawn(serve::serve(listener, router, limits.clone(), until))))
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

fn endpoints() -> Router<Arc<Site>> {
    let not_read = || async { Problem::MethodNotAllowed { allow: "POST" } };
    probed()
        .route("/", get(page::page).fallback(not_here))
        .route(api::STATEMENTS, post(statements::submit).fallback(not_read))
        .route(api::LOOKUP, post(lookup::lookup).fallback(not_read))
        .route(api::NEGATIVES, get(negatives::list).fallback(not_here))
        .route(&format!("{}/{{sha256}}", api::SHARDS), get(negatives::shard).fallback(not_here))
        .route(&format!("{}/{{sha256}}", api::ARTIFACTS), get(lookup::artifact).fallback(not_here))
        // Everything else is the read API, whose paths only `tile::Resource` takes apart.
        .fallback(read::read)
}

/// What load balancers and watchdogs ask.
fn probed() -> Router<Arc<Site>> {
    Router::new()
        .route("/healthz", get(health::healthz).fallback(not_here))
        .route("/readyz", get(health::readyz).fallback(not_here))
}

/// What Prometheus asks.
fn scraped() -> Router<Arc<Site>> {
    Router::new().route("/metrics", get(metrics::metrics).fallback(not_here))
}

async fn not_here() -> Problem {
    Problem::MethodNotAllowed { allow: "GET, HEAD" }
}

fn within(site: &Arc<Site>, router: Router<Arc<Site>>) -> Router {
    guarded(router.with_state(Arc::clone(site)), site.request_timeout)
}

/// What every request gets, whatever is served: an id, the limits of its client, a time limit, a place in the metrics.
pub(crate) fn guarded(router: Router, request_timeout: Duration) -> Router {
    router.layer(middleware::from_fn_with_state(request_timeout, request::around))
}
