//! What workers ask for.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::output::causes;
use crate::rebuilder::coordinator::Coordinator;
use crate::rebuilder::intake::{self, IntakeError};
use crate::rebuilder::job::Given;
use crate::rebuilder::journal::JournalError;
use crate::rebuilder::queue::{End, QueueError};
use crate::rebuilder::wire::{Answered, Ended, MAX_FILES, MAX_RESULT, Task, is_plain};

/// A sender is gone that sends nothing for so long.
const STALLED: Duration = Duration::from_secs(60);
/// Between two signs of life while a file comes in: far more often than a lease is long.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Whose token it was.
#[derive(Debug)]
pub(super) struct Worker(String);

/// Why a worker does not get what it asks for. The one place that chooses the status.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error("expected the token of a worker")]
    Unauthorized,
    #[error("expected JOB-ATTEMPT and a plain file name")]
    Path,
    #[error("expected a result of at most {MAX_FILES} files and {MAX_RESULT} bytes")]
    TooLarge,
    #[error("the file broke off")]
    BrokenOff,
    #[error("something else about this attempt is coming in")]
    Busy,
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("the file cannot be kept")]
    Keep(#[from] std::io::Error),
    #[error("the coordinator failed")]
    Failed,
}

impl IntoResponse for WorkError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Path => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Queue(QueueError::Journal(JournalError::Full { .. })) | Self::Keep(_) => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            Self::Intake(error) if error.is_ours() => StatusCode::INSUFFICIENT_STORAGE,
            Self::Intake(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Queue(error) if error.is_fatal() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Queue(_) => StatusCode::CONFLICT,
            // Sent again, it may arrive whole.
            Self::BrokenOff | Self::Busy | Self::Failed => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, causes(&self)).into_response()
    }
}

impl FromRequestParts<Arc<Coordinator>> for Worker {
    type Rejection = WorkError;

    async fn from_request_parts(parts: &mut Parts, coordinator: &Arc<Coordinator>) -> Result<Self, WorkError> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(WorkError::Unauthorized)?.to_owned();
        let coordinator = Arc::clone(coordinator);
        let worker = blocking(move || Ok(coordinator.worker(&token))).await?;
        worker.map(Self).ok_or(WorkError::Unauthorized)
    }
}

pub(super) async fn take(
    State(coordinator): State<Arc<Coordinator>>,
    Worker(worker): Worker,
) -> Result<Response, WorkError> {
    let task = blocking(move || {
        if crate::interrupt::requested() || !coordinator.has_room() {
            return Ok(None);
        }
        let taken = coordinator.queue().take(&worker, &coordinator.settings.limits, now());
        Ok(coordinator.judged(taken)?)
    });
    Ok(match task.await? {
        Some((given, ask)) => Json(Task { given, wish: ask.wish }).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

pub(super) async fn ping(
    State(coordinator): State<Arc<Coordinator>>,
    Worker(worker): Worker,
    Path(given): Path<String>,
) -> Result<StatusCode, WorkError> {
    let given = parse(&given)?;
    blocking(move || Ok(coordinator.queue().ping(given, &worker, now())?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One file of a result, into the folder of its attempt; the same name again replaces it.
pub(super) async fn file(
    State(coordinator): State<Arc<Coordinator>>,
    Worker(worker): Worker,
    Path((given, name)): Path<(String, String)>,
    mut body: Body,
) -> Result<StatusCode, WorkError> {
    let given = parse(&given)?;
    if !is_plain(&name) {
        return Err(WorkError::Path);
    }
    coordinator.queue().ping(given, &worker, now())?;
    let _inside = coordinator.doors.enter(given).ok_or(WorkError::Busy)?;
    let folder = coordinator.folder.incoming(given);
    fs::create_dir_all(&folder)?;
    let (mut files, mut left) = (0, MAX_RESULT);
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if entry.file_name() != *name {
            files += 1;
            left = left.saturating_sub(entry.metadata()?.len());
        }
    }
    if files >= MAX_FILES {
        return Err(WorkError::TooLarge);
    }
    // Under another name until it is whole; the start after a crash removes it.
    let mut part = tempfile::Builder::new().prefix(intake::PART).tempfile_in(&folder)?;
    let mut heard = Instant::now();
    // A sender that stops in the middle may not keep the attempt to itself.
    while let Some(frame) = timeout(STALLED, body.frame()).await.map_err(|_| WorkError::BrokenOff)? {
        let frame = frame.map_err(|_| WorkError::BrokenOff)?;
        if heard.elapsed() >= SIGN_OF_LIFE {
            heard = Instant::now();
            // A big file over a slow line: its worker is not lost. One that came too late is told so here.
            coordinator.queue().ping(given, &worker, now())?;
        }
        let Ok(data) = frame.into_data() else { continue };
        left = left.checked_sub(data.len() as u64).ok_or(WorkError::TooLarge)?;
        // The page cache takes it: nothing waits for the disk here.
        part.write_all(&data)?;
    }
    part.persist(folder.join(name)).map_err(|error| error.error)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn answer(
    State(coordinator): State<Arc<Coordinator>>,
    Worker(worker): Worker,
    Path(given): Path<String>,
    Json(answered): Json<Answered>,
) -> Result<StatusCode, WorkError> {
    let given = parse(&given)?;
    blocking(move || take_in(&coordinator, given, &worker, &answered)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn take_in(coordinator: &Coordinator, given: Given, worker: &str, answered: &Answered) -> Result<(), WorkError> {
    let wish = coordinator.queue().deliverable(given, worker)?.ask.wish.clone();
    // Sent twice, since its first answer was lost: one of them is looked at, and the other is told what came of it later.
    let _inside = coordinator.doors.enter(given).ok_or(WorkError::Busy)?;
    let answer = match intake::accept(&coordinator.folder, given, &wish, answered.build) {
        Err(error) if !error.is_ours() => {
            coordinator.counts.refused.fetch_add(1, Ordering::Relaxed);
            let why = causes(&error);
            let ended = coordinator.queue().end(given, worker, End::Failed, why, &coordinator.settings.limits, now());
            coordinator.judged(ended)?;
            return Err(error.into());
        }
        accepted => accepted?,
    };
    let done = coordinator.queue().answer(given, worker, answer.clone(), now());
    coordinator.judged(done)?;
    // If we crash here, the next start does it.
    intake::settle(&coordinator.folder, given.job, &answer)?;
    coordinator.counts.results.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

pub(super) async fn end(
    State(coordinator): State<Arc<Coordinator>>,
    Worker(worker): Worker,
    Path(given): Path<String>,
    Json(ended): Json<Ended>,
) -> Result<StatusCode, WorkError> {
    let given = parse(&given)?;
    blocking(move || {
        let end = if ended.given_back { End::GivenBack } else { End::Failed };
        if end == End::Failed {
            coordinator.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        let done = coordinator.queue().end(given, &worker, end, ended.why, &coordinator.settings.limits, now());
        Ok(coordinator.judged(done)?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(given: &str) -> Result<Given, WorkError> {
    given.parse().map_err(|_| WorkError::Path)
}

fn now() -> u64 {
    crate::run::now().secs()
}

/// Where the disk is waited for.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkError> + Send + 'static,
) -> Result<T, WorkError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(WorkError::Failed))
}
