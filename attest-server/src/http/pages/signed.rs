//! Entries and who signed them, badges and feeds.

pub(super) mod account;
mod badge;
mod check;
mod entry;
mod feed;
mod mentions;
mod path;
mod rebuilder;
#[cfg(test)]
mod samples;

use std::sync::Arc;

use attest_core::escape::is_hidden;
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use sha2::{Digest as _, Sha256};

use self::{badge::Verdict, feed::Channel};
use super::{answer, asked::Asked, folder, wrong::Wrong};
use crate::http::{Site, not_here, read::matches_tag, views};

/// Badges and feeds are asked for by many, again and again, and may be some minutes old.
const SHORT: &str = "public, max-age=300";
/// What follows from an entry alone.
const LONG: &str = "public, max-age=86400";
/// What is made anew for each checkpoint.
const FRESH: &str = "no-cache";

const SVG: &str = "image/svg+xml";
const ATOM: &str = "application/atom+xml; charset=utf-8";

pub(super) fn routes() -> Router<Arc<Site>> {
    let router = folder(Router::new(), "/entry/{index}/", entry::page);
    let router = folder(router, "/rebuilders/", rebuilder::list);
    let router = folder(router, "/rebuilder/{id}/", rebuilder::page);
    let router = folder(router, "/rebuilders/after/{id}/", rebuilder::list);
    folder(router, "/rebuilder/{id}/before/{index}/", rebuilder::page)
        .route("/entry/{index}/envelope.json", get(entry::envelope).fallback(not_here))
        .route("/entry/{index}/entry.bin", get(entry::raw).fallback(not_here))
        .route("/entry/{index}/entry.tlog-proof", get(entry::proof).fallback(not_here))
        .route("/entry/{index}/pae", get(entry::pae).fallback(not_here))
        .route("/entry/{index}/signature.sig", get(entry::signature).fallback(not_here))
        .route("/rebuilder/{id}/certificate.asc", get(rebuilder::certificate).fallback(not_here))
        .route("/rebuilder/{id}/feed.atom", get(rebuilder_feed).fallback(not_here))
        .route("/project/{name}/badge.svg", get(project_badge).fallback(not_here))
        .route("/project/{name}/{version}/badge.svg", get(release_badge).fallback(not_here))
        .route("/project/{name}/feed.atom", get(project_feed).fallback(not_here))
        .route("/disagreements/feed.atom", get(disagreements_feed).fallback(not_here))
        .route("/feed.atom", get(everything_feed).fallback(not_here))
}

/// Text of strangers with what could hide, turn or break it written out; XML has no place for most of it (XML 1.0, 2.2).
/// Nothing is cut: here people look at what exactly was signed.
fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// Something that is no page.
struct Document {
    kind: &'static str,
    cache: &'static str,
    bytes: Bytes,
}

impl Document {
    fn new(kind: &'static str, cache: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self { kind, cache, bytes: bytes.into() }
    }
}

/// Makes a document where it may block, and answers with a tag of its bytes.
async fn send<F>(site: Arc<Site>, request: Request, make: F) -> Response
where
    F: FnOnce(&Site, &Asked) -> Result<Document, Wrong> + Send + 'static,
{
    let asked = Asked::of(&request);
    let document = {
        let asked = asked.clone();
        views::in_turn(&site, move |site| make(site, &asked)).await
    };
    match document.unwrap_or(Err(Wrong::Interrupted)) {
        Ok(document) => tagged(document, asked.headers()),
        Err(error) => answer::wrong(&site, &asked, error),
    }
}

fn tagged(document: Document, asked: &HeaderMap) -> Response {
    let Document { kind, cache, bytes } = document;
    let digest = Sha256::digest(&bytes);
    let mut tag = String::from("\"");
    tag.extend(digest[..16].iter().map(|byte| format!("{byte:02x}")));
    tag.push('"');
    let mut response = if matches_tag(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], bytes).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    // Read by pages of others: a badge, a feed, a proof.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // An image may hold scripts and links; this one has none, and could not run them (SVG 2, 2.2).
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

const fn nothing(what: &'static str) -> Wrong {
    Wrong::NotFound { what, near: Vec::new() }
}

async fn project_badge(State(site): State<Arc<Site>>, request: Request) -> Response {
    let draw = |site: &Site, asked: &Asked| {
        let project = asked.project(1)?;
        asked.must_be(&format!("project/{project}/badge.svg"))?;
        let newest = views::glance(site, &project, None)?;
        let version = newest.as_ref().map(|newest| newest.version.as_str());
        let drawn = badge::of_project(project.as_str(), version, &Verdict::of(newest.as_ref()))?;
        Ok(Document::new(SVG, SHORT, drawn))
    };
    send(site, request, draw).await
}

async fn release_badge(State(site): State<Arc<Site>>, request: Request) -> Response {
    let draw = |site: &Site, asked: &Asked| {
        let (project, version) = (asked.project(1)?, asked.version(2)?);
        asked.must_be(&format!("project/{project}/{version}/badge.svg"))?;
        // Whoever shows a badge before anything was said gets one that says so. A README has its own spelling of a version.
        let release = views::glance(site, &project, Some(&version))?;
        let drawn = badge::of_release(project.as_str(), &version.to_string(), &Verdict::of(release.as_ref()))?;
        Ok(Document::new(SVG, SHORT, drawn))
    };
    send(site, request, draw).await
}

async fn everything_feed(State(site): State<Arc<Site>>, request: Request) -> Response {
    let write = |site: &Site, _: &Asked| {
        let found = views::entries(site, None)?;
        let title = format!("Everything in {}", site.origin);
        Ok(Document::new(ATOM, SHORT, channel(site, "", &title).entries(&found.items)?))
    };
    send(site, request, write).await
}

async fn project_feed(State(site): State<Arc<Site>>, request: Request) -> Response {
    let write = |site: &Site, asked: &Asked| {
        let project = asked.project(1)?;
        asked.must_be(&format!("project/{project}/feed.atom"))?;
        let found = views::project(site, &project, None)?.ok_or(nothing("Nothing is said about that project."))?;
        let (page, title) = (format!("project/{project}/"), format!("{project} in {}", site.origin));
        Ok(Document::new(ATOM, SHORT, channel(site, &page, &title).entries(&found.entries.items)?))
    };
    send(site, request, write).await
}

async fn rebuilder_feed(State(site): State<Arc<Site>>, request: Request) -> Response {
    let write = |site: &Site, asked: &Asked| {
        let found = rebuilder::find(site, asked, None)?;
        let (page, title) = (format!("rebuilder/{}/", found.row.id), format!("{} in {}", found.row.name, site.origin));
        Ok(Document::new(ATOM, SHORT, channel(site, &page, &title).entries(&found.entries.items)?))
    };
    send(site, request, write).await
}

async fn disagreements_feed(State(site): State<Arc<Site>>, request: Request) -> Response {
    let write = |site: &Site, _: &Asked| {
        let found = views::disagreements(site, None)?;
        let title = format!("Disagreements in {}", site.origin);
        Ok(Document::new(ATOM, SHORT, channel(site, "disagreements/", &title).disagreements(&found.items)?))
    };
    send(site, request, write).await
}

fn channel<'a>(site: &'a Site, page: &'a str, title: &'a str) -> Channel<'a> {
    Channel { origin: &site.origin, public: site.public_url.as_ref(), page, title, now: site.clock.now().secs() }
}

#[cfg(test)]
mod tests;
