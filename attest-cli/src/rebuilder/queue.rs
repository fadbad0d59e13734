//! What is to be built, who builds it, and what became of it: a journal and what follows from it.
//!
//! Every change is an event that is on disk before anybody acts upon it:
//!
//! | we crash after | what the next start does |
//! |---|---|
//! | `added` | nothing: the job waits |
//! | `given` | a worker of ours died with us: the job waits again. One on another host goes on, and has its whole lease to say so |
//! | a result came in, before `answered` | the same; another host's worker delivers it again |
//! | `answered`, before the result is in its place | moves it there ([`super::intake`]) |
//! | `answered`, before it is signed | signs it ([`super::notary`]) |
//! | signed, before `logged` | submits the same bytes; the log has them once |

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::job::{Answer, Ask, Decision, Event, Given, Job, JobId, Phase};
use super::journal::{self, Journal, JournalError, MAX_JOURNAL};
use super::settings::Limits;

mod state;

pub(crate) use state::State;

/// Names of workers that live and die with the coordinator begin so.
pub(crate) const OWN: &str = "own-";
/// A journal is rewritten when it is this many times as long as it was after the last time, and no earlier than
/// [`MIN_REWRITE`].
const REWRITE_FACTOR: u64 = 4;
const MIN_REWRITE: u64 = 1 << 20;
/// Longest reason that is kept.
const MAX_WHY: usize = 2000;
const DAY: u64 = 24 * 60 * 60;
/// This attest: another version may come to another answer.
pub(crate) const TOOL: &str = env!("CARGO_PKG_VERSION");

/// The queue, and the right to change it.
#[derive(Debug)]
pub(crate) struct Queue {
    journal: Journal,
    state: State,
    /// When the worker of a running job was heard last.
    heard: HashMap<Given, u64>,
    rewritten: u64,
}

/// What cannot be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the journal contradicts itself: {event} of job {job}, which is {found}")]
    Contradiction { event: &'static str, job: JobId, found: &'static str },
    #[error("expected a job of this rebuilder, found {job}")]
    Unknown { job: JobId },
    #[error("expected an attempt that {worker} was given, found {given}")]
    NotGiven { given: Given, worker: String },
    #[error("job {job} has its answer already: the first counts")]
    Answered { job: JobId },
    #[error("expected job {job} to {expected}, found that it is {found}")]
    Phase { job: JobId, expected: &'static str, found: &'static str },
}

impl QueueError {
    /// Whether the process has to end.
    pub(crate) fn is_fatal(&self) -> bool {
        match self {
            Self::Journal(error) => error.is_fatal(),
            Self::Contradiction { .. } => true,
            _ => false,
        }
    }
}

/// How an attempt ended that has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The worker stops: the job is as it was.
    GivenBack,
    /// The worker was not heard of any more.
    Lost,
    /// It did not work out, or what came back is not what was asked for; another time it may.
    Failed,
}

impl Queue {
    /// Opens the journal; nothing has to be known of how the last process ended.
    pub(crate) fn open(path: &Path, now: u64) -> Result<Self, QueueError> {
        let (journal, lines) = Journal::open(path)?;
        let state = State::of(lines)?;
        journal::tidy(path).map_err(|source| JournalError::Full { source })?;
        let rewritten = journal.length();
        let mut queue = Self { journal, state, heard: HashMap::new(), rewritten };
        let running: Vec<(Given, bool)> = queue
            .state
            .jobs()
            .filter_map(|job| job.running().map(|given| (given, queue.state.worker_of(given).starts_with(OWN))))
            .collect();
        let gone = |(given, own): &(Given, bool)| {
            own.then(|| Event::Returned { given: *given, why: "the coordinator ended".to_owned() })
        };
        let returned: Vec<Event> = running.iter().filter_map(gone).collect();
        queue.commit(returned)?;
        queue.heard = running.into_iter().filter(|(_, own)| !own).map(|(given, _)| (given, now)).collect();
        Ok(queue)
    }

