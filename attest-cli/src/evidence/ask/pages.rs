//! An answer in as many pages as it takes, and in few round trips: whatever one page leaves open is asked for at once.
//!
//! Each page may be under a newer checkpoint than the one before.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use attest_core::{
    api::{self, Found, FoundEntry},
    artifact::ArtifactDigest,
    checkpoint::LogCheckpoint,
    merkle::{LeafIndex, NodeHash, TreeSize},
    negatives::subject_of_entry,
    verify::{LogView, LoggedEntry},
};

use super::{AskError, Source, shown};
use crate::{
    client::LogClient,
    cores,
    history::{History, HistoryError},
};

/// Requests that are on their way at once, each on a connection of its own.
const LANES: NonZeroUsize = NonZeroUsize::new(8).expect("eight is more than none");
/// Pages of entries about one file. More is no log that answers.
const MAX_PAGES: usize = 64;

/// What the entries about a file are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To decide by them.
    All,
    /// To hear what speaks against the file. That passes the widest filter, no freshness asked (docs/TRUST.md 4.3): a
    /// mirror is always a little behind its log, and would otherwise never show what the log holds back.
    Negatives,
}

/// What one request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Everything about these files, at most [`api::MAX_LOOKUP`] of them.
    Files(Vec<ArtifactDigest>),
    /// The entries about a file from an index on.
    Rest(ArtifactDigest, u64),
}

/// Reads the pages of one address.
pub(super) struct Pages<'a> {
    client: &'a LogClient,
    source: &'a Source,
    history: &'a History,
    wanted: Wanted,
    allowance: Mutex<Allowance>,
    /// One for each page, also where a later one failed.
    pub(super) views: Vec<LogView>,
    /// Of the tree that the last page was under.
    pub(super) size: TreeSize,
}

impl<'a> Pages<'a> {
    pub(super) fn new(client: &'a LogClient, source: &'a Source, history: &'a History, wanted: Wanted) -> Self {
        let allowance = Mutex::new(Allowance::new());
        Self { client, source, history, wanted, allowance, views: Vec::new(), size: TreeSize::ZERO }
    }

    /// Everything about these files.
    pub(super) fn about(&mut self, digests: &[ArtifactDigest]) -> Result<(), AskError> {
        let whole: Vec<_> = digests.chunks(api::MAX_LOOKUP).map(|chunk| Question::Files(chunk.to_vec())).collect();
        let open = self.round(&whole)?.into_iter().flat_map(Left::together).collect();
        self.rest(open)
    }

    /// What is still open, until nothing is.
    pub(super) fn rest(&mut self, mut open: Vec<Question>) -> Result<(), AskError> {
        for _ in 0..MAX_PAGES {
            if open.is_empty() {
                return Ok(());
            }
            open = self.round(&open)?.into_iter().flat_map(Left::one_by_one).collect();
        }
        if open.is_empty() { Ok(()) } else { Err(AskError::Endless { url: self.client.base().to_owned() }) }
    }

