//! All witnesses of a log at once: who has answered, who has cosigned the current checkpoint, whether that is a quorum.

use std::{io, sync::Arc, time::Duration};

use attest_core::{checkpoint::LogCheckpoint, cosignature::VerifiedCosignature, merkle::TreeSize, note::VerifierKey};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, watch},
};

use super::{
    Cosigning, Fail, Settings, WitnessStatus,
    ask::Endpoint,
    asker::{Asker, Event},
    contradiction::{Contradiction, Held},
};
use crate::{clock::Clock, logging::chain, store::tree::LogTree};

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one answer of one witness.
    pub request: Duration,
    /// For a quorum, before a newer checkpoint takes the place of the one that is asked for; longer than a request.
    pub round: Duration,
    /// For a quorum, before one is done without it.
    pub open: Duration,
    /// For the first words of the witnesses, before one does without them.
    pub start: Duration,
    /// After a failure, before the next attempt; doubled each time.
    pub pause: Duration,
    /// The longest such pause.
    pub max_pause: Duration,
    /// Between two cosignatures of a checkpoint that stays the newest.
    pub refresh: Duration,
    /// For a quorum, when the process is asked to end.
    pub end: Duration,
}

/// What the witnesses are asked about.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) tree: Arc<LogTree>,
    pub(crate) log: VerifierKey,
    pub(crate) clock: Clock,
    /// See [`Asker::probe`].
    pub(crate) probe: LogCheckpoint,
}

/// What an event means for the publisher.
#[derive(Debug)]
pub(crate) enum Progress {
    /// A verified line, of the current checkpoint or of one before.
    Line(Box<VerifiedCosignature>),
    /// Something changed in who has answered or failed.
    Changed,
    /// This log must not go on.
    Contradicted(Box<Contradiction>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Panel {
    settings: Settings,
    seats: Vec<Seat>,
    /// Text of the checkpoint that is asked for.
    text: String,
    target: watch::Sender<Option<Arc<LogCheckpoint>>>,
    events: mpsc::UnboundedReceiver<(usize, Event)>,
    shown: watch::Sender<Cosigning>,
    clock: Clock,
    /// Of the tasks alone: neither a busy server nor a publisher in an fsync makes a witness look slow.
    runtime: Option<Runtime>,
}

#[derive(Debug, Default)]
struct Seat {
    /// Said at start what it has seen.
    answered: bool,
    /// Failed, and is not asked for a moment.
    resting: bool,
    /// Cosigned what is asked for.
    cosigned: bool,
}

impl Panel {
    /// Starts asking.
    pub(crate) fn start(settings: Settings, patience: Patience, around: &Surroundings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("witnesses")
            .enable_all()
            .build()?;
        let (target, targets) = watch::channel(None);
        let (sender, events) = mpsc::unbounded_channel();
        let mut witnesses = Vec::new();
        for (seat, witness) in settings.witnesses().iter().enumerate() {
            let prefix = Endpoint::parse(witness).map_err(io::Error::other)?;
            let name = witness.name().to_string();
            let asker = Asker {
                seat,
                name: name.clone(),
                key: witness.key().clone(),
                endpoint: Endpoint::new(prefix.clone(), patience.request).map_err(io::Error::other)?,
                held: Held { tree: Arc::clone(&around.tree), log: around.log.clone() },
                clock: around.clock.clone(),
                patience,
                probe: around.probe.clone(),
                target: targets.clone(),
                events: sender.clone(),
                known: TreeSize::ZERO,
            };
            runtime.spawn(asker.run());
            witnesses.push(WitnessStatus { name, url: prefix, size: None, last_ok: None, last_error: None });
        }
        let seats = settings.witnesses().iter().map(|_| Seat::default()).collect();
        let missing_since = Some(around.clock.now());
        let cosigning = Cosigning { fail: settings.fail, started: false, quorum_met: false, missing_since, witnesses };
        let shown = watch::Sender::new(cosigning);
        let clock = around.clock.clone();
        Ok(Self { settings, seats, text: String::new(), target, events, shown, clock, runtime: Some(runtime) })
    }

    /// How it goes, for others.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Cosigning> {
        self.shown.subscribe()
    }

    /// What to do without a quorum.
    pub(crate) fn fail(&self) -> Fail {
        self.settings.fail
    }

    /// Whether those who did not say what they have seen could not have made a quorum among themselves: for q of n, that
    /// n - q + 1 have. Then nothing can have been published with a quorum that none of them knows of.
    pub(crate) fn has_begun(&self) -> bool {
        !self.settings.policy.is_met(|key| !self.seat(key).is_some_and(|seat| seat.answered))
    }

    /// Whether the quorum has cosigned what was asked for last.
    pub(crate) fn is_met(&self) -> bool {
        self.settings.policy.is_met(|key| self.seat(key).is_some_and(|seat| seat.cosigned))
    }

    /// Whether nobody is left who could answer soon.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.seats.iter().all(|seat| seat.cosigned || seat.resting)
    }

