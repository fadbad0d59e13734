//! The read API: checkpoint, tiles and entry bundles, as [C2SP tlog-tiles](https://c2sp.org/tlog-tiles) has them.

use std::sync::Arc;

use attest_core::tile::Resource;
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

use super::{Problem, Site, endpoints, file_body::FileBody};
use crate::reader::{Content, Reader};

/// tlog-tiles "Merkle Tree": tiles and bundles never change, partial ones included.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const NOT_PUBLISHED: Problem = Problem::NotFound { what: "the published tree has no such tile or bundle" };

/// Any path that is no other endpoint.
pub(super) async fn read(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    if *request.method() == Method::OPTIONS {
        // Also of `*`, and of what is not there: what is never there has no other methods either.
        return Ok(endpoints::preflight(endpoints::READ));
    }
    let resource = resource(request.uri().path())?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::MethodNotAllowed { allow: endpoints::READ });
    }
    if resource == Resource::Checkpoint {
        return checkpoint(&site);
    }
    let reader = &site.reader;
    if !reader.has(resource) {
        return Err(NOT_PUBLISHED);
    }
    let tag = tag(&site, resource);
    if matches_tag(request.headers(), &tag) {
        return Ok(immutable(StatusCode::NOT_MODIFIED.into_response(), tag));
    }
    let mut response = match reader.at_once(resource)? {
        Some(Content::Bytes(bytes)) => bytes.into_response(),
        Some(Content::File(file)) => Response::new(Body::new(FileBody::new(file))),
        None => wait_for(reader.clone(), resource).await?.into_response(),
    };
    response.headers_mut().insert(header::CONTENT_TYPE, OCTETS);
    if matches!(resource, Resource::Bundle(_)) {
        // tlog-tiles "Log entries": gzip may be sent with no negotiation, and this is the stored form.
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(immutable(response, tag))
}

/// The bytes of a tile or bundle that is not in memory.
async fn wait_for(reader: Reader, resource: Resource) -> Result<Bytes, Problem> {
    let found = tokio::task::spawn_blocking(move || match resource {
        Resource::Checkpoint => Ok(None),
        Resource::Tile(id) => reader.tile(id),
        Resource::Bundle(id) => reader.bundle(id),
    });
    found.await.map_err(|_| Problem::Interrupted)??.ok_or(NOT_PUBLISHED)
}

fn resource(path: &str) -> Result<Resource, Problem> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.parse().map_err(|error| {
        if path.starts_with("tile/") {
            Problem::TilePath(error)
        } else {
            Problem::NotFound { what: "no endpoint has this path" }
        }
    })
}

/// tlog-tiles "Checkpoints": text, cached for a few seconds at most. A client that just submitted wants this one.
fn checkpoint(site: &Site) -> Result<Response, Problem> {
    let published = site.reader.published();
    if published.note.is_empty() {
        return Err(Problem::NotFound { what: "this mirror replicated nothing yet" });
    }
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    Ok((headers, published.note.clone()).into_response())
}

/// What is named by its own digest.
pub(super) fn by_digest(bytes: Vec<u8>, digest: &str, asked: &HeaderMap) -> Response {
    let tag = format!("\"{digest}\"");
    let known = matches_tag(asked, &tag);
    immutable(if known { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() }, tag)
}

fn immutable(mut response: Response, tag: String) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// A log never has two contents under one path, so its key and the path say which content it is, and nothing has to be
/// read to know. Another log that takes over this URL has another key, even under the same name, and so other tags.
///
/// A bundle's tag is weak (RFC 9110 section 8.8.1): the entries are the same for ever, the gzip around them is not.
fn tag(site: &Site, resource: Resource) -> String {
    let mut hash = Sha256::new();
    for part in [site.vkeys.first().map_or("", String::as_str), "\n", &resource.to_string()] {
        hash.update(part);
    }
    let weak = if matches!(resource, Resource::Bundle(_)) { "W/" } else { "" };
    format!("{weak}\"{}\"", hex(&hash.finalize()[..16]))
}

/// RFC 9110 section 13.1.2: `*`, or a list of tags compared without their weakness mark.
pub(super) fn matches_tag(asked: &HeaderMap, tag: &str) -> bool {
    asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || opaque(one) == opaque(tag))
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_matched_in_every_form_that_http_allows() {
        let tag = "\"00ff\"";
        for (value, expected) in [
            ("\"00ff\"", true),
            ("W/\"00ff\"", true),
            ("\"a\", \"00ff\"", true),
            ("*", true),
            ("\"00f\"", false),
            ("00ff", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            assert_eq!(matches_tag(&headers, tag), expected, "{value}");
        }
        assert!(!matches_tag(&HeaderMap::new(), tag));
    }
}
