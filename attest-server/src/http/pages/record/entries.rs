//! `/entries/`, `/entries/before/INDEX/`: everything, newest first.

use std::sync::Arc;

use askama::Template;
use attest_core::api::{
    self,
    record::{EntryRow, Page},
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

pub(super) async fn entries(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let before = asked.index(2)?;
        asked.must_be_page("entries", before)?;
        let view = views::entries(site, before)?;
        let json = json(api::record::ENTRIES, before);
        let page = EntriesPage { frame: &frame.at(Section::Entries), view: &view, is_first: before.is_none(), json };
        Ok(page.render()?)
    })
    .await
}

#[derive(Debug, Template)]
#[template(path = "entries.html")]
pub(super) struct EntriesPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) view: &'a Page<EntryRow>,
    pub(super) is_first: bool,
    /// Where tools get it, from the root.
    pub(super) json: String,
}
