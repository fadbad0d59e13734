//! Somebody who types what the pages say, in a folder of their own: with nothing, or with a project, a policy and a log.
//!
//! What a page can only show by way of example, addresses, keys and folders of the system, is another one here; all else is
//! run as it stands there.

use std::{
    collections::BTreeMap,
    env, fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    book::{Block, Mark, Until},
    clients::{self, Client},
    command,
    index::Index,
    quorum::Quorum,
    scene::Scene,
    server::Server,
    wheel::{Offered, Wheel},
};

/// How long what would run for ever is left to itself: enough to read its settings and to look once.
const A_WHILE: Duration = Duration::from_secs(3);
const PYPROJECT: &str = "[project]\nname = \"demo\"\nversion = \"0.1.0\"\nrequires-python = \">=3.9\"\n\
                         dependencies = [\"flask>=3\", \"idna==3.20\"]\n";

/// Who types, and where.
#[derive(Debug)]
pub struct Reader<'a> {
    scene: &'a Scene,
    folder: PathBuf,
    settings: Vec<(&'static str, Option<String>)>,
    /// What pages show, and what it is here.
    shown: Vec<(String, String)>,
    /// For one `ed25519:...` after the other.
    keys: Vec<String>,
    ports: BTreeMap<String, String>,
    servers: Vec<Server>,
}

impl<'a> Reader<'a> {
    /// Somebody who has nothing but the programs, and the user's own package index.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(scene: &'a Scene, name: &str, cache: &Path) -> Result<Self> {
        let folder = scene.path(name);
        fs::create_dir_all(folder.join("bin"))?;
        let path = format!("{}:{}", folder.join("bin").display(), env::var("PATH")?);
        let settings = vec![("PATH", Some(path)), ("XDG_CACHE_HOME", Some(cache.display().to_string()))];
        let system = ["/var/", "/srv/", "/etc/", "/backup/"];
        let shown = system.map(|root| (format!(" {root}"), format!(" {}{root}", folder.display())));
        let (keys, ports, servers) = (Vec::new(), BTreeMap::new(), Vec::new());
        let reader = Self { scene, folder, settings, shown: shown.to_vec(), keys, ports, servers };
        reader.program("attest", &scene.attest(), "")?;
        reader.program("attest-server", &scene.attest_server(), "")?;
        Ok(reader)
    }

    /// A script that runs a program with these arguments first.
    fn program(&self, name: &str, program: &Command, more: &str) -> Result<()> {
        let words: Vec<_> = std::iter::once(program.get_program()).chain(program.get_args()).collect();
        let words: Vec<_> = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let script = self.folder.join("bin").join(name);
        fs::write(&script, format!("#!/bin/sh\n{more}exec {} \"$@\"\n", words.join(" ")))?;
        Ok(fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?)
    }

    /// From now on what pages show as `shown` is `here`.
    pub fn put(&mut self, shown: &str, here: impl Into<String>) {
        self.shown.push((shown.to_owned(), here.into()));
    }

    /// Does what a page says.
    ///
    /// # Errors
    /// When it does not end as the page says.
    pub fn perform(&mut self, block: &Block) -> Result<()> {
        let told = || format!("{}:{}", block.page, block.line);
        let text = self.here(&block.text)?;
        let until = match &block.mark {
            Mark::Run(_, until) => *until,
            Mark::File(_, path) => {
                let path = self.here(&format!(" {path}"))?;
                let path = self.folder.join(path.trim());
                fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
                return fs::write(path, text).with_context(told);
            }
            Mark::Shown(_) => return Ok(()),
        };
        let mut shell = self.shell();
        match until {
            Until::Code(code) => {
                command::run(shell.args(["-e", "-c", &text]))?.expect(code).map(drop).with_context(told)
            }
            Until::End => {
                let last = text.trim_end().rfind('\n').map_or(0, |end| end + 1);
                let (first, server) = text.split_at(last);
                self.servers.push(
                    Server::spawn(shell.args(["-e", "-c", &format!("{first}exec {server}")])).with_context(told)?,
                );
                Ok(())
            }
            Until::Ended => {
                let limit = format!("{}s", A_WHILE.as_secs());
                let mut limited = self.scene.plain(Command::new("timeout"));
                limited.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
                limited.current_dir(&self.folder).args([
                    "--signal=TERM",
                    &limit,
                    "sh",
                    "-e",
                    "-c",
                    &format!("exec {text}"),
                ]);
                let ended = command::run(&mut limited)?;
                ensure!(
                    ended.code() == Some(124),
                    "{}: expected it to run on, found {:?}: {}",
                    told(),
                    ended.code(),
                    ended.text()
                );
                Ok(())
            }
        }
    }

    /// Ends what was left running, the newest first.
    ///
    /// # Errors
    /// When one does not end.
    pub fn leave(mut self) -> Result<()> {
        self.servers.drain(..).rev().try_for_each(|server| server.stop().map(drop))
    }

    fn shell(&self) -> Command {
        let mut shell = self.scene.plain(Command::new("sh"));
        set(&mut shell, &self.settings);
        shell.current_dir(&self.folder);
        shell
    }

    /// The text with everything in it that is another one here.
    fn here(&mut self, text: &str) -> Result<String> {
        let mut text = format!("\n{text}");
        for (shown, here) in &self.shown {
            text = text.replace(shown, here);
        }
        let mut keys = self.keys.iter().cycle();
        while let Some((before, after)) = text.split_once("ed25519:...") {
            let key = keys.next().context("nobody's key is shown here")?;
            text = format!("{before}{key}{after}");
        }
        // Tests run side by side, so a page's port is another one here.
        for host in ["127.0.0.1:", "0.0.0.0:"] {
            let mut done = String::new();
            while let Some((before, after)) = text.split_once(host) {
                let port: String = after.chars().take_while(char::is_ascii_digit).collect();
                done += before;
                done += &self.address(host, &port)?;
                text = after[port.len()..].to_owned();
            }
            text = done + &text;
        }
        Ok(text[1..].to_owned())
    }

    fn address(&mut self, host: &str, port: &str) -> Result<String> {
        // What was put in a page's place, or asks for any port.
        let own = self.shown.iter().any(|(_, here)| here.contains(&format!("{host}{port}")));
        if own || port.len() != 4 {
            return Ok(format!("{host}{port}"));
        }
        if let Some(address) = self.ports.get(port) {
            return Ok(address.clone());
        }
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        self.ports.insert(port.to_owned(), address.clone());
        Ok(address)
    }
}

