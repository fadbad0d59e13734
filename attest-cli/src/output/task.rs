//! A line on the terminal for something that takes longer than a second.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Back to the start of the line, and wipes it.
pub(super) const CLEAR_LINE: &str = "\r\x1b[K";
const PATIENCE: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(100);
const FRAMES: [char; 4] = ['|', '/', '-', '\\'];

/// Something that is being waited for; wiped from the terminal when dropped.
#[derive(Debug)]
pub(crate) struct Task {
    running: Option<(Arc<Shared>, JoinHandle<()>)>,
}

#[derive(Debug)]
struct Shared {
    label: String,
    done: Mutex<bool>,
    changed: Condvar,
}

impl Task {
    pub(super) fn start(label: String, shown: bool) -> Self {
        if !shown {
            return Self { running: None };
        }
        let shared = Arc::new(Shared { label, done: Mutex::new(false), changed: Condvar::new() });
        let drawing = Arc::clone(&shared);
        Self { running: Some((shared, std::thread::spawn(move || drawing.draw()))) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some((shared, thread)) = self.running.take() {
            *shared.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
            shared.changed.notify_all();
            let _drawn = thread.join();
        }
    }
}

impl Shared {
    fn draw(&self) {
        let started = Instant::now();
        let mut wait = PATIENCE;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in FRAMES.iter().cycle() {
            (done, _) =
                self.changed.wait_timeout_while(done, wait, |done| !*done).unwrap_or_else(PoisonError::into_inner);
            if *done {
                break;
            }
            wait = FRAME;
            let seconds = started.elapsed().as_secs();
            let line = format!("{CLEAR_LINE}{frame} {} ({seconds} s)", self.label);
            let _gone = io::stderr().lock().write_all(line.as_bytes());
        }
        if started.elapsed() >= PATIENCE {
            let _gone = io::stderr().lock().write_all(CLEAR_LINE.as_bytes());
        }
    }
}
