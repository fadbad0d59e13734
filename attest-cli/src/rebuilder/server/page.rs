//! The status page: static HTML without script.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::public;
use crate::rebuilder::coordinator::Coordinator;
use crate::rebuilder::status::Status;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
                     table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0}";

pub(super) async fn page(State(coordinator): State<Arc<Coordinator>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, html(&public::now(&coordinator))).into_response()
}

fn html(status: &Status) -> String {
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>attest rebuilder</title><style>{STYLE}</style>\
         <h1>attest rebuilder</h1><p>{} waiting, {} running, {} done, {} given up; {} statements logged, {} on their way. \
         <a href=\"/card.json\">Who this is</a>, <a href=\"/status.json\">the same for programs</a>.</p>\
         <table><tr><th>Verdict<th>File<th>Rebuilt<th>Logged",
        status.waiting, status.running, status.done, status.failed, status.logged, status.to_log
    );
    for one in &status.latest {
        let logged: Vec<String> = one.logged.iter().map(|(origin, index)| format!("{origin} {index}")).collect();
        // A String takes whatever memory holds.
        let _always = write!(
            text,
            "<tr><td>{}<td><a href=\"/sha256/{}\">{}</a><td>{}<td>{}",
            escaped(&one.verdict),
            escaped(&one.build),
            escaped(&one.file),
            escaped(&one.at),
            escaped(&logged.join(", "))
        );
    }
    text + "</table></html>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_wrote_cannot_become_markup() {
        assert_eq!(escaped("<script>'\"&"), "&lt;script&gt;&#39;&quot;&amp;");
    }
}
