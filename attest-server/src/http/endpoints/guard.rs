//! What is the same for every strict endpoint: parameters that it has, each once, and an answer that the client takes.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{Endpoint, Place, excerpt};
use crate::http::Problem;

/// Refuses what the table does not have: a parameter that is overlooked today would change the answer tomorrow.
pub(super) async fn guard(State(endpoint): State<&'static Endpoint>, request: Request, next: Next) -> Response {
    if let Err(problem) = check(endpoint, &request) {
        return problem.into_response();
    }
    next.run(request).await
}

fn check(endpoint: &'static Endpoint, request: &Request) -> Result<(), Problem> {
    let mut seen = Vec::new();
    let pairs = request.uri().query().map(|query| query.split('&')).into_iter().flatten();
    for pair in pairs {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let known = endpoint.parameters.iter().any(|one| one.place != Place::Path && one.name == name);
        if !known || !pair.contains('=') || seen.contains(&name) {
            return Err(Problem::UnknownParameter { found: excerpt(pair), endpoint });
        }
        seen.push(name);
    }
    if takes_json(request.headers()) { Ok(()) } else { Err(Problem::NotAcceptable) }
}

/// [RFC 9110 section 12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1): the most specific range that matches
/// decides. Ranges that cannot be read are left out.
fn takes_json(headers: &HeaderMap) -> bool {
    let mut best: Option<(u8, bool)> = None;
    let mut asked = false;
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty()) {
        asked = true;
        let mut parts = range.split(';').map(str::trim);
        let specificity = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some("application/json") => 2,
            Some("application/*") => 1,
            Some("*/*") => 0,
            _ => continue,
        };
        let refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.and_then(|weight| weight.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
        });
        if best.is_none_or(|(known, _)| specificity > known) {
            best = Some((specificity, !refused));
        }
    }
    best.map_or(!asked, |(_, taken)| taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_to_whoever_takes_it() {
        for (value, expected) in [
            ("*/*", true),
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/*;q=0.1", true),
            ("text/html, */*;q=0.8", true),
            ("text/html, application/json;q=0, */*", false),
            ("text/html", false),
            ("application/xml;q=1, text/*", false),
            ("*/*;q=0", false),
            ("", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            assert_eq!(takes_json(&headers), expected, "{value}");
        }
        assert!(takes_json(&HeaderMap::new()));
    }
}
