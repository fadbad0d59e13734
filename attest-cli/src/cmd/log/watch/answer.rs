//! What one look of `attest log watch --once` gave (schemas/log-watch.schema.json).

use serde::Serialize;

use crate::{
    exit::{self, Exit},
    interrupt,
    output::{Style, causes, plural},
    run::Run,
    watch::{
        Look, Looked, Shared,
        delivery::Delivered,
        event::{Event, Kind},
        sinks::{Sink, Target},
    },
};

/// Events that a document holds; sinks are told all.
const SHOWN: usize = 1_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    schema: &'static str,
    logs: Vec<Line<'a>>,
    /// How many events are new.
    noticed: usize,
    events: Vec<&'a Event>,
    sinks: Vec<SinkLine<'a>>,
    /// Why the files of locks were not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_error: Option<String>,
    #[serde(skip)]
    accepted_exit: Exit,
    /// Whether a fork lasts.
    #[serde(skip)]
    alarm: bool,
    /// Whether somebody ended it before it had looked at everything.
    #[serde(skip)]
    interrupted: bool,
    exit: u8,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    origin: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    read: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    exit: u8,
    #[serde(skip)]
    hint: Option<String>,
    #[serde(skip)]
    ended: Exit,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SinkLine<'a> {
    name: &'a str,
    told: u64,
    waiting: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> Document<'a> {
    pub(super) fn new(look: &'a Look, delivered: &'a [Delivered], store: &Shared) -> Self {
        let fork = format!("{} ", Kind::Fork);
        let alarm = store.lock().state().lasting.keys().any(|name| name.starts_with(&fork));
        let accepted_exit = look.accepted.as_ref().map_or(Exit::Pass, |error| exit::of(error).0);
        let mut document = Self {
            schema: "attest.log-watch/v1",
            logs: look.logs.iter().map(Line::new).collect(),
            noticed: look.events.len(),
            events: look.events.iter().take(SHOWN).collect(),
            sinks: delivered.iter().map(SinkLine::new).collect(),
            accepted_error: look.accepted.as_ref().map(|error| causes(error.as_ref())),
            accepted_exit,
            alarm,
            interrupted: interrupt::requested(),
            exit: 0,
        };
        document.exit = document.exit().code();
        document
    }

    /// An alarm is a fork. Otherwise 1 says that something was told; 3, that a log or a sink could not be had, or that it was
    /// ended early, and the next run goes on where this one stopped.
    pub(super) fn exit(&self) -> Exit {
        let told = self.noticed > 0 || self.sinks.iter().any(|sink| sink.told > 0);
        let told = if told { Exit::Refused } else { Exit::Pass };
        let alarm = if self.alarm { Exit::Alarm } else { Exit::Pass };
        let late = self.interrupted || self.sinks.iter().any(|sink| sink.waiting > 0);
        let late = if late { Exit::Undecided } else { Exit::Pass };
        self.logs
            .iter()
            // A log that says no, or is none, is one that could not be had: 1 is for what was told.
            .map(|line| match line.ended {
                Exit::Refused => Exit::Undecided,
                ended => ended,
            })
            .chain([told, alarm, late, self.accepted_exit])
            .fold(Exit::Pass, Exit::worst)
    }

    pub(super) fn print(&self, run: &Run, sinks: &[Sink]) -> std::io::Result<()> {
        if run.out.is_json() {
            return run.out.json(self);
        }
        // Where events are on standard output, they are there alone.
        let alone = sinks.iter().any(|sink| matches!(sink.target, Target::Stdout));
        let line = |text: String| {
            if alone {
                run.out.note(text);
                return Ok(());
            }
            run.out.line(text)
        };
        for log in &self.logs {
            match (&log.error, log.size) {
                (Some(error), _) => {
                    line(format!("{} {}: {error}", run.out.paint(Style::Bad, "x"), log.origin))?;
                    if let Some(hint) = &log.hint {
                        run.out.hint(hint);
                    }
                }
                (None, Some(size)) => line(format!("{}: {} of {size} entries are new", log.origin, log.read))?,
                (None, None) => line(format!("{}: nothing was read", log.origin))?,
            }
        }
        if let Some(error) = &self.accepted_error {
            run.out.warning(format_args!("the files of the locks were not judged: {error}"));
        }
        for sink in self.sinks.iter().filter(|sink| sink.waiting > 0) {
            let waiting = plural(usize::try_from(sink.waiting).unwrap_or(usize::MAX), "event");
            let why = sink.error.unwrap_or("it was not reached in time");
            run.out.warning(format_args!("{}: {waiting} left for the next run: {why}", sink.name));
        }
        line(format!("{} noticed", plural(self.noticed, "event")))
    }
}

impl<'a> Line<'a> {
    fn new(looked: &'a Looked) -> Self {
        Self {
            origin: &looked.origin,
            url: &looked.url,
            size: looked.size,
            read: looked.read,
            error: looked.error.as_ref().map(|error| causes(error.as_ref())),
            exit: looked.exit.code(),
            hint: looked.error.as_ref().and_then(|error| exit::of(error).1),
            ended: looked.exit,
        }
    }
}

impl<'a> SinkLine<'a> {
    fn new(delivered: &'a Delivered) -> Self {
        Self {
            name: &delivered.sink,
            told: delivered.told,
            waiting: delivered.waiting,
            error: delivered.error.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_was_ended_early_does_not_say_that_all_is_well() {
        let mut document = Document {
            schema: "attest.log-watch/v1",
            logs: Vec::new(),
            noticed: 0,
            events: Vec::new(),
            sinks: Vec::new(),
            accepted_error: None,
            accepted_exit: Exit::Pass,
            alarm: false,
            interrupted: false,
            exit: 0,
        };
        assert_eq!(document.exit(), Exit::Pass);
        document.interrupted = true;
        assert_eq!(document.exit(), Exit::Undecided);
    }
}
