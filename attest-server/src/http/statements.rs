//! `POST /api/v1/statements`: one envelope in, one finished proof out.

use std::{sync::Arc, time::Instant};

use attest_core::{api, tile::Entry};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{Problem, Role, Site, request};
use crate::{metrics::instruments, quota::Moment};

/// Answers when the statement is under a published checkpoint: 201 when it is new, 200 when it was there before.
pub(super) async fn submit(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let Role::Log { sequencer, admission, rebuilders } = &site.role else {
        return Err(Problem::Mirror);
    };
    if let Some(frozen) = site.freeze.now() {
        return Err(Problem::Frozen { origin: site.origin.clone(), size: site.reader.published().head.size, frozen });
    }
    let (head, body) = request.into_parts();
    let bytes = request::body(&head.headers, body, api::ENVELOPE_TYPE, Entry::MAX_LEN).await?;
    let arrived = Instant::now();
    let submission = admission.admit(bytes).await.map_err(|error| Problem::Admission {
        error,
        origin: site.origin.clone(),
        operator: rebuilders.current().operator().map(ToString::to_string),
    })?;
    let statement_id = submission.id();
    let admitted = Instant::now();
    instruments().stages.verify.observe(admitted.saturating_duration_since(arrived));
    let charge = rebuilders.charge(submission.signer(), Moment::of(admitted))?;
    let ack = match sequencer.submit(submission).await {
        Ok(ack) if ack.duplicate.is_none() => {
            instruments().submissions.inc("logged");
            ack
        }
        // A duplicate costs nothing, and neither does what was not logged.
        answer => {
            charge.give_back();
            let ack = answer?;
            instruments().submissions.inc("duplicate");
            ack
        }
    };
    let (status, envelope) = match ack.duplicate {
        None => (StatusCode::CREATED, None),
        // The client checks the proof over the stored form, which may carry another signature (docs/TRUST.md 2.5).
        Some(stored) => {
            let stored = String::from_utf8(stored).map_err(|_| Problem::Interrupted)?;
            (StatusCode::OK, Some(stored))
        }
    };
    let answer = api::Submitted { index: ack.index.get(), statement_id, proof: ack.proof, envelope };
    Ok((status, [(header::CONTENT_TYPE, JSON)], json(&answer)).into_response())
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Members of an answer beside the proof and the envelope, and what escaping their line ends and quotes adds.
const AROUND: usize = 512;

/// In one allocation: `axum::Json` grows its buffer from 128 bytes, step by step.
fn json(answer: &api::Submitted) -> Vec<u8> {
    let envelope = answer.envelope.as_ref().map_or(0, String::len);
    let mut body = Vec::with_capacity(answer.proof.len() + envelope + AROUND);
    // Strings and a number always serialise.
    let _ = serde_json::to_writer(&mut body, answer);
    body
}
