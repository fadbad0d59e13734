//! Every JSON answer is what a schema in `schemas/` says: whatever a test reads is held to it, and no answer is without one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use attest_core::artifact::ArtifactDigest;
use serde_json::Value;

use crate::{
    fake_log::FakeLog,
    world::{WHEEL, World, statement, text},
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn schemas() -> Vec<Value> {
    let files = fs::read_dir(folder("../schemas")).unwrap().map(|file| file.unwrap().path());
    let read = |path: PathBuf| serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    files.map(read).collect()
}

/// The schema of the documents that call themselves this.
fn schema_of(name: &str) -> Option<Value> {
    let named = |schema: &Value| {
        let called = &schema["properties"]["schema"];
        called["const"] == name || called["enum"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
    };
    schemas().into_iter().find(named)
}

/// A document against the schema that it names.
#[track_caller]
pub(crate) fn held(document: &Value) {
    let Some(name) = document["schema"].as_str().filter(|name| name.starts_with("attest.")) else { return };
    let schema = schema_of(name).unwrap_or_else(|| panic!("{name} has no schema"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}: {document:#}");
}

/// `"attest.NAME/v1"` in a source file.
fn names(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            names(&entry.unwrap().path(), found);
        }
        return;
    }
    let text = fs::read_to_string(path).unwrap();
    let quoted = text.split('"').filter(|word| word.starts_with("attest.") && word.ends_with("/v1"));
    found.extend(quoted.map(ToOwned::to_owned));
}

#[test]
fn every_answer_that_the_program_names_has_a_schema() {
    let mut found = BTreeSet::new();
    names(&folder("src"), &mut found);
    assert!(found.len() > 30, "{found:?}");
    let without: Vec<_> = found.iter().filter(|name| schema_of(name).is_none()).collect();
    assert!(without.is_empty(), "no schema is for these: {without:?}");
}

#[test]
fn answers_about_logs_keys_and_statements_are_what_their_schemas_say() {
    let world = World::new();
    let digest = world.digest();
    let log = FakeLog::start(vec![statement(1, WHEEL, &digest)]);
    let (vkey, key) = (FakeLog::vkey(), world.key_file(1));
    let key = text(&key);
    world.write("s.json", statement(2, WHEEL, &ArtifactDigest::of(b"another file")));
    let at_log = ["--log", &log.url, "--vkey", &vkey];
    let at_nobody = ["--log", "http://127.0.0.1:1", "--vkey", &vkey];
    for (code, name, arguments) in [
        (0, "log-status", [&["log", "status"], &at_log[..]].concat()),
        (3, "log-status", [&["log", "status"], &at_nobody[..]].concat()),
        (0, "log-status", [&["log", "status"], &at_log[..]].concat()),
        (3, "log-compare", vec!["log", "compare", "--vkey", &vkey, &log.url]),
        (0, "submit", [&["submit", "s.json"], &at_log[..]].concat()),
        (3, "submit", [&["submit", "s.json"], &at_nobody[..]].concat()),
        (0, "log-proof", [&["log", "proof", "0"], &at_log[..]].concat()),
        (0, "log-proof", [&["log", "proof", "s.json", "-o", "s.proof"], &at_log[..]].concat()),
        (0, "key", vec!["key", "generate", "-o", "new.key"]),
        (0, "key", vec!["key", "show", key]),
        (0, "signed", vec!["withdraw", "s.json", "--signer", key, "--reason", "r", "-o", "w.json"]),
        (0, "policy-init", vec!["policy", "init", "--preset", "self", "--key", key, "-o", "own.toml"]),
        (2, "error", vec!["normalize", WHEEL]),
    ] {
        let done = world.attest(&[&arguments[..], &["--output-format", "json"]].concat());
        assert_eq!(done.code, code, "{arguments:?}: {done:?}");
        assert_eq!(done.json()["schema"], format!("attest.{name}/v1"), "{arguments:?}");
    }
}
