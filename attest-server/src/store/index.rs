//! `DIR/index`: statement, artifact and project to leaf index, over the sealed part of the log.
//!
//! All of it is derived: it can be deleted at any time and is rebuilt from the entry bundles. The form is one of our own,
//! because what a general engine keeps was most of its size, memory and time (docs/ARCHITECTURE.md, "Growth"): each round
//! of sealing leaves one file of sorted *postings* (fingerprint of a key, leaf index), a *run*, and
//! merging keeps them few. The names of the files say which entries they cover; there is no other record.
//!
//! A fingerprint is 64 bits of a hash and so a **hint**: whoever finds an entry by it looks at the entry. It also does not
//! say who signed: whoever looks for a duplicate verifies the entry with the submitter's key, since a public key is not
//! part of an entry and an index by (statement, key) could not be rebuilt from the log alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    envelope::{Envelope, StatementId},
    merkle::{LeafIndex, TreeSize},
    negatives::is_negative,
    statement::Statement,
};

use self::{
    posting::{Fingerprint, MAX_ENTRIES, Posting, Section},
    run::{Header, Run},
    write::Writer,
};
use super::{
    durable,
    negatives::{Negatives, NegativesError},
};

pub mod audit;
mod filter;
mod merge;
mod posting;
mod run;
mod write;

/// What an entry is found by. An entry that is no statement is found by nothing: it is no vote, and never a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// SHA-256 of the bytes that were signed.
    pub statement: Option<StatementId>,
    /// The subject's digest and project.
    pub subject: Option<(ArtifactDigest, ProjectName)>,
    /// Whether it is on the list of negatives ([`is_negative`]).
    pub negative: bool,
}

impl Keys {
    /// The keys of an entry of the log.
    pub fn of_entry(entry: &[u8]) -> Self {
        let Ok(envelope) = Envelope::parse(entry) else {
            return Self { statement: None, subject: None, negative: false };
        };
        match Statement::parse(envelope.payload()) {
            Ok(statement) => Self::of_statement(envelope.statement_id(), &statement),
            Err(_) => Self { statement: Some(envelope.statement_id()), subject: None, negative: false },
        }
    }

    /// The keys of a statement that was verified.
    pub fn of_statement(id: StatementId, statement: &Statement) -> Self {
        Self { statement: Some(id), subject: Some(Self::subject(statement)), negative: is_negative(statement) }
    }

    /// What the entry is a negative about: what [`attest_core::negatives::subject_of_entry`] says of its bytes.
    pub fn negative_about(&self) -> Option<ArtifactDigest> {
        self.subject.as_ref().filter(|_| self.negative).map(|(artifact, _)| *artifact)
    }

    fn subject(statement: &Statement) -> (ArtifactDigest, ProjectName) {
        (statement.subject().digest, statement.subject().name.project.clone())
    }
}

/// The open index. Lookups and additions may run at once; there is one writer.
#[derive(Debug)]
pub struct Index {
    shared: Arc<Shared>,
    negatives: Negatives,
    merger: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// Neighbours, oldest first, without a gap from the first entry on.
    runs: RwLock<Vec<Arc<Run>>>,
    covered: AtomicU64,
    /// Set when there may be runs to merge.
    grown: Mutex<bool>,
    wake: Condvar,
    stop: AtomicBool,
}

