//! A temporary place to play in: keys, lists, policies, and programs that see nothing of the user's own settings.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use attest_core::note::VerifierKey;
use tempfile::TempDir;

use crate::{command, programs::Programs, server::Server};

/// Where programs put what is temporary.
const TEMPORARY: &str = "tmp";

/// Removed with everything in it when dropped.
#[derive(Debug)]
pub struct Scene {
    folder: TempDir,
    programs: &'static Programs,
}

/// Somebody who rebuilds, as lists and policies name them.
#[derive(Clone, Debug)]
pub struct Member {
    /// Name, unique in a scene.
    pub name: String,
    /// Whose vote it is: one group has one vote.
    pub group: String,
    /// `ed25519:...`, or an ASCII-armored OpenPGP certificate.
    pub key: String,
}

impl Member {
    /// A member.
    pub fn new(name: &str, group: &str, key: &str) -> Self {
        Self { name: name.to_owned(), group: group.to_owned(), key: key.trim().to_owned() }
    }

    /// What this member's statements give as `rebuilder.id`.
    pub fn url(&self) -> String {
        format!("https://{}.example", self.name)
    }

    /// `key = "..."` or, for OpenPGP, `certificate = ...`.
    fn key_line(&self) -> String {
        if self.key.starts_with("ed25519:") {
            format!("key = \"{}\"\n", self.key)
        } else {
            format!("certificate = '''\n{}\n'''\n", self.key)
        }
    }
}

impl Scene {
    /// Builds the programs where that is needed, and makes the folder.
    ///
    /// # Errors
    /// When the build fails or there is no temporary folder.
    pub fn new() -> Result<Self> {
        let programs = Programs::build()?;
        let folder = tempfile::Builder::new().prefix("attest").tempdir()?;
        fs::create_dir(folder.path().join(TEMPORARY))?;
        Ok(Self { folder, programs })
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Names of the temporary folders that attest has here at the moment.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn temporary(&self) -> Result<Vec<String>> {
        let names =
            fs::read_dir(self.path(TEMPORARY))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names = names.collect::<Result<Vec<String>>>()?;
        Ok(names.into_iter().filter(|name| name.starts_with("attest-")).collect())
    }

    /// The programs that run here.
    pub fn programs(&self) -> &'static Programs {
        self.programs
    }

    /// Writes a file in the folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// `attest`, in this folder, without the user's policies, caches and colours.
    pub fn attest(&self) -> Command {
        let mut attest = self.plain(Command::new(self.programs.cli()));
        attest.arg("--data-dir").arg(self.path("data"));
        attest
    }

    /// `attest-server`, in this folder.
    pub fn attest_server(&self) -> Command {
        self.plain(Command::new(self.programs.server()))
    }

    /// Any program, in this folder: the user's attest settings taken away, what pip needs to find its index kept.
    pub fn plain(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ATTEST_") {
                command.env_remove(name);
            }
        }
        let user = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let user = user.or_else(|| std::env::home_dir().map(|home| home.join(".config")));
        if let Some(config) = user.map(|folder| folder.join("pip/pip.conf"))
            && config.is_file()
            && std::env::var_os("PIP_CONFIG_FILE").is_none()
        {
            command.env("PIP_CONFIG_FILE", config);
        }
        // What a program that was killed leaves goes with the scene.
        command.env("TMPDIR", self.path(TEMPORARY));
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command.env("NO_COLOR", "1").env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH");
        command
    }

    /// Makes a log in `data` and returns its verifier key.
    ///
    /// # Errors
    /// When `init` refuses.
    pub fn init_log(&self, data: &str, origin: &str) -> Result<VerifierKey> {
        let mut init = self.attest_server();
        init.arg("init").arg("--data").arg(self.path(data)).args(["--origin", origin]);
        let outcome = command::run(&mut init)?.expect(0)?;
        outcome.stdout.trim().parse().with_context(|| format!("expected a verifier key, found {:?}", outcome.stdout))
    }

    /// Command line of the log in `data`.
    pub fn log_command(&self, data: &str, rebuilders: &Path) -> Command {
        let mut run = self.attest_server();
        run.arg("run").arg("--data").arg(self.path(data)).args(["--listen", "127.0.0.1:0"]);
        run.arg("--rebuilders").arg(rebuilders);
        run
    }

    /// Runs the log in `data`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn run_log(&self, data: &str, rebuilders: &Path) -> Result<Server> {
        Server::spawn(&mut self.log_command(data, rebuilders))
    }

    /// Derives everything in the data folder again, which no process uses.
    ///
    /// # Errors
    /// When anything in it is not as it has to be.
    pub fn fsck(&self, data: &str) -> Result<()> {
        let mut fsck = self.attest_server();
        fsck.arg("fsck").arg("--data").arg(self.path(data));
        command::run(&mut fsck)?.expect(0).map(drop)
    }

    /// Command line of a mirror in `data` of the log at `upstream`, without where to listen.
    pub fn mirror_command(&self, data: &str, upstream: &str, log: &VerifierKey) -> Command {
        let mut mirror = self.attest_server();
        mirror.arg("mirror").arg("--data").arg(self.path(data));
        mirror.args(["--upstream", upstream, "--vkey", &log.to_string()]);
        mirror
    }

    /// Runs a mirror that looks at the log every second.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn run_mirror(&self, data: &str, upstream: &str, log: &VerifierKey) -> Result<Server> {
        let mut mirror = self.mirror_command(data, upstream, log);
        Server::spawn(mirror.args(["--listen", "127.0.0.1:0", "--poll-interval", "1"]))
    }

    /// Writes the list of who may submit.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn rebuilders(&self, name: &str, members: &[Member]) -> Result<PathBuf> {
        let mut text = String::new();
        for member in members {
            write!(text, "[[rebuilder]]\nname = \"{}\"\nurl = \"{}\"\n", member.name, member.url())?;
            write!(text, "contact = \"{}@example.org\"\n{}\n", member.name, member.key_line())?;
        }
        self.write(name, text)
    }
}
