//! Rebuilding many wheels: several at a time, each by itself, found again after whatever ended the last run.
//!
//! | module | what it does |
//! |---|---|
//! | [`plan`] | from targets and locks to what is to be looked at, each thing once |
//! | [`journal`] | what earlier runs finished, and which digests they saw |
//! | [`outbox`] | signs and submits what can be |
//! | [`summary`] | a table, counts that add up, JSON |

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{panic, thread};

use attest_core::artifact::ArtifactDigest;

use self::journal::{Finished, Journal, JournalError};
use self::outbox::{Outbox, Posting};
use self::plan::Asked;
use crate::interrupt;
use crate::output::Board;
use crate::rebuild::lineage::Lineage;
use crate::rebuild::record::Verdict;
use crate::rebuild::result::shelf::Shelf;
use crate::rebuild::result::{ResultError, ResultFolder};
use crate::rebuild::target::{Pinned, Selected, Target, changed};
use crate::rebuild::workshop::{Outcome, Workshop};

mod journal;
pub(crate) mod outbox;
pub(crate) mod plan;
pub(crate) mod summary;

/// What became of one thing.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As it was named.
    pub(crate) target: String,
    /// How it ended.
    pub(crate) end: End,
    /// What was signed and submitted, where that was asked for.
    pub(crate) posting: Option<Posting>,
}

/// How one thing ended. Every one is counted (docs/TRUST.md 1.4).
#[derive(Debug)]
pub(crate) enum End {
    /// There is a result.
    Done {
        /// It.
        outcome: Box<Outcome>,
        /// It is from an earlier run with the same inputs.
        kept: bool,
    },
    /// Nobody can rebuild such a thing from here.
    NotAttestable {
        /// File name.
        name: String,
        /// One line.
        why: String,
    },
    /// An installer would not take it on this machine.
    NotSelectable {
        /// One line.
        why: String,
    },
    /// A file that something before it led to.
    Duplicate {
        /// File name.
        name: String,
    },
    /// There is no result.
    Failed {
        /// Why.
        error: anyhow::Error,
    },
}

/// How a batch is worked off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// So many at a time.
    pub(crate) jobs: usize,
    /// Every file of a release.
    pub(crate) all: bool,
    /// Also what was finished before.
    pub(crate) fresh: bool,
}

/// A batch at work.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    workshop: &'a Workshop,
    manner: Manner,
    board: &'a Board<'a>,
    outbox: Option<&'a Outbox<'a>>,
    journal: Journal,
    shelf: Shelf,
    /// Files that a job has, or had.
    claimed: Mutex<HashSet<(String, ArtifactDigest)>>,
    /// Why nothing more is begun: results cannot be kept.
    stopped: Mutex<Option<anyhow::Error>>,
}

impl<'a> Batch<'a> {
    /// Opens the folder of results, which is made where there is none.
    pub(crate) fn open(
        results: &Path,
        workshop: &'a Workshop,
        manner: Manner,
        board: &'a Board<'a>,
        outbox: Option<&'a Outbox<'a>>,
    ) -> Result<Self, JournalError> {
        Ok(Self {
            workshop,
            manner,
            board,
            outbox,
            journal: Journal::open(results)?,
            shelf: Shelf::new(results),
            claimed: Mutex::default(),
            stopped: Mutex::default(),
        })
    }

