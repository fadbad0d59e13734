//! `/search/?q=TEXT`: the only page with a query. What is meant for sure is gone to at once.

use std::sync::Arc;

use askama::Template;
use attest_core::api::record::SearchAnswer;
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::http::{
    Site,
    pages::{
        answer,
        frame::{Frame, Section},
        look::Look,
        shown,
        wrong::Wrong,
    },
    views,
};

pub(super) async fn search(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let query = asked.searched()?;
        // Without the query there is nothing to keep on the way.
        if query.is_empty() {
            asked.must_be("search/")?;
        }
        let found = if query.trim().is_empty() { None } else { Some(views::search(site, query.trim())?) };
        if let Some(to) = found.as_ref().and_then(only) {
            return Err(Wrong::Found { to });
        }
        Ok(SearchPage { frame: &frame.at(Section::Search), found: found.as_ref() }.render()?)
    })
    .await
}

/// Path of the one thing that was found.
fn only(found: &SearchAnswer) -> Option<String> {
    match (&*found.projects, &*found.files, &*found.entries, &*found.rebuilders) {
        ([project], [], [], []) => Some(format!("project/{}/", project.project)),
        ([], [file], [], []) => Some(format!("file/{}/", file.sha256)),
        ([], [], [entry], []) => Some(format!("entry/{}/", entry.index)),
        ([], [], [], [rebuilder]) => Some(format!("rebuilder/{}/", rebuilder.id)),
        _ => None,
    }
}

#[derive(Debug, Template)]
#[template(path = "search.html")]
pub(super) struct SearchPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) found: Option<&'a SearchAnswer>,
}

impl SearchPage<'_> {
    fn nothing(&self) -> bool {
        self.found.is_some_and(|found| {
            found.projects.is_empty()
                && found.files.is_empty()
                && found.entries.is_empty()
                && found.rebuilders.is_empty()
        })
    }
}
