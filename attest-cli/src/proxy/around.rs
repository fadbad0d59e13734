//! One command with a proxy of its own: it finds no other index, its exit code is passed on, and what it installed without
//! asking the proxy is not passed over.
//!
//! The rule. A command that takes its files from an index (`pip install`, `uv pip install`, ...) is pointed at the proxy. A
//! command that installs from a lock (`uv sync`, `poetry install`, `pdm sync`) asks no proxy, so its lock is verified before
//! it starts, must not change meanwhile, and its installer compares the digests. Afterwards, of a command that succeeded:
//! every distribution that is new in the environments that it can be expected to use must be one that the proxy served in
//! this run (or showed, where clients may have kept files of its address), or the user's own folder. What was there already and
//! the command relies on ([`standing`]) must be shown to be what an accepted file installs. One that is not, or an
//! installer of which neither a request nor an environment was seen, is exit 3: nobody knows what was installed.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use anyhow::Context as _;
use attest_core::{artifact::ArtifactDigest, verify::Wanted};

use super::{
    Proxy,
    arrivals::{Arrival, Environments, Known},
    environment::Environment,
    installer::{Kind, LockFile, Words},
    standing::{self, Named, Standing},
    tally::Status,
};
use crate::{
    audit::Catalog,
    exit::{Exit, Failure},
    gate::{self, report::Report, summary::Summary},
    host::{self, Asked},
    index::Index,
    input,
    interrupt::{self, Answering},
    item::{Item, Question},
    locks::requirements::Requirements,
    pip::Settings,
    platform::find::Selection,
    run::Run,
    wheels,
};

mod sources;

/// A command that may be run.
#[derive(Debug)]
pub(crate) struct Errand<'a> {
    command: &'a [OsString],
    kind: Kind,
    /// The lock that it installs from.
    lock: Option<Verified>,
    /// Nobody can have files of this proxy's address from before: what is installed must have been served.
    fresh: bool,
}

/// A lock that passed.
#[derive(Debug)]
struct Verified {
    path: PathBuf,
    /// When it was verified.
    digest: ArtifactDigest,
    items: Vec<Item>,
}

