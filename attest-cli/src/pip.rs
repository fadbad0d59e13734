//! pip as it is configured here, and what is done through pip or uv: where the index is, which versions fit, virtual
//! environments.
//!
//! attest has no settings of its own for any of this: whoever can `pip install` can rebuild, and no host is built in.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};
use attest_core::artifact::{ProjectName, Version};
use serde::Deserialize;

pub(crate) mod pin;

use self::pin::Pin;
use crate::{cache, exit::Failure, platform::tags::Tags};

const SETTINGS: &str = include_str!("pip/settings.py");
/// How Python says that it has no pip.
const NO_PIP: &str = "No module named 'pip'";
/// The Python that a virtual environment was made from; of any other, itself.
const BASE: &str = "import sys; print(getattr(sys, '_base_executable', None) or sys.executable)";
/// `python -m MODULE`, but for the working directory, which `-m` puts in front of everything: `PYTHONSAFEPATH` is unknown
/// before 3.11. It goes before anything is imported; `sys` is built in.
const MODULE: &str = "import sys
sys.path[:] = [place for place in sys.path if place]
import runpy
runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)
";
/// pip learned `--uploaded-prior-to` in this release.
const PIP_WITH_CUTOFF: &str = "pip>=26.0";

/// What pip is configured to do.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Settings {
    /// The index, with credentials if the user put them there: never printed.
    pub(crate) index_url: String,
    /// More of them.
    pub(crate) extra_index_urls: Vec<String>,
    /// Only `find_links` is to be used.
    pub(crate) no_index: bool,
    /// Folders or pages with files.
    pub(crate) find_links: Vec<String>,
    /// A bundle of certificates that replaces the system's.
    pub(crate) cert: Option<PathBuf>,
    /// A certificate of the user's own and its key, in one file: internal indexes ask for one.
    pub(crate) client_cert: Option<PathBuf>,
    /// A proxy, or nothing, or an empty text.
    pub(crate) proxy: Option<String>,
    /// Seconds.
    pub(crate) timeout: f64,
    /// Where pip asks for passwords, from pip 23.1 on.
    pub(crate) keyring_provider: Option<String>,
    /// Hosts that need no certificate.
    pub(crate) trusted_hosts: Vec<String>,
    /// What wheels this machine takes, `py3-none-any`, best first.
    pub(crate) tags: Tags,
    /// The interpreter below any virtual environment.
    pub(crate) interpreter: Interpreter,
}

impl Settings {
    /// Of a machine without pip.
    pub(crate) fn none() -> Self {
        let interpreter = Interpreter { executable: PathBuf::new(), prefixes: Vec::new(), version: String::new() };
        Self {
            index_url: String::new(),
            extra_index_urls: Vec::new(),
            no_index: true,
            find_links: Vec::new(),
            cert: None,
            client_cert: None,
            proxy: None,
            timeout: 15.0,
            keyring_provider: None,
            trusted_hosts: Vec::new(),
            tags: Vec::new().into(),
            interpreter,
        }
    }

    /// What the user shows to servers that ask who they are: pip's setting, or uv's variable where pip has none.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<reqwest::Identity>> {
        let named = self.client_cert.clone().or_else(|| std::env::var_os("SSL_CLIENT_CERT").map(PathBuf::from));
        let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) else { return Ok(None) };
        let file = || format!("expected a client certificate and its key in {}", path.display());
        let pem = fs::read(&path).with_context(file)?;
        Ok(Some(reqwest::Identity::from_pem(&pem).with_context(file)?))
    }

    /// The indexes in the order in which they are asked; none where pip is told to use none.
    pub(crate) fn index_urls(&self) -> impl Iterator<Item = &str> {
        let all = std::iter::once(&self.index_url).chain(&self.extra_index_urls);
        all.filter(|_| !self.no_index).map(String::as_str)
    }
}

/// A Python installation.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Interpreter {
    /// The real file.
    pub(crate) executable: PathBuf,
    /// Where its libraries are.
    pub(crate) prefixes: Vec<PathBuf>,
    /// `3.11.7`
    pub(crate) version: String,
}

/// pip, and uv where it is installed.
#[derive(Clone, Debug)]
pub(crate) struct Pip {
    python: PathBuf,
    settings: Settings,
    uv: bool,
    tools: PathBuf,
}

impl Pip {
    /// Asks the given Python's pip what it would do, or that of the Python below it: environments made by uv have none of
    /// their own. `tools` is a folder for a newer pip, should one be needed.
    pub(crate) fn query(python: &Path, tools: &Path) -> anyhow::Result<Self> {
        let ask = |python: &Path, script: &str| {
            isolated(python).args(["-c", script]).stdin(Stdio::null()).output().with_context(|| {
                Failure::usage(format!("expected a Python at {}", python.display()))
                    .hint("install Python 3, or name one with --python")
            })
        };
        let mut python = python.to_owned();
        let mut output = ask(&python, SETTINGS)?;
        if String::from_utf8_lossy(&output.stderr).contains(NO_PIP) {
            let below = succeed(ask(&python, BASE)?)?;
            let below = PathBuf::from(String::from_utf8_lossy(&below).trim());
            output = ask(&below, SETTINGS)?;
            python = below;
        }
        let output = succeed(output).with_context(|| format!("expected {} to have pip", python.display()))?;
        let settings = serde_json::from_slice(&output).context("expected pip's settings as JSON")?;
        let uv = Command::new("uv").arg("--version").output().is_ok_and(|output| output.status.success());
        Ok(Self { python, settings, uv, tools: tools.to_owned() })
    }

