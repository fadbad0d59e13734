//! The publisher, with witnesses or without.

use std::{io, path::Path, sync::Arc};

use attest_core::{
    checkpoint::LogCheckpoint,
    merkle::{Frontier, TreeSize},
    time::Timestamp,
};
use tokio::sync::{mpsc::UnboundedReceiver, watch};

use super::{
    Options,
    committer::Committed,
    pool::Pool,
    publisher::{PublishError, Publisher, Signed},
    witnessed::Witnessed,
};
use crate::{
    reader::Published,
    recover::OpenError,
    store::Head,
    witnesses::{Cosigning, Panel, Surroundings},
};

/// Who hears of what is published, and of what stops it.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) published: watch::Sender<Arc<Published>>,
    pub(super) alarm: watch::Sender<Option<String>>,
    pub(super) pool: Arc<Pool>,
}

/// How a log publishes.
#[derive(Debug)]
pub(super) enum Publishing {
    /// What is signed is published.
    Alone(Box<Publisher>),
    /// Witnesses are asked in between.
    Witnessed(Box<Witnessed>, watch::Receiver<Cosigning>),
}

impl Publishing {
    /// Starts with the durable `head`, where `before` was published by an earlier process at `time`; gives what is
    /// published at first.
    ///
    /// Without witnesses the head is published here. With them nothing is signed yet: what was published before stays, until
    /// they have said what they have seen.
    pub(super) fn begin(
        data: &Path,
        options: &Options,
        mut publisher: Publisher,
        head: Head,
        (before, time): (Option<LogCheckpoint>, Timestamp),
    ) -> Result<(Self, Arc<Published>), OpenError> {
        let Some(settings) = options.witnesses.clone() else {
            let first = publisher.publish(&head)?;
            return Ok((Self::Alone(Box::new(publisher)), first));
        };
        let around = Surroundings {
            tree: Arc::clone(publisher.tree()),
            log: publisher.log().clone(),
            clock: options.clock.clone(),
            probe: probe(&publisher, before.as_ref())?,
        };
        let panel = Panel::start(settings, options.patience, &around).map_err(OpenError::Thread)?;
        let cosigning = panel.subscribe();
        let first = match &before {
            Some(before) => Published { note: before.note().to_string(), head: before.head(), time },
            None => Published { note: String::new(), head: Frontier::new().head(), time },
        };
        let current = before.map(|checkpoint| Signed { checkpoint, epoch: head.epoch, time });
        let witnessed = Witnessed::new(publisher, (panel, options.patience), data.to_owned(), (current, head));
        Ok((Self::Witnessed(Box::new(witnessed), cosigning), Arc::new(first)))
    }

    /// How the witnesses do.
    pub(super) fn cosigning(&self) -> Option<watch::Receiver<Cosigning>> {
        match self {
            Self::Alone(_) => None,
            Self::Witnessed(_, cosigning) => Some(cosigning.clone()),
        }
    }

    /// Publishes and answers until the committer is gone, or until it must stop.
    pub(super) fn run(self, committed: UnboundedReceiver<Committed>, listeners: &Listeners) {
        match self {
            Self::Alone(publisher) => publisher.run(committed, listeners),
            Self::Witnessed(witnessed, _) => witnessed.run(committed, listeners),
        }
    }
}

/// What was published before says nothing new to anybody; nor does the empty tree.
fn probe(publisher: &Publisher, before: Option<&LogCheckpoint>) -> Result<LogCheckpoint, PublishError> {
    match before {
        Some(before) if before.head().size > TreeSize::ZERO => Ok(before.clone().log_signed_only()),
        _ => publisher.empty(),
    }
}

/// For a thread of its own.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()
}
