//! Many pieces in flight, results in order.

use std::collections::VecDeque;

use tokio::task::{JoinError, JoinHandle};

/// Pieces that are read at a time. Bounds the memory too: a piece is at most a bundle of 16 MiB, and mostly a hundredth
/// of that.
pub(crate) const IN_FLIGHT: usize = 32;

/// Runs tasks a little ahead of whoever takes their results.
#[derive(Debug)]
pub(crate) struct Ahead<I, T> {
    tasks: I,
    running: VecDeque<JoinHandle<T>>,
}

impl<I: Iterator<Item = JoinHandle<T>>, T> Ahead<I, T> {
    /// `tasks` starts one each time it is asked for the next.
    pub(crate) fn new(tasks: I) -> Self {
        Self { tasks, running: VecDeque::with_capacity(IN_FLIGHT) }
    }

    /// The result of the next task, in the order of their start.
    ///
    /// # Errors
    /// A task panicked.
    pub(crate) async fn next(&mut self) -> Option<Result<T, JoinError>> {
        while self.running.len() < IN_FLIGHT
            && let Some(task) = self.tasks.next()
        {
            self.running.push_back(task);
        }
        Some(self.running.pop_front()?.await)
    }
}

impl<I, T> Drop for Ahead<I, T> {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}
