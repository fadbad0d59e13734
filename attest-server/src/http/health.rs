//! `/healthz`: the process answers. `/readyz`: it does its work, or says what keeps it from that.

use std::{path::Path, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use serde::Serialize;

use super::{Role, Site};
use crate::{mirror::MirrorState, sequencer::Sequencer};

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Body of `/readyz`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Readiness {
    status: Status,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    size: u64,
    published_at: String,
    published_age_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    free_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ready,
    /// Serves what it has, which may not be the newest.
    Stale,
    /// The log stopped, or its disk is full.
    Down,
    /// The log that is mirrored contradicts itself.
    Forked,
}

/// 200 while the work gets done, 503 with the reason when it does not.
pub(super) async fn readyz(
    State(site): State<Arc<Site>>,
) -> (StatusCode, [(HeaderName, &'static str); 1], Json<Readiness>) {
    let published = site.reader.published();
    let now = site.clock.now();
    let data = site.data.clone();
    let free = tokio::task::spawn_blocking(move || free_bytes(&data)).await.ok().flatten();
    let (code, status, reason) = match &site.role {
        Role::Mirror { .. } if published.note.is_empty() => down("nothing is replicated yet".to_owned()),
        Role::Log { sequencer, .. } => log_status(sequencer),
        Role::Mirror { state, max_stale } => mirror_status(&state.borrow(), now.secs(), max_stale.as_secs()),
    };
    let body = Readiness {
        status,
        role: match site.role {
            Role::Log { .. } => "log",
            Role::Mirror { .. } => "mirror",
        },
        reason,
        size: published.head.size.get(),
        published_at: published.time.to_string(),
        published_age_seconds: now.secs().saturating_sub(published.time.secs()),
        free_bytes: free,
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(body))
}

fn log_status(sequencer: &Sequencer) -> (StatusCode, Status, Option<String>) {
    if !sequencer.is_running() {
        return down("the log stopped writing: see what it logged".to_owned());
    }
    if !sequencer.has_room() {
        return down("the disk is too full to append".to_owned());
    }
    (StatusCode::OK, Status::Ready, None)
}

fn down(reason: String) -> (StatusCode, Status, Option<String>) {
    (StatusCode::SERVICE_UNAVAILABLE, Status::Down, Some(reason))
}

/// A mirror whose log is silent goes on serving, and stays ready for `max_stale` seconds: mirrors are there for outages.
fn mirror_status(state: &MirrorState, now: u64, max_stale: u64) -> (StatusCode, Status, Option<String>) {
    match state {
        MirrorState::Current => (StatusCode::OK, Status::Ready, None),
        MirrorState::Stale { since, reason } => {
            let code = if now.saturating_sub(since.secs()) > max_stale {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            };
            (code, Status::Stale, Some(reason.clone()))
        }
        MirrorState::Forked { reason } => (StatusCode::SERVICE_UNAVAILABLE, Status::Forked, Some(reason.clone())),
    }
}

/// Bytes that an unprivileged process may still write.
fn free_bytes(data: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(data).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}
