//! Locks that real tools wrote: what an installer takes from them on this machine is what the gate counts.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use attest_core::artifact::{Version, WheelName};
use attest_tests::{
    clients::{self, Client},
    command::{self, Outcome},
    quorum::Quorum,
    wheel::Wheel,
};
use serde_json::Value;

/// A native wheel for every Python and system, a pure one, one that is only for Windows, and one only for old Pythons.
const PROJECT: &str = r#"[project]
name = "demo"
version = "1"
requires-python = ">=3.9,<4"
dependencies = [
    "markupsafe==3.0.2",
    "idna==3.10",
    "colorama==0.4.6; sys_platform == 'win32'",
    "tomli==2.2.1; python_version < '3.10'",
]
"#;

struct Project {
    quorum: Quorum,
}

impl Project {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        quorum.write_policy()?;
        quorum.scene.write("pyproject.toml", PROJECT)?;
        Ok(Self { quorum })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.quorum.scene.path(name)
    }

    fn client(&self, program: &Path, arguments: &[&str]) -> Result<Outcome> {
        command::run(self.quorum.scene.plain(Command::new(program)).args(arguments))?.expect(0)
    }

    /// The answer about a lock. Nobody has rebuilt anything of it, so it is never a pass.
    fn verify(&self, arguments: &[&str]) -> Result<(Value, Outcome)> {
        let mut attest = self.quorum.scene.attest();
        attest.args(["verify", "--policy", "policy.toml", "--output-format", "json"]).args(arguments);
        let outcome = command::run(&mut attest)?.expect(1)?;
        Ok((serde_json::from_str(&outcome.stdout)?, outcome))
    }

    /// Names of the files that count, and of those that do not.
    fn selection(&self, arguments: &[&str]) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let (document, _) = self.verify(arguments)?;
        let files = document["files"].as_array().context("expected files")?;
        let (mut counted, mut others) = (BTreeSet::new(), BTreeSet::new());
        for file in files {
            let name = file["name"].as_str().context("expected a name")?.to_owned();
            if file["outcome"] == "not-selectable" {
                others.insert(name)
            } else {
                counted.insert(name)
            };
        }
        Ok((counted, others))
    }
}

/// Whether one of these files is the wheel of an installed distribution.
fn has_wheel_of(files: &BTreeSet<String>, distribution: &Path) -> Result<bool> {
    let folder = distribution.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let release = folder.strip_suffix(".dist-info").and_then(|release| release.rsplit_once('-'));
    let (project, version) = release.context("expected NAME-VERSION.dist-info")?;
    let about = fs::read_to_string(distribution.join("WHEEL"))?;
    let tags: BTreeSet<&str> = about.lines().filter_map(|line| line.strip_prefix("Tag: ")).collect();
    let version = Version::new(version)?;
    Ok(files.iter().filter_map(|name| WheelName::parse(name).ok()).any(|wheel| {
        let same =
            wheel.version.same_as(&version) && wheel.project.as_str() == project.replace('_', "-").to_lowercase();
        let mut expanded = wheel.python.split('.').flat_map(|python| {
            wheel.abi.split('.').flat_map({
                let platforms = &wheel.platform;
                move |abi| platforms.split('.').map(move |platform| format!("{python}-{abi}-{platform}"))
            })
        });
        same && expanded.any(|tag| tags.contains(tag.as_str()))
    }))
}