    /// As it stands.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Adds what is not known yet, and says how much that was. `positions`: how far the feed was read that these are from.
    pub(crate) fn add(
        &mut self,
        asks: Vec<Ask>,
        position: Option<(String, String)>,
        at: u64,
    ) -> Result<usize, QueueError> {
        let mut events = Vec::new();
        let mut next = self.state.next();
        let mut new: HashSet<String> = HashSet::new();
        for ask in asks {
            let key = ask.wish.key();
            if self.state.knows(&key, TOOL) || !new.insert(key) {
                continue;
            }
            events.push(Event::Added { job: next, ask, tool: TOOL.to_owned(), at });
            next = next.next();
        }
        let added = events.len();
        events.extend(position.map(|(feed, value)| Event::Position { feed, value }));
        self.commit(events)?;
        Ok(added)
    }

    /// The most urgent job that may be built now, for this worker. Whoever asks again without an answer gets the same
    /// job again: its question or our reply was lost.
    pub(crate) fn take(&mut self, worker: &str, limits: &Limits, now: u64) -> Result<Option<(Given, Ask)>, QueueError> {
        if let Some((given, job)) = self.state.held_by(worker) {
            let ask = job.ask.clone();
            self.heard.insert(given, now);
            return Ok(Some((given, ask)));
        }
        let Some(job) = self.state.most_urgent(limits, now.saturating_sub(DAY), now) else {
            return Ok(None);
        };
        let (given, ask) = (Given { job: job.id, attempt: job.next_attempt() }, job.ask.clone());
        self.commit(vec![Event::Given { given, worker: worker.to_owned(), at: now }])?;
        self.heard.insert(given, now);
        Ok(Some((given, ask)))
    }

    /// A worker says that it still builds.
    pub(crate) fn ping(&mut self, given: Given, worker: &str, now: u64) -> Result<(), QueueError> {
        self.deliverable(given, worker)?;
        self.heard.insert(given, now);
        Ok(())
    }

    /// The job, if this worker may answer it. It may even when it was silent for so long that another has it now.
    pub(crate) fn deliverable(&self, given: Given, worker: &str) -> Result<&Job, QueueError> {
        let job = self.state.job(given.job)?;
        if !job.was_given(given.attempt, worker) {
            return Err(QueueError::NotGiven { given, worker: worker.to_owned() });
        }
        match job.phase {
            Phase::Done { .. } => Err(QueueError::Answered { job: given.job }),
            _ => Ok(job),
        }
    }

    /// The first answer counts.
    pub(crate) fn answer(&mut self, given: Given, worker: &str, answer: Answer, now: u64) -> Result<(), QueueError> {
        self.deliverable(given, worker)?;
        self.commit(vec![Event::Answered { job: given.job, answer, at: now }])?;
        self.heard.retain(|known, _| known.job != given.job);
        Ok(())
    }

    /// An attempt without a result.
    pub(crate) fn end(
        &mut self,
        given: Given,
        worker: &str,
        end: End,
        mut why: String,
        limits: &Limits,
        now: u64,
    ) -> Result<(), QueueError> {
        let job = self.deliverable(given, worker)?;
        if job.running() != Some(given) {
            // Another worker has it by now: what becomes of it is no longer this one's to say.
            return Ok(());
        }
        // It stays in the journal, and a worker may say what it likes.
        if let Some((end, _)) = why.char_indices().nth(MAX_WHY) {
            why.truncate(end);
        }
        let failures = job.failures + 1;
        let event = match end {
            End::GivenBack => Event::Returned { given, why },
            End::Lost | End::Failed if failures < limits.attempts => {
                Event::Failed { given, why, due: Some(now.saturating_add(limits.delay(failures))) }
            }
            End::Lost | End::Failed => Event::Failed { given, why, due: None },
        };
        self.commit(vec![event])?;
        self.heard.remove(&given);
        Ok(())
    }

