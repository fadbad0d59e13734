//! A running log or mirror, held by a guard that ends it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use attest_core::api::record;
use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process};

use crate::http;

/// What a server prints on standard output once it accepts connections.
const LISTENING: &str = "listening on ";
/// A start-up after a crash re-reads the whole tail: far longer than it should take on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Longest wait for an orderly end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Lines of its log that are shown when a test fails.
const SHOWN_LINES: usize = 40;

/// A process that serves HTTP on a port of its own choice. Killed when dropped; a failing test then shows the end of its log.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen within a minute; the error shows what it wrote.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let shown = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {shown}"))?;
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, listening) = mpsc::channel();
        collect(child.stdout.take(), Arc::clone(&log), Some(sender));
        collect(child.stderr.take(), Arc::clone(&log), None);
        let mut server = Self { child, url: String::new(), log };
        if let Ok(url) = listening.recv_timeout(START_LIMIT) {
            server.url = url;
            return Ok(server);
        }
        let status = server.end()?;
        bail!("{shown} did not listen; it ended with {status} and wrote\n{}", server.log())
    }

    /// Base URL, with a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its record has so many entries: it follows what is published, a moment behind.
    ///
    /// # Errors
    /// When it does not within half a minute, or cannot be asked.
    pub fn wait_for_the_record(&self, entries: u64) -> Result<()> {
        let mut seen = 0;
        for _ in 0..300 {
            let answer = http::get(&self.url, record::LOG)?;
            // Not before the record is a file, and a mirror has a checkpoint.
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                seen = answer.expect(200)?.json::<record::LogView>()?.recorded;
            }
            if seen >= entries {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("the record stays at {seen} of {entries} entries")
    }

    /// SIGKILL, as a crash: nothing of it gets to run again.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn kill(mut self) -> Result<()> {
        self.end().map(drop)
    }

    /// SIGTERM, and waits for its orderly end.
    ///
    /// # Errors
    /// When it does not end within half a minute.
    pub fn stop(mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no such process id")?;
        kill_process(pid, Signal::TERM)?;
        self.wait().context("after SIGTERM")
    }

    /// Waits for an end that nobody asked for.
    ///
    /// # Errors
    /// When it does not come within half a minute.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let asked = Instant::now();
        while asked.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("still running after {STOP_LIMIT:?}; its log:\n{}", self.log())
    }

    fn end(&mut self) -> Result<ExitStatus> {
        // Fails only when it has ended already, and then the wait has the answer.
        let _ = self.child.kill();
        Ok(self.child.wait()?)
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "a failing test without the server's log cannot be understood")]
    fn drop(&mut self) {
        let _ = self.end();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- log of {}\n{}", self.url, lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"));
        }
    }
}

/// Copies a pipe into the log, line by line, and hands out the URL when it is there.
fn collect(pipe: Option<impl Read + Send + 'static>, log: Arc<Mutex<String>>, mut url: Option<Sender<String>>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            if let Some(found) = line.strip_prefix(LISTENING)
                && let Some(url) = url.take()
            {
                // The receiver is gone only when the wait for it timed out.
                let _ = url.send(found.trim().to_owned());
            }
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
}
