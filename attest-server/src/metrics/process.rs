//! What Prometheus clients tell about their process, under the names that they all use.
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>

use std::fs;

use prometheus_client::{
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

/// Registers what `/proc/self` tells; what it does not tell is left out.
pub(super) fn register(registry: &mut Registry) {
    if let Some(bytes) = resident() {
        registry.register("process_resident_memory_bytes", "Resident memory", ConstGauge::new(bytes));
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        registry.register("process_open_fds", "Open file descriptors", ConstGauge::new(files.count()));
    }
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(most) = most {
        registry.register("process_max_fds", "Limit of open file descriptors", ConstGauge::new(most));
    }
    if let Some((user, system)) = cpu_ticks() {
        #[expect(clippy::cast_precision_loss, reason = "seconds for a graph")]
        let seconds = (user + system) as f64 / rustix::param::clock_ticks_per_second() as f64;
        registry.register("process_cpu_seconds", "CPU time, user and system", ConstCounter::new(seconds));
    }
}

/// proc_pid_statm(5): the second field is the resident set, in pages.
fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

/// proc_pid_stat(5): utime and stime are fields 14 and 15; the second, a name in parentheses, may hold anything.
fn cpu_ticks() -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
