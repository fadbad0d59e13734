//! podman with images, containers, volumes and networks of its own, all gone with the test. No registry is asked.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    command::{self, Outcome},
    programs::Programs,
    tool,
};

/// An engine. What it ran is ended and removed when it is dropped.
#[derive(Debug)]
pub struct Podman {
    folder: TempDir,
}

impl Podman {
    /// Nothing, with the reason printed, where there is none, or where it may make no containers.
    ///
    /// # Errors
    /// When its settings cannot be written.
    ///
    /// # Panics
    /// When there is none and the environment variable `CI` is set.
    pub fn new() -> Result<Option<Self>> {
        if !tool::have(&["podman"]) {
            return Ok(None);
        }
        let podman = Self { folder: tempfile::Builder::new().prefix("attest-podman").tempdir()? };
        let path = |name: &str| podman.folder.path().join(name).display().to_string();
        // No driver but this one works everywhere.
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
            path("images"),
            path("state")
        );
        fs::write(path("storage.conf"), storage)?;
        // crun, which podman prefers, refuses machines with control groups of both versions; and its own limits are higher than
        // what a root of a container may have.
        let runtime = if tool::find("runc").is_some() { "runtime = \"runc\"\n" } else { "" };
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n[engine]\n{runtime}\
             [network]\nnetwork_config_dir = \"{}\"\n",
            path("networks")
        );
        fs::write(path("containers.conf"), settings)?;
        let info = command::run(&mut podman.command(["info"]))?;
        if info.code() != Some(0) {
            tool::not_allowed(&format!("podman: {}", info.stderr.trim()));
            return Ok(None);
        }
        Ok(Some(podman))
    }

    /// `podman` with these arguments.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("podman");
        command.args(arguments);
        self.set(&mut command);
        command
    }

    /// A program that calls podman finds this one's things.
    pub fn set(&self, command: &mut Command) {
        command.env("CONTAINERS_STORAGE_CONF", self.folder.path().join("storage.conf"));
        command.env("CONTAINERS_CONF", self.folder.path().join("containers.conf"));
    }

    /// Runs `podman` to its end, which has to be a good one.
    ///
    /// # Errors
    /// When it is not.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Outcome> {
        command::run(&mut self.command(arguments))?.expect(0)
    }

    /// An image from a folder with a Containerfile, under this name.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn build(&self, folder: &Path, name: &str) -> Result<()> {
        let words = ["build", "--quiet", "--pull=never", "--tag", name].map(OsStr::new);
        self.run(words.into_iter().chain([folder.as_os_str()])).map(drop)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let every = |words: &str| command::run(&mut self.command(words.split(' ')));
        let _ = every("pod rm --all --force --time 0");
        let _ = every("rm --all --force --time 0");
        let _ = every("network prune --force");
        if !rustix::process::geteuid().is_root() {
            // What containers wrote belongs to users that only they have.
            let _ = command::run(self.command(["unshare", "rm", "-rf"]).arg(self.folder.path().join("images")));
        }
    }
}

/// Both programs under test in a folder, as a release has them but for their size: without what debuggers read.
///
/// # Errors
/// When they cannot be copied.
pub fn programs(programs: &Programs, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, program) in [("attest", programs.cli()), ("attest-server", programs.server())] {
        let place = folder.join(name);
        let mut strip = Command::new("strip");
        let is_stripped = tool::find("strip").is_some()
            && command::run(strip.args(["--strip-debug", "-o"]).args([&place, program]))?.code() == Some(0);
        if !is_stripped {
            fs::copy(program, &place)?;
        }
    }
    Ok(())
}

/// Puts what a program needs beside itself below `root`: the loader and the libraries of one that is not static. Names of
/// folders there.
///
/// # Errors
/// When they cannot be copied.
pub fn libraries(program: &Path, root: &Path) -> Result<Vec<&'static str>> {
    let listed = command::run(Command::new("ldd").arg(program))?;
    let mut folders = Vec::new();
    for line in listed.stdout.lines().filter(|_| listed.code() == Some(0)) {
        // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, and the loader by its path alone.
        let words: Vec<&str> = line.split_whitespace().collect();
        let (library, place) = match words[..] {
            [name, "=>", library, ..] => (library, PathBuf::from("lib").join(name)),
            [loader, ..] if loader.starts_with('/') => (loader, PathBuf::from(loader.trim_start_matches('/'))),
            _ => continue,
        };
        let place = root.join(place);
        fs::create_dir_all(place.parent().context("a library is in a folder")?)?;
        fs::copy(library, place)?;
    }
    folders.extend(["lib", "lib64"].into_iter().filter(|folder| root.join(folder).is_dir()));
    ensure!(listed.code() != Some(0) || !folders.is_empty(), "expected libraries, found {}", listed.stdout);
    Ok(folders)
}
