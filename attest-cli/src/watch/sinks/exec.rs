//! A command that gets each event as JSON on its standard input. No shell, and nothing of the event in its arguments; its
//! environment has `ATTEST_EVENT_ID` and `ATTEST_EVENT_KIND`, which are ours.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::super::event::Event;
use crate::{host, interrupt};

/// How often its end is looked for.
const PAUSE: Duration = Duration::from_millis(20);

/// A command.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// The command did not take an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecError {
    #[error("{} cannot be run", .program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("{} ended with {status}, expected exit code 0", .program.display())]
    Status { program: PathBuf, status: ExitStatus },
    #[error("{} did not end within {} s, and was ended", .program.display(), .limit.as_secs())]
    Late { program: PathBuf, limit: Duration },
    #[error("asked to end while {} was running", .program.display())]
    Interrupted { program: PathBuf },
}

impl Exec {
    /// Runs it for one event.
    pub(crate) fn tell(&self, event: &Event) -> Result<(), ExecError> {
        let failed = |source| ExecError::Start { program: self.program.clone(), source };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.env("ATTEST_EVENT_ID", event.id.to_string()).env("ATTEST_EVENT_KIND", event.kind.as_str());
        // Standard output is for our own results.
        command.stdin(Stdio::piped()).stdout(io::stderr()).stderr(Stdio::inherit());
        let mut child = host::lead_group(&mut command).spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            let mut json = serde_json::to_vec(event).map_err(|error| failed(error.into()))?;
            json.push(b'\n');
            // In a thread: a command that reads nothing does not hold us up. One that does not want to read is heard by its
            // exit code.
            thread::spawn(move || stdin.write_all(&json).ok());
        }
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                let program = self.program.clone();
                return if status.success() { Ok(()) } else { Err(ExecError::Status { program, status }) };
            }
            let late = started.elapsed() > self.limit;
            if late || interrupt::requested() {
                host::end_group(&mut child);
                let _ended = child.wait();
                let program = self.program.clone();
                return Err(if late {
                    ExecError::Late { program, limit: self.limit }
                } else {
                    ExecError::Interrupted { program }
                });
            }
            thread::sleep(PAUSE);
        }
    }
}
