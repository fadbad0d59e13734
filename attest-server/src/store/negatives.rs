//! `DIR/negatives`: where the negatives of the sealed part of the log are, sorted as their list is
//! (`attest_core::negatives`).
//!
//! | file | what it holds |
//! |---|---|
//! | `base-N` | the records of the first N entries, sorted, under a checksum |
//! | `journal-N` | what came after, in the order of the log: frames of entries, each with its negatives and a checksum |
//!
//! All of it is derived: it can be deleted at any time and is made again from the entry bundles. So nothing is synced as
//! long as it is short: after a crash the journal ends with its last whole frame, and the entries behind it are read
//! again. When much has come, base and journal become a new base. Negatives are rare, but whoever may submit can log many:
//! memory holds only what came since the last base, at most an eighth of it or 65,536 records.
//!
//! No failure here stops the log: what cannot be written stays in memory, and the next start reads the entries again.

mod base;
mod journal;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use attest_core::{
    artifact::ArtifactDigest,
    merkle::{LeafIndex, TreeSize},
    negatives::{Record, ShardId},
};

use self::{base::Base, journal::Journal};
use super::durable;

/// Records that are kept in memory before a new base is made; with a large base, an eighth of it.
const MAX_PENDING: usize = 1 << 16;
/// Bytes of the journal before a new base is made, whatever is in it.
const MAX_JOURNAL: u64 = 4 << 20;
/// After a failure, so many additions are only kept in memory before the next try.
const PATIENCE: u32 = 64;

/// The negatives of the sealed part. Readers and the one writer may run at once.
#[derive(Debug)]
pub struct Negatives {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    base: Arc<Base>,
    /// What came since.
    pending: BTreeSet<Record>,
    /// `None` after a failure.
    journal: Option<Journal>,
    patience: u32,
    covered: u64,
    /// For each shard, the index after its newest record.
    newest: Vec<u64>,
}

impl Negatives {
    /// Opens the folder, or makes it. What is not whole is deleted: [`Negatives::covered`] says from where on entries have
    /// to be added again.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(data: &Path) -> Result<Self, NegativesError> {
        let folder = data.join("negatives");
        let failed = |source| NegativesError { operation: "opening", path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let base = newest_base(&folder).map_err(failed)?;
        let journal = Journal::open(&folder, base.covered()).map_err(failed)?;
        let (journal, frames) = journal;
        let mut state = State {
            newest: base.newest().to_vec(),
            covered: base.covered(),
            base: Arc::new(base),
            pending: BTreeSet::new(),
            journal: Some(journal),
            patience: 0,
        };
        for frame in frames {
            state.covered = frame.below;
            state.take(&frame.records);
        }
        Ok(Self { folder, state: Mutex::new(state) })
    }

    /// The negatives of every entry below this index are in it.
    pub fn covered(&self) -> TreeSize {
        TreeSize::new(self.state().covered)
    }

    /// Adds the entries from `first` on, which is at most [`Negatives::covered`]: for each, what it is a negative about.
    /// What is covered already is skipped.
    pub fn add(&self, first: LeafIndex, entries: impl IntoIterator<Item = Option<ArtifactDigest>>) {
        let mut state = self.state();
        let mut next = first.get();
        let mut records = Vec::new();
        for subject in entries {
            if let (Some(subject), true) = (subject, next >= state.covered) {
                records.push(Record { subject, index: LeafIndex::new(next) });
            }
            next += 1;
        }
        if next <= state.covered || first.get() > state.covered {
            return;
        }
        let from = std::mem::replace(&mut state.covered, next);
        state.take(&records);
        if let Some(journal) = &mut state.journal
            && let Err(error) = journal.append(from, next, &records)
        {
            tracing::warn!(%error, folder = %self.folder.display(), "negatives are kept in memory only");
            // The last frame may be torn: nothing goes behind it.
            state.journal = None;
            state.patience = PATIENCE;
        }
        self.fold_if_due(&mut state);
    }

    fn fold_if_due(&self, state: &mut State) {
        let much = state.pending.len() > MAX_PENDING.max(state.base.len() / 8);
        let long = state.journal.as_ref().is_none_or(|journal| journal.len() > MAX_JOURNAL);
        if !(much || long) {
            return;
        }
        if state.patience > 0 {
            state.patience -= 1;
            return;
        }
        if let Err(error) = self.fold(state) {
            tracing::warn!(%error, folder = %self.folder.display(), "no new base of the negatives could be written");
            state.patience = PATIENCE;
        }
    }

