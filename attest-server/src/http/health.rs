//! `/healthz`: the process answers. `/readyz`: it does its work, or says what keeps it from that.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use attest_core::{
    api::{Readiness, ReadyStatus as Status, record::LogRole},
    merkle::TreeSize,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
};

use super::{Role, Site};
use crate::{mirror::MirrorState, quota::Moment, sequencer::Sequencer, witnesses::Fail};

/// Seconds that the clock may be behind the last checkpoint: it was stepped a little, or is another machine's.
const MAX_CLOCK_SKEW: u64 = 60;
/// A checkpoint takes milliseconds, with slow witnesses seconds.
const MAX_UNPUBLISHED: Duration = Duration::from_secs(30);

/// The process answers.
pub(super) async fn healthz() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n")
}

/// What a look at the server finds.
#[derive(Debug)]
pub(crate) struct Look {
    code: StatusCode,
    status: Status,
    reason: Option<String>,
}

impl Look {
    /// Whether `/readyz` answers 200.
    pub(crate) fn is_ready(&self) -> bool {
        self.code == StatusCode::OK
    }

    /// What `/readyz` says beside that, in words.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    const fn ready() -> Self {
        Self { code: StatusCode::OK, status: Status::Ready, reason: None }
    }

    const fn down(reason: String) -> Self {
        Self { code: StatusCode::SERVICE_UNAVAILABLE, status: Status::Down, reason: Some(reason) }
    }
}

/// Remembers whether publishing goes on, from one look to the next.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Option<(TreeSize, Moment)>>);

impl Progress {
    /// How long `published` has been behind `stored`, as far as was looked.
    fn behind(&self, published: TreeSize, stored: TreeSize, now: Moment) -> Duration {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen {
            _ if published >= stored => *seen = None,
            Some((size, since)) if size == published => return now.since(since),
            _ => *seen = Some((published, now)),
        }
        Duration::ZERO
    }
}

/// 200 while the work gets done, 503 with the reason when it does not.
pub(super) async fn readyz(
    State(site): State<Arc<Site>>,
) -> (StatusCode, [(HeaderName, &'static str); 1], Json<Readiness>) {
    let published = site.reader.published();
    let now = site.clock.now();
    let data = site.data.clone();
    let free = tokio::task::spawn_blocking(move || free_bytes(&data)).await.ok().flatten();
    let Look { code, status, reason } = look(&site);
    let body = Readiness {
        status,
        role: match site.role {
            Role::Log { .. } | Role::Stopped => LogRole::Log,
            Role::Mirror { .. } => LogRole::Mirror,
        },
        reason,
        size: published.head.size.get(),
        published_at: published.time.to_string(),
        published_age_seconds: now.secs().saturating_sub(published.time.secs()),
        free_bytes: free,
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(body))
}

/// Whether it does its work.
pub(crate) fn look(site: &Site) -> Look {
    let published = site.reader.published();
    let behind = published.time.secs().saturating_sub(site.clock.now().secs());
    if behind > MAX_CLOCK_SKEW {
        return Look::down(format!("the clock is {behind} seconds behind the time of the last checkpoint"));
    }
    if let Some(frozen) = site.freeze.now() {
        // Ready for all that it is there for now; who balances load must not take it away.
        return Look { code: StatusCode::OK, status: Status::Frozen, reason: Some(frozen.to_string()) };
    }
    if let Some(reason) = site.mirrors.alarm() {
        return Look { code: StatusCode::SERVICE_UNAVAILABLE, status: Status::Alarm, reason: Some(reason) };
    }
    match &site.role {
        Role::Mirror { .. } if published.note.is_empty() => Look::down("nothing is replicated yet".to_owned()),
        Role::Log { sequencer, .. } => {
            let unpublished = site.progress.behind(published.head.size, sequencer.size(), Moment::of(Instant::now()));
            log_status(sequencer, unpublished)
        }
        Role::Mirror { state, max_stale } => {
            if let Some(reason) = site.negatives.alarm() {
                return Look { code: StatusCode::SERVICE_UNAVAILABLE, status: Status::Alarm, reason: Some(reason) };
            }
            mirror_status(&state.borrow(), site.clock.now().secs(), max_stale.as_secs())
        }
        Role::Stopped => Look::down("the log does not run".to_owned()),
    }
}

fn log_status(sequencer: &Sequencer, unpublished: Duration) -> Look {
    if !sequencer.is_running() {
        return Look::down("the log stopped writing: see what it logged".to_owned());
    }
    if !sequencer.has_room() {
        return Look::down("the disk is too full to append".to_owned());
    }
    if let Some(cosigning) = sequencer.cosigning()
        && let Some(trouble) = cosigning.trouble()
    {
        return match cosigning.fail {
            Fail::Closed => Look::down(trouble),
            Fail::Open => Look { code: StatusCode::OK, status: Status::Unwitnessed, reason: Some(trouble) },
        };
    }
    if unpublished > MAX_UNPUBLISHED {
        return Look::down(format!("nothing was published for {} seconds, and entries wait", unpublished.as_secs()));
    }
    Look::ready()
}

/// A mirror whose log is silent goes on serving, and stays ready for `max_stale` seconds: mirrors are there for outages.
fn mirror_status(state: &MirrorState, now: u64, max_stale: u64) -> Look {
    match state {
        MirrorState::Current => Look::ready(),
        MirrorState::Stalled { since } => {
            let reason = format!("the log has shown the same note since {since}: nothing added, nothing cosigned anew");
            Look { code: StatusCode::OK, status: Status::Stalled, reason: Some(reason) }
        }
        MirrorState::Stale { since, reason } => {
            let code = if now.saturating_sub(since.secs()) > max_stale {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            };
            Look { code, status: Status::Stale, reason: Some(reason.clone()) }
        }
        MirrorState::Forked { reason } => {
            Look { code: StatusCode::SERVICE_UNAVAILABLE, status: Status::Forked, reason: Some(reason.clone()) }
        }
    }
}

/// Bytes that an unprivileged process may still write.
pub(crate) fn free_bytes(data: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(data).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_wait_count_from_the_first_look_that_saw_them_until_something_is_published() {
        let (progress, size) = (Progress::default(), TreeSize::new);
        let at = |seconds| Moment::default().after(Duration::from_secs(seconds));
        assert_eq!(progress.behind(size(5), size(5), at(0)), Duration::ZERO);
        assert_eq!(progress.behind(size(5), size(6), at(1000)), Duration::ZERO);
        assert_eq!(progress.behind(size(5), size(9), at(1031)), Duration::from_secs(31));
        // It moves, though it is not there yet.
        assert_eq!(progress.behind(size(6), size(9), at(1040)), Duration::ZERO);
        assert_eq!(progress.behind(size(9), size(9), at(1050)), Duration::ZERO);
        assert_eq!(progress.behind(size(9), size(10), at(2000)), Duration::ZERO);
    }
}
