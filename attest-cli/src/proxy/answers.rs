//! Answers, and problems as installers print them: pip and Poetry print the reason phrase, uv also the title and detail of
//! an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem.

use std::io::Write as _;

use attest_core::artifact::ArtifactDigest;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use flate2::{Compression, write::GzEncoder};
use hyper::ext::ReasonPhrase;
use serde_json::json;

use super::{accept::Form, judges::Blocked, listing::Listed};

/// A page below this is not worth compressing.
const MIN_ZIPPED: usize = 1024;
/// Characters of a reason phrase.
const MAX_PHRASE: usize = 200;
/// Pages are asked for again each time: what was hidden meanwhile has to be seen. Not `no-store`: nothing in them is secret,
/// and installers keep them to compare.
const PAGE_CACHE: &str = "max-age=0, must-revalidate";
/// An installer that kept a file would install it again without asking, after it was blocked (verified with uv and pip).
const FILE_CACHE: &str = "no-store";

pub(super) type Answer = Result<Response<Body>, Problem>;

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
    code: &'static str,
    phrase: Option<String>,
    range: Option<u64>,
}

impl Problem {
    pub(super) fn plain(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status, title, detail: detail.to_owned(), code: "request", phrase: None, range: None }
    }

    /// A policy keeps the file back.
    pub(super) fn blocked(file: &Listed, blocked: &Blocked) -> Self {
        let detail = format!("{}: {}. Run `attest explain sha256:{}`", file.name, blocked.reason, file.digest);
        let phrase = Some(format!("Blocked by attest policy: {}", blocked.reason));
        Self {
            status: StatusCode::FORBIDDEN,
            title: "Blocked by attest policy",
            detail,
            code: blocked.code,
            phrase,
            range: None,
        }
    }

    /// The index behind us does not do its part, or nothing can be judged.
    pub(super) fn outage(detail: &str) -> Self {
        let phrase = Some(format!("attest proxy: {detail}"));
        let title = "The index behind attest does not answer as it should";
        Self { status: StatusCode::BAD_GATEWAY, title, detail: detail.to_owned(), code: "outage", phrase, range: None }
    }

    pub(super) fn beyond(size: u64) -> Self {
        Self { range: Some(size), ..Self::plain(StatusCode::RANGE_NOT_SATISFIABLE, "the file ends before") }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FILE_CACHE));
        if let Some(size) = self.range {
            headers.insert(header::CONTENT_RANGE, value(&format!("bytes */{size}")));
        }
        if let Some(phrase) = self.phrase.and_then(|phrase| ReasonPhrase::try_from(ascii(&phrase).into_bytes()).ok()) {
            response.extensions_mut().insert(phrase);
        }
        response
    }
}

/// A reason phrase is one short line of ASCII.
fn ascii(text: &str) -> String {
    text.chars().take(MAX_PHRASE).map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()
}

/// Of text that is ASCII without control characters.
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(super) fn redirect(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, value(to));
    response
}

pub(super) fn page(form: Form, page: String, zipped: bool) -> Response<Body> {
    let zipped = if zipped && page.len() >= MIN_ZIPPED { gzip(page.as_bytes()) } else { None };
    let is_zipped = zipped.is_some();
    let mut response = Response::new(Body::from(zipped.unwrap_or_else(|| page.into_bytes())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(PAGE_CACHE));
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding, user-agent"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    if is_zipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

pub(super) fn accepts_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.all(|part| part != "q=0")
    })
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// The tag lets a download that broke off go on where it was, and only of the same bytes.
pub(super) fn file_headers(headers: &mut HeaderMap, digest: &ArtifactDigest) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FILE_CACHE));
    headers.insert(header::ETAG, value(&format!("\"{digest}\"")));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
}

pub(super) fn metadata(text: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FILE_CACHE));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_phrase_is_one_short_line_of_ascii() {
        let problem = Problem::outage(&format!("line\r\nSet-Cookie: x=\u{fc}{}", "y".repeat(500)));
        let response = problem.into_response();
        let phrase = response.extensions().get::<ReasonPhrase>().unwrap().as_bytes();
        assert!(phrase.len() <= MAX_PHRASE && phrase.iter().all(|b| (b' '..=b'~').contains(b)), "{phrase:?}");
        assert!(phrase.starts_with(b"attest proxy: line??Set-Cookie: x=?y"));
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        assert!(accepts_gzip("gzip, deflate") && accepts_gzip("br, gzip;q=0.5"));
        assert!(!accepts_gzip("identity") && !accepts_gzip("gzip;q=0") && !accepts_gzip("x-gzip"));
    }
}
