//! How far a long command is, on standard error.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Often enough to see that it moves.
const ON_TERMINAL: Duration = Duration::from_millis(500);
/// Seldom enough for the log of a timer.
const IN_LOG: Duration = Duration::from_secs(30);

/// One line that is replaced on a terminal, and now and then a line elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    verb: &'static str,
    total: u64,
    shown: Instant,
    terminal: bool,
    dirty: bool,
}

impl Progress {
    /// `verb`: what is done to the entries, such as `checked`.
    pub(crate) fn new(verb: &'static str, total: u64) -> Self {
        Self { verb, total, shown: Instant::now(), terminal: io::stderr().is_terminal(), dirty: false }
    }

    /// `done` entries of all.
    pub(crate) fn at(&mut self, done: u64) {
        let pause = if self.terminal { ON_TERMINAL } else { IN_LOG };
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        self.dirty = self.terminal;
        let (start, end) = if self.terminal { ("\r", "") } else { ("", "\n") };
        // Nobody misses progress that cannot be shown.
        let _ = write!(io::stderr(), "{start}{} {done} of {} entries{end}", self.verb, self.total);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.dirty {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
