//! Real wheels, whose recipes are not all written on them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Says why a test does nothing; in CI that is a failure.
fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "expected to run in CI: {reason}");
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

fn index_has(target: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "-q", "-d"]).arg(folder.path()).arg(target).stderr(Stdio::null());
    pip.status().is_ok_and(|status| status.success())
}

/// A Python that runs setuptools of 2021: none from 3.12 on has what those import.
fn old_python() -> Option<&'static str> {
    let runs = |python: &&str| {
        let mut command = Command::new(python);
        command
            .args(["-c", "import sys, pip, venv; sys.exit(sys.version_info >= (3, 12))"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    ["python3", "python3.11", "python3.10", "python3.9", "python3.8"].into_iter().find(runs)
}

fn rebuild(target: &str, folder: &Path, python: &str) -> Output {
    let mut attest = Command::new(env!("CARGO_BIN_EXE_attest"));
    attest.args(["rebuild", target, "--python", python, "--output-dir"]).arg(folder.join("results"));
    attest.env("XDG_CACHE_HOME", folder.join("cache")).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn an_old_setuptools_is_found_by_trial_beside_a_clock_that_ticks_and_the_recipe_says_so() {
    if !index_has("jmespath==1.0.1") {
        return skip("pip cannot reach an index with jmespath 1.0.1");
    }
    let Some(python) = old_python() else { return skip("no Python before 3.12 is installed") };
    let folder = tempfile::tempdir().unwrap();
    let output = rebuild("jmespath==1.0.1", folder.path(), python);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("EXACT jmespath-1.0.1-py3-none-any.whl sha256:02e2e4cc"), "{}", text(&output));
    let results = folder.path().join("results/jmespath-1.0.1-py3-none-any");
    let recipe = fs::read_to_string(results.join("recipe.toml")).unwrap();
    let recipe = attest_core::recipe::Recipe::parse(&recipe).unwrap();
    assert_eq!(recipe.knobs_only(), Ok(()));
    assert_eq!(recipe.guesses, [""; 0]);
    assert_eq!(recipe.searched, ["setuptools 56.2.0 (try 1)"]);
    assert_eq!(recipe.time.ticks.len(), 2);
    // Every try is in the log, and the newest setuptools of that day was the first.
    let log = fs::read_to_string(results.join("build.log")).unwrap();
    assert!(log.contains("attest: try 1 gives the very file"), "{log}");
}

#[test]
fn a_wheel_from_windows_is_built_with_its_line_ends_and_zip_entries() {
    if !index_has("tabulate==0.9.0") {
        return skip("pip cannot reach an index with tabulate 0.9.0");
    }
    let folder = tempfile::tempdir().unwrap();
    let output = rebuild("tabulate==0.9.0", folder.path(), "python3");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("EXACT tabulate-0.9.0-py3-none-any.whl sha256:024ca478"), "{}", text(&output));
}

#[test]
fn a_module_with_the_version_that_the_build_writes_has_the_time_of_the_published_build() {
    if !index_has("exceptiongroup==1.2.0") {
        return skip("pip cannot reach an index with exceptiongroup 1.2.0");
    }
    let folder = tempfile::tempdir().unwrap();
    let output = rebuild("exceptiongroup==1.2.0", folder.path(), "python3");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("EXACT exceptiongroup-1.2.0-py3-none-any.whl sha256:"), "{}", text(&output));
}
