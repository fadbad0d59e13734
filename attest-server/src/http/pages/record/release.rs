//! `/project/NAME/VERSION/`: the files of a release by the groups of rebuilders.

use std::sync::Arc;

use askama::Template;
use attest_core::{
    api::record::{Cell, FileRow, ReleaseView, Standing},
    artifact::{ProjectName, Version},
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
        let (name, version) = (asked.project(1)?, asked.version(2)?);
        asked.must_be(&path(&name, version.as_str()))?;
        let Some(view) = views::release(site, &name, version.as_str())? else {
            return Err(elsewhere(site, &name, &version)?);
        };
        Ok(ReleasePage { frame: &frame.at(Section::Projects), view: &view }.render()?)
    })
    .await
}

fn path(name: &ProjectName, version: &str) -> String {
    format!("project/{name}/{version}/")
}

/// `1.0.0` may be spelled `1.0` in the names of its files.
fn elsewhere(site: &Site, name: &ProjectName, version: &Version) -> Result<Wrong, Wrong> {
    let Some(view) = views::project(site, name, None)? else {
        return Ok(unknown_project(site, name));
    };
    let same = |text: &str| Version::new(text).is_ok_and(|other| other.same_as(version) && text != version.as_str());
    Ok(match view.releases.iter().find(|release| same(&release.version)) {
        Some(release) => Wrong::Moved { to: path(name, &release.version) },
        None => Wrong::NotFound { what: "Nobody has said anything about that release to this log.", near: Vec::new() },
    })
}

#[derive(Debug, Template)]
#[template(path = "release.html")]
pub(super) struct ReleasePage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) view: &'a ReleaseView,
}

impl ReleasePage<'_> {
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn cell<'f>(&self, file: &'f FileRow, group: &str) -> Option<&'f Cell> {
        file.cells.iter().find(|cell| cell.group == group)
    }

    fn files(&self) -> String {
        shown::plural(&(self.view.files.len() as u64), "file")
    }

    /// Of files that at least one group reproduced.
    fn reproduced(&self) -> usize {
        let is_reproduced = |file: &&FileRow| file.cells.iter().any(|cell| cell.standing == Standing::Reproduced);
        self.view.files.iter().filter(is_reproduced).count()
    }

    /// Some file was reproduced from several sources.
    fn apart(&self) -> bool {
        self.view.files.iter().any(|file| !file.agreement.agree)
    }

    fn accused(&self) -> bool {
        self.view.files.iter().any(|file| file.cells.iter().any(|cell| cell.standing.accuses()))
    }
}
