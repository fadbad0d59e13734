//! `/projects/`, `/projects/after/NAME/`: all projects that anything is said about, by name.

use std::sync::Arc;

use askama::Template;
use attest_core::{
    api::{
        self,
        record::{Page, ProjectRow},
    },
    artifact::ProjectName,
};
use axum::{
    extract::{Request, State},
    response::Response,
};

use super::json;
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

pub(super) async fn projects(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let after = if asked.segment(1)?.is_empty() { None } else { Some(asked.project(2)?) };
        match &after {
            None => asked.must_be("projects/")?,
            Some(name) => asked.must_be(&format!("projects/after/{name}/"))?,
        }
        let view = views::projects(site, after.as_ref().map(ProjectName::as_str))?;
        let path = json(api::record::PROJECTS, None);
        let json = after.as_ref().map_or_else(|| path.clone(), |name| format!("{path}?after={name}"));
        let page = ProjectsPage { frame: &frame.at(Section::Projects), view: &view, is_first: after.is_none(), json };
        Ok(page.render()?)
    })
    .await
}

#[derive(Debug, Template)]
#[template(path = "projects.html")]
pub(super) struct ProjectsPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) view: &'a Page<ProjectRow>,
    pub(super) is_first: bool,
    /// Where tools get it, from the root.
    pub(super) json: String,
}
