//! `GET /api/v1/...`: the public record as JSON, a handler for each answer of [`attest_core::api::record`].
//!
//! An answer is tagged with its own digest, so whoever has it is told so in a few bytes.

use std::{fmt::Write as _, sync::Arc};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    escape::escaped_json,
    merkle::LeafIndex,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{
    Problem, Site,
    endpoints::{
        excerpt,
        form::{self, Form},
    },
    read,
    views::{self, ViewError},
};

/// Long enough for a page that asks twice, too short to miss an entry for long; then the tag decides.
const BRIEFLY: HeaderValue = HeaderValue::from_static("public, max-age=10");

/// One request for a view.
#[derive(Debug)]
pub(super) struct Ask {
    site: Arc<Site>,
    uri: Uri,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<Site>> for Ask {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Self::Rejection> {
        Ok(Self { site: Arc::clone(site), uri: parts.uri.clone(), headers: parts.headers.clone() })
    }
}

pub(super) async fn log(ask: Ask) -> Result<Response, Problem> {
    ask.found(views::log).await
}

pub(super) async fn projects(ask: Ask) -> Result<Response, Problem> {
    let after = ask.query("after").map(|text| expect("after", Form::Name, text, normal)).transpose()?;
    ask.found(move |site| views::projects(site, after.as_ref().map(ProjectName::as_str))).await
}

pub(super) async fn project(ask: Ask) -> Result<Response, Problem> {
    let text = ask.segment(0);
    let name = expect("name", Form::AnyName, text, form::name)?;
    let before = ask.before()?;
    if name.as_str() != text {
        return Ok(ask.elsewhere(name.as_str().to_owned()));
    }
    ask.answer("no statement here is about this project", move |site| views::project(site, &name, before)).await
}

pub(super) async fn release(ask: Ask) -> Result<Response, Problem> {
    let text = ask.segment(2);
    let name = expect("name", Form::AnyName, text, form::name)?;
    let version = expect("version", Form::Version, ask.segment(0), |text| {
        form::segment(text).as_deref().and_then(form::version).map(str::to_owned)
    })?;
    let after = ask.query("after").map(|text| expect("after", Form::Index, text, form::index)).transpose()?;
    let after = after.map(LeafIndex::get);
    if name.as_str() != text {
        return Ok(ask.elsewhere(format!("../../{name}/releases/{version}")));
    }
    ask.answer("no statement here is about this release", move |site| views::release(site, &name, &version, after))
        .await
}

pub(super) async fn file(ask: Ask) -> Result<Response, Problem> {
    let sha256: ArtifactDigest = expect("sha256", Form::Digest, ask.segment(0), form::digest)?;
    let before = ask.before()?;
    ask.answer("no statement here is about this file", move |site| views::file(site, sha256, before)).await
}

pub(super) async fn entries(ask: Ask) -> Result<Response, Problem> {
    let before = ask.before()?;
    ask.found(move |site| views::entries(site, before)).await
}

pub(super) async fn entry(ask: Ask) -> Result<Response, Problem> {
    let index = expect("index", Form::Index, ask.segment(0), form::index)?;
    ask.answer("the published tree has no such entry", move |site| views::entry(site, index)).await
}

pub(super) async fn rebuilders(ask: Ask) -> Result<Response, Problem> {
    let id = |text| form::rebuilder_id(text).map(str::to_owned);
    let after = ask.query("after").map(|text| expect("after", Form::RebuilderId, text, id)).transpose()?;
    ask.answer("this server lists no such rebuilder", move |site| views::rebuilders(site, after.as_deref())).await
}

pub(super) async fn rebuilder(ask: Ask) -> Result<Response, Problem> {
    let id = expect("id", Form::RebuilderId, ask.segment(0), |text| form::rebuilder_id(text).map(str::to_owned))?;
    let before = ask.before()?;
    ask.answer("this server lists no such rebuilder", move |site| views::rebuilder(site, &id, before)).await
}

pub(super) async fn disagreements(ask: Ask) -> Result<Response, Problem> {
    let before = ask.before()?;
    ask.found(move |site| views::disagreements(site, before)).await
}

pub(super) async fn search(ask: Ask) -> Result<Response, Problem> {
    let text = ask.query("q").ok_or(Problem::Parameter {
        name: "q",
        expected: Form::Text.expected(),
        found: "no such parameter".to_owned(),
    })?;
    let query = expect("q", Form::Text, text, form::text)?;
    ask.found(move |site| views::search(site, &query)).await
}

impl Ask {
    /// The n-th segment of the path from its end, as it was sent: what axum takes out of it is percent-decoded.
    fn segment(&self, n: usize) -> &str {
        self.uri.path().rsplit('/').nth(n).unwrap_or_default()
    }

    /// A parameter of the query, as it was sent. Those that are unknown or there twice were refused before.
    fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(known, value)| (known == name).then_some(value))
    }

    fn before(&self) -> Result<Option<LeafIndex>, Problem> {
        self.query("before").map(|text| expect("before", Form::Index, text, form::index)).transpose()
    }

    async fn found<T, V>(self, view: V) -> Result<Response, Problem>
    where
        T: Serialize,
        V: FnOnce(&Site) -> Result<T, ViewError> + Send + 'static,
    {
        self.answer("", move |site| view(site).map(Some)).await
    }

    /// What the view says; `nothing` where it has no answer. Views read the disk.
    async fn answer<T, V>(self, nothing: &'static str, view: V) -> Result<Response, Problem>
    where
        T: Serialize,
        V: FnOnce(&Site) -> Result<Option<T>, ViewError> + Send + 'static,
    {
        let Self { site, uri: _, headers } = self;
        let body = views::in_turn(&site, move |site| {
            let view = view(site)?.ok_or(Problem::NotFound { what: nothing })?;
            let json = serde_json::to_string(&view).map_err(|_| Problem::Interrupted)?;
            // Who looks at it in a browser or a terminal sees what it says.
            Ok::<_, Problem>(escaped_json(&json).into_owned().into_bytes())
        });
        let body = body.await.map_err(|_| Problem::Interrupted)??;
        Ok(tagged(body, &headers))
    }

    /// The same request, at a place relative to this one: a server may be below any path.
    fn elsewhere(&self, mut location: String) -> Response {
        if let Some(query) = self.uri.query() {
            // Writing to a String cannot fail.
            let _ = write!(location, "?{query}");
        }
        let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
        let headers = response.headers_mut();
        // Letters, digits and what the guard and the forms let through: always a header's value.
        if let Ok(location) = HeaderValue::try_from(location) {
            headers.insert(header::LOCATION, location);
        }
        headers.extend(readable(BRIEFLY));
        response
    }
}

/// JSON that may be kept for a moment, and is asked about with its tag after that.
pub(super) fn tagged(body: Vec<u8>, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", &ArtifactDigest::of(&body).to_string()[..32]);
    let mut response = if read::matches_tag(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
    };
    let headers = response.headers_mut();
    headers.extend(readable(BRIEFLY));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// By pages of any site, headers included.
fn readable(caching: HeaderValue) -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CACHE_CONTROL, caching),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag, x-request-id")),
    ]
}

fn normal(text: &str) -> Option<ProjectName> {
    form::name(text).filter(|name| name.as_str() == text)
}

fn expect<'a, T>(
    name: &'static str,
    form: Form,
    text: &'a str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, Problem> {
    read(text).ok_or_else(|| Problem::Parameter { name, expected: form.expected(), found: excerpt(text) })
}