    fn seat(&self, key: &VerifierKey) -> Option<&Seat> {
        let seat = self.settings.witnesses().iter().position(|witness| witness.key() == key)?;
        self.seats.get(seat)
    }

    /// Asks everybody for this checkpoint from now on; the same one again to get newer cosignatures of it.
    pub(crate) fn ask(&mut self, checkpoint: &LogCheckpoint) {
        if checkpoint.note().text() != self.text {
            checkpoint.note().text().clone_into(&mut self.text);
            self.seats.iter_mut().for_each(|seat| seat.cosigned = false);
        }
        self.target.send_replace(Some(Arc::new(checkpoint.clone().log_signed_only())));
    }

    /// The next thing that happens.
    pub(crate) async fn next(&mut self) -> Progress {
        let Some((number, event)) = self.events.recv().await else {
            // Every task has ended, which they do only after a contradiction, which was told.
            return std::future::pending().await;
        };
        let Some(seat) = self.seats.get_mut(number) else {
            return Progress::Changed;
        };
        let now = self.clock.now();
        let show = |change: &dyn Fn(&mut WitnessStatus)| {
            self.shown.send_if_modified(|shown| {
                shown.witnesses.get_mut(number).is_some_and(|witness| {
                    let before = witness.clone();
                    change(witness);
                    *witness != before
                })
            });
        };
        match event {
            Event::Answered(size) => {
                (seat.answered, seat.resting) = (true, false);
                show(&|witness| (witness.size, witness.last_error) = (Some(size), None));
                Progress::Changed
            }
            Event::Cosigned(size, line) => {
                seat.resting = false;
                seat.cosigned |= line.text() == self.text;
                show(&|witness| {
                    (witness.size, witness.last_ok, witness.last_error) = (Some(size), Some(now), None);
                });
                Progress::Line(line)
            }
            Event::Failed(error) => {
                seat.resting = true;
                let error = chain(&error);
                // Said once, not at every attempt.
                let witness = self.shown.borrow().witnesses.get(number).cloned();
                if let Some(WitnessStatus { name, last_error, .. }) = witness
                    && last_error.as_ref() != Some(&error)
                {
                    tracing::warn!(witness = name, error, "a witness gave no cosignature");
                }
                show(&|witness| witness.last_error = Some(error.clone()));
                Progress::Changed
            }
            Event::Contradicted(contradiction) => {
                let error = contradiction.to_string();
                show(&|witness| witness.last_error = Some(error.clone()));
                Progress::Contradicted(contradiction)
            }
        }
    }

    /// Says whether the witnesses let the log begin, and whether its newest checkpoint has a quorum.
    pub(crate) fn report(&self, started: bool, quorum_met: bool) {
        let now = self.clock.now();
        let changed = self.shown.send_if_modified(|shown| {
            if (shown.started, shown.quorum_met) == (started, quorum_met) {
                return false;
            }
            let since = if quorum_met { None } else { shown.missing_since.or(Some(now)) };
            (shown.started, shown.quorum_met, shown.missing_since) = (started, quorum_met, since);
            true
        });
        if changed {
            match self.shown.borrow().trouble() {
                None => tracing::info!("the quorum of witnesses is met"),
                Some(trouble) if started => tracing::warn!(fail = %self.settings.fail, "{trouble}"),
                Some(_) => {}
            }
        }
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        // Nobody waits for a question that is under way.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