/// What readers who use attest have: a log with the votes of two groups, an index, and a project whose locks need both.
#[derive(Debug)]
pub struct Project {
    quorum: Quorum,
    index: Index,
    uv: PathBuf,
}

impl Project {
    /// Nothing, with the reason printed, where uv cannot be had.
    ///
    /// # Errors
    /// When the log does not come up.
    pub fn new() -> Result<Option<Self>> {
        let Some(uv) = clients::get(Client::Uv013)? else { return Ok(None) };
        let quorum = Quorum::new()?;
        let built = quorum.scene.path("somebody-built-an-sdist");
        let mut offered: Vec<Offered> = Vec::new();
        let releases =
            [("flask", "3.1.0", &["idna==3.20"][..]), ("requests", "2.34.2", &["idna==3.20"]), ("idna", "3.20", &[])];
        for (project, version, requires) in releases {
            let wheel = Wheel::requiring(project, version, "", requires)?;
            quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
            quorum.scene.write(&format!("project/dist/{}", wheel.name()), wheel.bytes())?;
            offered.push((&wheel).into());
            offered.push(Offered::sdist(project, version, &built)?);
        }
        let index = Index::serve(&offered)?;
        let project = Self { quorum, index, uv };
        project.write()?;
        Ok(Some(project))
    }

    /// The files that every reader begins with.
    fn write(&self) -> Result<()> {
        let scene = &self.quorum.scene;
        let policy = self.quorum.policy_at(self.quorum.log.url()).text()?;
        scene.write("project/attest-policy.toml", &policy)?;
        scene.write("project/pyproject.toml", PYPROJECT)?;
        scene.write("project/requirements.in", "flask>=3\n")?;
        for name in ["requirements.txt", "requirements-dev.txt"] {
            let mut compile = self.uv(&["pip", "compile", "--quiet", "--generate-hashes", "--no-header"]);
            command::run(compile.args(["requirements.in", "-o", name]))?.expect(0)?;
        }
        command::run(&mut self.uv(&["lock", "--quiet"]))?.expect(0)?;
        Ok(())
    }

    fn uv(&self, arguments: &[&str]) -> Command {
        let mut uv = self.quorum.scene.plain(Command::new(&self.uv));
        set(&mut uv, &self.settings());
        uv.args(arguments).current_dir(self.quorum.scene.path("project"));
        uv
    }

    /// One index for pip and uv, and no other source.
    fn settings(&self) -> Vec<(&'static str, Option<String>)> {
        let cache = self.quorum.scene.path("uv-cache").display().to_string();
        let fixed = [("PIP_CONFIG_FILE", "/dev/null"), ("UV_NO_CONFIG", "1"), ("UV_PYTHON_DOWNLOADS", "never")];
        let mut settings = fixed.map(|(name, value)| (name, Some(value.to_owned()))).to_vec();
        settings
            .extend(["PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX"].map(|name| (name, None)));
        settings.extend(["PIP_INDEX_URL", "UV_DEFAULT_INDEX"].map(|name| (name, Some(self.index.url()))));
        settings.push(("UV_CACHE_DIR", Some(cache)));
        settings
    }

    /// Somebody with a copy of the project, whose own policy is in its place.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn reader(&self, name: &str, cache: &Path) -> Result<Reader<'_>> {
        let scene = &self.quorum.scene;
        let mut copy = Command::new("cp");
        command::run(copy.arg("-r").arg(scene.path("project")).arg(scene.path(name)))?.expect(0)?;
        let mut reader = Reader::new(scene, name, cache)?;
        reader.settings.extend(self.settings());
        let uv = self.uv.parent().context("a program is in a folder")?;
        let path = format!("{}:{}:{}", reader.folder.join("bin").display(), uv.display(), env::var("PATH")?);
        reader.settings.push(("PATH", Some(path)));
        reader.keys = vec![self.quorum.alice.public_key(), self.quorum.carol.public_key()];
        reader.put("https://log.example.org/2026", self.quorum.log.url().trim_end_matches('/'));
        reader.put("VKEY", format!("'{}'", self.quorum.vkey));
        // The account's home is no test's; what would be found there is named.
        let policy = reader.folder.join("attest-policy.toml");
        let mut attest = scene.attest();
        attest.arg("--policy").arg(policy);
        let user = reader.folder.join("bin/user");
        reader.program("user", &attest, "")?;
        let own =
            format!("case \" $* \" in *' --policy '*|*' policy '*) ;; *) exec '{}' \"$@\";; esac\n", user.display());
        reader.program("attest", &scene.attest(), &own)?;
        Ok(reader)
    }
}

fn set(command: &mut Command, settings: &[(&'static str, Option<String>)]) {
    for (name, value) in settings {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}
