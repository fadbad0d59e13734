//! Pruned locks and the installers that read them: what stays pruned, and what writes the rest back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use attest_tests::{
    clients::{self, Client},
    command::{self, Outcome},
    index::Index,
    quorum::Quorum,
    tool,
    wheel::{Offered, Wheel},
};

/// A project that needs two packages, each with a wheel that is accepted and an sdist that nobody may build.
struct Project {
    quorum: Quorum,
    index: Index,
    built: PathBuf,
}

impl Project {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let built = quorum.scene.path("somebody-built-an-sdist");
        let mut offered: Vec<Offered> = Vec::new();
        for (project, requires) in [("gated", &["plain==2.0"][..]), ("plain", &[]), ("later", &[])] {
            let version = if project == "plain" { "2.0" } else { "1.0" };
            let wheel = Wheel::requiring(project, version, "", requires)?;
            quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
            offered.push((&wheel).into());
            offered.push(Offered::sdist(project, version, &built)?);
        }
        quorum.write_policy()?;
        let index = Index::serve(&offered)?;
        Ok(Self { quorum, index, built })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.quorum.scene.path(name)
    }

    fn read(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.path(name))?)
    }

    fn attest(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut attest = self.quorum.scene.attest();
        attest.args(arguments).args(["--policy", "policy.toml"]);
        command::run(attest.env("PIP_INDEX_URL", self.index.url()))
    }

    fn client(&self, program: &Path, arguments: &[&str]) -> Result<Outcome> {
        let mut client = self.quorum.scene.plain(Command::new(program));
        client.args(arguments).env("PIP_INDEX_URL", self.index.url()).env("UV_DEFAULT_INDEX", self.index.url());
        client.env("UV_PYTHON", "python3").env("UV_PYTHON_DOWNLOADS", "never").env("UV_NO_CONFIG", "1");
        client.env("POETRY_CACHE_DIR", self.path("poetry-cache")).env("POETRY_VIRTUALENVS_IN_PROJECT", "true");
        command::run(client.env("UV_CACHE_DIR", self.path("uv-cache")))
    }

    fn nothing_was_built(&self) -> Result<()> {
        ensure!(!self.built.exists(), "an sdist was built");
        Ok(())
    }
}

const PYPROJECT: &str = "[project]\nname = \"demo\"\nversion = \"0.1.0\"\nrequires-python = \">=3.9\"\n\
                         dependencies = [\"gated==1.0\"]\n";

#[test]
fn uv_leaves_a_pruned_lock_as_it_is_and_what_uv_add_writes_back_is_noticed() -> Result<()> {
    for client in [Client::Uv012, Client::Uv013] {
        let Some(uv) = clients::get(client)? else { return Ok(()) };
        let project = Project::new()?;
        project.quorum.scene.write("pyproject.toml", PYPROJECT)?;
        project.client(&uv, &["lock"])?.expect(0)?;
        ensure!(project.read("uv.lock")?.contains("sdist = "), "{}", project.read("uv.lock")?);
        project.attest(&["lock"])?.expect(0)?;
        let pruned = project.read("uv.lock")?;
        ensure!(!pruned.contains("sdist = ") && pruned.contains("-none-any.whl"), "{pruned}");
        for step in [&["lock"][..], &["lock", "--check"], &["sync", "--locked"], &["sync", "--frozen"]] {
            project.client(&uv, step)?.expect(0)?;
            ensure!(project.read("uv.lock")? == pruned, "uv {} writes {}", step.join(" "), project.read("uv.lock")?);
        }
        project.attest(&["lock", "--check"])?.expect(0)?;
        project.attest(&["verify", "uv.lock", "--all-files", "--locked"])?.expect(0)?;
        project.client(&uv, &["add", "later==1.0"])?.expect(0)?;
        ensure!(project.read("uv.lock")?.contains("sdist = "), "uv add asks the index again");
        project.attest(&["lock", "--check"])?.expect(1)?.expect_words("uv.lock")?;
        project.attest(&["verify", "uv.lock", "--all-files"])?.expect(1)?;
        project.attest(&["lock"])?.expect(0)?;
        ensure!(!project.read("uv.lock")?.contains("sdist = "), "{}", project.read("uv.lock")?);
        project.client(&uv, &["sync", "--locked"])?.expect(0)?;
        project.nothing_was_built()?;
    }
    Ok(())
}

