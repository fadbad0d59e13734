//! The release workflow: it is what its schema says, its scripts are read by a shell, and those steps that need no forge are run.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use attest_tests::{book, clients, command, scene::Scene, tool};
use serde_json::Value;
use zip::{ZipWriter, write::SimpleFileOptions};

const RELEASE: &str = ".github/workflows/release.yml";
const CHECKER: &str = "check-jsonschema==0.39.0";

/// A Python that reads YAML and has the schemas of others.
fn checker() -> Result<Option<PathBuf>> {
    clients::tools(CHECKER, &[CHECKER])
}

/// A step's script, and the name of its job.
struct Step {
    job: String,
    script: String,
}

fn steps(python: &Path) -> Result<Vec<Step>> {
    let read =
        "import json, sys; from ruamel.yaml import YAML; print(json.dumps(YAML(typ='safe').load(open(sys.argv[1]))))";
    let mut load = Command::new(python);
    let read = command::run(load.args(["-c", read]).arg(book::root().join(RELEASE)))?.expect(0)?.stdout;
    let workflow: Value = serde_json::from_str(&read)?;
    let mut steps = Vec::new();
    for (job, text) in workflow["jobs"].as_object().context("a workflow has jobs")? {
        for step in text["steps"].as_array().context("a job has steps")? {
            if let Some(script) = step["run"].as_str() {
                steps.push(Step { job: job.clone(), script: script.to_owned() });
            }
        }
    }
    Ok(steps)
}

/// The script of a job that has these words.
fn step(python: &Path, job: &str, words: &str) -> Result<String> {
    let found = steps(python)?.into_iter().find(|step| step.job == job && step.script.contains(words));
    Ok(found.with_context(|| format!("expected a step of {job} with {words:?}"))?.script)
}

/// As a runner runs it: https://docs.github.com/actions, `shell: bash` is `bash --noprofile --norc -eo pipefail`; without it
/// `bash -e`.
fn shell(scene: &Scene, script: &str) -> Command {
    let mut shell = scene.plain(Command::new("bash"));
    shell.args(["--noprofile", "--norc", "-e", "-c", script]).env("RUNNER_TEMP", scene.path("temp"));
    shell
}

#[test]
fn workflow_action_and_compose_file_are_what_their_schemas_say() -> Result<()> {
    let Some(python) = checker()? else { return Ok(()) };
    for (schema, file) in [
        ("vendor.github-workflows", RELEASE),
        ("vendor.github-actions", "action.yml"),
        ("vendor.compose-spec", "packaging/compose.yaml"),
    ] {
        let mut check = Command::new(&python);
        check.args(["-m", "check_jsonschema", "--builtin-schema", schema]).arg(book::root().join(file));
        command::run(&mut check)?.expect(0).context(file)?;
    }
    Ok(())
}

#[test]
fn every_step_is_a_script_that_bash_reads_and_names_files_of_the_repository_that_are_there() -> Result<()> {
    let Some(python) = checker()? else { return Ok(()) };
    let mut named = 0;
    for Step { job, script } in steps(&python)? {
        command::run(Command::new("bash").args(["-n", "-c", &script]))?.expect(0).context(job.clone())?;
        for word in script.split([' ', '\n', '"', '\'', '(', ')', ';']) {
            if ["docs/", "packaging/", ".ci/", "./attest-"].iter().any(|start| word.starts_with(start)) {
                ensure!(book::root().join(word).exists(), "{job}: expected {word} in the repository");
                named += 1;
            }
        }
    }
    ensure!(named > 5, "expected scripts that name files, found {named}");
    Ok(())
}

#[test]
fn the_tarball_of_a_release_has_the_program_of_its_wheel() -> Result<()> {
    let Some(python) = checker()? else { return Ok(()) };
    if !tool::have(&["unzip"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let program = |of: &Path| format!("#!/bin/sh\nexec '{}' \"$@\"\n", of.display());
    let mut wheel = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    wheel.start_file("attest_wheels-0.1.0.data/scripts/attest", SimpleFileOptions::default())?;
    wheel.write_all(program(scene.programs().cli()).as_bytes())?;
    scene.write("dist/attest_wheels-0.1.0-py3-none-any.whl", wheel.finish()?.into_inner())?;
    let server = "target/x86_64-unknown-linux-musl/dist/attest-server";
    let server = scene.write(server, program(scene.programs().server()))?;
    fs::set_permissions(server, fs::Permissions::from_mode(0o755))?;
    for entry in ["packaging", "docs", "schemas", "README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        symlink(book::root().join(entry), scene.path(entry))?;
    }

    let script = step(&python, "tarball", "packaging/tarball")?;
    command::run(&mut shell(&scene, &script))?.expect(0)?;
    // What the images are made of.
    let unpack = step(&python, "images", "tar -xzf")?;
    let unpack: String = unpack.split_inclusive('\n').take(2).collect();
    command::run(&mut shell(&scene, &unpack))?.expect(0)?;
    let packed = fs::read_to_string(scene.path("programs/bin/attest"))?;
    ensure!(packed == program(scene.programs().cli()), "the tarball has another program than the wheel");
    ensure!(scene.path("programs/bin/attest-server").is_file(), "no server");
    Ok(())
}

#[test]
fn the_branch_of_recipes_begins_with_one_release_and_grows_with_the_next() -> Result<()> {
    let Some(python) = checker()? else { return Ok(()) };
    if !tool::have(&["git"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let script = step(&python, "evidence", "git switch")?;
    let begin = "git init --quiet --bare forge.git && git init --quiet --initial-branch main work && cd work && echo x > README.md && \
                 git add . && git -c user.name=a -c user.email=a@example.org commit --quiet -m x && \
                 git push --quiet ../forge.git main";
    command::run(&mut shell(&scene, begin))?.expect(0)?;
    for (release, digest) in [("v1", "11"), ("v2", "22")] {
        let folder = format!("temp/evidence/by-digest/sha256/{digest}");
        fs::remove_dir_all(scene.path("temp")).ok();
        scene.write(&folder, "a recipe")?;
        fs::remove_dir_all(scene.path("clone")).ok();
        // As the action does it: one branch, and no history.
        let clone =
            format!("git clone --quiet --depth 1 --branch main 'file://{}' clone", scene.path("forge.git").display());
        command::run(&mut shell(&scene, &clone))?.expect(0)?;
        let mut push = shell(&scene, &script);
        push.current_dir(scene.path("clone")).env("GITHUB_ACTOR", "a").env("GITHUB_REF_NAME", release);
        command::run(&mut push)?.expect(0)?;
    }
    let list = "git -C forge.git ls-tree -r --name-only evidence && git -C forge.git log --format=%s evidence";
    let found = command::run(&mut shell(&scene, list))?.expect(0)?.stdout;
    ensure!(found == "sha256/11\nsha256/22\nv2\nv1\n", "{found}");
    Ok(())
}
