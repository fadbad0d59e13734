//! Errors as answers: the one place that chooses a status, in the form of RFC 9457.

use std::{sync::Arc, time::Duration};

use attest_core::{api, artifact::ArtifactError, ijson::IJsonError, merkle::TreeSize, tile::TileError};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    endpoints::{Endpoint, Place},
    views::ViewError,
};
use crate::{
    admission::AdmissionError,
    freeze::Frozen,
    logging::chain,
    metrics::instruments,
    negatives::ListError,
    quota::{
        addresses::{AddressLimit, TooMany},
        rebuilder::{Exhausted, Period},
    },
    reader::ReadError,
    rebuilders::live::ChargeError,
    sequencer::SubmitError,
};

/// After which a client should come back when the server has too much to do.
const BREATHER: Duration = Duration::from_secs(1);

/// Everything that a request can fail with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
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
    /// The log is read-only.
    #[error("{origin} accepts nothing more; it has {size} entries, and is {frozen}")]
    Frozen {
        /// Name of the log.
        origin: String,
        /// Published entries.
        size: TreeSize,
        /// Since when, why, and where to go.
        frozen: Arc<Frozen>,
    },
    /// Not JSON of the documented form.
    #[error("the body is not a lookup: {0}")]
    Json(IJsonError),
    /// The endpoint has other methods.
    #[error("expected one of the methods {allow}")]
    MethodNotAllowed {
        /// Value of `Allow`.
        allow: &'static str,
    },
    /// What a scrape would show could not be put together.
    #[error("the metrics could not be written")]
    Metrics,
    /// A mirror takes no statements.
    #[error("this is a mirror: it takes no statements")]
    Mirror,
    /// The list of negatives could not be made or read.
    #[error("the server could not read its list of negatives")]
    Negatives(#[from] ListError),
    /// Another query than lists of negatives have.
    #[error(transparent)]
    NegativesQuery(api::NegativesQueryError),
    /// Not in the published tree, or no such endpoint.
    #[error("there is nothing here: {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// Taken off the list between the check of its signature and the log.
    #[error("the rebuilder whose key signed this is not listed any more")]
    NotListed,
    /// The client takes none of what the endpoint answers with.
    #[error("expected an `Accept` header that takes application/json")]
    NotAcceptable,
    /// A part of the path or of the query is not of its form.
    #[error("{name}: expected {expected}, found {found:?}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// Its form.
        expected: &'static str,
        /// As sent, cut short.
        found: String,
    },
    /// The rebuilder added as many entries as it may.
    #[error("this rebuilder has logged as many new statements as its quota per {} allows", period(.0.period))]
    Quota(Exhausted),
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
    /// One address asks for too much.
    #[error("{} from this address", too_many(.0.limit))]
    TooManyRequests(TooMany),
    /// A parameter that the endpoint does not have, or has once.
    #[error("expected {}, found {found:?}", expected_query(endpoint))]
    UnknownParameter {
        /// As sent, cut short.
        found: String,
        /// What was asked.
        endpoint: &'static Endpoint,
    },
    /// The public record has no answer.
    #[error(transparent)]
    View(#[from] ViewError),
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
            | Self::NegativesQuery(_)
            | Self::Parameter { .. }
            | Self::TilePath(_)
            | Self::TooManyDigests { .. }
            | Self::UnknownParameter { .. } => StatusCode::BAD_REQUEST,
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            // Not 405 (RFC 9110 15.5.6): the method is right, and asking again does not help.
            Self::Frozen { .. } | Self::Mirror | Self::NotListed => StatusCode::FORBIDDEN,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::NotFound { .. } | Self::View(ViewError::NoRecord) => StatusCode::NOT_FOUND,
            Self::Quota(_) | Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Timeout { .. } | Self::View(ViewError::NotYet) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Interrupted | Self::Metrics | Self::Negatives(_) | Self::Read(_) | Self::View(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Submit(error) => match error {
                SubmitError::Busy | SubmitError::NotStored | SubmitError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
                SubmitError::Full => StatusCode::INSUFFICIENT_STORAGE,
                SubmitError::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// Its name in the metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Admission { error, .. } => match error {
                AdmissionError::Envelope(_) => "envelope",
                AdmissionError::SignatureForm(_) => "signature_form",
                AdmissionError::UnknownSigner { .. } => "unknown_signer",
                AdmissionError::Busy => "verify_queue_full",
                AdmissionError::Interrupted => "interrupted",
            },
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTruncated => "body_truncated",
            Self::ContentType { .. } => "content_type",
            Self::Digest(_) => "digest",
            Self::Json(_) => "json",
            Self::MethodNotAllowed { .. } => "method",
            Self::Metrics | Self::Interrupted => "interrupted",
            Self::Frozen { .. } => "frozen",
            Self::Mirror => "mirror",
            Self::NotFound { .. } | Self::View(ViewError::NoRecord) => "not_found",
            Self::View(ViewError::NotYet) => "record_filling",
            Self::NotListed => "unknown_signer",
            Self::NegativesQuery(_) | Self::Parameter { .. } | Self::UnknownParameter { .. } => "query",
            Self::NotAcceptable => "not_acceptable",
            Self::Quota(_) => "quota_rebuilder",
            Self::Negatives(_) | Self::Read(_) | Self::Submit(SubmitError::Read(_)) | Self::View(_) => "storage",
            Self::TilePath(_) => "tile_path",
            Self::Timeout { .. } => "timeout",
            Self::TooManyRequests(_) => "quota_address",
            Self::TooManyDigests { .. } => "too_many_digests",
            Self::Submit(SubmitError::Busy) => "pool_full",
            Self::Submit(SubmitError::Full) => "disk_full",
            Self::Submit(SubmitError::NotStored) => "not_stored",
            Self::Submit(SubmitError::Stopped) => "stopped",
        }
    }

    /// Which quota refused, for the metrics.
    const fn limit(&self) -> Option<&'static str> {
        match self {
            Self::Quota(exhausted) => Some(match exhausted.period {
                Period::Minute => "rebuilder_minute",
                Period::Day => "rebuilder_day",
            }),
            Self::TooManyRequests(too_many) => Some(match too_many.limit {
                AddressLimit::InFlight => "address_in_flight",
                AddressLimit::Reads => "address_reads",
                AddressLimit::Submissions => "address_submissions",
            }),
            _ => None,
        }
    }

    /// Nothing is wrong: the log of the server says once that the record is made, and not again for each request.
    const fn is_expected(&self) -> bool {
        matches!(self, Self::View(ViewError::NotYet))
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let wait = match self {
            Self::MethodNotAllowed { allow } => return Some((header::ALLOW, HeaderValue::from_static(allow))),
            Self::Quota(exhausted) => exhausted.wait,
            Self::TooManyRequests(too_many) => too_many.wait,
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => BREATHER,
            _ => return None,
        };
        // RFC 9110 section 10.2.3: whole seconds; a moment too early would be refused again.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Some((header::RETRY_AFTER, HeaderValue::from(seconds.max(1))))
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
            Self::Frozen { frozen, .. } => frozen.next().map(|next| format!("submit to {next}")),
            Self::Mirror => Some("submit to the log itself".to_owned()),
            Self::UnknownParameter { .. } => Some("/api/ on this server says what each path takes".to_owned()),
            Self::TooManyDigests { limit, .. } => Some(format!("ask in parts of {limit}")),
            Self::Timeout { .. } | Self::Submit(SubmitError::Busy | SubmitError::NotStored | SubmitError::Stopped) => {
                Some("submit again: a statement that was logged meanwhile keeps its first index".to_owned())
            }
            Self::Quota(_) => {
                Some("submit the rest after the seconds that Retry-After says; duplicates cost nothing".to_owned())
            }
            Self::TooManyRequests(_) => Some("send fewer requests at a time".to_owned()),
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

fn expected_query(endpoint: &Endpoint) -> String {
    let known: Vec<&str> =
        endpoint.parameters.iter().filter(|one| one.place != Place::Path).map(|one| one.name).collect();
    if known.is_empty() { "no query".to_owned() } else { format!("a query of {}, each once", known.join(" and ")) }
}

const fn period(period: Period) -> &'static str {
    match period {
        Period::Minute => "minute",
        Period::Day => "day",
    }
}

