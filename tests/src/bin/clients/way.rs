//! The three ways of using attest, each with every installer.

use std::{
    fmt::{self, Write as _},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};
use attest_tests::{
    clients::{self, Client},
    command,
};

use super::{
    case::{Case, Files, NEWER, SUBJECT},
    stage::{Stage, module_of},
};

/// How attest stands before the installer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Lock,
    Install,
    Proxy,
}

/// What is in the environment at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Nothing,
    Accepted,
    Other,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Who ended with which code, in the order in which they ran.
    steps: Vec<(&'static str, Option<i32>)>,
    state: Option<State>,
    pub(crate) words: String,
}

impl Cell {
    fn new() -> Self {
        Self { steps: Vec::new(), state: None, words: String::new() }
    }

    /// Whether nothing got in that the policy does not accept, unless somebody said so.
    pub(crate) fn is_safe(&self) -> bool {
        self.state != Some(State::Other) || self.steps.iter().any(|(_, code)| *code != Some(0))
    }

    fn step(&mut self, who: &'static str, command: &mut Command) -> Result<bool> {
        let outcome = command::run(command)?;
        self.steps.push((who, outcome.code()));
        self.words.extend([who, ":\n", &outcome.text()]);
        Ok(outcome.code() == Some(0))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(state) = self.state else { return f.write_str("–") };
        for (who, code) in &self.steps {
            match code {
                Some(code) => write!(f, "{who} {code}, ")?,
                None => write!(f, "{who} killed, ")?,
            }
        }
        f.write_str(match state {
            State::Nothing => "nothing installed",
            State::Accepted => "the attested file",
            State::Other => "**another file**",
        })
    }
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Lock, Self::Install, Self::Proxy];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Install => "install",
            Self::Proxy => "proxy",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Lock => {
                "`attest verify` and `attest lock`, then the installer from the pruned lock, then `attest verify --env`"
            }
            Self::Install => "`attest install`",
            Self::Proxy => "`attest proxy -- INSTALLER`",
        }
    }

    /// Plays one case.
    pub(crate) fn run(self, client: Client, case: Case, files: &Files) -> Result<Cell> {
        let mut cell = Cell::new();
        if self == Self::Install && client == Client::Poetry {
            return Ok(cell);
        }
        let stage = Stage::set(case, client, files)?;
        let play = |cell: &mut Cell| match self {
            Self::Lock => from_lock(&stage, cell),
            Self::Install => install(&stage, cell),
            Self::Proxy => proxy(&stage, cell),
        };
        play(&mut cell)?;
        if case == Case::CachedThenBlocked {
            case.afterwards(&stage.quorum, files)?;
            stage.make_environment()?;
            cell.steps.clear();
            play(&mut cell)?;
        }
        cell.state = Some(match stage.installed()? {
            None => State::Nothing,
            Some(module) if case.accepts(files, module, module_of)? => State::Accepted,
            Some(_) => State::Other,
        });
        Ok(cell)
    }
}

