//! What this process takes, by `/proc`.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};

/// CPU time by the name of the thread; numbers at the end of a name are left out.
pub(crate) fn cpu_by_thread() -> Result<BTreeMap<String, Duration>> {
    let mut used = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        // A thread may end meanwhile.
        let (Ok(name), Ok(times)) = (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("schedstat")))
        else {
            continue;
        };
        let nanoseconds = times.split(' ').next().context("an empty schedstat")?.parse()?;
        let name = name.trim_end().trim_end_matches(|end: char| end.is_ascii_digit() || end == '-').to_owned();
        *used.entry(name).or_default() += Duration::from_nanos(nanoseconds);
    }
    Ok(used)
}

/// Memory now and at most.
pub(crate) fn memory() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let megabytes = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        let kilobytes: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1_000)
    };
    Ok(format!(
        "  memory                         {} MB, at most {} MB, of it {} MB not of files\n",
        megabytes("VmRSS")?,
        megabytes("VmHWM")?,
        megabytes("RssAnon")?
    ))
}
