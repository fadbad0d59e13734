//! Signs results and submits them. This is the one place that uses the key, and all it reads are results that the
//! intake took and the journal names.
//!
//! There is one statement about one file and verdict, whatever happens: the envelope is on disk before it is sent, and
//! what is on disk is never signed again, only sent again; a log has the same bytes once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_core::envelope::Envelope;
use attest_core::statement::{Outcome, Predicate, Rebuilder, Statement};

use super::folder::Folder;
use super::intake;
use super::job::{Answer, Decision, Job, JobId, Phase, Weight};
use super::queue::{Queue, QueueError};
use super::settings::Abstentions;
use crate::cmd::sign::{Signed, says};
use crate::cmd::submit::Target;
use crate::evidence::folder::read_envelope;
use crate::files::{self, Mode};
use crate::interrupt;
use crate::signer::Signer;

/// After a failed submission; twice as long after each further one, at most [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_secs(2);
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// Who signs, and where it goes.
#[derive(Debug)]
pub(crate) struct Notary {
    folder: Folder,
    signer: Signer,
    /// What statements give as `rebuilder.id`.
    id: String,
    abstentions: Abstentions,
    logs: Vec<Log>,
    /// Jobs of which nothing more is to be done.
    settled: HashSet<JobId>,
    /// Jobs that could not be signed, with when to try again.
    unsigned: HashMap<JobId, Pause>,
}

#[derive(Debug)]
struct Log {
    origin: String,
    target: Target,
    pause: Pause,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    until: Option<Instant>,
    failures: u32,
}

/// A result that is to be published.
struct Due {
    job: JobId,
    answer: Answer,
    decision: Option<Decision>,
    logged: BTreeMap<String, u64>,
}

impl Notary {
    /// `logs` by their origins.
    pub(crate) fn new(
        folder: Folder,
        signer: Signer,
        id: String,
        abstentions: Abstentions,
        logs: Vec<(String, Target)>,
    ) -> Self {
        let logs = logs.into_iter().map(|(origin, target)| Log { origin, target, pause: Pause::default() }).collect();
        Self { folder, signer, id, abstentions, logs, settled: HashSet::new(), unsigned: HashMap::new() }
    }

    /// Signs and submits what is due. What fails is said, and tried again in a later round.
    pub(crate) fn round(&mut self, queue: &Mutex<Queue>, say: &dyn Fn(&str)) -> Result<(), QueueError> {
        let due = self.due(&queue.lock().unwrap_or_else(PoisonError::into_inner));
        for due in due {
            if interrupt::requested() {
                return Ok(());
            }
            if self.unsigned.get(&due.job).is_some_and(Pause::lasts) {
                continue;
            }
            match self.envelope(&due) {
                Ok((envelope, path)) => {
                    self.unsigned.remove(&due.job);
                    self.submit(&due, &envelope, &path, queue, say)?;
                }
                Err(error) => {
                    say(&format!("job {} cannot be signed: {error:#}", due.job));
                    self.unsigned.entry(due.job).or_default().extend();
                }
            }
        }
        Ok(())
    }

    fn due(&self, queue: &Queue) -> Vec<Due> {
        let due = |job: &Job| match &job.phase {
            Phase::Done { answer, decision, logged, .. } if self.publishes(answer, decision.as_ref()) => {
                Some(Due { job: job.id, answer: answer.clone(), decision: decision.clone(), logged: logged.clone() })
            }
            _ => None,
        };
        queue.state().jobs().filter(|job| !self.settled.contains(&job.id)).filter_map(due).collect()
    }

    /// docs/TRUST.md 4.5: an accusation waits for a person's word.
    fn publishes(&self, answer: &Answer, decision: Option<&Decision>) -> bool {
        match answer.weight {
            Weight::Vote => true,
            Weight::Abstention => self.abstentions == Abstentions::Publish,
            Weight::Accusation => decision.is_some_and(|decision| decision.approved),
        }
    }

