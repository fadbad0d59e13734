//! HTTP: the C2SP tlog-tiles read API at the root, `/api/v1` beside it, health and a page for people.
//!
//! The same router serves a log and a mirror; only the log takes statements. Paths are matched as they were sent, never
//! percent-decoded, so that there is one spelling of every resource.

pub mod health;
mod impatient;
mod lookup;
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
use tokio::sync::watch;

use crate::{
    admission::Admission, clock::Clock, mirror::MirrorState, reader::Reader, rebuilders::Rebuilders,
    sequencer::Sequencer,
};
use problem::Problem;

/// What the handlers share.
#[derive(Debug)]
pub struct Site {
    /// The published tree.
    pub reader: Reader,
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
        rebuilders: Arc<Rebuilders>,
    },
    /// Follows a log.
    Mirror {
        /// How that goes.
        state: watch::Receiver<MirrorState>,
        /// How long the log may stay silent before the mirror is not ready.
        max_stale: Duration,
    },
}

/// All endpoints of `site`.
pub fn router(site: &Arc<Site>) -> Router {
    let not_here = || async { Problem::MethodNotAllowed { allow: "GET, HEAD" } };
    let not_read = || async { Problem::MethodNotAllowed { allow: "POST" } };
    Router::new()
        .route("/", get(page::page).fallback(not_here))
        .route("/healthz", get(health::healthz).fallback(not_here))
        .route("/readyz", get(health::readyz).fallback(not_here))
        .route(api::STATEMENTS, post(statements::submit).fallback(not_read))
        .route(api::LOOKUP, post(lookup::lookup).fallback(not_read))
        .route(&format!("{}/{{sha256}}", api::ARTIFACTS), get(lookup::artifact).fallback(not_here))
        // Everything else is the read API, whose paths only `tile::Resource` takes apart.
        .fallback(read::read)
        .layer(middleware::from_fn_with_state(Arc::clone(site), request::around))
        .with_state(Arc::clone(site))
}
