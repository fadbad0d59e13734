//! The witness's endpoints. Submission and monitoring prefix are the same.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use attest_core::witness::{AddCheckpoint, Refusal, SIZE_TYPE, print_size};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{AddError, Witness};
use crate::{http::guarded, logging::chain};

const TEXT: &str = "text/plain; charset=utf-8";

/// All endpoints.
pub(super) fn router(witness: Arc<Witness>, limit: Duration) -> Router {
    let router = Router::new()
        .route("/", get(about))
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(witness);
    // Without this, the limits of an address that the command line gives would hold for connections only.
    guarded(router, limit)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Body) -> Result<Response, AddError> {
    let body = axum::body::to_bytes(body, AddCheckpoint::MAX_LEN).await.map_err(|_| AddError::Body)?;
    // Verifies a signature, waits for its turn and for the disk.
    let added = tokio::task::spawn_blocking(move || witness.add(&body)).await;
    let lines = added.map_err(|_| AddError::Interrupted)??;
    Ok(text(StatusCode::OK, lines))
}

/// "A witness SHOULD serve a recent checkpoint for each log it cosigned"; 404 when it never did.
async fn checkpoint(State(witness): State<Arc<Witness>>, Path(origin): Path<String>) -> Response {
    match witness.checkpoint(&origin) {
        Some(note) => text(StatusCode::OK, note.to_string()),
        None => text(StatusCode::NOT_FOUND, "nothing was cosigned for a log with this hash of its origin\n".to_owned()),
    }
}

/// Who this is, for people.
async fn about(State(witness): State<Arc<Witness>>) -> Response {
    let mut about = format!("A C2SP tlog-witness.\n\n{}\n\nIt watches:\n", witness.key.verifier());
    for watched in witness.logs.values() {
        // Writing to a String does not fail.
        let _ = writeln!(about, "{}", watched.key);
    }
    text(StatusCode::OK, about)
}

/// 503 while the log of an origin is known to have forked: somebody has to look.
async fn readyz(State(witness): State<Arc<Witness>>) -> Response {
    let forked = tokio::task::spawn_blocking(move || witness.forked().join(", ")).await.unwrap_or_default();
    if forked.is_empty() {
        return text(StatusCode::OK, "ready\n".to_owned());
    }
    text(StatusCode::SERVICE_UNAVAILABLE, format!("forked: {forked}\n"))
}

fn text(status: StatusCode, body: String) -> Response {
    answer(status, TEXT, body)
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

impl IntoResponse for AddError {
    fn into_response(self) -> Response {
        if let Some(latest) = self.conflict() {
            return answer(StatusCode::CONFLICT, SIZE_TYPE, print_size(latest));
        }
        let status = match &self {
            Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::Refused(refusal) => {
                StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Forked { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Cosign(_) | Self::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() || matches!(self, Self::Refused(Refusal::Inconsistent(_))) {
            // What the log signed and cannot show to be consistent may be its fault, and nobody else sees it. The other
            // refusals are anybody's to cause.
            tracing::warn!(%status, "{}", chain(&self));
        }
        text(status, format!("{self}\n"))
    }
}
