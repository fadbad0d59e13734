//! Several things that are being waited for at once: on a terminal a line for each, redrawn; otherwise lines as they come.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write as _},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Output, plural, shown};

/// How often the clocks on it move.
const FRAME: Duration = Duration::from_millis(250);
/// Wiped from the terminal line by line, upwards.
const WIPE: &str = "\r\x1b[K";
const UP: &str = "\x1b[1A";
/// A line that is too long is cut by the terminal, and not broken into two that nobody would wipe.
const NO_WRAP: (&str, &str) = ("\x1b[?7l", "\x1b[?7h");

/// What is going on, in all threads.
#[derive(Debug)]
pub(crate) struct Board<'a> {
    out: &'a Output,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    total: usize,
    done: usize,
    jobs: usize,
    /// Seconds that each finished one took.
    took: Vec<f64>,
    running: Vec<Running>,
    /// Lines on the terminal.
    drawn: usize,
    over: bool,
}

#[derive(Debug)]
struct Running {
    job: usize,
    name: String,
    step: String,
    since: Instant,
}

impl<'a> Board<'a> {
    /// For `total` things, `jobs` at a time.
    pub(crate) fn new(out: &'a Output, total: usize, jobs: usize) -> Self {
        let state = State { total, done: 0, jobs, took: Vec::new(), running: Vec::new(), drawn: 0, over: false };
        Self { out, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Keeps the lines moving until [`Board::end`]: for a thread of its own.
    pub(crate) fn run(&self) {
        let mut state = self.state();
        while !state.over {
            self.draw(&mut state);
            (state, _) = self.changed.wait_timeout(state, FRAME).unwrap_or_else(PoisonError::into_inner);
        }
        self.wipe(&mut state);
    }

    /// Nothing runs any more.
    pub(crate) fn end(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }

    /// A job begins, or goes on with, something. With several of them the steps are details.
    pub(crate) fn step(&self, job: usize, name: &str, step: &str) {
        let mut state = self.state();
        match state.running.iter_mut().find(|running| running.job == job) {
            Some(running) if running.name == name => step.clone_into(&mut running.step),
            Some(running) => {
                *running = Running { job, name: name.to_owned(), step: step.to_owned(), since: Instant::now() }
            }
            None => {
                state.running.push(Running {
                    job,
                    name: name.to_owned(),
                    step: step.to_owned(),
                    since: Instant::now(),
                });
            }
        }
        self.wipe(&mut state);
        if state.total == 1 {
            self.out.note(step);
        } else {
            self.out.detail(format_args!("{name}: {step}"));
        }
        self.draw(&mut state);
    }

    /// Something worth knowing that is not the result.
    pub(crate) fn say(&self, text: impl Display) {
        let mut state = self.state();
        self.wipe(&mut state);
        self.out.note(text);
        self.draw(&mut state);
    }

    /// A job is through with one; `seconds` where work was done.
    pub(crate) fn done(&self, job: usize, seconds: Option<f64>, text: impl Display) {
        let mut state = self.state();
        state.done += 1;
        state.took.extend(seconds);
        state.running.retain(|running| running.job != job);
        self.wipe(&mut state);
        if state.total > 1 {
            let left = state.left().map(|left| format!(", {left}")).unwrap_or_default();
            self.out.note(format_args!("[{}/{}] {text}{left}", state.done, state.total));
        }
        self.draw(&mut state);
    }

    /// How long things took before: a first estimate.
    pub(crate) fn remember(&self, seconds: f64) {
        self.state().took.push(seconds);
    }

    fn draw(&self, state: &mut State) {
        if !self.out.progress {
            return;
        }
        let mut text = String::new();
        wipe(state.drawn, &mut text);
        text.push_str(NO_WRAP.0);
        let mut lines: Vec<String> = state.running.iter().map(Running::line).collect();
        if state.total > 1 && !state.over {
            let left = state.left().map(|left| format!(", {left}")).unwrap_or_default();
            lines.push(format!("{} of {} done{left}", state.done, plural(state.total, "target")));
        }
        state.drawn = lines.len();
        text.push_str(&shown(&lines.join("\n")));
        text.push_str(NO_WRAP.1);
        // Where stderr is gone there is nobody left to tell.
        let _gone = io::stderr().lock().write_all(text.as_bytes());
    }

    fn wipe(&self, state: &mut State) {
        if self.out.progress && state.drawn > 0 {
            let mut text = String::new();
            wipe(state.drawn, &mut text);
            state.drawn = 0;
            let _gone = io::stderr().lock().write_all(text.as_bytes());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wipe(lines: usize, text: &mut String) {
    text.push_str(WIPE);
    for _ in 1..lines {
        text.push_str(UP);
        text.push_str(WIPE);
    }
}

impl State {
    /// The time left, from the median of those that were measured: one slow build does not spoil it.
    fn left(&self) -> Option<String> {
        let mut took = self.took.clone();
        took.sort_by(f64::total_cmp);
        let median = took.get(took.len() / 2)?;
        let waiting = self.total.saturating_sub(self.done);
        if waiting == 0 {
            return None;
        }
        // In rounds of one for each job; precise enough for a number that is called "about".
        let rounds = u32::try_from(waiting.div_ceil(self.jobs.max(1))).ok()?;
        Some(format!("about {} left", minutes(median * f64::from(rounds))))
    }
}

impl Running {
    fn line(&self) -> String {
        // One line each, whatever is in it.
        format!("  {}: {} ({} s)", self.name, self.step.replace('\n', " "), self.since.elapsed().as_secs())
    }
}

/// `40 s`, `12 min`, `3 h 20 min`
fn minutes(seconds: f64) -> String {
    let mut text = String::new();
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let (hours, minutes) = (whole / 3600, whole / 60 % 60);
    let _infallible = match (hours, minutes) {
        (0, 0) => write!(text, "{whole} s"),
        (0, _) => write!(text, "{minutes} min"),
        _ => write!(text, "{hours} h {minutes} min"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_a_median_times_what_waits_for_each_job() {
        let state = |took: &[f64], done, jobs| State {
            total: 50,
            done,
            jobs,
            took: took.to_vec(),
            running: Vec::new(),
            drawn: 0,
            over: false,
        };
        assert_eq!(state(&[], 0, 2).left(), None, "nothing measured yet");
        assert_eq!(state(&[4.0, 5.0, 900.0], 3, 2).left().unwrap(), "about 2 min left");
        assert_eq!(state(&[4.0], 40, 1).left().unwrap(), "about 40 s left");
        assert_eq!(state(&[600.0], 10, 2).left().unwrap(), "about 3 h 20 min left");
        assert_eq!(state(&[4.0], 50, 2).left(), None);
    }
}
