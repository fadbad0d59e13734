//! One command with a proxy of its own: it finds no other index, its exit code is passed on, and what it installed without
//! asking the proxy is not passed over.
//!
//! The rule. A command that takes its files from an index (`pip install`, `uv pip install`, ...) is pointed at the proxy. A
//! command that installs from a lock (`uv sync`, `poetry install`, `pdm sync`) asks no proxy, so its lock is verified before
//! it starts, must not change meanwhile, and its installer compares the digests. Afterwards, of a command that succeeded:
//! every distribution that is new in the environments that it can be expected to use must be one that the proxy served in
//! this run (or showed, where clients may have kept files of its address), or the user's own folder. One that is not, or an installer of which neither a request nor an environment was
//! seen, is exit 3: nobody knows what was installed.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use anyhow::Context as _;
use attest_core::artifact::ArtifactDigest;

use super::{
    Proxy,
    arrivals::{Arrival, Environments},
    environment::Environment,
    installer::{Kind, LockFile, Words},
    tally::Status,
};
use crate::host::{self, Asked, Ending};
use crate::{
    exit::{Exit, Failure},
    gate::{self, report::Report, summary::Summary},
    input,
    locks::requirements::Requirements,
    platform::find::Selection,
    run::Run,
    wheels,
};

/// A command that may be run.
#[derive(Debug)]
pub(crate) struct Errand<'a> {
    command: &'a [OsString],
    kind: Kind,
    /// The lock that it installs from, with its digest when it was verified.
    lock: Option<(PathBuf, ArtifactDigest)>,
    /// Nobody can have files of this proxy's address from before: what is installed must have been served.
    fresh: bool,
}

impl<'a> Errand<'a> {
    /// Refuses a command that the proxy could not watch over; verifies the lock of one that asks no proxy.
    pub(crate) fn prepare(command: &'a [OsString], fresh: bool, run: &Run) -> anyhow::Result<Result<Self, Exit>> {
        let words = Words::new(command);
        let kind = words.kind();
        if let Some(source) = words.second_source() {
            let hint = "give every index to the proxy: attest proxy --index NAME=URL -- CMD";
            return Err(Failure::usage(format!("{source:?} is a second source of files, beside the proxy"))
                .hint(hint)
                .into());
        }
        if kind == Kind::Index {
            refuse_sources(&words)?;
        }
        refuse_elsewhere(&words)?;
        let lock = match kind {
            Kind::WritesLock(lock) => {
                let hint = format!("write {lock} without the proxy, then `attest verify {lock}` or `attest lock`");
                let message = format!("the command would write the proxy's address into {lock}");
                return Err(Failure::usage(message).hint(hint).into());
            }
            Kind::Lock(lock) => {
                let path = find(lock)?;
                let before = wheels::digest(&path)?;
                let exit = verify(&path, run)?;
                if exit != Exit::Pass {
                    run.out.note(format_args!("{} does not pass: the command was not started", path.display()));
                    return Ok(Err(exit));
                }
                Some((path, before))
            }
            Kind::Index | Kind::Unknown => None,
        };
        Ok(Ok(Self { command, kind, lock, fresh }))
    }

