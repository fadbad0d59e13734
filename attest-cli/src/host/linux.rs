//! Which CPUs a build may use, and at whose cost.

use rustix::process::nice;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The lowest priority that there is.
const LAST: i32 = 19;

/// Lets this thread, and whatever it starts, use one CPU fewer until it is dropped.
#[derive(Debug)]
pub(crate) struct FewerCpus(CpuSet);

impl FewerCpus {
    /// From now on; nothing where there is only one, or where the kernel does not say.
    pub(crate) fn begin() -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| all.is_set(*cpu)).filter(|_| all.count() > 1)?;
        let mut fewer = all;
        fewer.unset(last);
        sched_setaffinity(None, &fewer).ok()?;
        Some(Self(all))
    }
}

impl Drop for FewerCpus {
    fn drop(&mut self) {
        // It was allowed before.
        let _back = sched_setaffinity(None, &self.0);
    }
}

/// Lets everybody else go before this thread: on Linux each has a priority of its own.
pub(crate) fn step_back() {
    // What may not be any nicer is a load all the same.
    let _nicer = nice(LAST);
}
