//! How long answers take.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use attest_core::{artifact::ProjectName, merkle::LeafIndex};
use attest_server::http::{Site, views};

use crate::entries;

/// Projects on the list of the home page.
const COVERED: u64 = 200;

/// The list of the home page.
pub(crate) fn coverage() -> Result<Vec<ProjectName>> {
    (0..COVERED).map(|number| Ok(ProjectName::new(&format!("project_{}", number * 7))?)).collect()
}

/// Asks every view so many times, about things anywhere in the log.
pub(crate) fn measure(site: &Site, entries_in_all: u64, asked: u64) -> Result<()> {
    // A multiplicative hash: anywhere, and the same in every run.
    let any = |n: u64| n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % entries_in_all;
    let project = |n: u64| {
        let (file, _) = entries::about(any(n));
        ProjectName::new(&format!("project_{}", file / entries::FILES_PER_PROJECT))
    };
    each("log", asked, |_| Ok(views::log(site).map(|_| true)?))?;
    each("projects", asked, |n| Ok(views::projects(site, Some(project(n)?.as_str()))?.items.len() < 99))?;
    each("project", asked, |n| Ok(views::project(site, &project(n)?, None)?.is_some()))?;
    each("release", asked, |n| {
        let (file, _) = entries::about(any(n));
        Ok(views::release(site, &project(n)?, &format!("1.{}", file % entries::FILES_PER_PROJECT))?.is_some())
    })?;
    each("file", asked, |n| Ok(views::file(site, entries::file(entries::about(any(n)).0).1)?.is_some()))?;
    each("entries", asked, |n| Ok(!views::entries(site, Some(LeafIndex::new(any(n) + 1)))?.items.is_empty()))?;
    each("entry", asked, |n| Ok(views::entry(site, LeafIndex::new(any(n)))?.is_some()))?;
    each("rebuilders", asked, |_| Ok(!views::rebuilders(site)?.items.is_empty()))?;
    let ids: Vec<_> = views::rebuilders(site)?.items.into_iter().map(|row| row.id).collect();
    each("rebuilder", asked, |n| {
        let id = &ids[usize::try_from(n)? % ids.len()];
        Ok(views::rebuilder(site, id, Some(LeafIndex::new(any(n) + 1)))?.is_some())
    })?;
    each("disagreements", asked, |n| Ok(views::disagreements(site, Some(LeafIndex::new(any(n))))?.items.len() < 99))?;
    each("search: a name", asked, |n| Ok(!views::search(site, project(n)?.as_str())?.projects.is_empty()))?;
    each("search: a file name", asked, |n| {
        Ok(!views::search(site, &entries::file(entries::about(any(n)).0).0)?.files.is_empty())
    })?;
    each("search: a digest", asked, |n| {
        Ok(!views::search(site, &entries::file(entries::about(any(n)).0).1.to_string())?.files.is_empty())
    })?;
    each("search: a statement", asked, |n| {
        let row = views::entry(site, LeafIndex::new(any(n)))?.context("no entry")?.row;
        let id = row.about.context("no statement")?.statement_id.to_string();
        Ok(!views::search(site, &id)?.entries.is_empty())
    })?;
    each("search: a commit", asked, |n| {
        let (file, _) = entries::about(any(n));
        let commit = attest_core::artifact::ArtifactDigest::of(format!("commit {}", file / 3).as_bytes()).to_string();
        Ok(!views::search(site, &commit[..12])?.entries.is_empty())
    })
}

fn each(what: &str, asked: u64, ask: impl Fn(u64) -> Result<bool>) -> Result<()> {
    let mut took = Vec::new();
    for n in 0..asked {
        let started = Instant::now();
        let found = ask(n)?;
        took.push(started.elapsed());
        ensure!(found, "{what}: nothing was found");
    }
    took.sort_unstable();
    let at = |share: usize| took.get((took.len() - 1) * share / 100).copied().unwrap_or_default();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("  {what:<30} median {:.2} ms, p99 {:.2} ms, most {:.2} ms", ms(at(50)), ms(at(99)), ms(at(100)));
    Ok(())
}
