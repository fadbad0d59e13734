//! Which projects of an index changed when: `GET /simple/` with a `_last-serial` for each project
//! ([PyPI's documentation](https://docs.pypi.org/api/index-api/)). The number grows with every change of the index, so that one
//! request says all that happened since the last one. A private member of PEP 691's document: other indexes may have none.

use anyhow::{Context as _, ensure};
use attest_core::artifact::ProjectName;
use serde::Deserialize;

use super::Index;

/// Half a million projects are some 30 MB.
const MAX_NAMES: u64 = 256 << 20;

/// Every project with the number of its last change.
#[derive(Debug)]
pub(crate) struct Serials {
    /// Whose numbers these are: the index's address, without credentials.
    pub(crate) index: String,
    /// In the index's order.
    pub(crate) projects: Vec<(ProjectName, u64)>,
}

impl Index {
    /// Asks the index that pip asks first. One that gives no numbers is an error, since nothing would ever change there.
    pub(crate) fn serials(&self) -> anyhow::Result<Serials> {
        let root = self.roots.first().context("expected an index, found that pip is told to use none")?;
        let page = self.page_at(root, root, MAX_NAMES)?.context("expected the index to list its projects")?;
        ensure!(page.json, "expected the index at {} to list its projects in JSON (PEP 691), found HTML", page.host);
        let mut index = root.clone();
        // Neither fails on a URL with a host.
        let _ = index.set_username("");
        let _ = index.set_password(None);
        let projects = parse(&page.body).with_context(|| format!("cannot follow the changes of {}", page.host))?;
        Ok(Serials { index: index.into(), projects })
    }
}

/// A name that is none is left out.
fn parse(body: &[u8]) -> anyhow::Result<Vec<(ProjectName, u64)>> {
    #[derive(Deserialize)]
    struct Page {
        projects: Vec<Project>,
    }
    #[derive(Deserialize)]
    struct Project {
        name: String,
        #[serde(rename = "_last-serial")]
        serial: Option<u64>,
    }
    let page: Page = serde_json::from_slice(body).context("expected a list of projects")?;
    let numbered = |project: Project| Some((ProjectName::new(&project.name).ok()?, project.serial?));
    let projects: Vec<_> = page.projects.into_iter().filter_map(numbered).collect();
    ensure!(!projects.is_empty(), "expected `_last-serial` of each project, found none: this index tells no changes");
    Ok(projects)
}
