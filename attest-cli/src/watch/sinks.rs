//! Where events go. Each sink is told in order, at its own pace: one that is down is asked again later and holds up nobody.

use std::path::{Path, PathBuf};

use super::{
    event::{Event, Kind},
    store::BATCH,
};
use crate::output::Output;

pub(crate) mod atom;
pub(crate) mod exec;
pub(crate) mod lines;
pub(crate) mod webhook;

/// A place that events go to.
#[derive(Debug)]
pub(crate) struct Sink {
    /// Under which it is remembered how far it was told.
    pub(crate) name: String,
    /// What it is told; nothing for everything.
    pub(crate) only: Option<Vec<Kind>>,
    pub(crate) target: Target,
}

/// What a sink is.
#[derive(Debug)]
pub(crate) enum Target {
    /// For people, on standard output.
    Terminal,
    /// The document of the run tells.
    Nobody,
    Exec(exec::Exec),
    Webhook(Box<webhook::Webhook>),
    Lines(PathBuf),
    /// Lines on standard output.
    Stdout,
    Atom(atom::Feed),
}

/// A sink did not take an event. Its words are in the user's terms; nothing of an event is in them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error(transparent)]
    Exec(#[from] exec::ExecError),
    #[error(transparent)]
    Webhook(#[from] webhook::WebhookError),
    #[error(transparent)]
    Lines(#[from] lines::LinesError),
    #[error(transparent)]
    Atom(#[from] crate::files::FileError),
    #[error("standard output is closed")]
    Closed(#[source] std::io::Error),
}

/// How far a sink got with a batch.
#[derive(Debug)]
pub(crate) struct Told {
    /// So many, from the first on.
    pub(crate) events: usize,
    /// Why it was no more.
    pub(crate) error: Option<SinkError>,
}

impl Sink {
    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&event.kind))
    }

    /// How many events it is told before that is kept. Files of ours can be told again; whoever else is sent the same twice where
    /// we are killed in between, so that is one event at most.
    pub(crate) const fn at_once(&self) -> usize {
        match self.target {
            Target::Lines(_) | Target::Atom(_) | Target::Nobody => BATCH,
            Target::Terminal | Target::Stdout | Target::Exec(_) | Target::Webhook(_) => 1,
        }
    }

    /// Whether its file shows the newest events rather than being told each.
    pub(crate) const fn shows_newest(&self) -> bool {
        matches!(self.target, Target::Atom(_))
    }

    /// Tells it some events in order. `newest` are what a feed shows.
    pub(crate) fn tell(&self, events: &[Event], newest: &[Event], out: &Output) -> Told {
        let wanted: Vec<&Event> = events.iter().filter(|event| self.wants(event)).collect();
        let whole = |told: Result<(), SinkError>| match told {
            Ok(()) => Told { events: events.len(), error: None },
            Err(error) => Told { events: 0, error: Some(error) },
        };
        match &self.target {
            Target::Lines(path) => whole(lines::append(path, &wanted).map_err(Into::into)),
            Target::Stdout => whole(lines::print(&wanted).map_err(SinkError::Closed)),
            Target::Atom(feed) => whole(feed.write(newest).map_err(Into::into)),
            Target::Terminal => whole(wanted.iter().try_for_each(|event| show(event, out)).map_err(SinkError::Closed)),
            Target::Nobody => whole(Ok(())),
            Target::Exec(exec) => self.each(events, |event| Ok(exec.tell(event)?)),
            Target::Webhook(webhook) => self.each(events, |event| Ok(webhook.tell(event)?)),
        }
    }

    fn each(&self, events: &[Event], tell: impl Fn(&Event) -> Result<(), SinkError>) -> Told {
        for (told, event) in events.iter().enumerate() {
            if self.wants(event)
                && let Err(error) = tell(event)
            {
                return Told { events: told, error: Some(error) };
            }
        }
        Told { events: events.len(), error: None }
    }
}

fn show(event: &Event, out: &Output) -> std::io::Result<()> {
    out.line(event.line())?;
    out.line(format_args!("  {}", event.next))
}

/// For a name where none was given: readable, and another for every place.
pub(crate) fn name_of(kind: &str, target: &str) -> String {
    format!("{kind} {target}")
}

/// The path that a name on a command line means, wherever the next run is started.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
