//! One build of a copy of the tree, under one side of the variations.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::backend::Backend;
use super::made::{self, Made, Patterns};
use super::scratch::{Place, Scratch};
use super::variation::{DAYS_LATER, Plan, Side, Variation};
use super::worktree::WorkTree;
use crate::host;
use crate::interrupt;
use crate::rebuild::build::end_of_log;
use crate::sandbox::load::Load;

/// How often a running build is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How much of what a build said is repeated when it fails.
const SAID: u64 = 8192;
/// How many lines of that.
const LINES: usize = 12;
/// The umask where it is not varied: what is usual.
const UMASK: u32 = 0o022;

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// Its own failure.
    #[error("expected `{command}` to succeed, found {status}\n{said}")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Its last words.
        said: String,
    },
    /// Too slow.
    #[error("expected `{command}` to end within {} s, found it still running", limit.as_secs())]
    Time {
        /// What was run.
        command: String,
        /// The limit.
        limit: Duration,
    },
    /// Nothing where wheels and sdists are looked for.
    #[error("expected `{command}` to make a wheel or an sdist in {patterns}, found none")]
    Nothing {
        /// What was run.
        command: String,
        /// Where.
        patterns: String,
    },
    /// No such program.
    #[error("cannot run `{command}`: {source}")]
    Start {
        /// What was to be run.
        command: String,
        /// Why not.
        source: io::Error,
    },
}

/// What builds.
#[derive(Debug)]
pub(crate) enum Builder {
    /// The user's own command.
    Command(Vec<OsString>),
    /// The project's PEP 517 hooks.
    Backend(Box<Backend>),
}

/// All that the builds of one check share.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    /// The tree.
    pub(crate) tree: &'a WorkTree,
    /// Where it is copied to.
    pub(crate) scratch: &'a Scratch,
    /// What is varied.
    pub(crate) plan: &'a Plan,
    /// What builds.
    pub(crate) builder: &'a Builder,
    /// Where to look for what was built.
    pub(crate) patterns: &'a Patterns,
    /// `--set`
    pub(crate) set: &'a [(String, String)],
    /// For one build.
    pub(crate) timeout: Duration,
}

/// What a build made.
#[derive(Debug)]
pub(crate) struct Built {
    /// Wheels and sdists.
    pub(crate) files: Vec<Made>,
    /// Seconds since 1970.
    pub(crate) began: u64,
    /// Seconds since 1970.
    pub(crate) ended: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Bench<'_> {
    /// Copies the tree, builds and collects.
    pub(crate) fn build(&self, side: &Side) -> anyhow::Result<Built> {
        let place = self.scratch.place(side);
        Scratch::clear(&place)?;
        let umask = self.umask(side);
        self.tree.copy(&place.tree, umask, side.has(Variation::Order))?;
        let folder = self.tree.folder_in(&place.tree);
        let words = match self.builder {
            Builder::Command(words) => words.clone(),
            Builder::Backend(backend) => backend.command(&place, &folder, side)?,
        };
        let moved = if side.has(Variation::Date) { DAYS_LATER * 86_400 } else { 0 };
        let (began, start) = (seconds() + moved, Instant::now());
        let _load = side.has(Variation::Load).then(Load::begin);
        self.run(&words, &folder, &place, side, umask)?;
        let built = Built {
            files: made::collect(&folder, self.patterns, |path| self.tree.has(path))?,
            began,
            ended: seconds() + moved,
            took: start.elapsed(),
        };
        if built.files.is_empty() {
            return Err(
                BuildError::Nothing { command: self.builder.to_string(), patterns: self.patterns.to_string() }.into()
            );
        }
        Ok(built)
    }

    fn umask(&self, side: &Side) -> u32 {
        let value = self.plan.value(Variation::Umask, side);
        value.and_then(|octal| u32::from_str_radix(octal, 8).ok()).unwrap_or(UMASK)
    }

    fn run(&self, words: &[OsString], folder: &Path, place: &Place, side: &Side, umask: u32) -> anyhow::Result<()> {
        let path = self.scratch.file("log");
        let log = File::create(&path)?;
        let mut command = self.wrapped(words, side, umask);
        self.set_variables(&mut command, place, side)?;
        command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = host::lead_group(&mut command).spawn();
        let child = child.map_err(|source| BuildError::Start { command: self.builder.to_string(), source })?;
        let status = self.wait(child)?;
        if status.success() {
            return Ok(());
        }
        let end = end_of_log(&path, SAID)?;
        let text = String::from_utf8_lossy(&end);
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let said = lines[lines.len().saturating_sub(LINES)..].join("\n");
        Err(BuildError::Failed { command: self.builder.to_string(), status, said }.into())
    }

