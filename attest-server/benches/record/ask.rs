//! How long answers take, as views: without their drawing.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use attest_core::{artifact::ProjectName, merkle::LeafIndex};
use attest_server::http::{Site, views};

use crate::{
    entries::{self, Wheel},
    took::Took,
};

/// Projects on the list of the home page.
const COVERED: u64 = 200;

/// The list of the home page.
pub(crate) fn coverage() -> Result<Vec<ProjectName>> {
    let name = |number: u64| ProjectName::new(&format!("project_{}", entries::project(number * 7 * 30)));
    (0..COVERED).map(|number| Ok(name(number)?)).collect()
}

/// What may be asked about: files and entries anywhere in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anywhere {
    pub(crate) entries: u64,
}

impl Anywhere {
    /// An entry.
    pub(crate) const fn entry(self, n: u64) -> u64 {
        // A multiplicative hash: anywhere, and the same in every run.
        n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.entries
    }

    /// A file of which something is said.
    pub(crate) fn wheel(self, n: u64) -> Wheel {
        Wheel::new(entries::about(self.entry(n)).0)
    }

    /// The beginning of a commit.
    pub(crate) fn commit(self, n: u64) -> String {
        entries::commit(entries::about(self.entry(n)).0)[..12].to_owned()
    }
}

/// Asks every view so many times.
pub(crate) fn measure(site: &Site, any: Anywhere, asked: u64) -> Result<()> {
    let project = |n: u64| ProjectName::new(&any.wheel(n).project);
    let below = |n: u64| Some(LeafIndex::new(any.entry(n) + 1));
    each("log", asked, |_| Ok(views::log(site).map(|_| true)?))?;
    each("projects", asked, |n| Ok(views::projects(site, Some(project(n)?.as_str()))?.items.len() < 99))?;
    each("project", asked, |n| Ok(views::project(site, &project(n)?, None)?.is_some()))?;
    each("release", asked, |n| Ok(views::release(site, &project(n)?, &any.wheel(n).version, None)?.is_some()))?;
    each("file", asked, |n| Ok(views::file(site, any.wheel(n).digest, None)?.is_some()))?;
    each("entries", asked, |n| Ok(!views::entries(site, below(n))?.items.is_empty()))?;
    each("entry", asked, |n| Ok(views::entry(site, LeafIndex::new(any.entry(n)))?.is_some()))?;
    each("rebuilders", asked, |_| Ok(views::rebuilders(site, None)?.is_some()))?;
    let ids: Vec<_> =
        views::rebuilders(site, None)?.into_iter().flat_map(|page| page.items).map(|row| row.id).collect();
    each("rebuilder", asked, |n| {
        Ok(views::rebuilder(site, &ids[usize::try_from(n)? % ids.len()], below(n))?.is_some())
    })?;
    each("disagreements", asked, |n| Ok(views::disagreements(site, below(n))?.items.len() < 99))?;
    each("search: a name", asked, |n| Ok(!views::search(site, project(n)?.as_str())?.projects.is_empty()))?;
    each("search: a file name", asked, |n| Ok(!views::search(site, &any.wheel(n).file)?.files.is_empty()))?;
    each("search: a digest", asked, |n| Ok(!views::search(site, &any.wheel(n).digest.to_string())?.files.is_empty()))?;
    each("search: a statement", asked, |n| {
        let row = views::entry(site, LeafIndex::new(any.entry(n)))?.context("no entry")?.row;
        let id = row.about.context("no statement")?.statement_id.to_string();
        Ok(!views::search(site, &id)?.entries.is_empty())
    })?;
    each("search: a commit", asked, |n| Ok(!views::search(site, &any.commit(n))?.entries.is_empty()))
}

fn each(what: &str, asked: u64, ask: impl Fn(u64) -> Result<bool>) -> Result<()> {
    let mut took = Took::default();
    for n in 0..asked {
        let started = Instant::now();
        let found = ask(n)?;
        took.add(started.elapsed());
        ensure!(found, "{what}: nothing was found");
    }
    println!("  {what:<30} {}", took.told());
    Ok(())
}
