//! The kinds of instruments, as small as their use.

use std::time::{Duration, Instant};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// From 50 µs to 30 s: a stage of a submission on a fast disk, and the longest that anybody waits.
const SECONDS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];
/// Entries of a batch.
const ENTRIES: [f64; 13] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// One label and its value.
pub(super) type Label = [(&'static str, &'static str); 1];

/// Counters that differ in one label, whose values are few and written in this program.
#[derive(Clone, Debug)]
pub struct Counters {
    label: &'static str,
    family: Family<Label, Counter>,
}

/// Gauges that differ in one label.
#[derive(Clone, Debug)]
pub struct Gauges {
    label: &'static str,
    family: Family<Label, Gauge>,
}

/// A histogram of times.
#[derive(Clone, Debug)]
pub struct Seconds(Histogram);

/// A histogram of numbers of entries.
#[derive(Clone, Debug)]
pub struct Entries(Histogram);

impl Counters {
    pub(super) fn register(registry: &mut Registry, name: &str, help: &str, label: &'static str) -> Self {
        let family = Family::default();
        registry.register(name, help, family.clone());
        Self { label, family }
    }

    /// Counts one more.
    pub fn inc(&self, value: &'static str) {
        self.family.get_or_create(&[(self.label, value)]).inc();
    }
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry, name: &str, help: &str, label: &'static str) -> Self {
        let family = Family::default();
        registry.register(name, help, family.clone());
        Self { label, family }
    }

    /// Sets one of them.
    pub fn set(&self, value: &'static str, number: u64) {
        self.family.get_or_create(&[(self.label, value)]).set(i64::try_from(number).unwrap_or(i64::MAX));
    }
}

impl Seconds {
    /// Histograms that differ in one label, one for each of `values`.
    pub(super) fn register<const N: usize>(
        registry: &mut Registry,
        (name, help): (&str, &str),
        label: &'static str,
        values: [&'static str; N],
    ) -> [Self; N] {
        let family = Family::<Label, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register(name, help, family.clone());
        values.map(|value| Self(family.get_or_create(&[(label, value)]).clone()))
    }

    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }

    /// Counts the time since `start`.
    pub fn since(&self, start: Instant) {
        self.observe(start.elapsed());
    }
}

impl Entries {
    pub(super) fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let histogram = Histogram::new(ENTRIES);
        registry.register(name, help, histogram.clone());
        Self(histogram)
    }

    /// Counts one batch.
    pub fn observe(&self, count: usize) {
        self.0.observe(u32::try_from(count).unwrap_or(u32::MAX).into());
    }
}
