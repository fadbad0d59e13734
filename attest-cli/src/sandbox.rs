//! The clean room: where a stranger's code runs.
//!
//! Inside there is the system's `/usr`, one Python, one virtual environment (read-only), and `/build`. Not inside:
//! any network, the user's home, caches, output folders, the published wheel. Nothing survives the room: its processes
//! live in a pid namespace that dies with us, whatever kills us.
//!
//! Bubblewrap makes the room where it is installed, util-linux's `unshare` otherwise. With neither, code still runs,
//! with a clean environment and limits, and the caller must say that the network was open.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use attest_core::recipe::Paths;
use serde::Serialize;

use crate::host;
use crate::interrupt;
use crate::pip::Interpreter;

pub(crate) mod load;
mod mounts;

/// Where the room's own folder is inside.
pub(crate) const BUILD: &str = "/build";
/// Where the virtual environment is inside.
pub(crate) const ENVIRONMENT: &str = "/build/env";
/// Where the programs are that make rooms, and that builds find.
pub(crate) const SYSTEM_PATH: &str = "/usr/bin:/bin";
const ROOM_SCRIPT: &str = include_str!("sandbox/room.sh");
/// How often a running build is looked at: the disk limit and interrupts react within this.
const LOOK: Duration = Duration::from_millis(10);
/// The disk is measured only every so many looks.
const LOOKS_PER_MEASURE: u32 = 50;

/// What keeps code in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Isolation {
    /// <https://github.com/containers/bubblewrap>
    Bubblewrap,
    /// util-linux and a user namespace.
    Unshare,
    /// Nothing but limits: the network stays open.
    None,
}

/// How much a build may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Real time.
    pub(crate) time: Duration,
    /// Address space of one process, bytes.
    pub(crate) memory: u64,
    /// One file, and the sum of files below `/build`, bytes.
    pub(crate) disk: u64,
    /// Processes of the build (where the kernel counts them by namespace).
    pub(crate) processes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(1800), memory: 8 << 30, disk: 2 << 30, processes: 4096 }
    }
}

impl Limits {
    /// `RLIMIT_*` names without their prefix, for Python's `resource`.
    pub(crate) fn resources(&self) -> BTreeMap<&'static str, u64> {
        [("AS", self.memory), ("FSIZE", self.disk), ("NPROC", self.processes), ("CORE", 0)].into()
    }
}

/// Why something did not run to its end in the room.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    /// A file of ours.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Too slow.
    #[error("expected the build to end within {} s, found it still running", limit.as_secs())]
    Time {
        /// The limit.
        limit: Duration,
    },
    /// Too much written.
    #[error("expected the build to write at most {limit} bytes, found {found}")]
    Disk {
        /// The limit.
        limit: u64,
        /// Bytes below `/build`.
        found: u64,
    },
    /// Something has to be where the interpreter is.
    #[error("expected a place to build in that is free here, found {} and the interpreter in {}", found.display(), prefix.display())]
    Place {
        /// The place.
        found: PathBuf,
        /// Of the interpreter.
        prefix: PathBuf,
    },
    /// A folder that hides what is in it.
    #[error("expected to see all that the build writes, found a folder that does not open: {0}")]
    Hidden(io::Error),
    /// The user pressed Ctrl-C, or we are to end.
    #[error("interrupted")]
    Interrupted,
}

/// A folder that is `/build` inside, and what is seen beside it.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    isolation: Isolation,
    interpreter: &'a Interpreter,
    environment: Option<&'a Path>,
    folder: &'a Path,
    source_at: PathBuf,
    environment_at: PathBuf,
    root: Option<&'a Path>,
}

/// What is run in a room: a Python script that was put into its `run` folder.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// File name in `run`.
    pub(crate) script: &'a str,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its environment, beside `HOME`, `PATH` and `TMPDIR`.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// Takes its output.
    pub(crate) log: &'a Path,
    /// How much it may use.
    pub(crate) limits: Limits,
}

