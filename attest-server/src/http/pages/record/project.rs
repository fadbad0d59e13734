//! `/project/NAME/`, `/project/NAME/before/INDEX/`: one project, its releases, and what was said of them.

use std::sync::Arc;

use askama::Template;
use attest_core::api::{self, record::ProjectView};
use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{json, unknown_project};
use crate::http::{
    Site,
    pages::{
        answer,
        frame::{Frame, Section},
        look::Look,
        shown,
    },
    views,
};

pub(super) async fn project(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let (name, before) = (asked.project(1)?, asked.index(3)?);
        asked.must_be_page(&format!("project/{name}"), before)?;
        let view = views::project(site, &name, before)?.ok_or_else(|| unknown_project(site, &name))?;
        let json = json(&format!("{}/{name}", api::record::PROJECTS), before);
        let page = ProjectPage { frame: &frame.at(Section::Projects), view: &view, is_first: before.is_none(), json };
        Ok(page.render()?)
    })
    .await
}

#[derive(Debug, Template)]
#[template(path = "project.html")]
pub(super) struct ProjectPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) view: &'a ProjectView,
    pub(super) is_first: bool,
    /// Where tools get it, from the root.
    pub(super) json: String,
}
