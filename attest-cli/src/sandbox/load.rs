//! What is around a second build and was not around the first: a machine that is busy, and one CPU fewer.
//!
//! What depends on how many CPUs there are (as `nproc` and `os.sched_getaffinity` count them), or on which of two parallel
//! tasks ends first, comes out otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::host::{self, FewerCpus};

/// One is enough for all builds of this process.
static BUSY: AtomicBool = AtomicBool::new(false);

/// Keeps every CPU busy until it is dropped. It takes what nobody else wants, so builds become hardly slower.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    busy: Vec<JoinHandle<()>>,
}

impl Load {
    /// From now on.
    pub(crate) fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let count =
            if BUSY.swap(true, Ordering::SeqCst) { 0 } else { thread::available_parallelism().map_or(1, usize::from) };
        let spin = |stop: Arc<AtomicBool>| {
            move || {
                host::step_back();
                while !stop.load(Ordering::Relaxed) {
                    (0..1000).for_each(|_| std::hint::spin_loop());
                }
            }
        };
        // A machine without room for another thread is busy.
        let start = |_| thread::Builder::new().name("load".to_owned()).spawn(spin(Arc::clone(&stop))).ok();
        Self { busy: (0..count).filter_map(start).collect(), stop }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.busy.is_empty() {
            return;
        }
        for thread in self.busy.drain(..) {
            // It ended by itself only if it panicked, which it cannot.
            let _ended = thread.join();
        }
        BUSY.store(false, Ordering::SeqCst);
    }
}

/// Both, for whatever this thread starts.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    _fewer: Option<FewerCpus>,
    _load: Load,
}

impl Elsewhere {
    /// From now on.
    pub(crate) fn begin() -> Self {
        // In this order: the load is on all of them.
        let load = Load::begin();
        Self { _fewer: FewerCpus::begin(), _load: load }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn cpus() -> usize {
        let output = Command::new("nproc").output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    }

    #[test]
    fn what_is_started_meanwhile_has_one_cpu_fewer_and_what_comes_after_has_all() {
        let before = cpus();
        let elsewhere = Elsewhere::begin();
        assert_eq!(cpus(), if before > 1 { before - 1 } else { 1 });
        drop(elsewhere);
        assert_eq!(cpus(), before);
    }
}