    /// Jobs of workers that were silent for too long wait again.
    pub(crate) fn expire(&mut self, limits: &Limits, now: u64) -> Result<(), QueueError> {
        // A clock that was set back has heard nobody in the future.
        for heard in self.heard.values_mut() {
            *heard = (*heard).min(now);
        }
        let silent = |heard: &u64| now.saturating_sub(*heard) > limits.lease_seconds;
        let lost: Vec<Given> = self.heard.iter().filter(|(_, heard)| silent(heard)).map(|(given, _)| *given).collect();
        for given in lost {
            let worker = self.state.worker_of(given).to_owned();
            self.end(given, &worker, End::Lost, format!("{worker} was not heard of any more"), limits, now)?;
            self.heard.remove(&given);
        }
        Ok(())
    }

    /// What a worker that died had goes back.
    pub(crate) fn worker_ended(&mut self, worker: &str, limits: &Limits, now: u64) -> Result<(), QueueError> {
        match self.state.held_by(worker).map(|(given, _)| given) {
            Some(given) => self.end(given, worker, End::Lost, format!("{worker} died"), limits, now),
            None => Ok(()),
        }
    }

    /// A person's word about an accusation. The same word again changes nothing.
    pub(crate) fn decide(&mut self, id: JobId, decision: Decision) -> Result<(), QueueError> {
        let job = self.state.job(id)?;
        match &job.phase {
            Phase::Done { decision: Some(earlier), .. } if earlier.approved == decision.approved => return Ok(()),
            _ if job.to_review().is_some() => {}
            phase => {
                return Err(QueueError::Phase { job: id, expected: "wait for review", found: phase.word() });
            }
        }
        self.commit(vec![Event::Decided { job: id, decision }])
    }

    /// A log has the statement.
    pub(crate) fn logged(&mut self, job: JobId, origin: String, index: u64) -> Result<(), QueueError> {
        self.commit(vec![Event::Logged { job, origin, index }])
    }

    /// Tries again what was given up or waits for its next try.
    pub(crate) fn again(&mut self, id: JobId) -> Result<(), QueueError> {
        match &self.state.job(id)?.phase {
            Phase::Queued { due: 0, .. } => Ok(()),
            Phase::Queued { .. } | Phase::Failed { .. } => self.commit(vec![Event::Again { job: id }]),
            phase => Err(QueueError::Phase { job: id, expected: "be waiting or failed", found: phase.word() }),
        }
    }

    /// Forgets a job that has no result.
    pub(crate) fn remove(&mut self, id: JobId) -> Result<(), QueueError> {
        match self.state.job(id) {
            Ok(Job { phase: Phase::Queued { .. } | Phase::Failed { .. }, .. }) => {
                self.commit(vec![Event::Removed { job: id }])
            }
            Ok(job) => Err(QueueError::Phase { job: id, expected: "be waiting or failed", found: job.phase.word() }),
            Err(error) => Err(error),
        }
    }

    /// Disk first, then memory.
    fn commit(&mut self, events: Vec<Event>) -> Result<(), QueueError> {
        if events.is_empty() {
            return Ok(());
        }
        self.journal.append(&events)?;
        for event in events {
            self.state.apply(event)?;
        }
        if self.journal.length() > rewritten_at(self.rewritten) {
            match self.journal.replace(&self.state.lines()) {
                // What happened is on disk: it only takes more room than it has to, until there is some for a shorter one.
                Err(error) if !error.is_fatal() => {}
                replaced => replaced?,
            }
            self.rewritten = self.journal.length();
        }
        Ok(())
    }
}

/// How long a journal becomes that had this length after the last time: never so long that it would not be read back
/// while a shorter one would be.
fn rewritten_at(last: u64) -> u64 {
    MIN_REWRITE.max(last.saturating_mul(REWRITE_FACTOR)).min(last.max(MAX_JOURNAL / 2) + MAX_JOURNAL / 16)
}

/// How jobs are told to people.
impl Phase {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "waiting",
            Self::Running { .. } => "running",
            Self::Failed { .. } => "failed",
            Self::Done { .. } => "done",
        }
    }
}

/// Positions of feeds, by their names.
pub(crate) type Positions = BTreeMap<String, String>;

#[cfg(test)]
mod tests;
