//! Running a program to its end: output captured, a time limit, and an exit code that is always judged.

use std::{
    io::Read,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// Longest that a program may take before it is killed and the step fails.
pub const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Set when the person who waits wants to stop (Ctrl-C in the demo): what runs is killed, and the guards clean up on the
/// way out.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ends the program that is running, and every later one before it starts.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Whether [`interrupt`] was called.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    command: String,
    status: ExitStatus,
    /// Everything it wrote to standard output.
    pub stdout: String,
    /// Everything it wrote to standard error.
    pub stderr: String,
}

impl Outcome {
    /// The exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Both outputs, standard output first.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Passes the outcome on when it is the one that was claimed.
    ///
    /// # Errors
    /// When the exit code is another one; the error shows the command and both outputs.
    pub fn expect(self, code: i32) -> Result<Self> {
        if self.code() == Some(code) {
            return Ok(self);
        }
        bail!(
            "expected exit code {code}, found {}, from\n  {}\n--- stdout\n{}--- stderr\n{}",
            self.status,
            self.command,
            self.stdout,
            self.stderr
        )
    }

    /// Passes the outcome on when one of its outputs contains `words`.
    ///
    /// # Errors
    /// When neither does.
    pub fn expect_words(self, words: &str) -> Result<Self> {
        if self.stdout.contains(words) || self.stderr.contains(words) {
            return Ok(self);
        }
        bail!(
            "expected to read {words:?} in the output of\n  {}\n--- stdout\n{}--- stderr\n{}",
            self.command,
            self.stdout,
            self.stderr
        )
    }
}

/// Runs a program to its end, whatever that end is.
///
/// # Errors
/// When it cannot be started, does not end within [`TIME_LIMIT`], or [`interrupt`] was called.
pub fn run(command: &mut Command) -> Result<Outcome> {
    let shown = format!("{command:?}");
    if interrupted() {
        bail!("interrupted before {shown}");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {shown}"))?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait(&mut child).with_context(|| format!("waiting for {shown}"))?;
    Ok(Outcome { command: shown, status, stdout: joined(stdout)?, stderr: joined(stderr)? })
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupted() || started.elapsed() > TIME_LIMIT {
            child.kill()?;
            child.wait()?;
            bail!(if interrupted() { "interrupted" } else { "it took longer than five minutes" });
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads in a thread of its own: a program that fills one pipe while the other is read would never end.
fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<std::io::Result<String>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })
}

fn joined(reader: JoinHandle<std::io::Result<String>>) -> Result<String> {
    match reader.join() {
        Ok(text) => Ok(text?),
        Err(_) => bail!("the thread that read the output panicked"),
    }
}
