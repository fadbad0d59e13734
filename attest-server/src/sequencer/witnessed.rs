//! Publishing with witnesses: sign the newest durable head, ask, publish when the quorum has cosigned, answer.
//!
//! Commits go on meanwhile; whatever they added is in the next round. One checkpoint is asked for at a time, for as long as
//! a quorum may reasonably take: a newer one at every commit would be too new for every witness but the fastest.
//!
//! If we crash while the witnesses are asked, they may have cosigned what nobody published. It was durable before they
//! heard of it, so the next start finds at least that head, and the log is never behind its witnesses.

use std::{path::PathBuf, sync::Arc};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint},
    cosignature::VerifiedCosignature,
    merkle::RootHash,
    tile::root_from_tiles,
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until},
};

use super::{
    committer::Committed,
    publisher::{PublishError, Publisher, Signed},
    publishing::{Listeners, runtime},
};
use crate::{
    reader::ReadError,
    store::Head,
    witnesses::{Contradiction, Fail, Panel, Patience, Progress, evidence::Finding},
};

/// In front of the names of a log's evidence files.
pub const EVIDENCE: &str = "fork-";

/// Publishes with the cosignatures of witnesses.
#[derive(Debug)]
pub(super) struct Witnessed {
    publisher: Publisher,
    panel: Panel,
    patience: Patience,
    data: PathBuf,
    /// What is published, with a cosignature more from time to time.
    current: Option<Signed>,
    /// Durable, and not signed yet.
    newest: Option<Head>,
    /// What the witnesses are asked for.
    round: Option<Round>,
    /// Who waits, in index order.
    waiting: Vec<Committed>,
    begun: bool,
    started: Instant,
    refreshed: Instant,
    /// The committer is gone; from then on.
    ending: Option<Instant>,
}

#[derive(Debug)]
struct Round {
    signed: Signed,
    since: Instant,
}

impl Witnessed {
    /// `current` is what was published before this start, `head` what is durable.
    pub(super) fn new(
        publisher: Publisher,
        (panel, patience): (Panel, Patience),
        data: PathBuf,
        (current, head): (Option<Signed>, Head),
    ) -> Self {
        let now = Instant::now();
        Self {
            publisher,
            panel,
            patience,
            data,
            current,
            newest: Some(head),
            round: None,
            waiting: Vec::new(),
            begun: false,
            started: now,
            refreshed: now,
            ending: None,
        }
    }

    /// Publishes and answers until the committer is gone, or until it must stop.
    pub(super) fn run(mut self, mut committed: UnboundedReceiver<Committed>, listeners: &Listeners) {
        let ended = match runtime() {
            Ok(runtime) => runtime.block_on(self.work(&mut committed, listeners)),
            Err(error) => Err(StopError::Runtime(error)),
        };
        if let Err(error) = ended {
            // Closed before anybody hears of it. Everybody who waits gets no answer, which says: not known.
            listeners.pool.abandon();
            tracing::error!(error = &error as &dyn std::error::Error, "publishing has stopped");
            if let StopError::Contradicted { .. } | StopError::Evidence(_) = error {
                listeners.alarm.send_replace(Some(error.to_string()));
            }
        }
    }

    async fn work(
        &mut self,
        committed: &mut UnboundedReceiver<Committed>,
        listeners: &Listeners,
    ) -> Result<(), StopError> {
        loop {
            while self.step(listeners)? {}
            let now = Instant::now();
            if let Some(ending) = self.ending {
                let nothing_left = self.newest.is_none() && self.round.is_none();
                if nothing_left || now >= ending + self.patience.end {
                    return Ok(());
                }
            }
            let alarm_clock = self.alarm_clock(now);
            tokio::select! {
                batch = committed.recv(), if self.ending.is_none() => match batch {
                    None => self.ending = Some(now),
                    Some(batch) => {
                        self.take(batch);
                        while let Ok(batch) = committed.try_recv() {
                            self.take(batch);
                        }
                    }
                },
                progress = self.panel.next() => match progress {
                    Progress::Changed => {}
                    Progress::Line(line) => self.attach(*line, listeners)?,
                    Progress::Contradicted(contradiction) => return Err(self.stop(&contradiction)?),
                },
                () = sleep_until(alarm_clock) => {}
            }
        }
    }

    fn take(&mut self, batch: Committed) {
        self.newest = Some(batch.head);
        self.waiting.push(batch);
    }

    /// Does what can be done without waiting; true when there may be more.
    fn step(&mut self, listeners: &Listeners) -> Result<bool, StopError> {
        let (now, open) = (Instant::now(), self.panel.fail() == Fail::Open);
        if !self.begun {
            // Nothing is signed before enough witnesses said what they have seen.
            self.begun = self.panel.has_begun() || (open && now >= self.started + self.patience.start);
            self.panel.report(self.begun, false);
            return Ok(self.begun);
        }
        let Some(round) = &self.round else {
            let Some(head) = self.newest.take() else {
                self.refresh(now);
                return Ok(false);
            };
            let signed = self.publisher.sign(&head)?;
            self.panel.ask(&signed.checkpoint);
            self.round = Some(Round { signed, since: now });
            return Ok(true);
        };
        let waited = now.duration_since(round.since);
        let met = self.panel.is_met();
        let enough = open && (self.panel.is_exhausted() || waited >= self.patience.open);
        if met || enough {
            let round = self.round.take();
            self.panel.report(true, met);
            return round.map_or(Ok(false), |round| self.publish(round.signed, listeners).map(|()| true));
        }
        if waited >= self.patience.round {
            self.panel.report(true, false);
            // A newer head has as good a chance, and it is newer.
            let superseded = self.newest.is_some();
            if superseded {
                self.round = None;
            }
            return Ok(superseded);
        }
        Ok(false)
    }

