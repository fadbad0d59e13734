//! What a process has used, as the kernel counts it.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// CPU time, user and system, that a process has used so far.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    // utime and stime
    ticks(&pid.to_string(), 14)
}

/// CPU time, user and system, of all processes that this one started and waited for.
///
/// # Errors
/// As [`cpu_time`].
pub fn children_cpu_time() -> Result<Duration> {
    // cutime and cstime
    ticks("self", 16)
}

/// The time in two neighbouring fields of /proc/PID/stat, counted from 1 as proc(5) does.
fn ticks(pid: &str, first: usize) -> Result<Duration> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("no CPU time of process {pid}"))?;
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no program name in /proc/PID/stat")?;
    let mut fields = fields.split_whitespace().skip(first - 3);
    let mut ticks = || -> Result<u64> { Ok(fields.next().context("too few fields in /proc/PID/stat")?.parse()?) };
    let used = ticks()? + ticks()?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(Duration::from_secs_f64(used as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// The most memory that a process has had resident so far, in MiB.
///
/// # Errors
/// As [`cpu_time`].
pub fn peak_memory(pid: u32) -> Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("no memory of process {pid}"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(peak.context("no VmHWM in /proc/PID/status")?.trim().parse::<u64>()? / 1024)
}
