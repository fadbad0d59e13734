//! `attest install`, with a real pip, a real virtual environment and a folder in place of an index.

use std::{fs, path::PathBuf, process::Command};

use crate::world::{Done, World, has, run, statement, text};

/// Makes a minimal wheel with Python's own zipfile.
const MAKE: &str = "
import sys, zipfile, hashlib, base64
path, name, version = sys.argv[1:]
info = f'{name}-{version}.dist-info'
members = {f'{name}.py': b'', f'{info}/METADATA': f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n'.encode(),
    f'{info}/WHEEL': b'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}
record = ''.join(f'{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(b).digest()).rstrip(b\"=\").decode()},{len(b)}\\n'
    for n, b in members.items())
members[f'{info}/RECORD'] = (record + f'{info}/RECORD,,\\n').encode()
with zipfile.ZipFile(path, 'w') as z:
    for n, b in members.items(): z.writestr(n, b)
";

struct Gate {
    world: World,
    python: PathBuf,
}

impl Gate {
    /// An environment, a folder with two wheels, and a policy that accepts the first.
    fn new() -> Option<Self> {
        if !has("python3", "--version") {
            return None;
        }
        let world = World::new();
        let venv = world.path("venv");
        assert!(Command::new("python3").args(["-m", "venv"]).arg(&venv).status().unwrap().success());
        fs::create_dir(world.path("index")).unwrap();
        for name in ["gated", "unknown"] {
            let path = world.path(&format!("index/{name}-1.0-py3-none-any.whl"));
            assert!(
                Command::new("python3").args(["-c", MAKE]).arg(&path).args([name, "1.0"]).status().unwrap().success()
            );
        }
        let wheel = fs::read(world.path("index/gated-1.0-py3-none-any.whl")).unwrap();
        let digest = attest_core::artifact::ArtifactDigest::of(&wheel);
        world.write("data/statements/gated.json", statement(1, "gated-1.0-py3-none-any.whl", &digest));
        world.own("p.toml", 1, 1);
        Some(Self { python: venv.join("bin/python"), world })
    }

    fn install(&self, arguments: &[&str]) -> Done {
        self.install_with(arguments, &[])
    }

    fn install_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Done {
        let mut command = self.world.command();
        command.args([
            "install",
            "--policy",
            "p.toml",
            "--python",
            text(&self.python),
            "--no-index",
            "--find-links",
            "index",
        ]);
        run(command.args(arguments).envs(environment.iter().copied()))
    }

    fn has(&self, module: &str) -> bool {
        Command::new(&self.python).args(["-c", &format!("import {module}")]).output().unwrap().status.success()
    }
}

#[test]
fn an_accepted_wheel_is_installed_and_an_unknown_one_is_not() {
    let Some(gate) = Gate::new() else { return };
    gate.install(&["unknown==1.0"]).is(1, "nothing was installed");
    gate.install(&["gated", "unknown"]).is(1, "2 files checked: 1 ok, 1 refused");
    assert!(!gate.has("gated") && !gate.has("unknown"));
    gate.install(&["gated==1.0"]).is(0, "1 file checked: 1 ok");
    assert!(gate.has("gated"));
}

#[test]
fn what_is_installed_already_is_not_skipped_unchecked() {
    let Some(gate) = Gate::new() else { return };
    gate.install(&["gated"]).is(0, "1 ok");
    gate.install(&["gated"]).is(1, "installed already, from files that nobody checked: gated==1.0");
    let again = gate.install(&["gated", "--force-reinstall", "--output-format", "json"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(again.json()["summary"]["passed"], 1);
}

#[test]
fn sources_folders_and_options_that_change_the_outcome_are_refused() {
    let Some(gate) = Gate::new() else { return };
    let evil = "import pathlib; pathlib.Path('ran').touch()";
    gate.world.write("project/setup.py", evil);
    gate.world.write("index/source-1.0.tar.gz", "never opened");
    gate.world.write("r.txt", "gated==1.0\n-e ./project\n");
    gate.world.write("c.txt", "gated @ git+https://example.org/gated\n");
    gate.install(&["source"]).is(2, "No matching distribution");
    gate.install(&["./project"]).is(1, "a local folder");
    gate.install(&["index/source-1.0.tar.gz"]).is(1, "only published wheels");
    gate.install(&["git+https://example.org/gated"]).is(1, "a version control checkout");
    gate.install(&["-r", "r.txt"]).is(1, "r.txt:2");
    gate.install(&["-c", "c.txt", "gated"]).is(1, "c.txt:1");
    assert!(!gate.world.path("ran").exists() && !gate.world.path("project/ran").exists());
    gate.install(&["--no-binary", ":all:", "gated"]).is(2, "--no-binary");
    gate.install(&["--root", "x", "gated"]).is(2, "--root");
    gate.install(&["--installer", "pip", "--index", "https://x.example", "gated"]).is(2, "pip has no --index");
    gate.install(&["-e", "./project"]).is(1, "a local folder");
    gate.install(&["gated", "--", "--no-require-hashes"]).is(2, "expected a requirement");
    for (name, value) in [("PIP_REQUIREMENT", "evil.txt"), ("PIP_TARGET", "x"), ("PIP_NO_REQUIRE_HASHES", "1")] {
        gate.install_with(&["gated"], &[(name, value)]).is(2, "could change what gets installed");
    }
    gate.world.write("pip.conf", "[install]\nrequirement = evil.txt\n");
    gate.install_with(&["gated"], &[("PIP_CONFIG_FILE", "pip.conf")]).is(2, "install.requirement");
    assert!(!gate.has("gated"));
}

/// An option in a file brings sdists back, and the metadata of a wheel that nobody verified can name one.
#[test]
fn nothing_is_built_to_find_out_what_would_be_installed() {
    let Some(gate) = Gate::new() else { return };
    let ran = gate.world.path("ran");
    let evil = format!("import pathlib; pathlib.Path({:?}).touch()", text(&ran));
    gate.world.write("evil-1.0/evil.py", evil);
    gate.world.write(
        "evil-1.0/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = 'evil'\nbackend-path = ['.']\n",
    );
    let packed = Command::new("tar")
        .args(["-czf", "index/evil-1.0.tar.gz", "evil-1.0"])
        .current_dir(gate.world.path(""))
        .status()
        .unwrap();
    assert!(packed.success());
    gate.world.write("r.txt", "--no-binary evil\nevil==1.0\n");
    gate.world.write("c.txt", "--no-binary evil\n");
    gate.world.write("nested.txt", "-c c.txt\nevil==1.0\n");
    for arguments in [&["-r", "r.txt"][..], &["-r", "nested.txt"], &["evil", "-c", "c.txt"]] {
        let done = gate.install(arguments);
        assert_ne!(done.code, 0, "{done:?}");
        assert!(!ran.exists(), "{arguments:?} ran setup.py: {done:?}");
    }
}

#[test]
fn a_list_that_hides_what_is_installed_is_refused() {
    let Some(gate) = Gate::new() else { return };
    gate.install(&["gated"]).is(0, "1 ok");
    gate.world.write("pip.conf", "[list]\nexclude = gated\n");
    gate.install_with(&["gated"], &[("PIP_CONFIG_FILE", "pip.conf")]).is(2, "list.exclude");
}

#[test]
fn a_pip_in_the_working_directory_is_not_pip() {
    let Some(gate) = Gate::new() else { return };
    gate.world.write("pip.py", "raise SystemExit('evil')");
    gate.world.write("path/pip.py", "raise SystemExit('evil')");
    let path = gate.world.path("path");
    gate.install_with(&["gated"], &[("PYTHONPATH", text(&path))]).is(0, "1 ok");
}

#[test]
fn without_a_policy_pip_is_not_even_asked() {
    let world = World::new();
    world.attest(&["install", "demo", "--python", "/no/such/python"]).is(2, "no policy");
}

#[test]
fn commands_that_ask_an_index_say_so_where_nobody_may_be_asked() {
    let world = World::new();
    for command in [&["proxy", "--", "pip", "install", "demo"][..], &["rebuild", "demo==1.0"]] {
        world.attest(&[&["--offline"], command].concat()).is(2, "asking an index, and --offline asks nobody");
    }
}