    /// What pip is configured to do.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same settings for another Python.
    pub(crate) fn with_interpreter(&self, interpreter: Interpreter) -> Self {
        let settings = Settings { interpreter, ..self.settings.clone() };
        Self { settings, ..self.clone() }
    }

    /// `uv` or `pip`: what resolves and installs.
    pub(crate) fn driver(&self) -> &'static str {
        if self.uv { "uv" } else { "pip" }
    }

    /// Finds versions that fit all of `requirements`, wheels only, none uploaded after `cutoff`.
    pub(crate) fn resolve(&self, requirements: &[String], cutoff: Option<&str>) -> anyhow::Result<Vec<Pin>> {
        if requirements.is_empty() {
            return Ok(Vec::new());
        }
        if self.uv { self.resolve_with_uv(requirements, cutoff) } else { self.resolve_with_pip(requirements, cutoff) }
    }

    /// The newest release that pip would install here from a wheel.
    pub(crate) fn newest(&self, project: &ProjectName) -> anyhow::Result<Version> {
        let mut pip = module(&self.python, "pip");
        pip.args(["install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-"]).args([
            "--only-binary",
            ":all:",
            project.as_str(),
        ]);
        let report = succeed(pip.stdin(Stdio::null()).output()?)
            .with_context(|| format!("expected pip to find a release of {}", project.as_str()))?;
        let pins = pin::from_report(&report)?;
        let [pin] = pins.as_slice() else {
            bail!("expected pip to choose one release of {}, found {}", project.as_str(), pins.len());
        };
        Ok(Version::new(&pin.version)?)
    }

    fn resolve_with_uv(&self, requirements: &[String], cutoff: Option<&str>) -> anyhow::Result<Vec<Pin>> {
        let mut uv = self.uv();
        uv.args(["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes"])
            .args(["--only-binary", ":all:", "--python"])
            .arg(&self.settings.interpreter.executable)
            .args(cutoff.map(|cutoff| format!("--exclude-newer={cutoff}")));
        self.add_indexes(&mut uv);
        let mut child = uv.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(requirements.join("\n").as_bytes())?;
        }
        let lock = succeed(child.wait_with_output()?)?;
        pin::from_lock(&String::from_utf8(lock).context("expected uv's lock as UTF-8")?)
    }

    fn resolve_with_pip(&self, requirements: &[String], cutoff: Option<&str>) -> anyhow::Result<Vec<Pin>> {
        let mut pip = module(&self.pip_with_cutoff()?, "pip");
        pip.args(["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"])
            .args(["--only-binary", ":all:"])
            .args(cutoff.map(|cutoff| format!("--uploaded-prior-to={cutoff}")))
            .args(requirements);
        let report = succeed(pip.stdin(Stdio::null()).output()?)?;
        pin::from_report(&report)
    }

    /// The Python of an environment with a pip that knows cutoffs, made once.
    fn pip_with_cutoff(&self) -> anyhow::Result<PathBuf> {
        let folder = self.tools.join(format!("pip-python{}", self.settings.interpreter.version));
        cache::make_once(&folder, |folder| {
            let interpreter = &self.settings.interpreter.executable;
            succeed(module(interpreter, "venv").arg(folder).output()?)?;
            let mut install = module(&folder.join("bin/python"), "pip");
            install.args(["install", "--quiet", "--upgrade", PIP_WITH_CUTOFF]);
            succeed(install.stdin(Stdio::null()).output()?)?;
            Ok(())
        })?;
        Ok(folder.join("bin/python"))
    }

    /// Has pip fetch exactly one wheel: for files that are not plain entries of the index.
    pub(crate) fn download(&self, pin: &Pin, folder: &Path) -> anyhow::Result<()> {
        let hashes: Vec<_> = pin.digests.iter().map(|digest| format!("--hash=sha256:{digest}")).collect();
        let lock = folder.join("requirements.txt");
        fs::write(&lock, format!("{}=={} {}\n", pin.project.as_str(), pin.version, hashes.join(" ")))?;
        let mut pip = module(&self.python, "pip");
        pip.args(["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r"])
            .arg(&lock)
            .arg("-d")
            .arg(folder);
        succeed(pip.stdin(Stdio::null()).output()?)?;
        Ok(fs::remove_file(lock)?)
    }

    /// Makes a virtual environment of exactly these wheel files, whose digests the caller has checked.
    pub(crate) fn environment(&self, folder: &Path, wheels: &[PathBuf]) -> anyhow::Result<()> {
        let interpreter = &self.settings.interpreter.executable;
        if self.uv {
            succeed(
                self.uv()
                    .args(["venv", "--quiet", "--no-project", "--python"])
                    .arg(interpreter)
                    .arg(folder)
                    .output()?,
            )?;
            if !wheels.is_empty() {
                let mut install = self.uv();
                install
                    .args(["pip", "install", "--quiet", "--no-deps", "--no-index", "--compile-bytecode"])
                    // Copies: a link would let a build that escaped its room change uv's cache.
                    .args(["--link-mode", "copy", "--python"])
                    .arg(folder.join("bin/python"))
                    .args(wheels);
                succeed(install.stdin(Stdio::null()).output()?)?;
            }
            return Ok(());
        }
        succeed(module(interpreter, "venv").arg("--without-pip").arg(folder).output()?)?;
        if !wheels.is_empty() {
            let mut install = module(&self.pip_with_cutoff()?, "pip");
            install
                .arg("--python")
                .arg(folder.join("bin/python"))
                .args(["install", "--quiet", "--no-deps", "--no-index", "--no-warn-script-location"])
                .args(wheels);
            succeed(install.stdin(Stdio::null()).output()?)?;
        }
        Ok(())
    }

    /// uv as if it were pip: its own configuration is left out, pip's is handed over. In variables, since a URL may hold
    /// credentials and everybody can read a command line.
    fn uv(&self) -> Command {
        let mut uv = Command::new("uv");
        let own = |name: &OsString| name.to_string_lossy().starts_with("UV_") && name != "UV_CACHE_DIR";
        for (name, _) in std::env::vars_os().filter(|(name, _)| own(name)) {
            uv.env_remove(name);
        }
        uv.env("UV_NO_CONFIG", "1").env_remove("VIRTUAL_ENV").stdin(Stdio::null());
        if let Some(cert) = &self.settings.cert {
            uv.env("SSL_CERT_FILE", cert);
        }
        if !self.settings.trusted_hosts.is_empty() {
            uv.env("UV_INSECURE_HOST", self.settings.trusted_hosts.join(" "));
        }
        uv
    }

    /// In pip's order; what uv calls the default index is the one that it asks last.
    fn add_indexes(&self, uv: &mut Command) {
        let mut urls: Vec<_> = self.settings.index_urls().collect();
        match urls.pop() {
            Some(last) => uv.env("UV_DEFAULT_INDEX", last).env("UV_INDEX", urls.join(" ")),
            None => uv.arg("--no-index"),
        };
        for place in &self.settings.find_links {
            uv.arg("--find-links").arg(place);
        }
    }
}

