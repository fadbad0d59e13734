//! `POST /api/v1/statements`: one envelope in, one finished proof out.

use std::sync::Arc;

use attest_core::{api, tile::Entry};
use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};

use super::{Problem, Role, Site, request};

/// Answers when the statement is under a published checkpoint: 201 when it is new, 200 when it was there before.
pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    request: Request,
) -> Result<(StatusCode, Json<api::Submitted>), Problem> {
    let Role::Log { sequencer, admission, rebuilders } = &site.role else {
        return Err(Problem::Mirror);
    };
    let (head, body) = request.into_parts();
    let bytes = request::body(&head.headers, body, api::ENVELOPE_TYPE, Entry::MAX_LEN).await?;
    let submission = admission.admit(bytes).await.map_err(|error| Problem::Admission {
        error,
        origin: site.origin.clone(),
        operator: rebuilders.operator().map(ToString::to_string),
    })?;
    let statement_id = submission.statement.id();
    let ack = sequencer.submit(submission).await?;
    let (status, envelope) = match ack.duplicate {
        None => (StatusCode::CREATED, None),
        // The client checks the proof over the stored form, which may carry another signature (docs/TRUST.md 2.5).
        Some(stored) => {
            let stored = String::from_utf8(stored).map_err(|_| Problem::Interrupted)?;
            (StatusCode::OK, Some(stored))
        }
    };
    let answer = api::Submitted { index: ack.index.get(), statement_id, proof: ack.proof, envelope };
    Ok((status, Json(answer)))
}