    fn publish(&mut self, signed: Signed, listeners: &Listeners) -> Result<(), StopError> {
        // Closed before anybody hears of it: who comes after that must not be committed by a log that has stopped.
        let published = self.publisher.store(&signed).inspect_err(|_| listeners.pool.abandon())?;
        listeners.published.send_replace(Arc::clone(&published));
        self.current = Some(signed);
        self.refreshed = Instant::now();
        let below = |batch: &Committed| batch.head.tree.size <= published.head.size;
        let later = self.waiting.iter().position(|batch| !below(batch)).unwrap_or(self.waiting.len());
        let answered = self.waiting.drain(..later).collect();
        Ok(self.publisher.answer(&published, answered)?)
    }

    /// A checkpoint has no time of its own: an idle log would go stale. The same size is cosigned again.
    fn refresh(&mut self, now: Instant) {
        if let Some(current) = &self.current
            && now >= self.refreshed + self.patience.refresh
        {
            self.panel.ask(&current.checkpoint);
            self.refreshed = now;
        }
    }

    /// Adds a verified line to the checkpoint that it is of: the one that is asked for, or the published one, which is then
    /// published again. One of an older checkpoint is of no use any more.
    fn attach(&mut self, line: VerifiedCosignature, listeners: &Listeners) -> Result<(), StopError> {
        let fits = |signed: &Signed| signed.checkpoint.note().text() == line.text();
        if let Some(round) = self.round.as_mut().filter(|round| fits(&round.signed)) {
            if is_newer(&round.signed.checkpoint, &line)? {
                round.signed.checkpoint = round.signed.checkpoint.clone().with_cosignature(line)?;
            }
            return Ok(());
        }
        if !self.begun {
            return Ok(());
        }
        if let Some(current) = self.current.as_mut().filter(|current| fits(current))
            && is_newer(&current.checkpoint, &line)?
        {
            current.checkpoint = current.checkpoint.clone().with_cosignature(line)?;
            current.time = current.time.max(self.publisher.clock().now());
            let published = self.publisher.store(current)?;
            listeners.published.send_replace(published);
            if self.newest.is_none() && self.round.is_none() && self.panel.is_met() {
                self.panel.report(true, true);
            }
        }
        Ok(())
    }

    /// Keeps the two notes, durably, before anybody is told.
    fn stop(&self, contradiction: &Contradiction) -> Result<StopError, StopError> {
        let (size, seen) = (contradiction.size, contradiction.seen.head());
        let (size, seen_root) = if contradiction.root.is_some() { (seen.size, Some(seen.root)) } else { (size, None) };
        let held_root: RootHash = root_from_tiles(size, |tile| self.publisher.tree().hashes(tile))?;
        let held = self.round.as_ref().map(|round| &round.signed).or(self.current.as_ref());
        let finding = Finding {
            log: self.publisher.log(),
            from: &contradiction.witness,
            held: held.map_or_else(String::new, |held| held.checkpoint.note().to_string()),
            seen: contradiction.seen.note().to_string(),
            size,
            held_root,
            seen_root,
        };
        let path = finding.keep(&self.data, EVIDENCE, self.publisher.clock().now()).map_err(StopError::Evidence)?;
        Ok(StopError::Contradicted { contradiction: Box::new(contradiction.clone()), path })
    }

    /// When to look again, if nothing else happens.
    fn alarm_clock(&self, now: Instant) -> Instant {
        let open = self.panel.fail() == Fail::Open;
        let mut times = vec![now + self.patience.refresh, self.refreshed + self.patience.refresh];
        times.extend(self.ending.map(|ending| ending + self.patience.end));
        if !self.begun && open {
            times.push(self.started + self.patience.start);
        }
        if let Some(round) = &self.round {
            times.push(round.since + if open { self.patience.open } else { self.patience.round });
        }
        // What has passed was looked at: without anything new it waits for an event.
        times.into_iter().filter(|time| *time > now).min().unwrap_or(now + self.patience.round)
    }
}

/// Whether the checkpoint has no line by this witness yet, or an older one: a late answer must not undo a refresh.
fn is_newer(checkpoint: &LogCheckpoint, line: &VerifiedCosignature) -> Result<bool, CheckpointError> {
    let held = checkpoint.cosignatures(std::slice::from_ref(line.cosigner()))?;
    Ok(held.iter().all(|(_, time)| *time < line.time()))
}

/// Why publishing stopped.
#[derive(Debug, thiserror::Error)]
enum StopError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the publisher could not begin")]
    Runtime(#[source] std::io::Error),
    #[error("the evidence of a contradiction could not be written")]
    Evidence(#[source] std::io::Error),
    #[error(
        "{contradiction}; nothing more is signed\nhint: both notes are in {}. This folder is an older state of the log (a \
         restored backup), or a second server runs with its key: docs/witness.md says how to go on",
        path.display()
    )]
    Contradicted { contradiction: Box<Contradiction>, path: PathBuf },
}

#[cfg(test)]
pub(super) mod tests;
