//! `/log/`: checkpoint, keys, witnesses, list of negatives and health, and how to check all of it.

use std::sync::Arc;

use askama::Template;
use attest_core::api::record::LogView;
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::http::{
    Site, health,
    pages::{
        answer,
        frame::{Frame, Section},
        shown,
    },
    views,
};

pub(super) async fn log(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        asked.must_be("log/")?;
        let view = views::log(site)?;
        let negatives = site.negatives.find(None).map(|made| made.note().to_string());
        let page = LogPage {
            frame: &frame.at(Section::Log),
            view: &view,
            negatives: negatives.as_deref(),
            health: Health::of(site, asked.is_static),
            now: site.clock.now().secs(),
        };
        Ok(page.render()?)
    })
    .await
}

/// What `/readyz` says, in a sentence.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) is_ready: bool,
    pub(super) text: String,
}

impl Health {
    /// A page that is a file knows of no server.
    fn of(site: &Site, is_static: bool) -> Option<Self> {
        if is_static {
            return None;
        }
        let look = health::look(site);
        let text = look.reason().unwrap_or("It takes part and publishes as it should.").to_owned();
        Some(Self { is_ready: look.is_ready(), text })
    }
}

#[derive(Debug, Template)]
#[template(path = "log.html")]
pub(super) struct LogPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) view: &'a LogView,
    pub(super) negatives: Option<&'a str>,
    pub(super) health: Option<Health>,
    pub(super) now: u64,
}

impl LogPage<'_> {
    /// With the key, without which a mirror takes nobody's word.
    fn mirror_command(&self) -> String {
        // In single quotes, whatever is in the name of the log.
        let vkey = self.view.vkeys.first().map_or("VKEY".to_owned(), |vkey| vkey.replace('\'', "'\\''"));
        format!("attest-server mirror --data DIR --upstream URL --vkey '{vkey}' --listen ADDR")
    }
}
