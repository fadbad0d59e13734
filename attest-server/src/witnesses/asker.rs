//! The task that asks one witness: what it has seen, then for the newest checkpoint, again and again.

use std::{sync::Arc, time::Duration};

use attest_core::{
    checkpoint::LogCheckpoint, cosignature::VerifiedCosignature, merkle::TreeSize, note::VerifierKey,
    witness::origin_hash,
};
use reqwest::StatusCode;
use tokio::sync::{mpsc, watch};

use super::{
    ask::{Answer, AskError, Endpoint},
    contradiction::{Contradiction, Held, JudgeError, Shown},
    panel::Patience,
};
use crate::clock::Clock;

/// What a task tells.
#[derive(Debug)]
pub(super) enum Event {
    /// It said what it has cosigned last, and that fits.
    Answered(TreeSize),
    /// It cosigned a tree of that size.
    Cosigned(TreeSize, Box<VerifiedCosignature>),
    /// It gave nothing; it is asked again after a pause.
    Failed(AskError),
    /// It proved that this log must not go on. It is not asked any more.
    Contradicted(Box<Contradiction>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) seat: usize,
    pub(super) name: String,
    pub(super) key: VerifierKey,
    pub(super) endpoint: Endpoint,
    pub(super) held: Held,
    pub(super) clock: Clock,
    pub(super) patience: Patience,
    /// A checkpoint that was published before, or that of the empty tree: showing it says nothing new.
    pub(super) probe: LogCheckpoint,
    pub(super) target: watch::Receiver<Option<Arc<LogCheckpoint>>>,
    pub(super) events: mpsc::UnboundedSender<(usize, Event)>,
    /// What it cosigned last, as far as is known.
    pub(super) known: TreeSize,
}

/// Why a step ended without what was asked for.
enum Trouble {
    Ask(AskError),
    Contradiction(Box<Contradiction>),
}

impl<E: Into<AskError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Ask(error.into())
    }
}

impl Asker {
    /// Asks until the publisher is gone.
    pub(super) async fn run(mut self) {
        let mut pause = self.patience.pause;
        loop {
            match self.begin().await {
                Ok(size) => {
                    self.tell(Event::Answered(size));
                    break;
                }
                Err(trouble) => {
                    if !self.go_on(trouble, &mut pause).await {
                        return;
                    }
                }
            }
        }
        pause = self.patience.pause;
        loop {
            let target = self.target.borrow_and_update().clone();
            if let Some(target) = target {
                match self.cosign(&target).await {
                    Ok(line) => {
                        pause = self.patience.pause;
                        self.tell(Event::Cosigned(target.head().size, line));
                    }
                    Err(trouble) => {
                        if !self.go_on(trouble, &mut pause).await {
                            return;
                        }
                        // Whatever is the newest by now.
                        continue;
                    }
                }
            }
            if self.target.changed().await.is_err() {
                return;
            }
        }
    }

    fn tell(&self, event: Event) {
        // The publisher is gone only when the process ends.
        let _ = self.events.send((self.seat, event));
    }

    /// Tells, and waits before the next attempt; false when there is none.
    async fn go_on(&self, trouble: Trouble, pause: &mut Duration) -> bool {
        match trouble {
            Trouble::Contradiction(contradiction) => {
                self.tell(Event::Contradicted(contradiction));
                false
            }
            Trouble::Ask(error) => {
                self.tell(Event::Failed(error));
                tokio::time::sleep(*pause).await;
                *pause = (*pause * 2).min(self.patience.max_pause);
                true
            }
        }
    }

    /// Asks what it cosigned last. The monitoring endpoint shows it with signatures, where it is offered, but may be an hour
    /// behind; to `add-checkpoint`, asked to cosign again what was published before, it has to say it as of now.
    async fn begin(&mut self) -> Result<TreeSize, Trouble> {
        self.look().await?;
        let size = self.probe.head().size;
        let probe = self.probe.clone();
        match self.add(size, &probe).await? {
            Answer::Cosigned(line) => {
                self.known = size;
                self.tell(Event::Cosigned(size, line));
            }
            Answer::Conflict(found) => self.known = self.believe(found).await?,
        }
        Ok(self.known)
    }

    /// Gets a cosignature of `target`, from the size that is known, or else from the one that the witness names.
    async fn cosign(&mut self, target: &LogCheckpoint) -> Result<Box<VerifiedCosignature>, Trouble> {
        let size = target.head().size;
        let first = match self.add(self.known.min(size), target).await? {
            Answer::Cosigned(line) => {
                self.known = size;
                return Ok(line);
            }
            Answer::Conflict(first) => first,
        };
        self.known = self.believe(first).await?;
        match self.add(self.known.min(size), target).await? {
            Answer::Cosigned(line) => {
                self.known = size;
                Ok(line)
            }
            // Once is enough: whoever names another size each time is asked again after a pause.
            Answer::Conflict(second) => {
                self.known = self.believe(second).await?;
                Err(AskError::Conflict { first, second }.into())
            }
        }
    }

    async fn add(&self, old: TreeSize, checkpoint: &LogCheckpoint) -> Result<Answer, Trouble> {
        let (held, copy) = (self.held.clone(), checkpoint.clone());
        let request = tokio::task::spawn_blocking(move || held.request(old, &copy)).await;
        let request = request.map_err(|_| JudgeError::Interrupted)??;
        let answer = self.endpoint.add(&self.key, &request, checkpoint, self.clock.now()).await;
        // 422, or a conflict without a size as some answer it: it holds another tree. If so, it can show it.
        let other = match &answer {
            Err(AskError::Status { status, .. }) => *status == StatusCode::UNPROCESSABLE_ENTITY,
            Err(AskError::Response(_)) => true,
            _ => false,
        };
        if other {
            self.look().await?;
        }
        Ok(answer?)
    }

    /// A size that the witness names, if it can be: a number by itself proves nothing, so one that cannot be is its fault as
    /// long as it shows no checkpoint for it.
    async fn believe(&self, found: TreeSize) -> Result<TreeSize, Trouble> {
        let size = self.held.size();
        if found <= size {
            return Ok(found);
        }
        self.look().await?;
        Err(AskError::Ahead { found, size }.into())
    }

    /// Looks at what it shows to monitors. Only a contradiction matters: not every witness offers this.
    async fn look(&self) -> Result<(), Trouble> {
        let hash = origin_hash(self.held.log.name().as_str());
        let shown = match self.endpoint.checkpoint(&hash).await {
            Ok(Some(shown)) => shown,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::debug!(witness = self.name, %error, "shows nothing to monitors");
                return Ok(());
            }
        };
        let (held, name, key) = (self.held.clone(), self.name.clone(), self.key.clone());
        let judged = tokio::task::spawn_blocking(move || held.judge(&name, &key, &shown)).await;
        match judged.map_err(|_| JudgeError::Interrupted)? {
            Ok(Shown::Same(size)) => tracing::debug!(witness = self.name, size = size.get(), "shows this tree"),
            Ok(Shown::Other(contradiction)) => return Err(Trouble::Contradiction(contradiction)),
            Err(error) => tracing::warn!(witness = self.name, %error, "shows monitors something of no use"),
        }
        Ok(())
    }
}
