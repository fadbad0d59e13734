//! `/disagreements/`, `/disagreements/before/INDEX/`: where statements cannot both be right, or one was taken back.

use std::sync::Arc;

use askama::Template;
use attest_core::api::{
    self,
    record::{Disagreement, DisagreementKind, Page},
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

pub(super) async fn disagreements(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let before = asked.index(2)?;
        asked.must_be_page("disagreements", before)?;
        let view = views::disagreements(site, before)?;
        let (frame, json) = (&frame.at(Section::Disagreements), json(api::record::DISAGREEMENTS, before));
        let page = DisagreementsPage { frame, view: &view, is_first: before.is_none(), json };
        Ok(page.render()?)
    })
    .await
}

#[derive(Debug, Template)]
#[template(path = "disagreements.html")]
pub(super) struct DisagreementsPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) view: &'a Page<Disagreement>,
    pub(super) is_first: bool,
    /// Where tools get it, from the root.
    pub(super) json: String,
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
