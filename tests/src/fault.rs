//! System calls that fail, once, where a test wants them to: strace does it to the running program.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::trace::{self, Call};

/// Calls that read or change files.
const CALLS: &[&str] = &[
    "openat",
    "read",
    "pread64",
    "write",
    "writev",
    "pwrite64",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "ftruncate",
    "fallocate",
    "rename",
    "unlink",
    "unlinkat",
    "mkdir",
];
/// What strace writes beside a call that it made fail.
const INJECTED: &str = "(INJECTED)";
/// Longest wait for strace to hold every thread, or to let go of them.
const ATTACH_LIMIT: Duration = Duration::from_secs(20);

/// What happens instead of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk cannot.
    Eio,
    /// The disk is full.
    Enospc,
    /// The process is killed before it.
    Kill,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Eio, Self::Enospc, Self::Kill];

    const fn expression(self) -> &'static str {
        match self {
            Self::Eio => "error=EIO",
            Self::Enospc => "error=ENOSPC",
            Self::Kill => "signal=KILL",
        }
    }
}

/// A call of the program: the n-th of a thread with this name on this file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    call: &'static str,
    path: PathBuf,
    nth: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} (number {})", self.call, self.path.display(), self.nth)
    }
}

impl Place {
    /// The n-th call with this name on this file.
    pub const fn new(call: &'static str, path: PathBuf, nth: u32) -> Self {
        Self { call, path, nth }
    }

    /// Every place below `root` that a trace shows, in the order of the trace.
    ///
    /// # Errors
    /// When the trace cannot be read.
    pub fn all(trace: &str, root: &Path) -> Result<Vec<Self>> {
        let mut count: BTreeMap<(u32, &'static str, PathBuf), u32> = BTreeMap::new();
        let mut places: Vec<Self> = Vec::new();
        let mut calls = trace::parse(trace)?;
        calls.sort_by_key(|call| call.began);
        for call in calls {
            let Some(name) = CALLS.iter().find(|name| **name == call.name) else { continue };
            let Some(path) = path(&call).filter(|path| path.starts_with(root)) else { continue };
            let nth = count.entry((call.thread, name, path.clone())).or_default();
            *nth += 1;
            // strace counts for each thread: the n-th call of two threads is one place.
            let place = Self { call: name, path, nth: *nth };
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(places)
    }

    /// Options of strace that make this call fail.
    pub fn options(&self, fault: Fault) -> Vec<OsString> {
        let Self { call, path, nth } = self;
        let inject = format!("inject={call}:{}:when={nth}", fault.expression());
        let mut options: Vec<OsString> =
            ["-y", "-e", &format!("trace={call}"), "-e", &inject, "-P"].map(Into::into).into();
        options.push(path.into());
        options
    }
}

/// Options of strace for a trace in which [`Place::all`] finds places.
pub fn dry_run() -> Vec<OsString> {
    ["-y", "-e", &format!("trace={}", CALLS.join(","))].map(Into::into).into()
}

/// The file that a call is about.
fn path(call: &Call) -> Option<PathBuf> {
    let by_name = ["openat", "rename", "unlink", "unlinkat", "mkdir"].contains(&call.name.as_str());
    let (open, close) = if by_name { ('"', '"') } else { ('<', '>') };
    let (_, rest) = call.arguments.split_once(open)?;
    rest.split_once(close).map(|(path, _)| PathBuf::from(path))
}

/// strace, attached to a running process; detaches when dropped.
#[derive(Debug)]
pub struct Attached {
    strace: Child,
    output: PathBuf,
}

impl Attached {
    /// Attaches to every thread of the process, and waits until that is done.
    ///
    /// # Errors
    /// When it is not allowed.
    pub fn attach(pid: u32, options: &[OsString], output: &Path) -> Result<Self> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o"]).arg(output).args(options).args(["-p", &pid.to_string()]);
        let mut strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = BufReader::new(strace.stderr.take().context("no standard error")?);
        let attached = Self { strace, output: output.to_owned() };
        let mut said = String::new();
        for line in stderr.lines() {
            let line = line?;
            if line.contains("attached") {
                return Ok(attached);
            }
            said.push_str(&line);
        }
        bail!("strace did not attach: {said}")
    }

    /// What was traced so far.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.output)?).into_owned())
    }

    /// Lets go of the process, and returns what was traced.
    ///
    /// # Errors
    /// When strace does not end.
    pub fn detach(mut self) -> Result<String> {
        let pid = i32::try_from(self.strace.id()).ok().and_then(Pid::from_raw).context("no such process id")?;
        // Fails when it has ended with the process.
        let _ = kill_process(pid, Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < ATTACH_LIMIT {
            if self.strace.try_wait()?.is_some() {
                return self.output();
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("strace did not let go")
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// Whether the fault has happened, by the trace.
pub fn happened(trace: &str) -> bool {
    trace.contains(INJECTED) || trace.contains("+++ killed by SIGKILL")
}
