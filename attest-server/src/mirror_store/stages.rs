//! Where the time of a catch-up goes.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// A part of the work on a bundle. What is in none of them is HTTP and the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Decompressing and decoding.
    Decompress,
    /// Leaf hashes, and the comparison with the signed tree.
    Hash,
    /// Reading the entries, for what they are found by.
    Parse,
    /// Compressing again what did not come in a form that can be kept.
    Compress,
    /// Growing the tree.
    Tree,
    /// Writing and syncing files.
    Files,
    /// The database, with its barrier.
    Commit,
    /// The index.
    Index,
}

const STAGES: [(Stage, &str); 8] = [
    (Stage::Decompress, "decompress"),
    (Stage::Hash, "hash"),
    (Stage::Parse, "parse"),
    (Stage::Compress, "compress"),
    (Stage::Tree, "tree"),
    (Stage::Files, "files"),
    (Stage::Commit, "commit"),
    (Stage::Index, "index"),
];

/// Time spent in each stage, over all threads.
#[derive(Debug, Default)]
pub struct Stages {
    spent: [Spent; STAGES.len()],
}

#[derive(Debug, Default)]
struct Spent {
    cpu: AtomicU64,
    waited: AtomicU64,
}

impl Stages {
    /// Does `work`, and counts its time to `stage`.
    pub fn measure<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let (began, cpu) = (Instant::now(), cpu_time(ClockId::ThreadCPUTime));
        let done = work();
        let (took, cpu) = (began.elapsed(), cpu_time(ClockId::ThreadCPUTime).saturating_sub(cpu));
        let spent = &self.spent[stage as usize];
        spent.cpu.fetch_add(nanos(cpu), Ordering::Relaxed);
        spent.waited.fetch_add(nanos(took.saturating_sub(cpu)), Ordering::Relaxed);
        done
    }

    /// What was counted since the last call, and zero from now on.
    pub fn take(&self) -> Taken {
        let take = |counter: &AtomicU64| Duration::from_nanos(counter.swap(0, Ordering::Relaxed));
        Taken(STAGES.map(|(stage, name)| {
            let spent = &self.spent[stage as usize];
            (name, take(&spent.cpu), take(&spent.waited))
        }))
    }
}

/// Name, CPU time and other time of every stage. Display: `hash 120+3 ms`, CPU time first.
#[derive(Clone, Debug)]
pub struct Taken([(&'static str, Duration, Duration); STAGES.len()]);

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (name, cpu, waited)) in self.0.iter().enumerate() {
            let comma = if nth > 0 { ", " } else { "" };
            write!(f, "{comma}{name} {}+{} ms", cpu.as_millis(), waited.as_millis())?;
        }
        Ok(())
    }
}

/// CPU time of this process so far.
pub fn process_time() -> Duration {
    cpu_time(ClockId::ProcessCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let (secs, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    Duration::new(secs, nanos)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_counted_under_its_own_name_and_once() {
        let stages = Stages::default();
        for (at, (stage, _)) in STAGES.iter().enumerate() {
            assert_eq!(*stage as usize, at);
            stages.measure(*stage, || std::thread::sleep(Duration::from_millis(1)));
        }
        assert!(stages.take().0.iter().all(|(_, cpu, waited)| *cpu + *waited >= Duration::from_millis(1)));
        assert!(stages.take().0.iter().all(|(_, cpu, waited)| (*cpu + *waited).is_zero()));
    }
}