impl<'a> Errand<'a> {
    /// Refuses a command that the proxy could not watch over; verifies the lock of one that asks no proxy.
    pub(crate) fn prepare(command: &'a [OsString], fresh: bool, run: &Run) -> anyhow::Result<Result<Self, Exit>> {
        let words = Words::new(command);
        let kind = words.kind();
        sources::refuse(&words)?;
        let lock = match kind {
            Kind::WritesLock(lock) => {
                let hint = format!("write {lock} without the proxy, then `attest verify {lock}` or `attest lock`");
                let message = format!("the command would write the proxy's address into {lock}");
                return Err(Failure::usage(message).hint(hint).into());
            }
            Kind::Lock(lock) => {
                let path = find(lock)?;
                let digest = wheels::digest(&path)?;
                let items = input::items(std::slice::from_ref(&path), &Selection::default(), run)?;
                let exit = verify(&path, &items, run)?;
                if exit != Exit::Pass {
                    run.out.note(format_args!("{} does not pass: the command was not started", path.display()));
                    return Ok(Err(exit));
                }
                Some(Verified { path, digest, items })
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
        let signals = interrupt::answer()?;
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
        let standing = self.standing(&places, &before, proxy, run)?;
        if !standing.alarms.is_empty() {
            let message = format!("proven to be wrong, after the command ended: {}", standing.alarms.join("; "));
            let hint = "do not use what is installed; `attest verify --env` and `attest explain` tell who says what";
            return Err(Failure::new(Exit::Alarm, message).hint(hint).into());
        }
        self.verdict(&status, &seen, run)?;
        self.settle(&standing, &status, run)
    }

    /// Of a command that succeeded: nothing came from elsewhere.
    fn verdict(&self, status: &Status, seen: &Seen, run: &Run) -> Result<(), Failure> {
        let undecided = |message: String, hint: &str| Err(Failure::new(Exit::Undecided, message).hint(hint));
        if let Some(Verified { path, digest, .. }) = &self.lock {
            if wheels::digest(path).ok() != Some(*digest) {
                let message = format!("{} changed while the command ran", path.display());
                return undecided(message, "verify it, and install again");
            }
            if !seen.sees_environments {
                run.out.note(
                    "the environment that it installs into was not seen: what was there already was not verified",
                );
            }
            return Ok(());
        }
        let strangers = seen.strangers(status, self.fresh);
        if !strangers.is_empty() {
            let hint = "look where it came from (a cache, a folder, a URL), remove it, and verify what is installed with `attest verify --env`";
            return undecided(format!("installed, but never asked the proxy: {}", strangers.join(", ")), hint);
        }
        if self.kind == Kind::Index && status.is_silent() && !seen.sees_environments {
            let hint = "activate the environment that it installs into, so that attest can see what is new there";
            return undecided("the installer succeeded, but never asked the proxy".to_owned(), hint);
        }
        Ok(())
    }

    /// What was there already.
    fn standing(&self, places: &Environments, before: &Known, proxy: &Proxy, run: &Run) -> anyhow::Result<Standing> {
        let (named, locked) = if let Some(lock) = &self.lock {
            (lock.items.iter().filter_map(locked).collect(), lock.items.as_slice())
        } else {
            let variable = std::env::var("PIP_REQUIREMENT").ok();
            (named(&Words::new(self.command), variable.as_deref(), run), &[][..])
        };
        // As the installer saw it: of each project the files that are accepted.
        let settings = Settings { index_url: proxy.url.join("simple/")?.into(), no_index: false, ..Settings::none() };
        let index = |folder: &Path| Index::new(&settings, folder);
        standing::look(&named, places, before, locked, &Catalog::new(&index, run), &proxy.tally)
    }

    fn settle(&self, standing: &Standing, status: &Status, run: &Run) -> anyhow::Result<Exit> {
        let Standing { verified, unverified, .. } = standing;
        if !unverified.is_empty() {
            let message = format!(
                "there already, so the installer asked nobody, and not shown to be what was verified: {}",
                unverified.join(", ")
            );
            let hint = "use a fresh environment, or have verified files put in its place: `pip install --force-reinstall`, `uv pip install --reinstall`, `poetry sync` after removing it";
            return Err(Failure::new(Exit::Undecided, message).hint(hint).into());
        }
        if !verified.is_empty() {
            run.out.note(format_args!("there already, and verified by its files: {}", verified.join(", ")));
        }
        if self.kind == Kind::Index && status.is_silent() {
            run.out.note(if verified.is_empty() {
                "nothing was installed, and nothing that is there already was verified"
            } else {
                "nothing was installed"
            });
        }
        Ok(Exit::Pass)
    }
}

/// What a lock has installed here.
fn locked(item: &Item) -> Option<Named> {
    if matches!(item.question, Question::NotSelectable(_)) {
        return None;
    }
    let by_name = |wanted: &Wanted| gate::release(&wanted.name).map(|(project, _)| project);
    let project = match (&item.package, &item.question) {
        (Some(package), _) => Some(package.project.clone()),
        (None, Question::File { wanted, .. }) => by_name(wanted),
        (None, _) => None,
    };
    project.map(|project| Named { project, extras: false })
}

/// What a command names, itself and in files of requirements; `variable` is a list of such files.
fn named(words: &Words<'_>, variable: Option<&str>, run: &Run) -> Vec<Named> {
    let (names, files) = words.requirements();
    let mut listed = Vec::new();
    for folder in words.own_code().into_iter().filter_map(folder) {
        if folder.join(sources::PROJECT).is_file() {
            listed.extend(required_by_project(&folder.join(sources::PROJECT)));
        } else {
            unknown(&folder, run);
        }
    }
    for file in files.into_iter().chain(variable.into_iter().flat_map(str::split_whitespace)).map(Path::new) {
        if file.extension().is_some_and(|end| end == "toml") {
            listed.extend(required_by_project(file));
        } else if let Ok(read) = Requirements::read(file) {
            let here = read.items.into_iter().filter(|item| !matches!(item.question, Question::NotSelectable(_)));
            listed.extend(here.map(|item| item.name));
        } else {
            unknown(file, run);
        }
    }
    names.into_iter().chain(listed.iter().map(String::as_str)).filter_map(Named::in_requirement).collect()
}

/// As `setup.py`: who would know what that requires has to run it.
fn unknown(place: &Path, run: &Run) {
    run.out.warning(format_args!(
        "{}: what it requires is not known, so what was there already of that was not verified",
        place.display()
    ));
}

/// Of `.`, `./package[extra]`: a project of the user's own, which is installed as it lies there.
fn folder(word: &str) -> Option<PathBuf> {
    let path = Path::new(word.split_once('[').map_or(word, |(path, _)| path));
    (path.components().next().is_some() && path.is_dir() && is_path(word)).then(|| path.to_owned())
}

/// Installers take a bare name for a project of the index, whatever lies here.
fn is_path(word: &str) -> bool {
    word.starts_with('.') || word.contains(std::path::is_separator)
}

/// Of a `pyproject.toml`, with those of every extra: `uv pip install -r` takes it for a file of requirements.
fn required_by_project(file: &Path) -> Vec<String> {
    let table = sources::project_table(file);
    let Some(project) = table.as_ref().and_then(|table| table.get("project")) else { return Vec::new() };
    let extras = project.get("optional-dependencies").and_then(toml::Value::as_table);
    let lists = project.get("dependencies").into_iter().chain(extras.into_iter().flat_map(|all| all.values()));
    let each = lists.filter_map(toml::Value::as_array).flatten();
    each.filter_map(|line| line.as_str().map(ToOwned::to_owned)).collect()
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
fn verify(path: &Path, items: &[Item], run: &Run) -> anyhow::Result<Exit> {
    let layers = run.layers()?;
    let judged = gate::judge(items, &layers, run)?;
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
fn wait(mut child: Child, mut signals: Answering, proxy: &Proxy) -> io::Result<ExitStatus> {
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
    fn what_a_project_requires_is_relied_on_with_its_extras() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pyproject.toml");
        let text =
            "[project]\nname = \"x\"\ndependencies = [\"six>=1\"]\n[project.optional-dependencies]\na = [\"idna\"]\n";
        std::fs::write(&file, text).unwrap();
        assert_eq!(required_by_project(&file), ["six>=1", "idna"]);
        std::fs::write(&file, "[project]\ndependencies = 7\n").unwrap();
        assert_eq!(required_by_project(&file), [""; 0]);
    }

    #[test]
    fn a_folder_of_the_user_s_own_is_told_from_a_project_of_the_index() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().display().to_string();
        assert_eq!(folder(&format!("{path}[dev]")).as_deref(), Some(place.path()));
        assert_eq!(folder(".").as_deref(), Some(Path::new(".")));
        // There is such a folder where the tests run.
        assert_eq!(folder("src"), None);
        assert_eq!(folder("./no-such-folder"), None);
    }

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