    /// The command inside what sets a umask, a host name and a number of CPUs, each of which a process can only inherit.
    fn wrapped(&self, words: &[OsString], side: &Side, umask: u32) -> Command {
        let mut chain: Vec<OsString> = Vec::new();
        if cfg!(target_os = "linux") {
            // Should we be killed, so is the build.
            chain.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from));
        }
        if side.has(Variation::Host)
            && let Some(name) = self.plan.value(Variation::Host, side)
        {
            let script = "hostname \"$0\" && exec \"$@\"";
            chain.extend(["unshare", "--uts", "--", "sh", "-c", script, name].map(OsString::from));
        }
        chain.extend(["sh", "-c", "umask \"$0\" && exec \"$@\""].map(OsString::from));
        chain.push(format!("{umask:04o}").into());
        if side.has(Variation::Cpus)
            && let Some(list) = self.plan.value(Variation::Cpus, side)
        {
            chain.extend(["taskset", "--cpu-list", list].map(OsString::from));
        }
        if side.has(Variation::Date)
            && let Some(offset) = self.plan.value(Variation::Date, side)
        {
            chain.extend(["faketime", "-f", offset].map(OsString::from));
        }
        chain.extend(words.iter().cloned());
        let mut command = Command::new(&chain[0]);
        command.args(&chain[1..]);
        command
    }

    fn set_variables(&self, command: &mut Command, place: &Place, side: &Side) -> anyhow::Result<()> {
        command.env("TMPDIR", &place.tmp);
        if let Builder::Backend(backend) = self.builder {
            let mut path = backend.programs(place)?.into_os_string();
            path.push(":");
            path.push(std::env::var_os("PATH").unwrap_or_default());
            command.env("PATH", path);
        }
        for one in self.plan.varied() {
            let value = if side.has(one.name) { &one.second } else { &one.first };
            match one.name {
                Variation::HashSeed => {
                    command.env("PYTHONHASHSEED", value);
                }
                Variation::Locale => {
                    let language = value.split(['_', '.']).next().unwrap_or(value);
                    command.env("LC_ALL", value).env("LANG", value).env("LANGUAGE", language);
                }
                Variation::Zone => {
                    command.env("TZ", value);
                }
                Variation::User => {
                    command.env("USER", value).env("LOGNAME", value).env("USERNAME", value);
                }
                Variation::Home => {
                    if side.has(Variation::Home) {
                        Scratch::link_home(Path::new(&one.first), Path::new(&one.second))?;
                    }
                    command.env("HOME", value);
                }
                // Times of files stay true.
                Variation::Date if side.has(Variation::Date) => {
                    command.env("NO_FAKE_STAT", "1");
                }
                Variation::Path
                | Variation::Order
                | Variation::Umask
                | Variation::Host
                | Variation::Cpus
                | Variation::Load
                | Variation::Date => {}
            }
        }
        for (name, value) in self.set {
            command.env(name, value.replace("$PWD", &self.tree.folder_in(&place.tree).to_string_lossy()));
        }
        Ok(())
    }

    fn wait(&self, mut child: Child) -> anyhow::Result<ExitStatus> {
        let start = Instant::now();
        let end = loop {
            if let Some(status) = child.try_wait()? {
                break Ok(status);
            }
            if interrupt::requested() {
                break Err(anyhow::anyhow!("interrupted"));
            }
            if start.elapsed() > self.timeout {
                break Err(BuildError::Time { command: self.builder.to_string(), limit: self.timeout }.into());
            }
            thread::sleep(LOOK);
        };
        // Also after a normal end: nothing of a build outlives it.
        host::end_group(&mut child);
        child.wait()?;
        end
    }
}

impl fmt::Display for Builder {
    /// As a person would type it, more or less.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => {
                let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
                f.write_str(&words.join(" "))
            }
            Self::Backend(backend) => f.write_str(&backend.hooks().join(" and ")),
        }
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

/// Whether the filesystem below `folder` lists files in the order in which they were created: ext4 does not.
pub(crate) fn shows_order(folder: &Path) -> io::Result<bool> {
    let names: Vec<String> = (0..16).map(|number| format!("file-{}", number * 7 % 16)).collect();
    let listed = |backwards: bool| -> io::Result<Vec<OsString>> {
        let folder: PathBuf = folder.join(if backwards { "backwards" } else { "forwards" });
        fs::create_dir_all(&folder)?;
        let mut names = names.clone();
        if backwards {
            names.reverse();
        }
        for name in names {
            fs::write(folder.join(name), "")?;
        }
        let names = fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name())).collect();
        fs::remove_dir_all(&folder)?;
        names
    };
    Ok(listed(false)? != listed(true)?)
}
