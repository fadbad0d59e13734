//! `/log/`: checkpoint, keys, witnesses, list of negatives and health, and how to check all of it.

use std::sync::Arc;

use askama::Template;
use attest_core::api::record::{HealthView, LogView, MirrorState, MirrorView};
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
    },
    views,
};

pub(super) async fn log(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        asked.must_be("log/")?;
        let view = views::log(site)?;
        let page = LogPage { frame: &frame.at(Section::Log), view: &view, now: site.clock.now().secs() };
        Ok(page.render()?)
    })
    .await
}

#[derive(Debug, Template)]
#[template(path = "log.html")]
pub(super) struct LogPage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) view: &'a LogView,
    pub(super) now: u64,
}

impl LogPage<'_> {
    /// A page that is a file knows of no server and no hour.
    fn health(&self) -> Option<&HealthView> {
        Some(&self.view.health).filter(|_| self.frame.live)
    }

    #[expect(clippy::unused_self, reason = "templates call methods")]
    const fn mirror_look(&self, mirror: &MirrorView) -> (&'static str, Look) {
        match mirror.state {
            MirrorState::Unknown => ("not asked yet", Look::NOTHING),
            MirrorState::Consistent => ("same history", Look::REPRODUCED),
            MirrorState::Ahead => ("ahead of this server", Look::ABSTAINED),
            MirrorState::Unreachable => ("no usable answer", Look::ABSTAINED),
            MirrorState::Fork => ("another history", Look::CONTRADICTED),
        }
    }

    /// With the key, without which a mirror takes nobody's word.
    fn mirror_command(&self) -> String {
        // In single quotes, whatever is in the name of the log.
        let vkey = self.view.vkeys.first().map_or("VKEY".to_owned(), |vkey| vkey.replace('\'', "'\\''"));
        format!("attest-server mirror --data DIR --upstream URL --vkey '{vkey}' --listen ADDR")
    }
}