    /// Works off everything, and says what became of each, in the order in which it was asked. An error beside that is why
    /// some of it was not begun.
    pub(crate) fn run(self, asked: &[Asked]) -> (Vec<Entry>, Option<anyhow::Error>) {
        let next = AtomicUsize::new(0);
        let entries: Vec<Mutex<Vec<Entry>>> = asked.iter().map(|_| Mutex::default()).collect();
        let work = |job: usize| {
            while !interrupt::requested() && lock(&self.stopped).is_none() {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(one) = asked.get(at) else {
                    break;
                };
                *lock(&entries[at]) = self.one(job, one);
            }
        };
        thread::scope(|scope| {
            let board = scope.spawn(|| self.board.run());
            let work = &work;
            let jobs: Vec<_> = (0..self.manner.jobs).map(|job| scope.spawn(move || work(job))).collect();
            let ended: Vec<_> = jobs.into_iter().map(thread::ScopedJoinHandle::join).collect();
            self.board.end();
            for ended in ended.into_iter().chain([board.join()]) {
                ended.unwrap_or_else(|cause| panic::resume_unwind(cause));
            }
        });
        let entries =
            entries.into_iter().flat_map(|entries| entries.into_inner().unwrap_or_else(PoisonError::into_inner));
        (entries.collect(), self.stopped.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn one(&self, job: usize, asked: &Asked) -> Vec<Entry> {
        let entries = match &asked.question {
            Ok(target) => self.target(job, &asked.name, target),
            Err(counted) => vec![Entry { target: asked.name.clone(), end: counted.end(), posting: None }],
        };
        let seconds = entries.iter().find_map(Entry::seconds);
        match entries.as_slice() {
            // Interrupted: it is as if it had not been begun.
            [] => {}
            [entry] => self.board.done(job, seconds, entry.line()),
            several => {
                for entry in several {
                    self.board.say(entry.line());
                }
                self.board.done(job, seconds, format_args!("{}: {} files", asked.name, several.len()));
            }
        }
        entries
    }

    fn target(&self, job: usize, name: &str, target: &Target) -> Vec<Entry> {
        let entry = |end, posting| Entry { target: name.to_owned(), end, posting };
        self.board.step(job, name, "asking for its digest");
        let selected = match self.workshop.pin(target, self.manner.all, &|text| self.board.say(text)) {
            Ok(selected) => selected,
            Err(_) if interrupt::requested() => return Vec::new(),
            Err(error) => return vec![entry(End::Failed { error }, None)],
        };
        let mut entries = Vec::new();
        for selected in selected {
            let end = match selected {
                Selected::NotAttestable { name, why } => End::NotAttestable { name, why },
                Selected::Pinned(pinned) => {
                    let end = self.file(job, &pinned);
                    self.workshop.forget(&pinned);
                    match end {
                        Ok(end) => end,
                        Err(_) if interrupt::requested() => break,
                        Err(error) => {
                            self.stop_if_full(&error);
                            End::Failed { error }
                        }
                    }
                }
            };
            let posting = match (&end, self.outbox) {
                (End::Done { outcome, .. }, Some(outbox)) => Some(outbox.post(&outcome.folder)),
                _ => None,
            };
            entries.push(entry(end, posting));
        }
        entries
    }

    /// One file: from an earlier run, or built now. What is written is written in this order: the result, its copies by
    /// digest, the line that says so. If we crash in between, the next run builds it again.
    fn file(&self, job: usize, pinned: &Pinned) -> anyhow::Result<End> {
        let name = pinned.name().as_str();
        if !lock(&self.claimed).insert((name.to_owned(), pinned.digest())) {
            return Ok(End::Duplicate { name: name.to_owned() });
        }
        if let Some(published) = pinned.published_as()
            && let Some(before) = self.journal.pin(&published, pinned.digest())?
        {
            return Err(changed(pinned.name(), before, pinned.digest()).into());
        }
        let inputs = self.workshop.inputs(pinned)?;
        if !self.manner.fresh
            && let Some(outcome) = self.kept(pinned, inputs)
        {
            self.board.remember(outcome.took.as_secs_f64());
            return Ok(End::Done { outcome: Box::new(outcome), kept: true });
        }
        let outcome = self.workshop.rebuild(pinned, &|step| self.board.step(job, name, step))?;
        self.shelf.put(&outcome.folder)?;
        self.journal.finish(Finished {
            wheel: name.to_owned(),
            inputs,
            record: outcome.folder.digest()?,
            source: outcome.source.clone(),
            backend: outcome.backend.clone(),
            seconds: outcome.took.as_secs_f64(),
        })?;
        Ok(End::Done { outcome: Box::new(outcome), kept: false })
    }

    /// The result of the same inputs, when it is still whole and its source still what the index has.
    fn kept(&self, pinned: &Pinned, inputs: ArtifactDigest) -> Option<Outcome> {
        let finished = self.journal.finished(inputs)?;
        let folder = ResultFolder::open(&self.workshop.place(pinned.name())).ok()?;
        // A build can fail because the machine was slow or full, too: one more try costs less than a wrong word.
        if folder.record().verdict == Verdict::BuildFailed {
            return None;
        }
        if folder.digest().ok()? != finished.record || !self.workshop.has_source(folder.record(), pinned.name()) {
            return None;
        }
        // A crash may have come before the copies.
        self.shelf.put(&folder).ok()?;
        let words = folder.words().ok()?;
        Some(Outcome {
            explanation: words.explanation,
            // In the report, for whoever asks.
            lineage: Lineage::noted(words.lineage.notes),
            folder,
            source: finished.source,
            backend: finished.backend,
            took: Duration::try_from_secs_f64(finished.seconds).ok()?,
            building: None,
        })
    }

    /// Building on would waste hours whose results nobody gets.
    fn stop_if_full(&self, error: &anyhow::Error) {
        let result = matches!(error.downcast_ref(), Some(ResultError::Write { .. }));
        if result || error.downcast_ref::<JournalError>().is_some() {
            let message = format!("{error:#}");
            lock(&self.stopped).get_or_insert_with(|| anyhow::anyhow!(message));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