    /// Base and pending become a new base. If we crash in here, the next start finds the old one and its journal, or the
    /// new one.
    fn fold(&self, state: &mut State) -> io::Result<()> {
        let base = Base::write(&self.folder, state.covered, &state.base, &state.pending)?;
        durable::sync_dir(&self.folder)?;
        let (journal, _) = Journal::open(&self.folder, state.covered)?;
        let old = std::mem::replace(&mut state.base, Arc::new(base)).covered();
        state.pending.clear();
        state.journal = Some(journal);
        if old != state.covered {
            // A reader that still holds the old one can read it to its end.
            base::remove(&self.folder, old)?;
            journal::remove(&self.folder, old)?;
        }
        Ok(())
    }

    /// For each shard, the index after its newest record, or 0.
    pub fn newest(&self) -> Vec<u64> {
        self.state().newest.clone()
    }

    /// Hands over the records of a shard that are of entries below `below`, in order; `unsealed` are added to them.
    ///
    /// # Errors
    /// The base cannot be read.
    pub fn each(
        &self,
        shard: ShardId,
        below: TreeSize,
        unsealed: &[Record],
        mut each: impl FnMut(Record),
    ) -> Result<(), NegativesError> {
        let (base, pending) = {
            let state = self.state();
            let mut pending: BTreeSet<Record> = of_shard(&state.pending, shard).copied().collect();
            pending.extend(unsealed.iter().filter(|record| ShardId::of(&record.subject) == shard));
            (Arc::clone(&state.base), pending)
        };
        let mut each = |record: Record| {
            if below.contains(record.index) {
                each(record);
            }
        };
        let mut pending = pending.into_iter().peekable();
        let merged = base.each(shard, |record| {
            while let Some(earlier) = pending.next_if(|pending| *pending < record) {
                each(earlier);
            }
            // What was sealed since `unsealed` was taken is in both.
            let _ = pending.next_if_eq(&record);
            each(record);
        });
        merged.map_err(|source| NegativesError { operation: "reading", path: self.folder.clone(), source })?;
        pending.for_each(each);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, records: &[Record]) {
        for record in records {
            if let Some(newest) = self.newest.get_mut(usize::from(ShardId::of(&record.subject).get())) {
                *newest = record.index.get() + 1;
            }
        }
        self.pending.extend(records);
    }
}

/// The records of one shard, of a sorted set.
fn of_shard(records: &BTreeSet<Record>, shard: ShardId) -> impl Iterator<Item = &Record> {
    let mut first = [0; 32];
    first[0] = shard.get();
    let first = Record { subject: ArtifactDigest::from_bytes(first), index: LeafIndex::new(0) };
    records.range(first..).take_while(move |record| ShardId::of(&record.subject) == shard)
}

/// Opens the base that covers most; every other one is deleted, and so are the journals of others.
fn newest_base(folder: &Path) -> io::Result<Base> {
    let mut found: Vec<PathBuf> = Vec::new();
    for file in fs::read_dir(folder)? {
        found.push(file?.path());
    }
    let mut bases: Vec<u64> = found.iter().filter_map(|path| base::covered_by(path)).collect();
    bases.sort_unstable();
    let mut newest = Base::empty();
    while let Some(covered) = bases.pop() {
        if let Some(base) = Base::open(folder, covered)? {
            newest = base;
            break;
        }
        tracing::warn!(folder = %folder.display(), covered, "damaged base of the negatives: making it anew");
    }
    for path in found {
        let kept = base::covered_by(&path).or_else(|| journal::starts_at(&path)) == Some(newest.covered());
        if !kept {
            fs::remove_file(path)?;
        }
    }
    Ok(newest)
}

/// A file operation on the negatives failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: {operation} the negatives failed\nhint: they are derived data; delete the folder, and the next start makes it anew",
    path.display()
)]
pub struct NegativesError {
    /// What was tried.
    operation: &'static str,
    /// The folder.
    path: PathBuf,
    /// The system's words.
    source: io::Error,
}

#[cfg(test)]
mod tests;
