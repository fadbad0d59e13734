//! What was shown, served and kept back: a page for people, JSON, and the text format of Prometheus.

use std::fmt::Write as _;

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};

use super::{
    html::escaped,
    tally::{Hidden, Project, Status},
};

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\
                     table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.2rem 1rem .2rem 0}";

fn answer(kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(super) fn json(status: &Status) -> Response<Body> {
    // Maps with text as keys, numbers and text: it always is JSON.
    answer("application/json", serde_json::to_string(status).unwrap_or_default())
}

pub(super) fn page(status: &Status) -> Response<Body> {
    answer("text/html; charset=utf-8", html(status))
}

fn html(status: &Status) -> String {
    let refused: u64 = status.refused.values().sum();
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>attest proxy</title><style>{STYLE}</style>\
         <h1>attest proxy</h1><p>{} project pages and {} files served, {refused} files refused, {} answers failed. \
         <a href=\"status\">The same for programs</a>, <a href=\"metrics\">for Prometheus</a>.</p>",
        status.pages, status.files, status.failed
    );
    let mut table = |title: &str, head: &str, rows: String| {
        if !rows.is_empty() {
            // A String takes whatever memory holds.
            let _ = write!(text, "<h2>{title}</h2><table><tr>{head}{rows}</table>");
        }
    };
    table("Newest release is hidden", "<th>Project<th>Hidden<th>Newest shown<th>Why", withheld(status));
    table("Refused last", "<th>File<th>Why<th>Code", status.refusals.iter().rev().map(hidden).collect());
    let project = |(name, project): (&String, &Project)| {
        format!(
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}",
            escaped(name),
            escaped(&project.index),
            project.shown,
            project.hidden,
            project.left_out
        )
    };
    let rows = status.projects.iter().map(project).collect();
    table("Projects", "<th>Project<th>Index<th>Files shown<th>Hidden by the policy<th>Not to be judged", rows);
    text + "</html>\n"
}

fn withheld(status: &Status) -> String {
    let row = |(name, project): (&String, &Project)| {
        let withheld = project.withheld.as_ref()?;
        let shown = withheld.newest_shown.as_deref().unwrap_or("none");
        Some(format!(
            "<tr><td>{}<td>{}<td>{}<td>{}",
            escaped(name),
            escaped(&withheld.version),
            escaped(shown),
            escaped(&withheld.reason)
        ))
    };
    status.projects.iter().filter_map(row).collect()
}

fn hidden(hidden: &Hidden) -> String {
    format!("<tr><td>{}<td>{}<td>{}", escaped(&hidden.file), escaped(&hidden.reason), hidden.code)
}

pub(super) fn metrics(status: &Status) -> Response<Body> {
    answer("text/plain; version=0.0.4; charset=utf-8", prometheus(status))
}

fn prometheus(status: &Status) -> String {
    let mut text = String::new();
    let mut metric = |kind: &str, name: &str, help: &str, values: &[(String, u64)]| {
        // A String takes whatever memory holds.
        let _ = writeln!(text, "# HELP attest_proxy_{name} {help}\n# TYPE attest_proxy_{name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "attest_proxy_{name}{labels} {value}");
        }
    };
    let one = |value: u64| vec![(String::new(), value)];
    metric("counter", "requests_total", "Requests that were let in.", &one(status.requests));
    metric(
        "counter",
        "turned_away_total",
        "Requests without the token or by a strange name.",
        &one(status.turned_away),
    );
    metric("counter", "pages_total", "Project pages served.", &one(status.pages));
    metric("counter", "files_total", "Files served.", &one(status.files));
    metric("counter", "file_bytes_total", "Bytes of files served.", &one(status.bytes));
    metric("counter", "failed_total", "Answers that failed because an index or the evidence did.", &one(status.failed));
    let refused: Vec<_> = status.refused.iter().map(|(code, n)| (format!("{{code=\"{code}\"}}"), *n)).collect();
    metric("counter", "refused_total", "Requests for files that a policy keeps back, by reason.", &refused);
    let sum = |part: fn(&Project) -> usize| one(status.projects.values().map(|project| part(project) as u64).sum());
    metric("gauge", "files_shown", "Files that clients are shown.", &sum(|project| project.shown));
    metric("gauge", "files_hidden", "Files that a policy hides.", &sum(|project| project.hidden));
    metric("gauge", "files_left_out", "Files that could not be judged.", &sum(|project| project.left_out));
    metric("gauge", "projects", "Projects that were asked for.", &one(status.projects.len() as u64));
    let withheld = |project: &Project| usize::from(project.withheld.is_some());
    metric("gauge", "projects_withheld", "Projects whose newest release is hidden.", &sum(withheld));
    text
}
