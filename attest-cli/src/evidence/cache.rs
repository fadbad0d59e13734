//! What logs answered before: evidence, never verdicts (docs/TRUST.md 5.2). It is judged again each time, by the same rules.
//!
//! One file for each log and set of digests, replaced as a whole, so that runs at once see one answer or the other. It
//! begins with a checksum, because what is missing of evidence cannot be seen: a file that is not exactly as it was written
//! is no answer, and the log is asked.
//!
//! **When it answers.** Votes do not age, dissent does: an answer stands for as long as the log shows the very tree that it is
//! about, which is one small question that names no file. With `--asked-within`, for so long nothing is asked at all; how
//! fresh a checkpoint must be is the policy's business, as always. [`crate::gate`] asks everything before it says no. With
//! `--offline`, any age will do, within the policy's limit for that.
//!
//! The folder tells what was asked: it is readable by its owner alone.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use attest_core::{artifact::ArtifactDigest, checkpoint::UnverifiedCheckpoint, note::VerifierKey, verify::LogView};

use super::{Asked, Source};
use crate::{
    files::{self, FileError, Mode},
    history::History,
};

mod form;

pub(super) use form::Kept;

/// Files in the folder; the ones that were not written for longest go first.
const MAX_FILES: usize = 64;
/// Bytes of one file: an answer that is larger is asked for each time.
const MAX_LEN: u64 = 64 << 20;
/// Files that were not written for so long are of no use even offline.
const MAX_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
const EXTENSION: &str = "evidence";

/// Answers of logs on disk.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// In the folder where attest keeps its data.
    pub(crate) fn new(data: &Path) -> Self {
        Self { folder: data.join("evidence") }
    }

    /// What a log said about exactly these files.
    pub(super) fn recall(&self, source: &Source, digests: &[ArtifactDigest], history: &History) -> Option<Kept> {
        let kept = read(&self.path(&source.log, digests.iter().copied()))?;
        (kept.is_by(source) && kept.is_about(digests) && continues(&source.log, &kept.views, history)).then_some(kept)
    }

    /// What a log said about these files, in several answers if need be, the newest of each.
    pub(super) fn recall_parts(&self, source: &Source, digests: &[ArtifactDigest], history: &History) -> Option<Kept> {
        if let Some(exact) = self.recall(source, digests, history) {
            return Some(exact);
        }
        let mut found: Vec<Kept> = self.files().ok()?.into_iter().filter_map(|(_, path)| read(&path)).collect();
        found.retain(|kept| kept.is_by(source) && continues(&source.log, &kept.views, history));
        found.sort_by_key(|kept| std::cmp::Reverse(kept.asked_at));
        let mut open: BTreeSet<ArtifactDigest> = digests.iter().copied().collect();
        found.retain(|kept| {
            let before = open.len();
            open.retain(|digest| !kept.digests.contains(digest));
            open.len() < before
        });
        if !open.is_empty() {
            return None;
        }
        found.into_iter().reduce(Kept::with)
    }

    /// Keeps an answer. That it cannot be kept is no error of anybody's: it is asked for again.
    pub(super) fn keep(&self, kept: &Kept) -> Result<(), FileError> {
        let bytes = kept.to_bytes();
        if bytes.len() as u64 > MAX_LEN {
            return Ok(());
        }
        let path = self.path(&kept.log, kept.digests.iter().copied());
        files::replace_unsynced(&path, &bytes, Mode::Private)?;
        self.prune().map_err(|source| FileError::Write { path: self.folder.clone(), source })
    }

    fn path(&self, log: &VerifierKey, digests: impl Iterator<Item = ArtifactDigest>) -> PathBuf {
        let mut question = log.to_string().into_bytes();
        digests.collect::<BTreeSet<_>>().iter().for_each(|digest| question.extend(digest.as_bytes()));
        let id = ArtifactDigest::of(&question).to_string();
        self.folder.join(format!("{}.{EXTENSION}", &id[..32]))
    }

    /// With the time at which each was written, newest first.
    fn files(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another run may have removed it.
            if let Ok(written) = entry.metadata().and_then(|data| data.modified())
                && entry.path().extension().is_some_and(|extension| extension == EXTENSION)
            {
                files.push((written, entry.path()));
            }
        }
        files.sort_by(|a, b| b.cmp(a));
        Ok(files)
    }

    fn prune(&self) -> io::Result<()> {
        let old = SystemTime::now().checked_sub(MAX_KEPT);
        for (at, (written, path)) in self.files()?.into_iter().enumerate() {
            if at >= MAX_FILES || old.is_some_and(|old| written < old) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Option<Kept> {
    Kept::parse(&files::read(path, MAX_LEN).ok()?)
}

/// Every answer was held to what was seen of the log when it came, so none of them can be newer than that: then somebody
/// removed the memory, and the log is held to it anew.
fn continues(log: &VerifierKey, views: &[LogView], history: &History) -> bool {
    let Ok(Some(last)) = history.last(log) else { return false };
    views.iter().all(|view| {
        let shown = UnverifiedCheckpoint::parse(&view.checkpoint).and_then(|note| note.verify(log));
        shown.is_ok_and(|shown| {
            let (shown, last) = (shown.head(), last.head());
            shown.size < last.size || shown == last
        })
    })
}

impl Kept {
    /// Whom to name for it.
    pub(super) fn asked(&self) -> Asked {
        let size = self.views.iter().filter_map(|view| UnverifiedCheckpoint::parse(&view.checkpoint).ok());
        let size = size.map(|note| note.claim().head.size.get()).max().unwrap_or(0);
        Asked { origin: self.log.name().as_str().to_owned(), size, url: self.url.clone(), stands_in: None }
    }

    /// An address that is asked now: what another policy's address said for the same log is not what this one is owed.
    fn is_by(&self, source: &Source) -> bool {
        self.log == source.log && source.urls.contains(&self.url)
    }

    fn is_about(&self, digests: &[ArtifactDigest]) -> bool {
        digests.iter().all(|digest| self.digests.contains(digest))
    }

    /// Two answers as one, as old as the older.
    fn with(mut self, other: Self) -> Self {
        self.asked_at = self.asked_at.min(other.asked_at);
        self.digests.extend(other.digests);
        self.views.extend(other.views);
        self.lists.extend(other.lists);
        self
    }
}

#[cfg(test)]
mod tests;