#[test]
fn poetry_installs_from_a_pruned_lock() -> Result<()> {
    let Some(poetry) = clients::get(Client::Poetry)? else { return Ok(()) };
    let project = Project::new()?;
    let source = format!(
        "\n[tool.poetry]\npackage-mode = false\n\n[[tool.poetry.source]]\nname = \"local\"\nurl = \"{}\"\n",
        project.index.url()
    );
    project.quorum.scene.write("pyproject.toml", format!("{PYPROJECT}{source}"))?;
    project.client(&poetry, &["lock", "--no-interaction"])?.expect(0)?;
    ensure!(project.read("poetry.lock")?.contains(".tar.gz"), "{}", project.read("poetry.lock")?);
    project.attest(&["lock", "poetry.lock"])?.expect(0)?;
    let pruned = project.read("poetry.lock")?;
    ensure!(!pruned.contains(".tar.gz"), "{pruned}");
    project.client(&poetry, &["check", "--lock", "--no-interaction"])?.expect(0)?;
    project.client(&poetry, &["install", "--no-interaction"])?.expect(0)?;
    ensure!(project.read("poetry.lock")? == pruned, "{}", project.read("poetry.lock")?);
    project.attest(&["verify", "poetry.lock", "--all-files", "--locked"])?.expect(0)?;
    project.nothing_was_built()
}

#[test]
fn requirements_without_hashes_are_resolved_and_pip_enforces_what_was_accepted() -> Result<()> {
    if !tool::have(&["python3"]) {
        return Ok(());
    }
    let project = Project::new()?;
    project.quorum.scene.write("requirements.in", "# direct\ngated==1.0\n")?;
    project.attest(&["lock", "-i", "requirements.in"])?.expect(0)?;
    let locked = project.read("requirements.txt")?;
    ensure!(locked.contains("plain==2.0") && locked.matches("--hash=").count() == 2, "{locked}");
    project.attest(&["verify", "requirements.txt", "--locked"])?.expect(0)?;
    for client in [Client::Pip23, Client::Pip26] {
        let folder = project.path(client.version());
        let Some(python) = clients::environment(client, &folder)? else { return Ok(()) };
        let install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements.txt"];
        project.client(&python, &install)?.expect(0)?;
    }
    project.nothing_was_built()
}

#[test]
fn pip_installs_from_a_pruned_pylock() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(python) = clients::environment(Client::Pip26, &folder.path().join("env"))? else { return Ok(()) };
    let project = Project::new()?;
    project.client(&python, &["-m", "pip", "lock", "--quiet", "gated==1.0"])?.expect(0)?;
    let before = project.read("pylock.toml")?;
    project.attest(&["lock", "pylock.toml"])?.expect(0)?;
    let pruned = project.read("pylock.toml")?;
    ensure!(!pruned.contains(".tar.gz") && pruned.contains("-none-any.whl"), "{before}\n{pruned}");
    project.client(&python, &["-m", "pip", "install", "--quiet", "-r", "pylock.toml"])?.expect(0)?;
    project.attest(&["verify", "pylock.toml", "--locked"])?.expect(0)?;
    project.nothing_was_built()
}

/// Its hashes have no names: whatever the index has of a version may be installed.
#[test]
fn a_lock_that_pipenv_wrote_passes_where_every_file_of_it_does() -> Result<()> {
    let Some(program) = clients::pinned("pipenv", "2026.10.3")? else { return Ok(()) };
    let quorum = Quorum::new()?;
    let (gated, plain) = (Wheel::requiring("gated", "1.0", "", &["plain==2.0"])?, Wheel::new("plain", "2.0", "")?);
    for wheel in [&gated, &plain] {
        quorum.vote(&[&quorum.alice, &quorum.carol], wheel)?;
    }
    quorum.write_policy()?;
    let index = Index::serve(&[(&gated).into(), (&plain).into()])?;
    let scene = &quorum.scene;
    let source = format!("[[source]]\nname = \"local\"\nurl = \"{}\"\nverify_ssl = false\n", index.url());
    scene.write("Pipfile", format!("{source}\n[packages]\ngated = \"==1.0\"\n"))?;
    let pipenv = |arguments: &[&str]| {
        let mut pipenv = scene.plain(Command::new(&program));
        pipenv.args(arguments).env("PIPENV_VENV_IN_PROJECT", "1").env("PIPENV_CACHE_DIR", scene.path("pipenv"));
        command::run(pipenv.env("PIPENV_IGNORE_VIRTUALENVS", "1").env("NO_PROXY", "127.0.0.1"))
    };
    pipenv(&["lock"])?.expect(0)?;
    let verify = || command::run(&mut quorum.verification("Pipfile.lock"));
    verify()?.expect(0)?;
    pipenv(&["sync"])?.expect(0)?;
    index.add(&Wheel::tagged("plain", "2.0", "1-py3-none-any", "EVIL = True\n", &[])?);
    pipenv(&["lock"])?.expect(0)?;
    verify()?.expect(1)?.expect_words("plain")?;
    Ok(())
}