fn installed(environment: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for library in fs::read_dir(environment.join("lib"))? {
        for entry in fs::read_dir(library?.path().join("site-packages"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "dist-info") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Every file that pip would fetch.
fn planned(report: &str) -> Result<BTreeSet<String>> {
    let report: Value = serde_json::from_str(report)?;
    let entries = report["install"].as_array().context("expected what pip would install")?;
    let url = |entry: &Value| Some(entry["download_info"]["url"].as_str()?.rsplit('/').next()?.to_owned());
    entries.iter().map(|entry| url(entry).context("expected a URL")).collect()
}

#[test]
fn what_uv_installs_from_its_lock_is_what_counts() -> Result<()> {
    for client in [Client::Uv012, Client::Uv013] {
        let Some(uv) = clients::get(client)? else { return Ok(()) };
        let project = Project::new()?;
        project.client(&uv, &["lock", "--quiet"])?;
        let (before, _) = project.selection(&[])?;
        project.client(&uv, &["sync", "--quiet", "--frozen", "--no-install-project"])?;
        let (counted, others) = project.selection(&["uv.lock"])?;
        ensure!(counted.is_subset(&before), "more may count while there is no environment: {counted:?} and {before:?}");
        let installed = installed(&project.path(".venv"))?;
        ensure!(installed.len() >= 2, "{installed:?}");
        for distribution in installed {
            ensure!(has_wheel_of(&counted, &distribution)?, "{} is not in {counted:?}", distribution.display());
        }
        ensure!(counted.iter().all(|name| !name.starts_with("colorama") && !name.starts_with("tomli")), "{counted:?}");
        ensure!(counted.iter().all(|name| !name.ends_with(".tar.gz")), "{counted:?}");
        ensure!(others.iter().any(|name| name.starts_with("colorama")), "{others:?}");
        let (all, _) = project.selection(&["uv.lock", "--all-files"])?;
        ensure!(counted.is_subset(&all) && all.iter().any(|name| name.ends_with(".tar.gz")), "{all:?}");
    }
    Ok(())
}

#[test]
fn what_pip_would_take_from_a_pylock_is_what_counts() -> Result<()> {
    let (Some(uv), Some(pip)) = (clients::get(Client::Uv013)?, clients::get(Client::Pip26)?) else { return Ok(()) };
    let project = Project::new()?;
    project.client(&uv, &["lock", "--quiet"])?;
    project.client(
        &uv,
        &["export", "--quiet", "--frozen", "--no-emit-project", "--format", "pylock.toml", "-o", "pylock.toml"],
    )?;
    let report = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", "-r", "pylock.toml"];
    let taken = planned(&project.client(&pip, &report)?.stdout)?;
    let python = pip.with_file_name("python");
    let named = ["pylock.toml", "--python", python.to_str().context("expected a path in UTF-8")?];
    let (counted, others) = project.selection(&named)?;
    ensure!(taken.len() >= 2 && taken.is_subset(&counted), "{taken:?} and {counted:?}");
    ensure!(others.len() > 50, "wheels for other systems are counted: {others:?}");
    // What pip locks is for this machine alone.
    project.client(&pip, &["lock", "--quiet", "idna==3.10", "markupsafe==3.0.2", "-o", "pylock.pip.toml"])?;
    let (counted, others) = project.selection(&["pylock.pip.toml", "--python", named[2]])?;
    ensure!(counted == taken && others.is_empty(), "{counted:?} {others:?}");
    Ok(())
}

#[test]
fn what_fits_here_of_a_poetry_lock_counts_with_its_sdists() -> Result<()> {
    let (Some(poetry), Some(pip)) = (clients::get(Client::Poetry)?, clients::get(Client::Pip26)?) else {
        return Ok(());
    };
    let project = Project::new()?;
    // Poetry goes by no setting of pip's, and without a source it asks for JSON that only PyPI itself has.
    let configured = command::run(Command::new(&pip).args(["config", "get", "global.index-url"]))?;
    let configured = (configured.code() == Some(0)).then(|| configured.stdout.trim().to_owned());
    let index = std::env::var("PIP_INDEX_URL").ok().or(configured);
    let index = index.unwrap_or_else(|| "https://pypi.org/simple/".to_owned());
    let source = format!("[[tool.poetry.source]]\nname = \"index\"\nurl = \"{index}\"\npriority = \"primary\"\n");
    project.quorum.scene.write("pyproject.toml", format!("{PROJECT}{source}"))?;
    project.client(&poetry, &["lock", "--no-interaction"])?;
    let report =
        ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", "idna==3.10", "markupsafe==3.0.2"];
    let taken = planned(&project.client(&pip, &report)?.stdout)?;
    let (counted, others) = project.selection(&["poetry.lock"])?;
    ensure!(taken.len() == 2 && taken.is_subset(&counted), "{taken:?} and {counted:?}");
    ensure!(counted.iter().any(|name| name.ends_with(".tar.gz")), "the index decides: {counted:?}");
    ensure!(others.iter().any(|name| name.starts_with("colorama") && name.contains(".whl")), "{others:?}");
    Ok(())
}

#[test]
fn the_lock_of_a_project_is_found_and_a_lock_can_be_piped_in() -> Result<()> {
    let Some(uv) = clients::get(Client::Uv013)? else { return Ok(()) };
    let project = Project::new()?;
    project.client(&uv, &["lock", "--quiet"])?;
    project.quorum.scene.write("requirements.txt", "idna==3.10\n")?;
    let (named, _) = project.verify(&["uv.lock"])?;
    let (found, outcome) = project.verify(&[])?;
    outcome.expect_words("reading uv.lock")?.expect_words("not looked at: requirements.txt")?;
    ensure!(named["summary"] == found["summary"], "{found}");
    let mut shell = project.quorum.scene.plain(Command::new("sh"));
    let script = r#"exec "$0" --data-dir data verify --policy policy.toml --output-format json - < uv.lock"#;
    let piped = command::run(shell.args(["-c", script]).arg(project.quorum.scene.programs().cli()))?.expect(1)?;
    let piped: Value = serde_json::from_str(&piped.stdout)?;
    ensure!(named["summary"] == piped["summary"], "{piped}");
    Ok(())
}

#[test]
fn a_project_that_has_wheels_passed_over_does_not_hide_its_sdists() -> Result<()> {
    let Some(uv) = clients::get(Client::Uv013)? else { return Ok(()) };
    let project = Project::new()?;
    project.client(&uv, &["lock", "--quiet"])?;
    project.quorum.scene.write("pyproject.toml", format!("{PROJECT}[tool.uv]\n\"no\\u002dbinary\" = true\n"))?;
    let (counted, _) = project.selection(&["uv.lock"])?;
    ensure!(counted.iter().any(|name| name.ends_with(".tar.gz")), "uv would build it: {counted:?}");
    Ok(())
}

#[test]
fn a_lock_that_cannot_be_read_ends_with_one_line_that_says_where() -> Result<()> {
    let project = Project::new()?;
    for (name, text, words) in [
        ("uv.lock", "version = 1\n<<<<<<< ours\n", "uv.lock:2: a conflict marker of git"),
        ("uv.lock", "version = 7\n", "expected uv.lock of version 1, found 7"),
        ("pylock.toml", "lock-version = \"1.0\"\n[[packages]]\nname = \"a", "pylock.toml:3: expected TOML"),
        ("poetry.lock", "[metadata]\nlock-version = \"9\"\n", "expected poetry.lock of version 1 or 2"),
        ("uv.lock", "version = 1\n", "holds nothing that could be installed"),
    ] {
        project.quorum.scene.write(name, text)?;
        let mut attest = project.quorum.scene.attest();
        command::run(attest.args(["verify", "--policy", "policy.toml", name]))?.expect(2)?.expect_words(words)?;
    }
    Ok(())
}

#[test]
fn a_requirement_with_one_accepted_hash_of_two_is_refused_and_says_what_to_do() -> Result<()> {
    let quorum = Quorum::new()?;
    quorum.write_policy()?;
    let good = Wheel::new("gated", "1.0", "GOOD = True\n")?;
    quorum.vote(&[&quorum.alice, &quorum.carol], &good)?;
    quorum
        .scene
        .write("requirements.txt", format!("{} --hash=sha256:{}\n", good.requirement().trim_end(), "ab".repeat(32)))?;
    let refused = command::run(&mut quorum.verification("requirements.txt"))?.expect(1)?;
    refused
        .expect_words("another hash of this requirement is accepted")?
        .expect_words("`attest lock` writes the file")?;
    Ok(())
}
