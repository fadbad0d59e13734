//! `attest doctor`, and other answers to who is at the beginning.

use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::Value;

use crate::{
    fake_log::{Conduct, FakeLog, nobody},
    formats::valid,
    world::{Done, World, has, run},
};

/// One check of a name.
#[track_caller]
fn check<'a>(document: &'a Value, name: &str) -> &'a Value {
    let checks = document["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {document:#}"))
}

fn examined(world: &World, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, Value) {
    let mut command = world.command();
    command.arg("doctor").args(arguments).args(["--output-format", "json"]);
    let done = run(command.envs(environment.iter().copied()));
    let document = done.json();
    valid(&document, "doctor");
    assert_eq!(document["exit"], done.code);
    (done.code, document)
}

#[test]
fn what_is_missing_is_told_with_its_cost_and_the_command_that_mends_it() {
    let world = World::new();
    let empty = world.path("empty");
    fs::create_dir(&empty).unwrap();
    let (code, document) = examined(&world, &[], &[("PATH", empty.to_str().unwrap())]);
    assert_eq!(code, 2, "nothing goes without Python: {document:#}");
    assert_eq!(check(&document, "python")["state"], "BROKEN");
    for name in ["git", "gpg", "containers", "policy"] {
        assert_eq!(check(&document, name)["state"], "MISSING", "{name}");
    }
    // The system's own bubblewrap is used whatever PATH says.
    for check in document["checks"].as_array().unwrap().iter().filter(|check| check["state"] != "OK") {
        assert!(check["costs"].is_string() && check["mend"].is_string(), "{check:#}");
    }
    assert!(check(&document, "policy")["mend"].as_str().unwrap().starts_with("attest key generate && "));
}

/// Only Python, as on a machine on which somebody just installed attest.
#[test]
fn python_alone_is_enough_to_begin() {
    if !has("python3", "--version") {
        return;
    }
    let world = World::new();
    let python = std::process::Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let python = String::from_utf8(python.unwrap().stdout).unwrap();
    let programs = world.path("programs");
    fs::create_dir(&programs).unwrap();
    symlink(Path::new(python.trim()), programs.join("python3")).unwrap();
    let environment = [("PATH", programs.to_str().unwrap()), ("PIP_NO_INDEX", "1")];
    let (code, document) = examined(&world, &["--python", python.trim()], &environment);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(check(&document, "uv")["state"], "MISSING");
    assert_eq!(check(&document, "pip")["state"], "OK");
    assert_eq!(check(&document, "index")["state"], "MISSING");
    let room = check(&document, "bubblewrap");
    assert!(room["state"] == "OK" || room["costs"].is_string(), "{room:#}");
}

#[test]
fn a_log_that_does_not_answer_and_one_of_another_key_are_no_failure_of_this_machine() {
    let world = World::new();
    let log = FakeLog::start(Vec::new());
    world.quorum(1, &[1], &FakeLog::vkey(), &[&log.url]);
    let arguments = ["--policy", "policy.toml"];
    let environment = [("PIP_NO_INDEX", "1")];
    let (code, document) = examined(&world, &arguments, &environment);
    assert_eq!((code, &check(&document, "log")["state"]), (0, &Value::from("OK")), "{document:#}");
    assert!(world.listing("data/logs").is_empty(), "looking is not trusting");

    log.behave(Conduct::OtherKey);
    let (code, document) = examined(&world, &arguments, &environment);
    assert_eq!((code, &check(&document, "log")["state"]), (3, &Value::from("UNREACHABLE")));

    world.quorum(1, &[1], &FakeLog::vkey(), &[&nobody()]);
    let (code, document) = examined(&world, &arguments, &environment);
    assert_eq!((code, &check(&document, "log")["state"]), (3, &Value::from("UNREACHABLE")));
    let (code, document) = examined(&world, &["--policy", "policy.toml", "--offline"], &environment);
    assert_eq!((code, &check(&document, "log")["state"]), (0, &Value::from("UNASKED")));
}

#[test]
fn an_index_that_does_not_answer_is_told_and_a_policy_that_is_none_is_broken() {
    let world = World::new();
    let index = format!("{}/simple", nobody());
    let (code, document) = examined(&world, &[], &[("PIP_INDEX_URL", &index)]);
    assert_eq!((code, &check(&document, "index")["state"]), (3, &Value::from("UNREACHABLE")), "{document:#}");
    world.write("policy.toml", "version = 1\n");
    let (code, document) = examined(&world, &["--policy", "policy.toml"], &[("PIP_NO_INDEX", "1")]);
    assert_eq!((code, &check(&document, "policy")["state"]), (2, &Value::from("BROKEN")));
}

/// An index that has nothing: what it is asked for is what was typed, and nothing else.
fn rebuild(target: &str) -> Done {
    let world = World::new();
    let empty = FakeLog::start(Vec::new());
    let mut command = world.command();
    command.args(["rebuild", target, "--cache-dir", "cache"]);
    run(command.env("PIP_INDEX_URL", format!("{}/simple", empty.url)).env("PIP_RETRIES", "0"))
}

#[test]
fn a_misspelt_package_is_answered_with_the_one_that_is_meant() {
    rebuild("reqeusts==2.34.2").is(3, "did you mean requests?");
    rebuild("requests-2.34.2").is(3, "did you mean requests==2.34.2?");
    rebuild("requests=2.34.2").is(2, "did you mean requests==2.34.2?");
    let unknown = rebuild("nobody-has-this==1");
    assert!(!unknown.err.contains("did you mean") && unknown.code == 3, "{unknown:?}");
}

#[test]
fn a_misspelt_command_is_answered_with_the_one_that_is_meant_in_every_format() {
    let world = World::new();
    world.attest(&["rebuid", "idna"]).is(2, "'rebuild'");
    let document = world.attest(&["rebuid", "idna", "--output-format", "json"]).json();
    assert!(document["error"].as_str().unwrap().contains("'rebuild'"), "{document:#}");
}
