//! A page as an answer: drawn where it may block, with what keeps a browser from doing anything but showing it.

use std::{fmt::Write as _, sync::Arc};

use attest_core::escape::{Escaped, is_hidden};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

use super::{asked::Asked, frame::Frame, wrong::Wrong};
use crate::http::{
    Site,
    problem::{self, Expected},
    read::matches_tag,
    views::{self, ViewError},
};

/// Nothing but this site's own stylesheet, pictures and search; no script, no inline style, nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
/// A page may lag that much behind the log.
const FRESH: &str = "public, max-age=10";

/// Draws a page: `draw` runs where it may block.
pub(super) async fn show<F>(site: Arc<Site>, request: Request, draw: F) -> Response
where
    F: FnOnce(&Site, &Asked, Frame) -> Result<String, Wrong> + Send + 'static,
{
    let asked = Asked::of(&request);
    let drawn = {
        let asked = asked.clone();
        views::in_turn(&site, move |site| draw(site, &asked, Frame::of(site, &asked))).await
    };
    match drawn.unwrap_or(Err(Wrong::Interrupted)) {
        Ok(page) => fresh(&asked, page),
        Err(error) => wrong(&site, &asked, error),
    }
}

/// A page that says why there is no other, or a way to it.
pub(super) fn wrong(site: &Site, asked: &Asked, wrong: Wrong) -> Response {
    let page = wrong.page(&Frame::of(site, asked));
    let mut response = html(page);
    *response.status_mut() = wrong.status();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if wrong.status() == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    if let Wrong::View(ViewError::NotYet) = wrong {
        response.extensions_mut().insert(Expected);
    }
    let headers = response.headers_mut();
    if let Wrong::Found { to } | Wrong::Moved { to } = wrong
        && let Ok(to) = HeaderValue::try_from(asked.root() + &to)
    {
        headers.insert(header::LOCATION, to);
    }
    response
}

/// An error of the server as a page, for a browser that wants one; everybody else gets it as it is.
pub(in crate::http) fn told(site: &Site, asked: &Asked, mut response: Response) -> Response {
    if !asked.wants_page() || asked.is_api() {
        return response;
    }
    let retry = response.headers().get(header::RETRY_AFTER).cloned();
    let Some(problem) = problem::told(&mut response) else {
        return response;
    };
    let mut page = wrong(site, asked, Wrong::Refused(problem));
    page.headers_mut().extend(retry.map(|retry| (header::RETRY_AFTER, retry)));
    page
}

/// With a tag of what is in it: a page is a function of the log, the lists, and for a few the time.
fn fresh(asked: &Asked, page: String) -> Response {
    let tag = tag(&page);
    let mut response = if matches_tag(asked.headers(), &tag) {
        with_policy(StatusCode::NOT_MODIFIED.into_response())
    } else {
        html(page)
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FRESH));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn html(page: String) -> Response {
    with_policy(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], plain(page)).into_response())
}

/// Whatever a template left as it was: nothing in a page hides, or turns what is around it.
fn plain(page: String) -> String {
    let is_odd = |c: char| c != '\n' && is_hidden(c);
    if !page.contains(is_odd) {
        return page;
    }
    page.split('\n').map(|line| Escaped(line).to_string()).collect::<Vec<_>>().join("\n")
}

fn with_policy(mut response: Response) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// Weak (RFC 9110 section 8.8.1), because a proxy may compress the page.
fn tag(page: &str) -> String {
    let digest = Sha256::digest(page);
    let hex = digest[..16].iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("W/\"{hex}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_template_forgot_hides_in_a_page() {
        let page = "<p>\u{202e}a\0b\u{fffe}</p>\n<p>é « … »</p>\n".to_owned();
        assert_eq!(plain(page), "<p>\\u{202e}a\\u{0}b\\u{fffe}</p>\n<p>é « … »</p>\n");
        assert_eq!(plain("<p>as it is</p>\n".to_owned()), "<p>as it is</p>\n");
    }
}