    /// Runs it and says how it ended.
    pub(crate) fn run(&self, proxy: &Proxy, run: &Run) -> anyhow::Result<Exit> {
        let words = Words::new(self.command);
        let (program, arguments) = self.command.split_first().context("expected a command")?;
        let mut command = Command::new(program);
        command.args(arguments);
        let resolves = match self.kind {
            Kind::Lock(LockFile::Uv) if !words.keeps_lock() => {
                // What was verified is what gets installed: uv would otherwise bring the lock up to date first.
                command.env("UV_FROZEN", "1");
                true
            }
            // What it builds may ask an index; with --locked, uv would compare the index with that of the lock.
            Kind::Lock(_) => false,
            Kind::Index | Kind::WritesLock(_) | Kind::Unknown => true,
        };
        let environment = Environment::new(&proxy.url.join("simple/")?, resolves, |name| std::env::var_os(name));
        if !environment.removed.is_empty() {
            run.out.note(format_args!(
                "left out, because the proxy is the only source: {}",
                environment.removed.join(", ")
            ));
        }
        environment.apply(&mut command);

        let found = which(Path::new(program));
        let places = Environments::of(found.as_deref(), &words.targets());
        let before = places.now();
        // Before it runs: a signal that comes in between would end us alone.
        let signals = {
            let _inside = proxy.runtime.enter();
            Ending::watch()?
        };
        let child = command.spawn().with_context(|| {
            Failure::usage(format!("expected to start {}", Path::new(program).display()))
                .hint("name a program that is in PATH")
        })?;
        let ended = wait(child, signals, proxy)?;
        let status = proxy.tally.status();
        if !status.is_silent() {
            for line in status.lines() {
                run.out.note(line);
            }
        }
        let code = host::code_of(ended).unwrap_or(1);
        if code != 0 {
            return Ok(Exit::Child(u8::try_from(code).unwrap_or(u8::MAX)));
        }
        let seen = Seen { arrivals: places.since(&before), sees_environments: !places.now().is_empty() };
        self.verdict(&status, &seen, run)
    }

    /// Of a command that succeeded.
    fn verdict(&self, status: &Status, seen: &Seen, run: &Run) -> anyhow::Result<Exit> {
        let undecided = |message: String, hint: &str| Err(Failure::new(Exit::Undecided, message).hint(hint).into());
        if let Some((path, before)) = &self.lock {
            return if wheels::digest(path)? == *before {
                Ok(Exit::Pass)
            } else {
                undecided(format!("{} changed while the command ran", path.display()), "verify it, and install again")
            };
        }
        let strangers = seen.strangers(status, self.fresh);
        if !strangers.is_empty() {
            let hint = "look where it came from (a cache, a folder, a URL), remove it, and verify what is installed with `attest verify --env`";
            return undecided(format!("installed, but never asked the proxy: {}", strangers.join(", ")), hint);
        }
        if self.kind == Kind::Index && status.is_silent() {
            if !seen.sees_environments {
                let hint = "activate the environment that it installs into, so that attest can see what is new there";
                return undecided("the installer succeeded, but never asked the proxy".to_owned(), hint);
            }
            run.out.note("nothing was installed, and nothing that is there already was verified");
        }
        Ok(Exit::Pass)
    }
}

/// What can be seen of environments.
#[derive(Debug)]
struct Seen {
    arrivals: Vec<Arrival>,
    sees_environments: bool,
}

impl Seen {
    /// What came without the proxy.
    fn strangers(&self, status: &Status, fresh: bool) -> Vec<String> {
        let has = |(project, version)| {
            if fresh { status.has_served(&project, &version) } else { status.has_shown(&project, &version) }
        };
        let from_proxy = |arrival: &Arrival| !arrival.is_direct && arrival.release().is_some_and(has);
        let strangers = self.arrivals.iter().filter(|arrival| !arrival.is_local && !from_proxy(arrival));
        strangers.map(|arrival| format!("{} {}", arrival.name, arrival.version)).collect()
    }
}

