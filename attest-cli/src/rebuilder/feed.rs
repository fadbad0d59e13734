//! Where jobs come from by themselves. Feeds are read politely, bounded, and strictly; what one names is looked up on the
//! index that pip is configured with, and only wheels that can be rebuilt become jobs.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_core::key::PublicKey;

use self::catalog::Catalog;
use super::folder::Folder;
use super::job::{Ask, Wish};
use super::queue::Positions;
use super::settings::{Feed, FeedSource};
use crate::history::History;
use crate::interrupt;

pub(crate) mod catalog;
mod changes;
mod fetch;
mod log;
mod releases;
pub(crate) mod top;

/// What one look at a feed gave.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) asks: Vec<Ask>,
    /// How far it was read: kept together with the jobs, or not at all.
    pub(crate) position: Option<(String, String)>,
}

/// What feeds need.
#[derive(Debug)]
pub(crate) struct Reader {
    folder: Folder,
    python: PathBuf,
    cache: PathBuf,
    /// Ours: what we claimed ourselves is no news.
    own: PublicKey,
}

impl Reader {
    pub(crate) fn new(folder: Folder, python: &Path, cache: &Path, own: PublicKey) -> Self {
        Self { folder, python: python.to_owned(), cache: cache.to_owned(), own }
    }

    /// Looks once.
    pub(crate) fn read(&self, feed: &Feed, positions: &Positions) -> anyhow::Result<Read> {
        // A new one each time: it keeps project pages as long as it lives.
        let catalog = || Catalog::open(&self.python, &self.cache);
        let (wishes, position) = match &feed.source {
            FeedSource::Releases { url } => {
                let releases = releases::parse(&fetch::get(url, releases::MAX_FEED)?)?;
                let catalog = catalog()?;
                let wishes = releases.iter().map(|release| catalog.wheel(release));
                (known(wishes)?, None)
            }
            FeedSource::Changes => {
                let catalog = catalog()?;
                let serials = catalog.serials()?;
                // Another index has other numbers.
                let name = format!("{} {}", name(feed)?, serials.index);
                let (names, next) = changes::since(serials.projects, position(positions, &name)?);
                let wishes = names.iter().map(|name| catalog.newest(name));
                (known(wishes)?, Some((name, next.to_string())))
            }
            FeedSource::Top { from, first } => {
                let names = top::names(&top::load(from)?, *first)?;
                let catalog = catalog()?;
                let wishes = names.iter().map(|name| catalog.newest(name));
                (known(wishes)?, None)
            }
            FeedSource::Log { url, vkey } => {
                let name = name(feed)?;
                let from: u64 = position(positions, &name)?.unwrap_or(0);
                let history = History::new(self.folder.path());
                let claims = log::claims(url, vkey, &history, from, &self.own)?;
                (claims.wishes, Some((name, claims.next.to_string())))
            }
        };
        let ask = |wish| Ask { wish, priority: feed.priority };
        Ok(Read { asks: wishes.into_iter().map(ask).collect(), position })
    }
}

/// What there is to rebuild. A project that the index does not have, or has only wheels for platforms of, is left out; an
/// index that has none of them is down.
fn known(wishes: impl Iterator<Item = anyhow::Result<Option<Wish>>>) -> anyhow::Result<Vec<Wish>> {
    let (mut found, mut answers, mut last) = (Vec::new(), 0, None);
    for wish in wishes {
        ensure!(!interrupt::requested(), "asked to end in the middle of a feed");
        match wish {
            Ok(wish) => {
                answers += 1;
                found.extend(wish);
            }
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) if answers == 0 => Err(error.context("expected the index to know one of the projects of a feed")),
        _ => Ok(found),
    }
}

/// How far a feed was read.
fn position<P>(positions: &Positions, name: &str) -> anyhow::Result<Option<P>>
where
    P: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let position = positions.get(name).map(|position| position.parse()).transpose();
    position.with_context(|| format!("the position in the feed {name} is not as it was written"))
}

/// Under which its position is kept: another source begins anew.
fn name(feed: &Feed) -> anyhow::Result<String> {
    Ok(ArtifactDigest::of(toml::to_string(&feed.source)?.as_bytes()).to_string())
}

/// Between two looks.
pub(crate) fn interval(feed: &Feed) -> Duration {
    Duration::from_secs(feed.every_minutes.saturating_mul(60))
}