    /// Asks all of it at once. What came is heard, whatever else did not come.
    fn round(&mut self, questions: &[Question]) -> Result<Vec<Left>, AskError> {
        let asking = &*self;
        let (mut pages, mut failed) = (Vec::with_capacity(questions.len()), None);
        for answer in cores::map_on(LANES, questions, |question| asking.ask(question)) {
            match answer {
                Ok(page) => pages.push(page),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        // Meanwhile the log may have grown, and answers come in any order: what is smaller was shown before.
        pages.sort_by_key(|page| page.shown.head().size);
        let mut left = Vec::with_capacity(pages.len());
        for mut page in pages {
            match self.history.admit(&self.source.log, &page.shown, |id| self.client.tile(id)) {
                Ok(_) => {}
                Err(HistoryError::Stale { .. }) if self.wanted == Wanted::Negatives => {
                    page.view.entries.retain(|entry| subject_of_entry(&entry.envelope).is_some());
                }
                Err(error) => return Err(error.into()),
            }
            self.size = page.shown.head().size;
            self.views.push(page.view);
            left.push(page.left);
        }
        failed.map_or(Ok(left), Err)
    }

    fn ask(&self, question: &Question) -> Result<Page, AskError> {
        let url = || self.client.base().to_owned();
        let excess = || AskError::Excess { url: url() };
        let allowance = || self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever lets one question wait is not waited for at each of them.
        if allowance().is_over() {
            return Err(excess());
        }
        let found = match question {
            Question::Files(digests) => self.client.lookup(digests)?,
            Question::Rest(digest, from) => self.client.artifact(*digest, *from)?,
        };
        let taken = allowance().take(&found);
        taken.ok_or_else(excess)?;
        let asked = match question {
            Question::Files(digests) => &digests[..],
            Question::Rest(digest, _) => std::slice::from_ref(digest),
        };
        let left = Left::of(asked, &found).map_err(|digest| AskError::Missing { url: url(), digest })?;
        let shown = shown(self.client, &found.checkpoint, self.source)?;
        let view = view(found).ok_or_else(|| AskError::Proof { url: url() })?;
        Ok(Page { view, shown, left })
    }
}

/// One answer.
struct Page {
    view: LogView,
    shown: LogCheckpoint,
    left: Left,
}

/// What an answer leaves open.
struct Left {
    /// Files that are answered.
    finished: usize,
    /// Files without any entry yet, and where those begin.
    untouched: Vec<(ArtifactDigest, u64)>,
    /// Files with more entries from an index on.
    begun: Vec<(ArtifactDigest, u64)>,
}

impl Left {
    /// By what was asked, not by what was answered: a file has one more page, however often it is named. The error is a
    /// file that was left out.
    fn of(asked: &[ArtifactDigest], found: &Found) -> Result<Self, ArtifactDigest> {
        let mut answered = HashMap::with_capacity(found.artifacts.len());
        for artifact in &found.artifacts {
            answered.entry(artifact.sha256).or_insert(artifact);
        }
        let mut left = Self { finished: 0, untouched: Vec::new(), begun: Vec::new() };
        for digest in asked {
            let artifact = answered.get(digest).ok_or(*digest)?;
            match artifact.more_from {
                None => left.finished += 1,
                Some(from) if artifact.entries.is_empty() => left.untouched.push((*digest, from)),
                Some(from) => left.begun.push((*digest, from)),
            }
        }
        Ok(left)
    }

    /// Files that found no room are as good as not asked about: as many at once as should fit, which the answer tells.
    fn together(self) -> Vec<Question> {
        let fit = (self.finished * 3 / 4).max(1);
        let again = self.untouched.chunks(fit).map(|files| match files {
            [(digest, from)] => Question::Rest(*digest, *from),
            files => Question::Files(files.iter().map(|(digest, _)| *digest).collect()),
        });
        again.chain(self.begun.iter().map(|(digest, from)| Question::Rest(*digest, *from))).collect()
    }

    /// Whoever puts a file off a second time is asked for its entries from there on: that comes to an end.
    fn one_by_one(self) -> impl Iterator<Item = Question> {
        self.untouched.into_iter().chain(self.begun).map(|(digest, from)| Question::Rest(digest, from))
    }
}

/// `None` where a proof is no list of hashes.
fn view(found: Found) -> Option<LogView> {
    let entry = |entry: FoundEntry| {
        let path = entry.proof.iter().map(|hash| hash.parse().ok()).collect::<Option<Vec<NodeHash>>>()?;
        Some(LoggedEntry { index: LeafIndex::new(entry.index), path, envelope: entry.envelope.into_bytes() })
    };
    let entries = found.artifacts.into_iter().flat_map(|artifact| artifact.entries).map(entry);
    Some(LogView { entries: entries.collect::<Option<_>>()?, checkpoint: found.checkpoint.into_bytes() })
}

/// What one address may answer in all, however it divides that into pages: each of them alone is bounded, but a liar has
/// as many as it likes.
pub(super) struct Allowance {
    bytes: usize,
    until: Instant,
}

impl Allowance {
    pub(super) const BYTES: usize = 512 << 20;
    pub(super) const TIME: Duration = Duration::from_secs(120);

    fn new() -> Self {
        Self { bytes: Self::BYTES, until: Instant::now() + Self::TIME }
    }

    /// Counted as it lies in memory.
    fn take(&mut self, found: &Found) -> Option<()> {
        let proof = |entry: &FoundEntry| entry.proof.iter().map(|hash| size_of_val(hash) + hash.len()).sum::<usize>();
        let size = |entry: &FoundEntry| size_of_val(entry) + entry.envelope.len() + proof(entry);
        let entries = found.artifacts.iter().flat_map(|artifact| &artifact.entries);
        self.bytes = self.bytes.checked_sub(entries.map(size).sum())?;
        (!self.is_over()).then_some(())
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

#[cfg(test)]
mod tests;