/// A Python that takes no module from the folder that attest is run in, such as a project's that has a `pip.py`: that is
/// code outside of any room. Pythons before 3.11 do not know the variable: a script sees to it by itself.
fn isolated(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.env("PYTHONSAFEPATH", "1");
    command
}

/// Runs a module of a Python's own, whatever lies in the folder that attest is run in.
fn module(python: &Path, name: &str) -> Command {
    let mut command = isolated(python);
    command.args(["-c", MODULE, name]);
    command
}

/// The output of a program that succeeded, or its last lines as the error.
fn succeed(output: Output) -> anyhow::Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    bail!("{}", lines[lines.len().saturating_sub(6)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_in_the_folder_that_attest_is_run_in_are_not_imported() {
        let folder = tempfile::tempdir().unwrap();
        for module in ["json", "os", "pip", "runpy", "venv"] {
            std::fs::write(folder.path().join(format!("{module}.py")), "raise SystemExit(9)\n").unwrap();
        }
        let code = |command: &mut Command| command.current_dir(folder.path()).output().unwrap().status.code();
        let python = Path::new("python3");
        // As a Python before 3.11 has it, which does not know the variable.
        for variable in [true, false] {
            for arguments in [&["pip", "--version"][..], &["venv", "--help"]] {
                let mut command = module(python, arguments[0]);
                command.args(&arguments[1..]);
                if !variable {
                    command.env_remove("PYTHONSAFEPATH");
                }
                assert_eq!(code(&mut command), Some(0), "{arguments:?}");
            }
        }
        let mut settings = isolated(python);
        settings.args(["-c", SETTINGS]).env_remove("PYTHONSAFEPATH");
        assert_eq!(code(&mut settings), Some(0));
        // What it is kept from.
        let mut plain = Command::new(python);
        assert_eq!(code(plain.args(["-m", "pip", "--version"]).env_remove("PYTHONSAFEPATH")), Some(9));
    }

    #[test]
    fn an_environment_without_pip_is_asked_through_the_python_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let made =
            Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(folder.path().join("venv")).output();
        // Where there is no Python or no pip, there is nothing to ask.
        let Ok(whole) = Pip::query(Path::new("python3"), folder.path()) else { return };
        assert!(made.unwrap().status.success());
        let bare = Pip::query(&folder.path().join("venv/bin/python"), folder.path()).unwrap();
        assert_eq!(bare.settings().index_url, whole.settings().index_url);
    }
}