/// Variables with files of requirements in them.
const FILES: [&str; 6] = [
    "PIP_REQUIREMENT",
    "PIP_CONSTRAINT",
    "PIP_BUILD_CONSTRAINT",
    "UV_CONSTRAINT",
    "UV_OVERRIDE",
    "UV_BUILD_CONSTRAINT",
];
/// Variables that lead to another project, and so to another lock.
const PROJECTS: [&str; 4] = ["UV_PROJECT", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY", "PDM_PROJECT"];

/// A requirements file can name an index of its own, which pip then asks too.
fn refuse_sources(words: &Words<'_>) -> anyhow::Result<()> {
    let named: Vec<String> = FILES.iter().filter_map(|name| std::env::var(name).ok()).collect();
    let named = named.iter().flat_map(|files| files.split_whitespace());
    for file in words.requirement_files().into_iter().chain(named).map(Path::new) {
        let is = |end: &str| file.extension().is_some_and(|found| found == end);
        if is("toml") && file.file_name().is_some_and(|name| name != "pyproject.toml") {
            let message = format!("{} is a second source of files, beside the proxy", file.display());
            let hint = "a lock says itself where its files are: `attest verify` it, then install from it";
            return Err(Failure::usage(message).hint(hint).into());
        }
        if !file.is_file() || is("toml") || is("py") || is("cfg") {
            continue;
        }
        // What we do not understand may be a source.
        let read = Requirements::read(file).context("whether the command has a second source of files")?;
        if let Some((place, source)) = read.sources.first() {
            let message = format!("{place}: {source} is a second source of files, beside the proxy");
            let hint = "take it out of the file, and give it to the proxy with --index NAME=URL";
            return Err(Failure::usage(message).hint(hint).into());
        }
    }
    Ok(())
}

/// What was verified is the lock here, for the Python that installs here.
fn refuse_elsewhere(words: &Words<'_>) -> anyhow::Result<()> {
    if !matches!(words.kind(), Kind::Lock(_)) {
        return Ok(());
    }
    let variable = PROJECTS.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let Some(found) = words.elsewhere().or(variable) else { return Ok(()) };
    let message = format!("with {found:?} it is not the verified lock that decides what gets installed");
    let hint = "change into the project's folder, make its environment first, and leave it out";
    Err(Failure::usage(message).hint(hint).into())
}

/// In this folder or above, as its installer looks for it.
fn find(lock: LockFile) -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let found = here.ancestors().map(|folder| folder.join(lock.name())).find(|path| path.is_file());
    found.ok_or_else(|| {
        let hint = "write the lock first, or install through `uv pip`, which asks the proxy";
        Failure::usage(format!("expected {} here or above: the command installs what it says", lock.name()))
            .hint(hint)
            .into()
    })
}

/// As `attest verify LOCK`.
fn verify(path: &Path, run: &Run) -> anyhow::Result<Exit> {
    let items = input::items(&[path.to_owned()], &Selection::default(), run)?;
    let layers = run.layers()?;
    let judged = gate::judge(&items, &layers, run)?;
    let exit = judged.exit();
    // A result only where it is the end: otherwise stdout is the command's.
    if exit == Exit::Pass {
        run.out.note(format_args!("{}: {}", path.display(), Summary::of(&judged)));
    } else {
        Report::new("attest.verify/v1", &judged, &layers).print(run)?;
    }
    Ok(exit)
}

/// Where a program is.
fn which(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return Some(program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Waits for its end, however it comes. On a terminal Ctrl-C reaches the command by itself, since it is in the same group;
/// a signal that somebody sends to us alone is handed on.
fn wait(mut child: Child, mut signals: Ending, proxy: &Proxy) -> io::Result<ExitStatus> {
    let id = child.id();
    let on_terminal = io::stdin().is_terminal();
    proxy.runtime.block_on(async {
        let mut ended = tokio::task::spawn_blocking(move || child.wait());
        loop {
            tokio::select! {
                status = &mut ended => return status.map_err(io::Error::other)?,
                asked = signals.next() => if asked == Asked::Terminate || !on_terminal { host::hand_on(id, asked) },
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::tally::Tally;

    #[test]
    fn what_came_without_the_proxy_is_named_and_the_user_s_own_folder_is_not() {
        let arrival = |name: &str, is_local| Arrival {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            is_local,
            is_direct: is_local,
        };
        let seen = Seen { arrivals: vec![arrival("a", false), arrival("mine", true)], sees_environments: true };
        let (tally, _notices) = Tally::new();
        assert_eq!(seen.strangers(&tally.status(), true), ["a 1.0"]);
    }
}
