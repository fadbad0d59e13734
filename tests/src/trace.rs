//! Reads what strace wrote: which system calls a program made, and in which order they began and ended.

use std::{ffi::OsStr, fs, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context, Result};

use crate::{command, tool};

/// Whether a process may be traced here; says so when not. Containers often forbid it.
pub fn is_allowed() -> bool {
    let tried = command::run(Command::new("strace").args(["-o", "/dev/null", "true"]));
    let allowed = tried.is_ok_and(|outcome| outcome.code() == Some(0));
    if !allowed {
        tool::not_allowed("tracing a process (strace true)");
    }
    allowed
}

/// The same command line under `strace -f` with these options. `-D`: the program stays our own child, to be ended like any
/// other.
pub fn traced(run: &Command, options: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f"]).args(options).arg(run.get_program()).args(run.get_args());
    if let Some(folder) = run.get_current_dir() {
        strace.current_dir(folder);
    }
    for (name, value) in run.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

/// The trace of a program that has ended: strace writes its last line a moment later.
///
/// # Errors
/// When it cannot be read.
pub fn finished(file: &Path) -> Result<String> {
    for _ in 0..200 {
        let text = fs::read(file)?;
        let ended: [&[u8]; 2] = [b"+++ exited", b"+++ killed"];
        let last = text.rsplit(|byte| *byte == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
        if ended.iter().any(|end| last.windows(end.len()).any(|window| window == *end)) {
            return Ok(String::from_utf8(text)?);
        }
        thread::sleep(Duration::from_millis(50));
    }
    fs::read_to_string(file).context("the trace never ended")
}

/// A system call that returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The thread that made it.
    pub thread: u32,
    /// `pwrite64`, `fdatasync`, ...
    pub name: String,
    /// Everything between the parentheses, with the paths that `strace -y` adds to descriptors.
    pub arguments: String,
    /// What it returned; negative when it failed.
    pub result: i64,
    /// Line of the trace where it began.
    pub began: usize,
    /// Line of the trace where it had returned. Two calls happened one after the other when this is before the other's
    /// `began`.
    pub ended: usize,
}

/// Parses the output of `strace -f -o FILE`: `PID name(arguments) = result`, where a call that another thread's line
/// interrupts is in two pieces, `<unfinished ...>` and `<... name resumed>`. Calls that never returned are left out.
///
/// # Errors
/// When a call resumes that was never begun.
pub fn parse(text: &str) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    let mut unfinished: Vec<(&str, usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (pid, rest) = line.split_once(' ').with_context(|| format!("no process id in {line:?}"))?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.push((pid, number, begun.to_owned()));
            continue;
        }
        let (began, whole) = if let Some(resumed) = rest.strip_prefix("<... ") {
            let at = unfinished
                .iter()
                .position(|(owner, ..)| *owner == pid)
                .with_context(|| format!("resumed but never begun: {line:?}"))?;
            let (_, began, head) = unfinished.swap_remove(at);
            let (_, tail) = resumed.split_once(" resumed>").with_context(|| format!("not resumed: {line:?}"))?;
            (began, head + tail)
        } else {
            (number, rest.to_owned())
        };
        let thread = pid.parse().with_context(|| format!("no process id in {line:?}"))?;
        calls.extend(call(thread, &whole, began, number));
    }
    Ok(calls)
}

fn call(thread: u32, text: &str, began: usize, ended: usize) -> Option<Call> {
    let text = text.strip_suffix(" (INJECTED)").unwrap_or(text);
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) =
        rest.rsplit_once(") ").and_then(|(arguments, tail)| Some((arguments, tail.split_once("= ")?.1)))?;
    let result = result.split([' ', '<']).next()?.parse().ok()?;
    Some(Call { thread, name: name.to_owned(), arguments: arguments.trim_end().to_owned(), result, began, ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_two_pieces_ends_where_it_returned() {
        let calls = parse(
            "10 fdatasync(3</d/db> <unfinished ...>\n\
             11 pwrite64(4</d/highwater>, \"a) = b\", 6, 0) = 6\n\
             10 <... fdatasync resumed>)       = 0\n\
             11 write(5<TCP:[1]>, \"x\", 1) = -1 EPIPE (Broken pipe)\n\
             11 fsync(6</d/t>) = -1 EIO (Input/output error) (INJECTED)\n\
             11 +++ exited with 0 +++\n",
        )
        .unwrap();
        let seen: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.result, call.began, call.ended)).collect();
        assert_eq!(seen, [("pwrite64", 6, 1, 1), ("fdatasync", 0, 0, 2), ("write", -1, 3, 3), ("fsync", -1, 4, 4)]);
        assert_eq!(calls[0].arguments, "4</d/highwater>, \"a) = b\", 6, 0");
    }
}