impl Index {
    /// Opens the index of a data folder, or makes an empty one.
    ///
    /// What is not whole, or was made by another version of this program, is deleted: [`Index::covered`] says from where
    /// on entries have to be added again.
    pub fn open(data: &Path) -> Result<Self, IndexError> {
        let negatives = Negatives::open(data)?;
        let folder = data.join("index");
        let runs = open_runs(&folder).map_err(|source| IndexError::Open { path: folder.clone(), source })?;
        let covered = runs.last().map_or(0, |run| run.header().range.1);
        let shared = Arc::new(Shared {
            folder: folder.clone(),
            runs: RwLock::new(runs),
            covered: AtomicU64::new(covered),
            grown: Mutex::new(true),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let merging = Arc::clone(&shared);
        let merger = std::thread::Builder::new().name("index".to_owned()).spawn(move || merging.merge_on_and_on());
        let merger = Some(merger.map_err(|source| IndexError::Open { path: folder, source })?);
        Ok(Self { shared, negatives, merger })
    }

    /// Every entry below this index is in it.
    pub fn covered(&self) -> TreeSize {
        TreeSize::new(self.shared.covered()).min(self.negatives.covered())
    }

    /// No entry from this index on is in any part of it.
    pub fn reaches(&self) -> TreeSize {
        TreeSize::new(self.shared.covered()).max(self.negatives.covered())
    }

    /// The negatives among the entries.
    pub const fn negatives(&self) -> &Negatives {
        &self.negatives
    }

    /// Adds the entries that follow [`Index::covered`]; what is covered already is skipped. If we crash in here or soon
    /// after, all of them are in it or none, and the next start adds what is missing.
    pub fn add<'a>(&self, first: LeafIndex, entries: impl IntoIterator<Item = &'a Keys>) -> Result<(), IndexError> {
        let covered = self.shared.covered();
        let mut sections: [Vec<Posting>; 3] = Default::default();
        let mut subjects = Vec::new();
        let mut next = first.get();
        for keys in entries {
            let index = next;
            next += 1;
            subjects.push(keys.negative_about());
            if index < covered {
                continue;
            }
            let [statements, artifacts, projects] = &mut sections;
            if let Some(statement) = keys.statement {
                statements.push(Posting { key: Fingerprint::of_statement(statement), index });
            }
            if let Some((artifact, project)) = &keys.subject {
                artifacts.push(Posting { key: Fingerprint::of_artifact(artifact), index });
                projects.push(Posting { key: Fingerprint::of_project(project), index });
            }
        }
        self.negatives.add(first, subjects);
        if next <= covered {
            return Ok(());
        }
        if first.get() > covered || next > MAX_ENTRIES {
            return Err(IndexError::Gap { expected: covered, found: first.get() });
        }
        self.shared.add((covered, next), sections)
    }

    /// Entries that may have this statement, whoever signed them, in index order.
    pub fn statement(&self, id: StatementId) -> Result<Vec<LeafIndex>, IndexError> {
        let key = Fingerprint::of_statement(id);
        let all = (Posting { key, index: 0 }, Posting { key, index: MAX_ENTRIES });
        let mut found = Vec::new();
        for run in self.shared.runs().iter().filter(|run| run.may_hold(key)) {
            run.find(Section::Statement, all, usize::MAX, &mut found)?;
        }
        Ok(found.into_iter().map(LeafIndex::new).collect())
    }

    /// Entries that may be about this artifact with `from` <= index < `below`, at most `limit`, in index order.
    pub fn artifact(
        &self,
        digest: &ArtifactDigest,
        from: LeafIndex,
        below: TreeSize,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, IndexError> {
        self.range(Section::Artifact, Fingerprint::of_artifact(digest), (from, below), limit)
    }

    /// Entries that may be about this project, as [`Index::artifact`].
    pub fn project(
        &self,
        project: &ProjectName,
        from: LeafIndex,
        below: TreeSize,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, IndexError> {
        self.range(Section::Project, Fingerprint::of_project(project), (from, below), limit)
    }

    fn range(
        &self,
        section: Section,
        key: Fingerprint,
        (from, below): (LeafIndex, TreeSize),
        limit: usize,
    ) -> Result<Vec<LeafIndex>, IndexError> {
        let (from, below) = (Posting { key, index: from.get() }, Posting { key, index: below.get() });
        let mut found = Vec::new();
        for run in self.shared.runs() {
            let (first, end) = run.header().range;
            if end > from.index && first < below.index && found.len() < limit {
                run.find(section, (from, below), limit, &mut found)?;
            }
        }
        Ok(found.into_iter().map(LeafIndex::new).collect())
    }

    /// Every posting, for tests that compare two indexes.
    #[cfg(test)]
    pub(crate) fn dump(&self) -> Vec<(u64, u64)> {
        let runs = self.shared.runs();
        let postings = |section| {
            let all = runs.iter().flat_map(move |run| run.postings(section));
            let mut all: Vec<_> = all.map(|posting| posting.map(|one| (one.key.0, one.index)).unwrap()).collect();
            all.sort_unstable();
            all
        };
        Section::ALL.map(postings).concat()
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake();
        if let Some(merger) = self.merger.take() {
            let _ = merger.join();
        }
    }
}

impl Shared {
    fn covered(&self) -> u64 {
        self.covered.load(Ordering::Acquire)
    }

    /// The runs as they are now: merging goes on, and a run that it replaced stays readable while somebody holds it.
    fn runs(&self) -> Vec<Arc<Run>> {
        self.runs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, range: (u64, u64), sections: [Vec<Posting>; 3]) -> Result<(), IndexError> {
        let path = self.folder.join(name(range));
        let io = |source| IndexError::Io { operation: "writing", path: path.clone(), source };
        let counts = [0, 1, 2].map(|section: usize| sections[section].len() as u64);
        let temporary = self.folder.join("adding.tmp");
        let mut writer = Writer::create(&temporary, Header { range, counts }).map_err(io)?;
        for (section, mut postings) in Section::ALL.into_iter().zip(sections) {
            postings.sort_unstable();
            for posting in postings {
                writer.push(section, posting).map_err(io)?;
            }
            writer.end_section().map_err(io)?;
        }
        writer.finish(&temporary, &path).map_err(io)?;
        let run = Run::open(&path).map_err(io)?;
        let run = run.ok_or_else(|| IndexError::Damaged { path: path.clone(), block: 0 })?;
        self.runs.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(run));
        self.covered.store(range.1, Ordering::Release);
        self.wake();
        Ok(())
    }

    fn wake(&self) {
        *self.grown.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }

    fn merge_on_and_on(&self) {
        loop {
            let mut grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
            while !*grown {
                grown = self.wake.wait(grown).unwrap_or_else(PoisonError::into_inner);
            }
            *grown = false;
            drop(grown);
            while let Some(window) = merge::plan(self.runs().iter().map(|run| run.entries())) {
                match self.merge(window) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        // Lookups go on, a little slower; the next addition brings the next try.
                        tracing::warn!(error = &error as &dyn std::error::Error, "the index could not be merged");
                        break;
                    }
                }
            }
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Replaces runs by one; `false` when the index is being closed. Only newer runs are added meanwhile.
    fn merge(&self, window: std::ops::Range<usize>) -> Result<bool, IndexError> {
        let replaced = self.runs()[window.clone()].to_vec();
        let Some(merged) = merge::merge(&self.folder, &replaced, &self.stop)? else {
            return Ok(false);
        };
        let io = |source| IndexError::Io { operation: "syncing", path: self.folder.clone(), source };
        // If we crash before this, the next start finds the inputs, and perhaps the output as well, which covers them.
        durable::sync_dir(&self.folder).map_err(io)?;
        self.runs.write().unwrap_or_else(PoisonError::into_inner).splice(window, [Arc::new(merged)]);
        for run in replaced {
            fs::remove_file(run.path()).map_err(io)?;
        }
        Ok(true)
    }
}

/// Name of the file of a run: the first entry, and the one after the last.
fn name((from, below): (u64, u64)) -> String {
    format!("{from:015}-{below:015}")
}

/// The runs that cover the log from its first entry on, without a gap; every other file is deleted.
fn open_runs(folder: &Path) -> io::Result<Vec<Arc<Run>>> {
    fs::create_dir_all(folder)?;
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.is_dir() {
            // An index of the form before this one.
            fs::remove_dir_all(path)?;
        } else if let Some(run) = Run::open(&path)?.filter(|run| path.ends_with(name(run.header().range))) {
            found.push(run);
        } else {
            tracing::warn!(path = %path.display(), "no whole part of the index: deleting it");
            fs::remove_file(path)?;
        }
    }
    // Of those that start at one entry, the widest first: a merge was finished and what went into it not yet deleted.
    found.sort_by_key(|run| (run.header().range.0, std::cmp::Reverse(run.header().range.1)));
    let mut runs: Vec<Arc<Run>> = Vec::new();
    for run in found {
        let covered = runs.last().map_or(0, |last| last.header().range.1);
        if run.header().range.0 == covered && run.entries() > 0 {
            runs.push(Arc::new(run));
        } else {
            fs::remove_file(run.path())?;
        }
    }
    Ok(runs)
}

/// What is wrong with the index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It does not open.
    #[error(
        "{}: the index does not open\nhint: it is derived data; delete the folder, and the next start rebuilds it",
        path.display()
    )]
    Open {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A part of it with another checksum.
    #[error(
        "{}: block {block} is damaged\nhint: it is derived data; delete the folder, and the next start rebuilds it",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Number of the block in its section.
        block: usize,
    },
    /// The negatives cannot be opened.
    #[error(transparent)]
    Negatives(#[from] NegativesError),
    /// Entries that do not follow what is covered.
    #[error("entries from {found} on cannot be added to an index that covers {expected}")]
    Gap {
        /// The index that had to come next.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// A file operation failed.
    #[error("{}: {operation} failed", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