const fn too_many(limit: AddressLimit) -> &'static str {
    match limit {
        AddressLimit::InFlight => "too many requests wait for their answer",
        AddressLimit::Reads => "too many requests per second",
        AddressLimit::Submissions => "too many submissions per second",
    }
}

impl From<ChargeError> for Problem {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Exhausted(exhausted) => Self::Quota(exhausted),
            ChargeError::NotListed => Self::NotListed,
        }
    }
}

/// Of an answer: that it is an error is no trouble of the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected;

/// An error on its way out: what surrounds every request adds the request's id and writes the body.
#[derive(Clone, Debug)]
pub(super) struct Unfinished(api::Problem);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() && !self.is_expected() {
            // The cause is for the operator; the client gets the sentence.
            tracing::warn!(%status, "{}", chain(&self));
        }
        let instruments = instruments();
        instruments.http.problems.inc(self.reason());
        if let Some(limit) = self.limit() {
            instruments.quota.inc(limit);
        }
        let body = api::Problem {
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            hint: self.hint(),
            request_id: None,
        };
        let mut response = status.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after, x-request-id"));
        if let Some((name, value)) = self.header() {
            headers.insert(name, value);
        }
        if self.is_expected() {
            response.extensions_mut().insert(Expected);
        }
        response.extensions_mut().insert(Unfinished(body));
        response
    }
}

/// What an error says, for who shows it in another form.
pub(super) fn told(response: &mut Response) -> Option<api::Problem> {
    response.extensions_mut().remove().map(|Unfinished(problem)| problem)
}

/// Writes the body of an error; passes every other response on.
pub(super) fn finish(mut response: Response, request_id: &str) -> Response {
    let Some(Unfinished(mut problem)) = response.extensions_mut().remove() else {
        return response;
    };
    problem.request_id = Some(request_id.to_owned());
    // Strings and a number always serialise.
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
    response
}
