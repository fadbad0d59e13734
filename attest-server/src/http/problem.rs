//! Errors as answers: the one place that chooses a status, in the form of RFC 9457.

use attest_core::{api, artifact::ArtifactError, ijson::IJsonError, tile::TileError};
use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{admission::AdmissionError, logging::chain, reader::ReadError, sequencer::SubmitError};

/// Seconds after which a client should come back when the server has too much to do.
const RETRY_AFTER: &str = "1";

/// Everything that a request can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Not admitted.
    #[error("{error}")]
    Admission {
        /// Why.
        error: AdmissionError,
        /// Origin of this log.
        origin: String,
        /// Who decides about its list.
        operator: Option<String>,
    },
    /// Longer than the endpoint's limit.
    #[error("expected a body of at most {limit} bytes, found more")]
    BodyTooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The client stopped in the middle.
    #[error("the body ended before it was complete")]
    BodyTruncated,
    /// Another media type than the endpoint takes, or a compressed body.
    #[error("expected a body of type {expected} without content encoding, found {found}")]
    ContentType {
        /// The only one.
        expected: &'static str,
        /// As sent.
        found: String,
    },
    /// Not the digest of a file.
    #[error("expected the SHA-256 of a file as 64 lower-case hexadecimal digits: {0}")]
    Digest(ArtifactError),
    /// Not JSON of the documented form.
    #[error("the body is not a lookup: {0}")]
    Json(IJsonError),
    /// The endpoint has other methods.
    #[error("expected one of the methods {allow}")]
    MethodNotAllowed {
        /// Value of `Allow`.
        allow: &'static str,
    },
    /// A mirror takes no statements.
    #[error("this is a mirror: it takes no statements")]
    Mirror,
    /// Not in the published tree, or no such endpoint.
    #[error("there is nothing here: {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// Another query than the endpoint takes.
    #[error("expected no query, or from=N with N a decimal number, found {found:?}")]
    Query {
        /// As sent.
        found: String,
    },
    /// The stored tree could not be read.
    #[error("the log could not read its own storage")]
    Read(#[from] ReadError),
    /// A task of the server ended early.
    #[error("the server could not finish this request")]
    Interrupted,
    /// A path below /tile/ that names no tile.
    #[error("not the path of a tile or an entry bundle: {0}")]
    TilePath(TileError),
    /// Not answered in time.
    #[error("the request took longer than {seconds} seconds")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// More digests than one lookup may have.
    #[error("expected at most {limit} digests, found {found}")]
    TooManyDigests {
        /// The limit.
        limit: usize,
        /// As sent.
        found: usize,
    },
    /// Not appended.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Admission { error, .. } => match error {
                AdmissionError::Envelope(_) | AdmissionError::SignatureForm(_) => StatusCode::BAD_REQUEST,
                AdmissionError::UnknownSigner { .. } => StatusCode::FORBIDDEN,
                AdmissionError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                AdmissionError::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTruncated
            | Self::Digest(_)
            | Self::Json(_)
            | Self::Query { .. }
            | Self::TilePath(_)
            | Self::TooManyDigests { .. } => StatusCode::BAD_REQUEST,
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Mirror => StatusCode::FORBIDDEN,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Interrupted | Self::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Timeout { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Submit(error) => match error {
                SubmitError::Busy | SubmitError::NotStored | SubmitError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
                SubmitError::Entry(_) => StatusCode::BAD_REQUEST,
                SubmitError::Full => StatusCode::INSUFFICIENT_STORAGE,
                SubmitError::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::MethodNotAllowed { allow } => Some((header::ALLOW, HeaderValue::from_static(allow))),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => {
                Some((header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER)))
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Admission { error, origin, operator } => match error {
                AdmissionError::Envelope(_) => Some(
                    "`attest sign` writes envelopes in the canonical form; the log never rewrites what it is given"
                        .to_owned(),
                ),
                AdmissionError::SignatureForm(_) => Some(
                    "`attest sign --signer gpg:FINGERPRINT` asks gpg for a signature of the accepted form".to_owned(),
                ),
                AdmissionError::UnknownSigner { .. } => Some(how_to_get_listed(origin, operator.as_deref())),
                AdmissionError::Busy => Some("submit again in a moment".to_owned()),
                AdmissionError::Interrupted => None,
            },
            Self::ContentType { expected, .. } => Some(format!("send the header `Content-Type: {expected}`")),
            Self::Mirror => Some("submit to the log itself".to_owned()),
            Self::TooManyDigests { limit, .. } => Some(format!("ask in parts of {limit}")),
            Self::Timeout { .. } | Self::Submit(SubmitError::Busy | SubmitError::NotStored | SubmitError::Stopped) => {
                Some("submit again: a statement that was logged meanwhile keeps its first index".to_owned())
            }
            Self::Submit(SubmitError::Full) => Some("the operator of the log has to make room".to_owned()),
            _ => None,
        }
    }
}

fn how_to_get_listed(origin: &str, operator: Option<&str>) -> String {
    let who = operator.unwrap_or("its operator, who published no contact here");
    format!(
        "{origin} takes statements of listed rebuilders only, and is run by {who}: send them a name, a URL, a contact \
         and the public key (`attest key show`) to get listed"
    )
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            // The cause is for the operator; the client gets the sentence.
            tracing::warn!(%status, "{}", chain(&self));
        }
        let body = api::Problem {
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            hint: self.hint(),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if let Some((name, value)) = self.header() {
            headers.insert(name, value);
        }
        response
    }
}
