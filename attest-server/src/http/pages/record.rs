//! Home, projects, releases, files, search, disagreements and the log itself.

mod chart;
mod file;
mod home;
mod lists;
mod log;
mod release;
#[cfg(test)]
mod samples;
mod search;
mod summary;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use attest_core::{api::record::ProjectRow, artifact::ProjectName, merkle::LeafIndex};
use axum::{Router, routing::get};

use super::{folder, wrong::Wrong};
use crate::http::{Site, not_here, views};

pub(super) fn routes() -> Router<Arc<Site>> {
    let router = Router::new().route("/", get(home::home).fallback(not_here));
    let router = folder(router, "/projects/", lists::projects);
    let router = folder(router, "/projects/after/{name}/", lists::projects);
    let router = folder(router, "/project/{name}/", lists::project);
    let router = folder(router, "/project/{name}/before/{index}/", lists::project);
    let router = folder(router, "/project/{name}/{version}/", release::release);
    let router = folder(router, "/project/{name}/{version}/after/{index}/", release::release);
    let router = folder(router, "/file/{sha256}/", file::file);
    let router = folder(router, "/file/{sha256}/before/{index}/", file::file);
    let router = folder(router, "/entries/", lists::entries);
    let router = folder(router, "/entries/before/{index}/", lists::entries);
    let router = folder(router, "/disagreements/", lists::disagreements);
    let router = folder(router, "/disagreements/before/{index}/", lists::disagreements);
    let router = folder(router, "/search/", search::search);
    folder(router, "/log/", log::log)
}

/// Nothing is said about it: which projects are there that may be meant?
fn unknown_project(site: &Site, name: &ProjectName) -> Wrong {
    let near: Vec<ProjectRow> = views::search(site, name.as_str()).map(|found| found.projects).unwrap_or_default();
    Wrong::NotFound { what: "Nobody has said anything about that project to this log.", near }
}

/// Path of an answer of the API from the root, and from which entry down.
fn json(path: &str, before: Option<LeafIndex>) -> String {
    let path = path.trim_start_matches('/');
    before.map_or_else(|| path.to_owned(), |index| format!("{path}?before={index}"))
}
