//! Mirrors of this server's log, as they show themselves: looked at now and then, and never because somebody asks.
//!
//! ```text
//! every minute, each mirror: checkpoint -> the log's signature -> the same history as here? -> what the page says
//! ```
//!
//! A mirror that cannot be reached or serves garbage is no news about the log. One that has a checkpoint of the log's key
//! over another history is: both notes are kept as evidence, and an operator is told (docs/TRUST.md 5.4).

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use attest_core::{
    api::record::{MirrorState, MirrorView},
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    note::VerifierKey,
    tile::root_from_tiles,
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::{
    clock::Clock,
    fetch::{FetchError, Upstream},
    freeze::{self, Cause, Frozen},
    logging::chain,
    reader::{ReadError, Reader},
    sequencer::EVIDENCE,
    store::{evidence, identity::Kind},
    witnesses::evidence::Finding,
};

/// Between two looks at a mirror.
const INTERVAL: Duration = Duration::from_secs(60);
/// Of one look, with all its attempts.
const TIMEOUT: Duration = Duration::from_secs(45);
/// Letters of what a mirror is said to do wrong.
const MAX_REASON: usize = 300;

/// The mirrors that an operator named. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Mirrors(Arc<Vec<Watched>>);

/// What they are compared with.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// The log, as this server has it.
    pub(crate) reader: Reader,
    pub(crate) log: VerifierKey,
    /// Where evidence is kept.
    pub(crate) data: PathBuf,
    /// A log whose key signed two histories takes nothing more, so that nothing more is signed.
    pub(crate) kind: Kind,
    pub(crate) clock: Clock,
}

#[derive(Debug)]
struct Watched {
    upstream: Upstream,
    seen: Mutex<Seen>,
}

/// What is known of a mirror.
#[derive(Clone, Debug)]
struct Seen {
    state: MirrorState,
    asked: Option<u64>,
    size: Option<u64>,
    since: Option<u64>,
    behind: Option<u64>,
    reason: Option<String>,
    /// Of more than was published here when it was seen: held against the log as soon as that is possible.
    ahead: Option<LogCheckpoint>,
}

/// What a checkpoint of the log is beside what is published here.
enum Compared {
    Consistent { behind: u64 },
    Ahead,
    Fork { evidence: String },
}

impl Mirrors {
    /// Those at these URLs. `contact` tells their operators who asks.
    ///
    /// # Errors
    /// One is no URL of a log.
    pub fn new(urls: &[String], contact: Option<&str>) -> Result<Self, FetchError> {
        let watched = urls.iter().map(|url| {
            let upstream = Upstream::new(url, contact)?;
            let (asked, size, since, behind, reason, ahead) = (None, None, None, None, None, None);
            let seen = Seen { state: MirrorState::Unknown, asked, size, since, behind, reason, ahead };
            Ok(Watched { upstream, seen: Mutex::new(seen) })
        });
        Ok(Self(Arc::new(watched.collect::<Result<_, _>>()?)))
    }

    /// What is known of each.
    pub(crate) fn views(&self) -> Vec<MirrorView> {
        self.0.iter().map(Watched::view).collect()
    }

    /// That a mirror has another history under the log's signature.
    pub(crate) fn alarm(&self) -> Option<String> {
        let fork = self.0.iter().map(Watched::view).find(|view| view.state == MirrorState::Fork)?;
        Some(format!("the mirror {} has another history of the log: {}", fork.url, fork.reason.unwrap_or_default()))
    }

