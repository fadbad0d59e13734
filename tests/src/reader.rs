//! Somebody who types what the pages say, in a folder of their own: with nothing, or with a project, a policy and a log.
//!
//! What a page can only show by way of example, addresses, keys and folders of the system, is another one here; all else is
//! run as it stands there.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    book::{self, Block, Mark, Until},
    clients::{self, Client},
    command,
    index::Index,
    quorum::Quorum,
    scene::Scene,
    server::Server,
    wheel::{Offered, Wheel},
};

/// How long what would run for ever is left to itself: enough to read its settings and to look once.
const A_WHILE: &str = "3s";
/// How some programs want an address, and how one looks otherwise.
const BIND: (&str, &str) = ("--bind 127.0.0.1 ", "--bind 127.0.0.1:");
const WITNESS: &str = "witness.example.net+94d11d49+BCrX58rInRAOuVYnWH0Be1rlB1nAg77BKqmnSsjoOUzf";
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
    /// By address.
    servers: BTreeMap<String, Server>,
}

impl<'a> Reader<'a> {
    /// Somebody who has nothing but the programs, and the user's own package index.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(scene: &'a Scene, name: &str, cache: &Path) -> Result<Self> {
        let folder = scene.path(name);
        fs::create_dir_all(folder.join("bin"))?;
        // Commands are typed at the top of a checkout.
        std::os::unix::fs::symlink(book::root().join("docs"), folder.join("docs"))?;
        let settings = vec![("XDG_CACHE_HOME", Some(cache.display().to_string()))];
        let mut shown = Vec::new();
        for root in ["/var/", "/etc/", "/usr/local/"] {
            let put = |before: &str| (format!("{before}{root}"), format!("{before}{}{root}", folder.display()));
            shown.extend([put(" "), put("\"")]);
        }
        let (keys, ports, servers) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut reader = Self { scene, folder, settings, shown, keys, ports, servers };
        reader.settings.push(("PATH", Some(reader.path()?)));
        reader.program(
            "attest",
            scene.programs().cli(),
            &unless("--data-dir", &scene.path(&format!("{name}-data"))),
        )?;
        reader.program("attest-server", scene.programs().server(), "")?;
        Ok(reader)
    }

    fn path(&self) -> Result<String> {
        Ok(format!("{}:{}", self.folder.join("bin").display(), env::var("PATH")?))
    }

    /// A script that changes its arguments and runs a program.
    fn program(&self, name: &str, program: &Path, first: &str) -> Result<()> {
        self.script(&format!("bin/{name}"), &format!("{first}exec '{}' \"$@\"\n", program.display()))
    }

    fn script(&self, path: &str, text: &str) -> Result<()> {
        let script = self.folder.join(path);
        fs::write(&script, format!("#!/bin/sh\n{text}"))?;
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
        let text = self.here(&block.text)?;
        let done = match &block.mark {
            Mark::Run(_, Until::Code(code)) => self.run(&text, *code),
            Mark::Run(_, Until::End) => self.serve(&text),
            Mark::Run(_, Until::Ended) => self.run_for_a_while(&text),
            Mark::File(_, path) => self.save(path, &text),
            Mark::Shown(_) => Ok(()),
        };
        done.with_context(|| format!("{}:{}", block.page, block.line))
    }

    fn run(&self, text: &str, code: i32) -> Result<()> {
        command::run(self.shell("sh").args(["-e", "-c", text]))?.expect(code).map(drop)
    }

    fn run_for_a_while(&self, text: &str) -> Result<()> {
        let mut shell = self.shell("timeout");
        shell.args(["--signal=TERM", A_WHILE, "sh", "-e", "-c", &format!("exec {text}")]);
        command::run(&mut shell)?.expect(124).map(drop)
    }

    /// Starts a server, and ends the one that had its address before. The last command of a block is the server.
    fn serve(&mut self, text: &str) -> Result<()> {
        let told = ["--listen ", "--bind "].iter().find_map(|option| text.split_once(option));
        let (_, address) = told.context("expected a server with an address")?;
        let address: String = address.chars().take_while(|letter| !letter.is_whitespace() && *letter != '/').collect();
        if let Some(before) = self.servers.remove(&address) {
            before.stop()?;
        }
        let text = text.replace(BIND.1, BIND.0).replace("\\\n", " ");
        let (first, server) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
        let mut shell = self.shell("sh");
        // Ours say so when they listen.
        let listening = if server.starts_with("attest") { "" } else { "echo listening on elsewhere;" };
        shell.args(["-e", "-c", &format!("{first}\n{listening} exec {server}")]);
        let server = Server::spawn(&mut shell)?;
        for _ in 0..600 {
            if TcpStream::connect(&address).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.servers.insert(address, server);
        Ok(())
    }

    /// `>>PATH` is a file that has something already.
    fn save(&mut self, path: &str, text: &str) -> Result<()> {
        let (path, more) = path.strip_prefix(">>").map_or((path, false), |path| (path, true));
        let path = self.here(&format!(" {path}"))?;
        let path = self.folder.join(path.trim());
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        let before = if more { fs::read_to_string(&path)? + "\n" } else { String::new() };
        Ok(fs::write(path, before + text)?)
    }

    /// Ends what was left running.
    ///
    /// # Errors
    /// When one does not end.
    pub fn leave(mut self) -> Result<()> {
        std::mem::take(&mut self.servers).into_values().try_for_each(|server| server.stop().map(drop))
    }

    fn shell(&self, program: &str) -> Command {
        let mut shell = self.scene.plain(Command::new(program));
        set(&mut shell, &self.settings);
        shell.current_dir(&self.folder);
        shell
    }

    /// The text with everything in it that is another one here.
    fn here(&mut self, text: &str) -> Result<String> {
        let mut text = format!("\n{text}").replace(BIND.0, BIND.1);
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
        let mut wheels = Vec::new();
        let releases =
            [("flask", "3.1.0", &["idna==3.20"][..]), ("requests", "2.34.2", &["idna==3.20"]), ("idna", "3.20", &[])];
        for (project, version, requires) in releases {
            let wheel = Wheel::requiring(project, version, "", requires)?;
            quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
            offered.push((&wheel).into());
            offered.push(Offered::sdist(project, version, &built)?);
            wheels.push(wheel);
        }
        // Nobody but its publisher knows this one.
        offered.push((&Wheel::new("acme_billing", "1.0", "")?).into());
        let index = Index::serve(&offered)?;
        let project = Self { quorum, index, uv };
        project.write(&wheels)?;
        Ok(Some(project))
    }

    /// The files that every reader begins with.
    fn write(&self, wheels: &[Wheel]) -> Result<()> {
        let scene = &self.quorum.scene;
        let write = |name: &str, text: &[u8]| scene.write(&format!("project/{name}"), text);
        for wheel in wheels {
            write(&format!("dist/{}", wheel.name()), wheel.bytes())?;
        }
        let idna = wheels.last().context("there is a wheel")?;
        write(&format!("wheelhouse/{}", idna.name()), idna.bytes())?;
        write("statement.json", &self.quorum.alice.vote_on(idna.subject(), idna.record_digest())?.to_bytes())?;
        let requirements = wheels[0].requirement() + &idna.requirement();
        for name in ["requirements.txt", "requirements-dev.txt"] {
            write(name, requirements.as_bytes())?;
        }
        let certificate = book::read("docs/policy.md")?;
        let certificate = certificate.split("\"\"\"").nth(1).context("docs/policy.md shows a certificate")?;
        let witnesses = format!("log {}\nwitness w1 {WITNESS}\nquorum w1\n", self.quorum.vkey);
        let files = [
            ("attest-policy.toml", self.quorum.policy_at(self.quorum.log.url()).text()?),
            ("pyproject.toml", PYPROJECT.to_owned()),
            ("requirements.in", "flask>=3\n".to_owned()),
            ("Makefile", "test:\n\tpip install flask\n".to_owned()),
            ("rebuilder.asc", certificate.trim_start().to_owned()),
            ("witnesses.policy", witnesses),
            ("webhook.secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n".to_owned()),
            ("older.txt", String::new()),
            ("names.txt", "idna\nflask\n".to_owned()),
            ("var/lib/attest-rebuilder/statements/older.json", String::new()),
            ("var/www/index.html", String::new()),
        ];
        for (name, text) in &files {
            write(name, text.as_bytes())?;
        }
        fs::set_permissions(scene.path("project/webhook.secret"), fs::Permissions::from_mode(0o600))?;
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
        let path = format!("{}:{}", uv.display(), reader.path()?);
        reader.settings.push(("PATH", Some(path)));
        reader.keys = vec![self.quorum.alice.public_key(), self.quorum.carol.public_key()];
        reader.put("https://log.example.org/2026", self.quorum.log.url().trim_end_matches('/'));
        reader.put("VKEY", self.quorum.vkey.to_string());
        // Its files are beside its pages and not below them.
        reader.put("https://pypi.acme.internal/simple", self.index.url().trim_end_matches("simple/"));
        for shown in ["https://pypi.corp.example/simple", "https://pypi.example.org/simple"] {
            reader.put(shown, self.index.url());
        }
        // The account's home is no test's: what would be found there is named.
        let own = unless("--data-dir", &scene.path(&format!("{name}-data")));
        let policy = unless("--policy", &reader.folder.join("attest-policy.toml"));
        reader.program("attest", scene.programs().cli(), &(own + &policy))?;
        reader.script("bin/notify", "cat >> notified\n")?;
        Ok(reader)
    }

    /// The same, in a virtual environment with pip.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn in_environment(&self, name: &str, cache: &Path) -> Result<Reader<'_>> {
        let mut reader = self.reader(name, cache)?;
        let home = reader.folder.join(".venv");
        clients::environment(Client::Pip26, &home)?;
        let pip = format!("exec '{}' -m pip \"$@\"\n", home.join("bin/python").display());
        reader.script(".venv/bin/pip", &pip)?;
        let path = format!("{}:{}", home.join("bin").display(), reader.path()?);
        reader.settings.extend([("VIRTUAL_ENV", Some(home.display().to_string())), ("PATH", Some(path))]);
        Ok(reader)
    }
}

/// Puts an option with this value first, where the option is not given.
fn unless(option: &str, value: &Path) -> String {
    format!("case \" $* \" in *' {option} '*) ;; *) set -- {option} '{}' \"$@\";; esac\n", value.display())
}

fn set(command: &mut Command, settings: &[(&'static str, Option<String>)]) {
    for (name, value) in settings {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}
