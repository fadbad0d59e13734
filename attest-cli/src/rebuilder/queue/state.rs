//! What follows from the events so far.

use std::collections::{BTreeMap, HashMap};

use super::{Positions, QueueError};
use crate::rebuilder::job::{Event, Given, Job, JobId, Phase};
use crate::rebuilder::settings::Limits;

/// All jobs as they stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    jobs: BTreeMap<JobId, Job>,
    /// What is wished for, and with which tool.
    known: HashMap<(String, String), JobId>,
    positions: Positions,
    last: Option<JobId>,
}

impl State {
    /// From the lines of a journal.
    pub(crate) fn of(lines: Vec<Vec<Event>>) -> Result<Self, QueueError> {
        let mut state = Self::default();
        lines.into_iter().flatten().try_for_each(|event| state.apply(event))?;
        Ok(state)
    }

    /// In the order in which they were added.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    pub(crate) fn job(&self, id: JobId) -> Result<&Job, QueueError> {
        self.jobs.get(&id).ok_or(QueueError::Unknown { job: id })
    }

    /// How many are to be built.
    pub(crate) fn waiting(&self) -> usize {
        self.jobs.values().filter(|job| matches!(job.phase, Phase::Queued { .. })).count()
    }

    /// How far feeds were read.
    pub(crate) fn positions(&self) -> &Positions {
        &self.positions
    }

    pub(super) fn knows(&self, key: &str, tool: &str) -> bool {
        self.known.contains_key(&(key.to_owned(), tool.to_owned()))
    }

    pub(super) fn next(&self) -> JobId {
        self.last.map_or(JobId::FIRST, JobId::next)
    }

    /// Whom an attempt was given to.
    pub(crate) fn worker_of(&self, given: Given) -> &str {
        let job = self.jobs.get(&given.job);
        job.and_then(|job| job.attempts.get(&given.attempt)).map_or("", |(worker, _)| worker)
    }

    pub(super) fn held_by(&self, worker: &str) -> Option<(Given, &Job)> {
        let held = |job: &Job| job.running().filter(|given| job.was_given(given.attempt, worker));
        self.jobs.values().find_map(|job| held(job).map(|given| (given, job)))
    }

    /// Highest priority first, then the oldest, as far as the limits of a day allow.
    pub(super) fn most_urgent(&self, limits: &Limits, yesterday: u64, now: u64) -> Option<&Job> {
        // No wait is longer than a day ([`Limits::delay`]): what lies further ahead is of a clock that was wrong.
        let tomorrow = now.saturating_add(super::DAY);
        let mut begun: HashMap<&str, u64> = HashMap::new();
        for job in self.jobs.values() {
            let recent = job.attempts.values().filter(|(_, at)| *at > yesterday && *at <= tomorrow).count() as u64;
            if recent > 0 {
                *begun.entry(job.ask.wish.release.project.as_str()).or_default() += recent;
            }
        }
        if begun.values().sum::<u64>() >= limits.per_day {
            return None;
        }
        let may = |job: &&Job| {
            let project = job.ask.wish.release.project.as_str();
            matches!(job.phase, Phase::Queued { due, .. } if due <= now || due > tomorrow)
                && begun.get(project).is_none_or(|begun| *begun < limits.per_project_per_day)
        };
        // Of equals `max_by_key` takes the last: so the oldest is last.
        self.jobs.values().rev().filter(may).max_by_key(|job| job.ask.priority)
    }

    /// The same state in as few lines as it takes.
    pub(super) fn lines(&self) -> Vec<Vec<Event>> {
        let jobs = self.jobs.values().map(|job| vec![Event::Kept { job: Box::new(job.clone()) }]);
        let positions =
            self.positions.iter().map(|(feed, value)| Event::Position { feed: feed.clone(), value: value.clone() });
        let next = self.last.map(|last| Event::Next { job: last.next() });
        jobs.chain(std::iter::once(positions.chain(next).collect())).collect()
    }

    pub(super) fn apply(&mut self, event: Event) -> Result<(), QueueError> {
        match event {
            Event::Added { job, ask, tool, at } => self.insert(Job::new(job, ask, tool, at)),
            Event::Kept { job } => self.insert(*job),
            Event::Next { job } => {
                // A number is never given twice, not even that of a job that was removed.
                while self.next() < job {
                    self.last = Some(self.next());
                }
            }
            Event::Given { given, worker, at } => self.queued("given", given.job)?.give(given.attempt, worker, at),
            Event::Returned { given, why } => {
                self.running("returned", given)?.phase = Phase::Queued { due: 0, why: Some(why) };
            }
            Event::Failed { given, why, due } => {
                let job = self.running("failed", given)?;
                job.failures += 1;
                job.phase = match due {
                    Some(due) => Phase::Queued { due, why: Some(why) },
                    None => Phase::Failed { why },
                };
            }
            Event::Answered { job, answer, at } => {
                let job = self.open("answered", job)?;
                job.phase = Phase::Done { answer, at, decision: None, logged: BTreeMap::new() };
            }
            Event::Decided { job, decision: new } => {
                if let Phase::Done { decision, .. } = &mut self.any("decided", job)?.phase {
                    *decision = Some(new);
                }
            }
            Event::Logged { job, origin, index } => {
                if let Phase::Done { logged, .. } = &mut self.any("logged", job)?.phase {
                    logged.insert(origin, index);
                }
            }
            Event::Again { job } => {
                let job = self.open("again", job)?;
                job.failures = 0;
                job.phase = Phase::Queued { due: 0, why: None };
            }
            Event::Removed { job } => {
                self.open("removed", job)?;
                self.known.retain(|_, known| *known != job);
                self.jobs.remove(&job);
            }
            Event::Position { feed, value } => {
                self.positions.insert(feed, value);
            }
        }
        Ok(())
    }

    fn insert(&mut self, job: Job) {
        self.known.insert((job.ask.wish.key(), job.tool.clone()), job.id);
        self.last = self.last.max(Some(job.id));
        self.jobs.insert(job.id, job);
    }

    fn any(&mut self, event: &'static str, id: JobId) -> Result<&mut Job, QueueError> {
        self.jobs.get_mut(&id).ok_or(QueueError::Contradiction { event, job: id, found: "unknown" })
    }

    /// A job without an answer.
    fn open(&mut self, event: &'static str, id: JobId) -> Result<&mut Job, QueueError> {
        let job = self.any(event, id)?;
        match job.phase {
            Phase::Done { .. } => Err(QueueError::Contradiction { event, job: id, found: "done" }),
            _ => Ok(job),
        }
    }

    fn queued(&mut self, event: &'static str, id: JobId) -> Result<&mut Job, QueueError> {
        let job = self.any(event, id)?;
        match job.phase {
            Phase::Queued { .. } => Ok(job),
            _ => Err(QueueError::Contradiction { event, job: id, found: job.phase.word() }),
        }
    }

    fn running(&mut self, event: &'static str, given: Given) -> Result<&mut Job, QueueError> {
        let job = self.any(event, given.job)?;
        if job.running() == Some(given) {
            return Ok(job);
        }
        Err(QueueError::Contradiction { event, job: given.job, found: job.phase.word() })
    }
}
