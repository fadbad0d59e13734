//! What everybody may read.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use attest_core::artifact::ArtifactDigest;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::files;
use crate::rebuilder::card::MAX_CARD;
use crate::rebuilder::coordinator::Coordinator;
use crate::rebuilder::job::{Job, Phase};
use crate::rebuilder::status::{self, Status};

/// What strangers' builds wrote is never run by a browser, whatever it looks like.
const INERT: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_TYPE, "application/octet-stream"),
];

pub(super) async fn status(State(coordinator): State<Arc<Coordinator>>) -> Json<Status> {
    Json(now(&coordinator))
}

pub(super) fn now(coordinator: &Coordinator) -> Status {
    Status::of(coordinator.queue().state(), coordinator.settings.logs.len())
}

/// Alive, and able to work.
pub(super) async fn health(State(coordinator): State<Arc<Coordinator>>) -> Response {
    if coordinator.has_room() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the disk is full: no work is given out\n").into_response()
    }
}

pub(super) async fn card(State(coordinator): State<Arc<Coordinator>>) -> Response {
    match files::read(&coordinator.folder.card(), MAX_CARD) {
        Ok(card) => ([(header::CONTENT_TYPE, "application/json")], card).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A file of a result that may be shown, by its digest.
pub(super) async fn file(State(coordinator): State<Arc<Coordinator>>, Path(digest): Path<String>) -> Response {
    let Ok(digest) = digest.parse::<ArtifactDigest>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let found = tokio::task::spawn_blocking(move || find(&coordinator, digest)).await;
    match found {
        Ok(Some(bytes)) => (INERT, bytes).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn find(coordinator: &Coordinator, digest: ArtifactDigest) -> Option<Vec<u8>> {
    let builds: Vec<ArtifactDigest> = {
        let queue = coordinator.queue();
        let build = |job: &Job| match &job.phase {
            Phase::Done { answer, .. } if status::is_public(job) => Some(answer.build),
            _ => None,
        };
        queue.state().jobs().filter_map(build).collect()
    };
    let mut shelf = coordinator.shelf.lock().unwrap_or_else(PoisonError::into_inner);
    shelf.take_up(&coordinator.folder, &builds);
    shelf.read(&coordinator.folder, digest)
}

/// Prometheus text format.
pub(super) async fn metrics(State(coordinator): State<Arc<Coordinator>>) -> Response {
    let status = now(&coordinator);
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, values: &[(&str, u64)]| {
        // A String takes whatever memory holds.
        let _always = writeln!(text, "# HELP attest_rebuilder_{name} {help}\n# TYPE attest_rebuilder_{name} gauge");
        for (labels, value) in values {
            let _always = writeln!(text, "attest_rebuilder_{name}{labels} {value}");
        }
    };
    let count = |number: usize| number as u64;
    gauge(
        "jobs",
        "Jobs by where they are.",
        &[
            ("{phase=\"waiting\"}", count(status.waiting)),
            ("{phase=\"running\"}", count(status.running)),
            ("{phase=\"failed\"}", count(status.failed)),
            ("{phase=\"done\"}", count(status.done)),
        ],
    );
    gauge("to_review", "Accusations that wait for a person.", &[("", count(status.to_review))]);
    gauge("to_log", "Statements that a log does not have yet.", &[("", count(status.to_log))]);
    let lately = crate::run::now().secs().saturating_sub(coordinator.settings.limits.lease_seconds);
    let workers = coordinator.heard().values().filter(|heard| **heard >= lately).count();
    gauge("workers", "Workers heard of lately.", &[("", count(workers))]);
    gauge("free_bytes", "Free space on the data folder's disk.", &[("", coordinator.folder.free().unwrap_or(0))]);
    let counts = &coordinator.counts;
    let counter = |text: &mut String, name: &str, help: &str, value: &AtomicU64| {
        let value = value.load(Ordering::Relaxed);
        let name = format!("attest_rebuilder_{name}_total");
        let _always = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
    };
    counter(&mut text, "results", "Results taken since the start.", &counts.results);
    counter(&mut text, "refused", "Results refused since the start.", &counts.refused);
    counter(&mut text, "failed", "Attempts that failed since the start.", &counts.failed);
    counter(&mut text, "feed_errors", "Feeds that could not be read since the start.", &counts.feed_errors);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
