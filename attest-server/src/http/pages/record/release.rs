//! `/project/NAME/VERSION/`: the files of a release by the groups of rebuilders.

use std::sync::Arc;

use askama::Template;
use attest_core::{
    api::record::{Cell, FileRow, ReleaseView},
    artifact::{ProjectName, Version},
    merkle::LeafIndex,
};
use axum::{
    extract::{Request, State},
    response::Response,
};

use super::unknown_project;
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

pub(super) async fn release(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let (name, version, after) = (asked.project(1)?, asked.version(2)?, asked.index(4)?);
        asked.must_be(&path(&name, version.as_str(), after))?;
        let Some(view) = views::release(site, &name, version.as_str(), after.map(LeafIndex::get))? else {
            return Err(elsewhere(site, &name, &version)?);
        };
        Ok(ReleasePage { frame: &frame.at(Section::Projects), view: &view, after }.render()?)
    })
    .await
}

fn path(name: &ProjectName, version: &str, after: Option<LeafIndex>) -> String {
    let after = after.map(|after| format!("after/{after}/")).unwrap_or_default();
    format!("project/{name}/{version}/{after}")
}

/// `1.0.0` may be spelled `1.0` in the names of its files.
fn elsewhere(site: &Site, name: &ProjectName, version: &Version) -> Result<Wrong, Wrong> {
    if views::project(site, name, None)?.is_none() {
        return Ok(unknown_project(site, name));
    }
    Ok(match views::glance(site, name, Some(version))? {
        Some(release) => Wrong::Moved { to: path(name, &release.version, None) },
        None => Wrong::NotFound { what: "Nobody has said anything about that release to this log.", near: Vec::new() },
    })
}

#[derive(Debug, Template)]
#[template(path = "release.html")]
pub(super) struct ReleasePage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) view: &'a ReleaseView,
    /// Where its files begin.
    pub(super) after: Option<LeafIndex>,
}

impl ReleasePage<'_> {
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn cell<'f>(&self, file: &'f FileRow, group: &str) -> Option<&'f Cell> {
        file.cells.iter().find(|cell| cell.group == group)
    }

    fn first(&self) -> Option<&'static str> {
        self.after.map(|_| "../../")
    }

    fn next(&self) -> Option<String> {
        let next = self.view.files.next.as_ref()?;
        Some(if self.after.is_none() { format!("./after/{next}/") } else { format!("../{next}/") })
    }
}