    /// The statement as it was signed once, or signed now and kept before anybody gets it.
    fn envelope(&self, due: &Due) -> anyhow::Result<(Envelope, PathBuf)> {
        let result = intake::open(&self.folder, due.answer.build)?;
        let rebuilder = Rebuilder {
            id: self.id.clone(),
            version: BTreeMap::from([("attest".to_owned(), result.record().attest.clone())]),
        };
        let (subject, mut predicate) = result.statement_parts(rebuilder)?;
        ensure!(
            Weight::of(&predicate) == due.answer.weight && subject.digest == due.answer.subject,
            "expected the result that was taken, found another one in its place"
        );
        if let (Predicate::NotReproduced { refusal, .. }, Some(decision)) = (&mut predicate, &due.decision) {
            // What a replay found, or what a person knows better.
            refusal.contradicts = decision.contradicts.or(refusal.contradicts);
        }
        let path = self.folder.statements().join(format!("{}.{}.json", due.answer.subject, words(&predicate)));
        if !path.exists() {
            let signed = Signed::make(&Statement::new(subject, predicate)?, &self.signer)?;
            // If we crash before this, nobody has seen the signature; after it, there is no other.
            files::create(&path, &signed.envelope.to_bytes(), Mode::Shared)?;
            return Ok((signed.envelope, path));
        }
        let (envelope, _) = read_envelope(&path)?;
        let verified = envelope.verify(self.signer.public());
        let verified = verified.with_context(|| format!("{} was not signed by this rebuilder", path.display()))?;
        ensure!(
            verified.statement().subject().digest == due.answer.subject,
            "{} is about another file",
            path.display()
        );
        Ok((envelope, path))
    }

    fn submit(
        &mut self,
        due: &Due,
        envelope: &Envelope,
        path: &Path,
        queue: &Mutex<Queue>,
        say: &dyn Fn(&str),
    ) -> Result<(), QueueError> {
        let mut all = true;
        for log in self.logs.iter_mut().filter(|log| !due.logged.contains_key(&log.origin)) {
            if log.pause.lasts() {
                all = false;
                continue;
            }
            match log.submit(envelope, path) {
                Ok(index) => {
                    log.pause = Pause::default();
                    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                    // If we crash before this, the same bytes are sent again.
                    queue.logged(due.job, log.origin.clone(), index)?;
                    say(&format!("{} logged in {} as {index}", due.answer.name, log.origin));
                }
                Err(error) => {
                    all = false;
                    log.pause.extend();
                    say(&format!("{} is not known to be logged in {}: {error:#}", due.answer.name, log.origin));
                }
            }
        }
        if all {
            self.settled.insert(due.job);
        }
        Ok(())
    }
}

impl Log {
    /// The proof beside the statement; where the log had another envelope of it, that one too.
    fn submit(&self, envelope: &Envelope, path: &Path) -> anyhow::Result<u64> {
        let receipt = self.target.submit(envelope)?;
        let log = &ArtifactDigest::of(self.origin.as_bytes()).to_string()[..8];
        if let Some(logged) = &receipt.logged {
            files::replace(&path.with_extension(format!("{log}.logged")), &logged.to_bytes(), Mode::Shared)?;
        }
        let proof = path.with_extension(format!("{log}.tlog-proof"));
        files::replace(&proof, receipt.proof.to_string().as_bytes(), Mode::Shared)?;
        Ok(receipt.index)
    }
}

impl Pause {
    fn lasts(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    fn extend(&mut self) {
        let pause = PAUSE.saturating_mul(2u32.saturating_pow(self.failures)).min(MAX_PAUSE);
        self.failures += 1;
        self.until = Some(Instant::now() + pause);
    }
}

/// Names what is said, for one statement about one file and verdict; a contradiction of another statement is another one.
fn words(predicate: &Predicate) -> String {
    let word = word(predicate);
    match predicate {
        Predicate::NotReproduced { refusal, .. } => match &refusal.contradicts {
            Some(other) => format!("{word}.{}", &other.to_string()[..16]),
            None => word.to_owned(),
        },
        _ => word.to_owned(),
    }
}

fn word(predicate: &Predicate) -> &'static str {
    match predicate {
        Predicate::NotReproduced { refusal, .. } => match refusal.outcome {
            Outcome::Different => "different",
            Outcome::Nondeterministic => "nondeterministic",
            Outcome::BuildFailed => "build-failed",
            Outcome::SourceNotFound => "source-not-found",
            Outcome::EnvironmentUnknown => "environment-unknown",
        },
        other => says(other),
    }
}

#[cfg(test)]
mod tests;
