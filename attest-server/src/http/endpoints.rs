//! Every endpoint of a server, once. The router is made from [`table::ENDPOINTS`], and so are the OpenAPI document
//! ([`super::openapi`]), its page for people and the list in docs/api.md: none can have what another lacks.
//!
//! In scope: which requests there are, what they take, what they are answered with. Out of scope: what happens in between,
//! which the handlers know, and the pages for people ([`super::pages`]).

pub(super) mod form;
mod guard;
pub(super) mod table;

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};

use self::form::Form;
use super::{Problem, Site};

/// One method of one path.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Name for generated clients, in camelCase.
    pub(super) id: &'static str,
    pub(super) tag: Tag,
    pub(super) method: Verb,
    /// As OpenAPI writes paths.
    pub(super) path: &'static str,
    /// What axum matches, where that is not the path.
    pub(super) route: Option<&'static str>,
    pub(super) handler: fn() -> MethodRouter<Arc<Site>>,
    /// What it is, in one line.
    pub(super) summary: &'static str,
    /// What else there is to know; may be empty.
    pub(super) detail: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) body: Option<Body>,
    pub(super) answers: &'static [Answer],
    /// Statuses of errors beside those that every endpoint has ([`EVERYWHERE`]).
    pub(super) problems: &'static [u16],
    pub(super) caching: Caching,
}

/// What an endpoint is for, and so what its answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tag {
    /// The log itself and what is proven from it.
    Evidence,
    /// Views of it.
    Record,
    /// The API about itself.
    Description,
    /// For who runs it.
    Operation,
}

/// A read is answered to HEAD as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
}

/// A part of the path or of the query.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) form: Form,
    pub(super) meaning: &'static str,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    RequiredQuery,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) media: &'static str,
    /// Name of its schema.
    pub(super) schema: &'static str,
    /// What `curl --data-binary` is given.
    pub(super) curl: &'static str,
    /// Bytes.
    pub(super) limit: usize,
}

/// An answer that is no error.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) meaning: &'static str,
    pub(super) content: Content,
}

/// What an answer consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// JSON with the schema of this name.
    Json(&'static str),
    /// Text of this media type.
    Text(&'static str),
    /// Bytes.
    Octets,
    /// None: where to look is in `Location`.
    Elsewhere,
}

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// Not at all.
    Never,
    /// For a few seconds, then asked about with its tag.
    Briefly,
    /// For ever.
    Always,
}

/// What every endpoint may answer.
pub(super) const EVERYWHERE: [u16; 3] = [429, 500, 503];

impl Endpoint {
    /// Value of `Allow`.
    pub(super) const fn allow(&self) -> &'static str {
        match self.method {
            Verb::Get => READ,
            Verb::Post => "POST, OPTIONS",
        }
    }

    /// Whether its query and what it may be answered with are held to the table. Not below the root, where files of the
    /// same layout have to do as well (c2sp.org/tlog-tiles), nor for those who watch.
    pub(super) fn is_strict(&self) -> bool {
        self.path.starts_with("/api/v1/")
    }

    /// Statuses of all errors, ascending.
    pub(super) fn statuses_of_problems(&self) -> BTreeSet<u16> {
        let strict: &[u16] = if self.is_strict() { &[400, 406] } else { &[] };
        self.problems.iter().chain(&EVERYWHERE).chain(strict).copied().collect()
    }

    fn routed(&'static self) -> MethodRouter<Arc<Site>> {
        let allow = self.allow();
        let elsewise = move || async move { Problem::MethodNotAllowed { allow } };
        let mut router = (self.handler)();
        if self.is_strict() {
            router = router.route_layer(middleware::from_fn_with_state(self, guard::guard));
        }
        router.options(move || async move { preflight(allow) }).fallback(elsewise)
    }
}

/// Methods of what is read.
pub(super) const READ: &str = "GET, HEAD, OPTIONS";

/// The routes of all endpoints that `wanted` names.
pub(super) fn routes(wanted: impl Fn(&Endpoint) -> bool) -> Router<Arc<Site>> {
    let mut routed = BTreeSet::new();
    let wanted = table::ENDPOINTS.iter().filter(|endpoint| wanted(endpoint));
    wanted.fold(Router::new(), |router, endpoint| {
        let route = endpoint.route.unwrap_or(endpoint.path);
        // Several forms of one path are one route.
        if routed.insert(route) { router.route(route, endpoint.routed()) } else { router }
    })
}

/// Fetch standard, "CORS-preflight fetch": a page in a browser asks before it posts, or sends a header of its own.
/// Everything here is public, so any page may.
pub(super) fn preflight(allow: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::ALLOW, HeaderValue::from_static(allow)),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, if-none-match, x-request-id")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The beginning of what was sent, for an error.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