    /// Looks at all of them again and again. Without any there is nothing to do.
    pub(crate) async fn watch(self, own: Own) {
        if self.0.is_empty() {
            return;
        }
        loop {
            self.look(&own).await;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Looks at each of them once, all at a time: a slow one holds up nobody else.
    pub(crate) async fn look(&self, own: &Own) {
        let mut looks = JoinSet::new();
        for at in 0..self.0.len() {
            let (mirrors, own) = (self.clone(), own.clone());
            looks.spawn(async move { mirrors.0[at].look(&own).await });
        }
        while looks.join_next().await.is_some() {}
    }
}

impl Watched {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> MirrorView {
        let Seen { state, asked, size, since, behind, reason, ahead: _ } = self.seen().clone();
        MirrorView { url: self.upstream.url().to_owned(), state, asked, size, since, behind, reason }
    }

    async fn look(&self, own: &Own) {
        // What is proven stays.
        if self.seen().state == MirrorState::Fork {
            return;
        }
        let asked = own.clock.now();
        let note = match tokio::time::timeout(TIMEOUT, self.upstream.checkpoint()).await {
            Ok(Ok(note)) => note,
            Ok(Err(error)) => return self.unreachable(asked, &chain(&error)),
            Err(_) => return self.unreachable(asked, &format!("no answer within {} seconds", TIMEOUT.as_secs())),
        };
        let checkpoint = match UnverifiedCheckpoint::parse(&note).and_then(|note| note.verify(&own.log)) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return self.unreachable(asked, &format!("no checkpoint of this log: {}", chain(&error))),
        };
        let (ahead, newest) = (self.seen().ahead.clone(), checkpoint.clone());
        let (own, from) = (own.clone(), self.upstream.url().to_owned());
        let compared = tokio::task::spawn_blocking(move || -> Result<_, ReadError> {
            let mut pending = None;
            if let Some(ahead) = ahead {
                match compare(&own, &from, &ahead)? {
                    Compared::Consistent { .. } => {}
                    Compared::Ahead => pending = Some(ahead),
                    fork @ Compared::Fork { .. } => return Ok((fork, None)),
                }
            }
            Ok((compare(&own, &from, &newest)?, pending))
        });
        match compared.await {
            Ok(Ok((compared, pending))) => self.learn(asked, checkpoint, compared, pending),
            Ok(Err(error)) => self.unreachable(asked, &format!("this server cannot read its own tree: {error}")),
            Err(_) => self.unreachable(asked, "the comparison ended early"),
        }
    }

    fn unreachable(&self, asked: Timestamp, reason: &str) {
        let mut seen = self.seen();
        seen.state = MirrorState::Unreachable;
        seen.asked = Some(asked.secs());
        seen.reason = Some(reason.chars().take(MAX_REASON).collect());
    }

    /// `pending`: what was ahead before and still is.
    fn learn(&self, asked: Timestamp, checkpoint: LogCheckpoint, compared: Compared, pending: Option<LogCheckpoint>) {
        let mut seen = self.seen();
        // Whatever is shown since, it is compared once it can be.
        seen.ahead = pending;
        let size = checkpoint.head().size.get();
        if seen.size != Some(size) {
            (seen.size, seen.since) = (Some(size), Some(asked.secs()));
        }
        seen.asked = Some(asked.secs());
        (seen.state, seen.behind, seen.reason) = match compared {
            Compared::Consistent { behind } => (MirrorState::Consistent, Some(behind), None),
            Compared::Ahead => {
                // The first is kept until it can be compared: later ones may be made to fit.
                seen.ahead.get_or_insert(checkpoint);
                (MirrorState::Ahead, None, None)
            }
            Compared::Fork { evidence } => (MirrorState::Fork, None, Some(evidence)),
        };
    }
}

/// Holds a checkpoint against the tree here, and keeps both where they contradict each other. Blocks.
fn compare(own: &Own, from: &str, checkpoint: &LogCheckpoint) -> Result<Compared, ReadError> {
    let (published, shown) = (own.reader.published(), checkpoint.head());
    if shown.size > published.head.size {
        return Ok(Compared::Ahead);
    }
    let root = root_from_tiles(shown.size, |tile| own.reader.tree().hashes(tile))?;
    if root == shown.root {
        return Ok(Compared::Consistent { behind: published.head.size.get() - shown.size.get() });
    }
    let finding = Finding {
        log: &own.log,
        from,
        held: published.note.clone(),
        seen: checkpoint.note().to_string(),
        size: shown.size,
        held_root: root,
        seen_root: Some(shown.root),
    };
    let kept = match evidence::found(&own.data, EVIDENCE) {
        Ok(Some(path)) => Ok(path),
        _ => finding.keep(&own.data, EVIDENCE, own.clock.now()),
    };
    let place = kept.map_or_else(|error| format!("not kept: {error}"), |path| path.display().to_string());
    tracing::error!(
        mirror = from,
        size = shown.size.get(),
        evidence = place,
        "a mirror has a checkpoint of the log's key over another history: the log is forked"
    );
    if own.kind == Kind::Log && !freeze::is_frozen(&own.data) {
        let reason = "a mirror has another history under this log's key: see its operator's evidence".to_owned();
        let frozen = Frozen::new(own.clock.now(), Cause::Operator, reason, None);
        if let Err(error) = frozen.write(&own.data) {
            tracing::error!(error = chain(&error), "the log could not be frozen, and goes on");
        }
    }
    Ok(Compared::Fork {
        evidence: format!("the log's key signed two roots of {} entries, {root} and {}", shown.size, shown.root),
    })
}

#[cfg(test)]
mod tests;