impl<'a> Room<'a> {
    /// Prepares `folder`: `src` for the source, `out` for results, `home`, `run` for our scripts (read-only inside).
    pub(crate) fn new(
        isolation: Isolation,
        interpreter: &'a Interpreter,
        environment: Option<&'a Path>,
        folder: &'a Path,
    ) -> io::Result<Self> {
        for name in ["src", "out", "home", "run", "tmp", "env", "root"] {
            fs::create_dir_all(folder.join(name))?;
        }
        // Tools that ask for the user's name get one, and always the same.
        fs::write(
            folder.join("run/passwd"),
            "build:x:1000:1000::/build/home:/bin/sh\nroot:x:0:0::/build/home:/bin/sh\n",
        )?;
        let (source_at, environment_at) = (Path::new(BUILD).join("src"), ENVIRONMENT.into());
        Ok(Self { isolation, interpreter, environment, folder, source_at, environment_at, root: None })
    }

    /// Shows the source and the environment at other places. Without isolation there is only one place for them, so
    /// nothing changes. Where the interpreter is, neither can be.
    pub(crate) fn with_paths(mut self, paths: &Paths) -> Result<Self, SandboxError> {
        for path in paths.build.iter().chain(&paths.environment) {
            let place = Path::new(path.as_str());
            let taken = |prefix: &&PathBuf| prefix.starts_with(place) || place.starts_with(prefix);
            if let Some(prefix) = self.interpreter.prefixes.iter().find(taken) {
                return Err(SandboxError::Place { found: place.to_owned(), prefix: prefix.clone() });
            }
        }
        if let Some(build) = &paths.build {
            self.source_at = build.as_str().into();
        }
        if let Some(environment) = &paths.environment {
            self.environment_at = environment.as_str().into();
        }
        Ok(self)
    }

    /// Shows the files of an unpacked image in place of the machine's: neither its `/usr` nor its Python are inside then.
    pub(crate) fn with_root(mut self, root: &'a Path) -> Self {
        self.root = Some(root);
        self
    }

