//! The pieces that other people's CI takes from this repository: the pre-commit hook and the action, each run for real.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use attest_tests::{command, quorum::Quorum, scene::Scene, tool, wheel::Wheel};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(name: &str) -> Result<String> {
    fs::read_to_string(Path::new(ROOT).join(name)).with_context(|| name.to_owned())
}

/// `attest` by its name, for what finds it on the `PATH`; it writes its arguments down where that is asked for.
fn on_path(scene: &Scene, body: &str) -> Result<String> {
    let script = scene.write("bin/attest", format!("#!/bin/bash\n{body}\n"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(format!("{}:{}", scene.path("bin").display(), std::env::var("PATH")?))
}

#[test]
fn the_pre_commit_hook_verifies_locks_that_change() -> Result<()> {
    if !tool::have(&["python3", "git"]) {
        return Ok(());
    }
    let quorum = Quorum::new()?;
    let scene = &quorum.scene;
    let venv = scene.path("venv");
    command::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?.expect(0)?;
    let mut pip = scene.plain(Command::new(venv.join("bin/python")));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pre-commit"]);
    if command::run(&mut pip)?.code() != Some(0) && !tool::skip("a network with a package index") {
        return Ok(());
    }
    // Both files are YAML, and say what those who read them need.
    let mut yaml = Command::new(venv.join("bin/python"));
    yaml.args(["-c", YAML]).current_dir(ROOT);
    command::run(&mut yaml)?.expect(0)?;

    let good = Wheel::new("hooked", "1.0", "")?;
    quorum.vote(&[&quorum.alice, &quorum.carol], &good)?;
    quorum.write_policy()?;
    scene.write("hooks/.pre-commit-hooks.yaml", read(".pre-commit-hooks.yaml")?)?;
    let git = |folder: &str, arguments: &[&str]| {
        let mut git = scene.plain(Command::new("git"));
        git.current_dir(scene.path(folder)).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        command::run(git.args(arguments))?.expect(0)
    };
    git("hooks", &["init", "--quiet"])?;
    git("hooks", &["add", "."])?;
    git("hooks", &["commit", "--quiet", "-m", "hooks"])?;
    let rev = git("hooks", &["rev-parse", "HEAD"])?.stdout;
    let config = format!(
        "repos:\n- repo: {}\n  rev: {}\n  hooks:\n  - id: attest-verify\n    args: [--policy, {}, --data-dir, {}]\n",
        scene.path("hooks").display(),
        rev.trim(),
        scene.path("policy.toml").display(),
        scene.path("data").display(),
    );
    scene.write("project/.pre-commit-config.yaml", config)?;
    scene.write("project/requirements.txt", good.requirement())?;
    scene.write("project/notes.txt", "nothing to verify here\n")?;
    git("project", &["init", "--quiet"])?;
    git("project", &["add", "."])?;
    let path = on_path(scene, &format!("exec '{}' \"$@\"", scene.programs().cli().display()))?;
    let hook = || {
        let mut hook = scene.plain(Command::new(venv.join("bin/pre-commit")));
        hook.args(["run", "--all-files"]).current_dir(scene.path("project"));
        command::run(hook.env("PATH", &path).env("PRE_COMMIT_HOME", scene.path("pre-commit")))
    };
    hook()?.expect(0)?.expect_words("Passed")?;
    scene.write("project/requirements.txt", format!("{}unknown==1.0\n", good.requirement()))?;
    git("project", &["add", "."])?;
    hook()?.expect(1)?.expect_words("no hash")?;
    Ok(())
}

/// What a reader of either file insists on, and that no input gets into a command.
const YAML: &str = r#"
import yaml
hook, = yaml.safe_load(open(".pre-commit-hooks.yaml"))
assert {"id", "name", "entry", "language", "files"} <= hook.keys(), hook
action = yaml.safe_load(open("action.yml"))
assert {"name", "description", "inputs", "runs"} <= action.keys(), action
assert action["runs"]["using"] == "composite"
for step in action["runs"]["steps"]:
    assert step["shell"] == "bash" and "${{" not in step["run"], step
    for value in step.get("env", {}).values():
        name = value.removeprefix("${{ inputs.").removesuffix(" }}")
        assert name in action["inputs"], value
for name, said in action["inputs"].items():
    assert said["description"] and "default" in said, name
"#;

#[test]
fn inputs_of_the_action_are_arguments_and_never_commands() -> Result<()> {
    if !tool::have(&["bash"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let path = on_path(&scene, "printf '[%s]' \"$@\" >> arguments; echo >> arguments; echo '{}'; exit 3")?;
    let mut action = scene.plain(Command::new(Path::new(ROOT).join("packaging/github-action")));
    action.env("PATH", path);
    action.env("ATTEST_ACTION_PATHS", "uv.lock\n$(touch pwned); `touch pwned` \"x\n--offline");
    action.env("ATTEST_ACTION_POLICY", "a b.toml\n'; touch pwned #");
    action.env("ATTEST_ACTION_SARIF", "out.sarif").env("ATTEST_ACTION_FROZEN", "true");
    command::run(&mut action)?.expect(3)?;
    let rest = "[--policy=a b.toml][--policy='; touch pwned #][--frozen][--][uv.lock]\
                [$(touch pwned); `touch pwned` \"x][--offline]\n";
    let expected = ["sarif", "github"].map(|format| format!("[verify][--output-format={format}]{rest}")).concat();
    ensure!(
        fs::read_to_string(scene.path("arguments"))? == expected,
        "{:?}",
        fs::read_to_string(scene.path("arguments"))
    );
    ensure!(!scene.path("pwned").exists(), "an input was run");
    ensure!(fs::read_to_string(scene.path("out.sarif"))?.trim() == "{}", "the SARIF is the answer");
    Ok(())
}

#[test]
fn the_action_without_inputs_verifies_the_project_s_lock() -> Result<()> {
    if !tool::have(&["bash"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let path = on_path(&scene, "printf '[%s]' \"$@\"")?;
    let mut action = scene.plain(Command::new(Path::new(ROOT).join("packaging/github-action")));
    command::run(action.env("PATH", path))?.expect(0)?.expect_words("[verify][--output-format=github][--]")?;
    Ok(())
}