/// The installer's own command, which finds the index of the case and nothing of this account's.
fn client(stage: &Stage, program: Command) -> Command {
    let mut command = stage.quorum.scene.plain(program);
    command.env("PIP_INDEX_URL", stage.index.url()).env("PIP_CONFIG_FILE", "/dev/null");
    command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_CACHE_DIR", stage.path("cache/pip"));
    command.env("UV_DEFAULT_INDEX", stage.index.url()).env("UV_CACHE_DIR", stage.path("cache/uv"));
    command
        .env("UV_NO_CONFIG", "1")
        .env("UV_PYTHON_DOWNLOADS", "never")
        .env("UV_PROJECT_ENVIRONMENT", stage.path("venv"));
    command.env("POETRY_CACHE_DIR", stage.path("cache/poetry")).env("POETRY_VIRTUALENVS_CREATE", "false");
    command.env("POETRY_NO_INTERACTION", "1").env("VIRTUAL_ENV", stage.path("venv"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [stage.path("venv/bin")].into_iter().chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PATH", path);
    }
    command
}

fn program(stage: &Stage) -> Result<Command> {
    Ok(match stage.client {
        Client::Pip23 | Client::Pip26 => {
            let mut pip = Command::new(stage.python());
            pip.args(["-m", "pip"]);
            pip
        }
        _ => Command::new(clients::get(stage.client)?.context("the installer cannot be had")?),
    })
}

fn attest(stage: &Stage, arguments: &[&str]) -> Command {
    let mut attest = client(stage, stage.quorum.scene.attest());
    attest.arg("--policy").arg(stage.path("policy.toml")).args(arguments);
    attest
}

/// Makes the lock as the installer's users do, has attest verify and prune it, and installs from what is left.
fn from_lock(stage: &Stage, cell: &mut Cell) -> Result<()> {
    let lock = make_lock(stage)?;
    cell.step("verify", &mut attest(stage, &["verify", lock]))?;
    if cell.step("lock", &mut attest(stage, &["lock", lock]))? {
        let mut install = client(stage, program(stage)?);
        match stage.client {
            Client::Pip23 | Client::Pip26 => install.args(["install", "--quiet", "--require-hashes", "-r", lock]),
            Client::Uv012 | Client::Uv013 => install.args(["sync", "--quiet", "--frozen"]),
            Client::Poetry => install.args(["install", "--quiet", "--no-root"]),
        };
        cell.step(stage.client.program(), &mut install)?;
    }
    let python = stage.python().display().to_string();
    cell.step("audit", &mut attest(stage, &["verify", "--env", &python, lock])).map(drop)
}

fn make_lock(stage: &Stage) -> Result<&'static str> {
    let (scene, subject) = (&stage.quorum.scene, stage.case.requirement());
    let lock = match stage.client.program() {
        "pip" => {
            let line = |project, version| -> Result<String> {
                Ok(format!("{project}=={version}{}", hashes(stage, project, version)?))
            };
            let lines = [line("idna", "3.10")?, line(SUBJECT, NEWER)?];
            scene.write("requirements.txt", lines.join("\n") + "\n")?;
            "requirements.txt"
        }
        "uv" => {
            scene.write("pyproject.toml", PROJECT.replace("SUBJECT", &subject))?;
            command::run(client(stage, program(stage)?).args(["lock", "--quiet"]))?.expect(0)?;
            "uv.lock"
        }
        _ => {
            let source = POETRY.replace("INDEX", &stage.index.url());
            scene.write("pyproject.toml", PROJECT.replace("SUBJECT", &subject) + &source)?;
            command::run(client(stage, program(stage)?).args(["lock", "--quiet"]))?.expect(0)?;
            "poetry.lock"
        }
    };
    if stage.case == Case::MixedHashes {
        mix(&stage.path(lock))?;
    }
    Ok(lock)
}

const PROJECT: &str = r#"[project]
name = "user"
version = "1"
requires-python = ">=3.9"
dependencies = ["idna==3.10", "SUBJECT"]
"#;

const POETRY: &str = r#"
[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "local"
url = "INDEX"
priority = "primary"
"#;

/// Beside the hash of the attested file or in its place, one of another algorithm that nobody was asked about.
fn mix(lock: &Path) -> Result<()> {
    let text = fs::read_to_string(lock)?;
    let other = "ab".repeat(64);
    let text = if lock.ends_with("requirements.txt") {
        format!("{} --hash=sha512:{other}\n", text.trim_end())
    } else {
        let at = text.rfind("sha256:").context("the lock has hashes")?;
        format!("{}sha512:{other}{}", &text[..at], &text[at + "sha256:".len() + 64..])
    };
    Ok(fs::write(lock, text)?)
}

/// As tools that write hashes do: of every file of the release.
fn hashes(stage: &Stage, project: &str, version: &str) -> Result<String> {
    let mut text = String::new();
    for digest in stage.index.offered(project, version) {
        write!(text, " --hash=sha256:{digest}")?;
    }
    Ok(text)
}

fn install(stage: &Stage, cell: &mut Cell) -> Result<()> {
    let (subject, python) = (stage.case.requirement(), stage.python().display().to_string());
    let mut install =
        attest(stage, &["install", "--installer", stage.client.program(), "--python", &python, "idna==3.10", &subject]);
    if stage.client.program() == "uv" {
        let uv = clients::get(stage.client)?.context("uv cannot be had")?;
        let folders = uv.parent().map(Path::to_path_buf).into_iter().chain([stage.path("venv/bin")]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        install.env("PATH", std::env::join_paths(folders.chain(std::env::split_paths(&path)))?);
    }
    cell.step("install", &mut install).map(drop)
}

fn proxy(stage: &Stage, cell: &mut Cell) -> Result<()> {
    let subject = stage.case.requirement();
    let theirs = program(stage)?;
    let mut proxy = attest(stage, &["proxy"]);
    if stage.client == Client::Poetry {
        make_lock(stage)?;
    }
    proxy.arg("--").arg(theirs.get_program()).args(theirs.get_args());
    match stage.client {
        Client::Pip23 | Client::Pip26 => proxy.args(["install", "--quiet", "idna==3.10", &subject]),
        Client::Uv012 | Client::Uv013 => {
            proxy.args(["pip", "install", "--quiet", "--python"]).arg(stage.python()).args(["idna==3.10", &subject])
        }
        Client::Poetry => proxy.args(["install", "--quiet", "--no-root"]),
    };
    cell.step("proxy", &mut proxy).map(drop)
}
