//! How long many answers of one kind took.

use std::time::Duration;

/// Times of answers.
#[derive(Debug, Default)]
pub(crate) struct Took {
    times: Vec<Duration>,
}

impl Took {
    /// One more.
    pub(crate) fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// Median, 99th percentile and longest.
    pub(crate) fn told(&mut self) -> String {
        let [median, p99, most] = [50, 99, 100].map(|share| self.at(share).as_secs_f64() * 1e3);
        format!("median {median:6.2} ms, p99 {p99:6.2} ms, most {most:6.2} ms")
    }

    /// What so many hundredths of them took at most.
    pub(crate) fn at(&mut self, share: usize) -> Duration {
        self.times.sort_unstable();
        self.times.get(self.times.len().saturating_sub(1) * share / 100).copied().unwrap_or_default()
    }
}
