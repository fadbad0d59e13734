//! The program as a child process.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::statement::Rebuilder;

/// Far more than anything here takes; only a hanging program meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `attest-server` with the settings of this machine taken away.
pub(crate) fn attest_server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attest-server"));
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        if upper.starts_with("ATTEST_") || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    url: String,
    stdout: Mutex<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts `command` and waits for the line that says where it listens.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").map(|url| url.trim_end_matches('/').to_owned());
        let Some(url) = url else {
            let status = child.wait().unwrap();
            panic!("it ended with {status} instead of listening: {}", log.lock().unwrap());
        };
        Self { child, url, stdout: Mutex::new(stdout), log }
    }

    /// Base URL without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `request` as it is and gives all that comes until the server closes.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is an end too.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// The next line on its standard output.
    pub(crate) fn next_line(&self) -> String {
        let mut line = String::new();
        self.stdout.lock().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A log in a folder of its own, with the rebuilders it lists.
pub(crate) struct Log {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) vkey: String,
    pub(crate) server: Server,
}

impl Log {
    /// Makes a log that lists `rebuilders` and runs it with the extra flags `flags`.
    pub(crate) fn start(rebuilders: &[&Rebuilder], flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let init = attest_server()
            .args(["init", "--origin", "log.example/test", "--data"])
            .arg(folder.path().join("log"))
            .output()
            .unwrap();
        assert!(init.status.success(), "{init:?}");
        let vkey = String::from_utf8(init.stdout).unwrap().trim().to_owned();
        let list = folder.path().join("rebuilders.toml");
        write_list(&list, rebuilders);
        let server = Server::spawn(&mut run_command(&folder.path().join("log"), &list, flags));
        Self { folder, vkey, server }
    }
}

pub(crate) fn run_command(data: &Path, list: &Path, flags: &[&str]) -> Command {
    let mut command = attest_server();
    command.args(["run", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command.arg("--rebuilders").arg(list).args(flags);
    command
}

pub(crate) fn write_list(path: &PathBuf, rebuilders: &[&Rebuilder]) {
    let mut text = "[operator]\nname = 'Test Operators'\ncontact = 'https://log.example/join'\n".to_owned();
    for rebuilder in rebuilders {
        text.push_str(&rebuilder.listed());
    }
    fs::write(path, text).unwrap();
}

/// Asks until `done` or until patience ends.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
