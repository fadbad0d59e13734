//! Real installers in pinned versions: what they do about hashes, caches and installed files changed between releases, so
//! a test that says "pip" or "uv" says nothing.
//!
//! Each is made once from the index that pip is configured with, in an environment below the target directory that later
//! runs find again. Nothing is ever installed into such an environment: [`environment`] makes one to play with.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{command, tool};

/// An installer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Years old and still what many systems have.
    Pip23,
    /// Reads pylock.toml, and metadata without the wheel.
    Pip26,
    /// Does not check what it downloads against the index's hashes.
    Uv012,
    /// Does.
    Uv013,
    /// Has a lock of its own.
    Poetry,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pip23, Self::Pip26, Self::Uv012, Self::Uv013, Self::Poetry];

    /// Name of the program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Pip23 | Self::Pip26 => "pip",
            Self::Uv012 | Self::Uv013 => "uv",
            Self::Poetry => "poetry",
        }
    }

    /// The pinned version.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Pip23 => "23.2.1",
            Self::Pip26 => "26.3",
            Self::Uv012 => "0.12.24",
            Self::Uv013 => "0.13.9",
            Self::Poetry => "2.5.1",
        }
    }
}

/// The client's program, for example `.../bin/uv`. Nothing, with the reason printed, where python3 or the index cannot be
/// had.
///
/// # Errors
/// When the folder for it cannot be made or locked.
///
/// # Panics
/// When it cannot be had and the environment variable `CI` is set.
pub fn get(client: Client) -> Result<Option<PathBuf>> {
    pinned(client.program(), client.version())
}

/// A program of a Python project of the same name, in this version; as [`get`].
///
/// # Errors
/// When the folder for it cannot be made or locked.
///
/// # Panics
/// When it cannot be had and the environment variable `CI` is set.
pub fn pinned(program: &str, version: &str) -> Result<Option<PathBuf>> {
    let requirement = format!("{program}=={version}");
    let home = installed(&requirement, &[&requirement])?;
    Ok(home.map(|home| home.join("bin").join(program)))
}

/// The Python of an environment that has these requirements. Nothing, with the reason printed, where python3 or the index
/// cannot be had. `name` is that of the environment, and changes with the requirements.
///
/// # Errors
/// When the folder for it cannot be made or locked.
///
/// # Panics
/// When it cannot be had and the environment variable `CI` is set.
pub fn tools(name: &str, requirements: &[&str]) -> Result<Option<PathBuf>> {
    Ok(installed(name, requirements)?.map(|home| home.join("bin/python")))
}

fn installed(name: &str, requirements: &[&str]) -> Result<Option<PathBuf>> {
    if !tool::have(&["python3"]) {
        return Ok(None);
    }
    let folder = folder()?;
    let home = folder.join(name);
    // A virtual environment knows its own path, so it cannot be made elsewhere and renamed: whoever has the lock makes it
    // in its place, and what is not marked as done is made again.
    let lock = fs::File::create(folder.join(format!("{name}.lock")))?;
    lock.lock().context("locking a folder for an environment")?;
    let done = home.join("done");
    if !done.exists() {
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        if let Err(error) = make(requirements, &home) {
            tool::skip(&format!("{} from the index: {error:#}", requirements.join(" ")));
            return Ok(None);
        }
        fs::write(&done, "")?;
    }
    Ok(Some(home))
}

/// Makes a fresh virtual environment in `folder`, with the client's pip where it is one and without any pip otherwise.
/// Needs no index. Returns its Python.
///
/// # Errors
/// When it cannot be made.
pub fn environment(client: Client, folder: &Path) -> Result<Option<PathBuf>> {
    let Some(program) = get(client)? else {
        return Ok(None);
    };
    let home = program.parent().and_then(Path::parent).context("a program lies in bin/ of a folder")?;
    venv(folder, &["--without-pip"])?;
    if client.program() == "pip" {
        let (from, to) = (site_packages(home)?, site_packages(folder)?);
        for part in ["pip".to_owned(), format!("pip-{}.dist-info", client.version())] {
            let mut copy = Command::new("cp");
            command::run(copy.arg("-r").arg(from.join(&part)).arg(&to))?.expect(0)?;
        }
    }
    Ok(Some(folder.join("bin/python")))
}

/// `lib/pythonX.Y/site-packages` of a virtual environment.
///
/// # Errors
/// When it is none.
pub fn site_packages(environment: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(environment.join("lib"))? {
        let folder = entry?.path().join("site-packages");
        if folder.is_dir() {
            return Ok(folder);
        }
    }
    bail!("{} is no virtual environment", environment.display())
}

fn make(requirements: &[&str], home: &Path) -> Result<()> {
    venv(home, &[])?;
    let mut install = Command::new(home.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    command::run(install.args(requirements))?.expect(0).map(drop)
}

fn venv(folder: &Path, options: &[&str]) -> Result<()> {
    let mut venv = Command::new("python3");
    command::run(venv.args(["-m", "venv"]).args(options).arg(folder).env_remove("PYTHONPATH"))?.expect(0).map(drop)
}

/// `TARGET/clients`, beside the folders of the profiles: test programs are in `TARGET/PROFILE/deps`.
fn folder() -> Result<PathBuf> {
    let me = env::current_exe().context("cannot tell where this program is")?;
    let profile = me.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    let target = profile.and_then(Path::parent).context("this program is in no target directory")?;
    let folder = target.join("clients");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_the_version_that_its_name_says() {
        for client in Client::ALL {
            let Some(program) = get(client).unwrap() else { return };
            let outcome = command::run(Command::new(program).arg("--version")).unwrap().expect(0).unwrap();
            assert!(outcome.stdout.contains(client.version()), "{client:?}: {}", outcome.stdout);
        }
    }

    #[test]
    fn a_fresh_environment_has_the_pip_that_was_asked_for_or_none() {
        let folder = tempfile::tempdir().unwrap();
        for (client, code) in [(Client::Pip23, 0), (Client::Uv013, 1)] {
            let Some(python) = environment(client, &folder.path().join(client.program())).unwrap() else { return };
            let outcome = command::run(Command::new(python).args(["-m", "pip", "--version"])).unwrap();
            assert_eq!(outcome.code(), Some(code), "{}", outcome.text());
        }
    }
}
