//! `/`: what this log is, for a person who opens the URL. A client that does not ask for a page gets it as text.

use std::sync::Arc;

use askama::Template;
use attest_core::api::record::{Counts, Coverage, CoveredProject, LogView};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};

use super::chart::Chart;
use crate::http::{
    Site, page,
    pages::{
        answer,
        asked::Asked,
        frame::{Frame, Section},
        look::Look,
        shown,
    },
    views,
};

/// `/`
pub(super) async fn home(State(site): State<Arc<Site>>, request: Request) -> Response {
    let asked = Asked::of(&request);
    let mut response = if site.record.is_some() && (asked.wants_page() || asked.is_static) {
        answer::show(site, request, |site, _, frame| {
            let view = views::log(site)?;
            Ok(HomePage::new(&frame, &view, site.clock.now().secs()).render()?)
        })
        .await
    } else {
        page::page(&site).into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

#[derive(Debug, Template)]
#[template(path = "home.html")]
pub(super) struct HomePage<'a> {
    frame: &'a Frame,
    view: &'a LogView,
    chart: Chart,
    now: u64,
}

impl<'a> HomePage<'a> {
    pub(super) fn new(frame: &'a Frame, view: &'a LogView, now: u64) -> Self {
        Self { frame, view, chart: Chart::of(&view.days), now }
    }

    /// Groups on the list: each votes once, whatever it has of keys.
    fn groups(&self) -> usize {
        let mut groups: Vec<&str> = self.view.rebuilders.iter().map(|rebuilder| rebuilder.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }

    /// Statements in the chart.
    fn dated(&self) -> String {
        shown::plural(&self.chart.total(), "statement")
    }

    /// Thousandths of the list.
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn covered(&self, coverage: &Coverage) -> u64 {
        coverage.reproduced.saturating_mul(1000) / coverage.total.max(1)
    }

    #[expect(clippy::unused_self, reason = "templates call methods")]
    const fn project_look(&self, project: &CoveredProject) -> Look {
        match project {
            CoveredProject { accused: true, .. } => Look::CONTRADICTED,
            CoveredProject { groups: 0, version: Some(_), .. } => Look::ABSTAINED,
            CoveredProject { groups: 0, .. } => Look::NOTHING,
            CoveredProject { .. } => Look::REPRODUCED,
        }
    }
}