    /// A folder of the room as code inside sees it.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        match self.isolation {
            Isolation::None => self.folder.join(name),
            Isolation::Bubblewrap | Isolation::Unshare if name == "src" => self.source_at.clone(),
            Isolation::Bubblewrap | Isolation::Unshare => Path::new(BUILD).join(name),
        }
    }

    /// A folder of the room as we see it.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a job to its end. Whatever the outcome, none of its processes is left.
    pub(crate) fn run(&self, job: &Job<'_>) -> Result<ExitStatus, SandboxError> {
        let mut variables = job.variables.clone();
        variables.extend(self.variables());
        // Set inside: what makes the room is not to be told what to load, or where from.
        let mut program: Vec<OsString> = vec!["/usr/bin/env".into(), "-i".into()];
        program.extend(variables.into_iter().map(|(name, value)| format!("{name}={value}").into()));
        program.push(self.python().into());
        program.push(self.inside("run").join(job.script).into());
        program.extend(job.arguments.iter().cloned());
        self.launch(&program, job.log, &job.limits)
    }

    /// Runs a shell script that was put into the room's `run` folder, and that sets its environment itself.
    pub(crate) fn run_script(&self, script: &str, log: &Path, limits: &Limits) -> Result<ExitStatus, SandboxError> {
        self.launch(&["/bin/sh".into(), self.inside("run").join(script).into()], log, limits)
    }

    /// What every job has in its environment.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let tmp = if self.isolation == Isolation::None { text(&self.folder.join("tmp")) } else { "/tmp".to_owned() };
        let variables = [
            ("HOME", text(&self.inside("home"))),
            ("PATH", self.path().to_string_lossy().into_owned()),
            ("TMPDIR", tmp),
            ("PYTHONNOUSERSITE", "1".to_owned()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn launch(&self, program: &[OsString], log: &Path, limits: &Limits) -> Result<ExitStatus, SandboxError> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = self.command()?;
        command
            .args(program)
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .current_dir(self.folder.join("src"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = host::lead_group(&mut command).spawn()?;
        supervise(child, self.folder, limits)
    }

    fn python(&self) -> PathBuf {
        match self.environment {
            Some(environment) if self.isolation == Isolation::None => environment.join("bin/python"),
            Some(_) => self.environment_at.join("bin/python"),
            None => self.interpreter.executable.clone(),
        }
    }

    fn path(&self) -> OsString {
        let mut path = OsString::new();
        if let Some(folder) = self.environment.and(self.python().parent()) {
            path.push(folder);
            path.push(":");
        }
        path.push(SYSTEM_PATH);
        path
    }

    fn command(&self) -> io::Result<Command> {
        Ok(match self.isolation {
            Isolation::None => {
                // The first process dies with us; the rest of the group is ended by `wait`.
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL", "--no-new-privs", "--"]);
                command
            }
            Isolation::Bubblewrap => self.bubblewrap()?,
            Isolation::Unshare => self.unshare()?,
        })
    }

    fn bubblewrap(&self) -> io::Result<Command> {
        let mut command = Command::new("bwrap");
        command.args(["--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--hostname", "build"]);
        // Before what may lie below it.
        command.args(["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--tmpfs", "/tmp"]);
        for (kind, from, to) in self.mounts()? {
            let flag = match kind {
                "link" => "--symlink",
                "rw" => "--bind",
                _ => "--ro-bind",
            };
            command.arg(flag).arg(from).arg(to);
        }
        command.args(["--proc", "/proc", "--dev", "/dev", "--chdir"]).arg(&self.source_at).arg("--");
        Ok(command)
    }

    fn unshare(&self) -> io::Result<Command> {
        let mut command = Command::new("setpriv");
        // `--kill-child` ends the room with unshare, pdeathsig ends unshare with us.
        command.args([
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
        ]);
        command.args(["--ipc", "--uts", "--fork", "--kill-child", "--", "/bin/sh", "-c", ROOM_SCRIPT, "room"]);
        command.arg(self.folder.join("root")).arg(&self.source_at);
        for (kind, from, to) in self.mounts()? {
            command.arg(kind).arg(from).arg(to);
        }
        command.arg("--");
        Ok(command)
    }
}

/// Waits for a process that leads a group of its own, within limits; `folder` is what it writes to.
pub(crate) fn supervise(mut child: Child, folder: &Path, limits: &Limits) -> Result<ExitStatus, SandboxError> {
    let start = Instant::now();
    let mut looks = 0_u32;
    let end = loop {
        if let Some(status) = child.try_wait()? {
            break Ok(status);
        }
        if interrupt::requested() {
            break Err(SandboxError::Interrupted);
        }
        if start.elapsed() > limits.time {
            break Err(SandboxError::Time { limit: limits.time });
        }
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS_PER_MEASURE) {
            let found = match size_below(folder) {
                Ok(found) => found,
                Err(error) => break Err(SandboxError::Hidden(error)),
            };
            if found > limits.disk {
                break Err(SandboxError::Disk { limit: limits.disk, found });
            }
        }
        thread::sleep(LOOK);
    };
    // Also after a normal end: without isolation a build can leave processes behind.
    host::end_group(&mut child);
    child.wait()?;
    end
}

/// Bytes of all files below a folder; what vanishes meanwhile counts as nothing.
///
/// # Errors
/// A folder that does not open: a mode that forbids it, or a path that is too long, would hide any amount.
fn size_below(folder: &Path) -> io::Result<u64> {
    let seen = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(0) } else { Err(error) };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return seen(error),
    };
    let size = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        match entry.metadata() {
            Ok(data) if data.is_dir() => size_below(&entry.path()),
            Ok(data) => Ok(data.len()),
            Err(error) => seen(error),
        }
    };
    entries.map(size).sum()
}
