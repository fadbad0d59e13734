//! How many submissions may wait for their answer, in entries and in bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// Counts what waits for an answer.
#[derive(Debug)]
pub(super) struct Waiting {
    entries: AtomicUsize,
    bytes: AtomicUsize,
    max_entries: usize,
    max_bytes: usize,
}

/// A place among those who wait, given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    waiting: Arc<Waiting>,
    bytes: usize,
    since: Instant,
}

impl Waiting {
    pub(super) const fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { entries: AtomicUsize::new(0), bytes: AtomicUsize::new(0), max_entries, max_bytes }
    }

    /// A place for an entry of that many bytes, if there is one.
    pub(super) fn enter(waiting: &Arc<Self>, bytes: usize) -> Option<Permit> {
        let permit = Permit { waiting: Arc::clone(waiting), bytes, since: Instant::now() };
        let entries = waiting.entries.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = waiting.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (entries <= waiting.max_entries && bytes <= waiting.max_bytes).then_some(permit)
    }
}

impl Permit {
    /// When it was given.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.waiting.entries.fetch_sub(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
