//! `/rebuilders/` and `/rebuilder/ID/`: who may sign, and what they said.

use std::sync::Arc;

use askama::Template;
use attest_core::{
    api::{
        self,
        record::{RebuilderRow, RebuilderView},
    },
    merkle::LeafIndex,
};
use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{Document, SHORT, answer, nothing, send, visible};
use crate::http::{
    Site,
    pages::{
        asked::Asked,
        frame::{Frame, Section},
        look::Look,
        shown,
        wrong::Wrong,
    },
    views,
};

#[derive(Debug, Template)]
#[template(path = "signed/rebuilders.html")]
struct ListPage {
    frame: Frame,
    way: Vec<(String, String)>,
    json_path: String,
    rows: Vec<RebuilderRow>,
    first: Option<&'static str>,
    next: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "signed/rebuilder.html")]
struct RebuilderPage {
    frame: Frame,
    way: Vec<(String, String)>,
    json_path: String,
    view: RebuilderView,
    /// Whether the entries are the newest.
    is_first: bool,
    newest: Option<String>,
    older: Option<String>,
}

impl RebuilderPage {
    fn new(frame: Frame, view: RebuilderView, before: Option<LeafIndex>) -> Self {
        let (id, root) = (&view.row.id, &frame.root);
        let path = format!("rebuilder/{id}/");
        let json = format!("{}/{id}", api::record::REBUILDERS.trim_start_matches('/'));
        Self {
            way: vec![("rebuilders/".to_owned(), "Rebuilders".to_owned()), (path.clone(), visible(&view.row.name))],
            json_path: before.map_or_else(|| json.clone(), |before| format!("{json}?before={before}")),
            is_first: before.is_none(),
            newest: before.map(|_| format!("{root}{path}")),
            older: view.entries.next.as_ref().map(|next| format!("{root}{path}before/{next}/")),
            view,
            frame,
        }
    }

    /// Its page, where it is one that a browser opens. What an operator wrote is text like everybody else's.
    fn site(&self) -> Option<&str> {
        Some(self.view.url.as_str()).filter(|url| url.starts_with("https://") || url.starts_with("http://"))
    }
}

/// `/rebuilders/` and `/rebuilders/after/ID/`.
pub(super) async fn list(State(site): State<Arc<Site>>, request: Request) -> Response {
    let draw = |site: &Site, asked: &Asked, frame: Frame| {
        let after = if asked.segment(1)?.is_empty() { None } else { Some(asked.segment(2)?) };
        let page = views::rebuilders(site, after.as_deref())?.ok_or(nothing("Nobody on the list has that id."))?;
        let json = api::record::REBUILDERS.trim_start_matches('/');
        match &after {
            None => asked.must_be("rebuilders/")?,
            Some(id) => asked.must_be(&format!("rebuilders/after/{id}/"))?,
        }
        let page = ListPage {
            frame: frame.at(Section::Rebuilders),
            way: vec![("rebuilders/".to_owned(), "Rebuilders".to_owned())],
            json_path: after.as_ref().map_or_else(|| json.to_owned(), |id| format!("{json}?after={id}")),
            rows: page.items,
            next: page.next.map(|id| if after.is_none() { format!("./after/{id}/") } else { format!("../{id}/") }),
            first: after.map(|_| "../../"),
        };
        Ok(page.render()?)
    };
    answer::show(site, request, draw).await
}

/// `/rebuilder/ID/` and `/rebuilder/ID/before/INDEX/`.
pub(super) async fn page(State(site): State<Arc<Site>>, request: Request) -> Response {
    let draw = |site: &Site, asked: &Asked, frame: Frame| {
        let before = asked.index(3)?;
        let view = find(site, asked, before)?;
        asked.must_be_page(&format!("rebuilder/{}", view.row.id), before)?;
        Ok(RebuilderPage::new(frame.at(Section::Rebuilders), view, before).render()?)
    };
    answer::show(site, request, draw).await
}

/// `/rebuilder/ID/certificate.asc`: what gpg imports.
pub(super) async fn certificate(State(site): State<Arc<Site>>, request: Request) -> Response {
    let make = |site: &Site, asked: &Asked| {
        let certificate = find(site, asked, None)?.certificate;
        let certificate =
            certificate.ok_or(nothing("That rebuilder signs with a plain Ed25519 key: its page has it."))?;
        Ok(Document::new("application/pgp-keys", SHORT, certificate))
    };
    send(site, request, make).await
}

/// The rebuilder whose id the path has.
pub(super) fn find(site: &Site, asked: &Asked, before: Option<LeafIndex>) -> Result<RebuilderView, Wrong> {
    let id = asked.segment(1)?;
    views::rebuilder(site, &id, before)?.ok_or(nothing("Nobody on the list of rebuilders has that id."))
}
