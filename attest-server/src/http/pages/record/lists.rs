//! Lists in pages: `/projects/`, `/project/NAME/`, `/entries/`, `/disagreements/`, and where each goes on (`before/INDEX/`,
//! `after/NAME/`).

use std::sync::Arc;

use askama::Template;
use attest_core::{
    api::{
        self,
        record::{Disagreement, DisagreementKind, EntryRow, Page, ProjectRow, ProjectView},
    },
    artifact::ProjectName,
};
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

/// Declares the page of a list: what it shows, whether that is its beginning, and where tools get it, from the root.
macro_rules! list {
    ($name:ident, $template:literal, $view:ty) => {
        #[derive(Debug, Template)]
        #[template(path = $template)]
        pub(super) struct $name<'a> {
            pub(super) frame: &'a Frame,
            pub(super) view: &'a $view,
            pub(super) is_first: bool,
            pub(super) json: String,
        }
    };
}

list!(ProjectsPage, "projects.html", Page<ProjectRow>);
list!(ProjectPage, "project.html", ProjectView);
list!(EntriesPage, "entries.html", Page<EntryRow>);
list!(DisagreementsPage, "disagreements.html", Page<Disagreement>);

/// All projects that anything is said about, by name.
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
        let frame = frame.at(Section::Projects);
        Ok(ProjectsPage { frame: &frame, view: &view, is_first: after.is_none(), json }.render()?)
    })
    .await
}

/// One project, its releases, and what was said of them.
pub(super) async fn project(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let (name, before) = (asked.project(1)?, asked.index(3)?);
        asked.must_be_page(&format!("project/{name}"), before)?;
        let view = views::project(site, &name, before)?.ok_or_else(|| unknown_project(site, &name))?;
        let (frame, json) = (frame.at(Section::Projects), json(&format!("{}/{name}", api::record::PROJECTS), before));
        Ok(ProjectPage { frame: &frame, view: &view, is_first: before.is_none(), json }.render()?)
    })
    .await
}

/// Everything, newest first.
pub(super) async fn entries(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let before = asked.index(2)?;
        asked.must_be_page("entries", before)?;
        let (view, frame) = (views::entries(site, before)?, frame.at(Section::Entries));
        let json = json(api::record::ENTRIES, before);
        Ok(EntriesPage { frame: &frame, view: &view, is_first: before.is_none(), json }.render()?)
    })
    .await
}

/// Where statements cannot both be right, or one was taken back.
pub(super) async fn disagreements(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let before = asked.index(2)?;
        asked.must_be_page("disagreements", before)?;
        let (view, frame) = (views::disagreements(site, before)?, frame.at(Section::Disagreements));
        let json = json(api::record::DISAGREEMENTS, before);
        Ok(DisagreementsPage { frame: &frame, view: &view, is_first: before.is_none(), json }.render()?)
    })
    .await
}
/// What it is, and what it means.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references to references")]
const fn words(kind: &DisagreementKind) -> (&'static str, &'static str) {
    match kind {
        DisagreementKind::SameInputs => (
            "Same inputs, other output",
            "Both say that they built from the same source, recipe and dependencies, and what came out is not the same. One of \
             them is wrong, or the build is not as closed as they say.",
        ),
        DisagreementKind::ForeignCode => (
            "Code that is only in the published file",
            "The rebuilt file matches but for code that the source does not give.",
        ),
        DisagreementKind::Withdrawn => {
            ("Taken back", "Whoever signed the earlier statement does not stand by it any more.")
        }
    }
}
