//! Holds the JSON Schemas of `schemas/` to the Rust types: what one accepts or refuses, the other does too, as far as a
//! schema can say it.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read their vectors")]

use std::fs;
use std::path::{Path, PathBuf};

use attest_core::envelope::{Envelope, Signature, pae};
use attest_core::key::ed25519::SecretKey;
use attest_core::statement::Statement;
use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

const SCHEMAS: [&str; 7] = ["body", "reproduced", "equivalent", "not-reproduced", "withdrawn", "statement", "envelope"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn schema(name: &str) -> Value {
    let path = root().join(format!("../schemas/{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn validator(name: &str) -> Validator {
    let mut registry = Registry::new();
    for name in SCHEMAS {
        let schema = schema(name);
        let id = schema["$id"].as_str().unwrap().to_owned();
        registry = registry.add(id, schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(&schema(name)).unwrap()
}

fn goldens() -> Vec<(String, Vec<u8>)> {
    let mut goldens: Vec<_> = fs::read_dir(root().join("tests/vectors/statements"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    goldens.sort();
    goldens
}

fn golden(name: &str) -> Value {
    let (_, bytes) = goldens().into_iter().find(|(n, _)| n == name).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Sets the member at `pointer`, or removes it when `new` is null.
fn set(value: &mut Value, pointer: &str, new: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).expect(pointer) {
        Value::Object(members) if new.is_null() => {
            members.remove(key).expect(pointer);
        }
        Value::Object(members) => {
            members.insert(key.to_owned(), new);
        }
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = new,
        other => panic!("{pointer}: {other}"),
    }
}

#[test]
fn every_schema_is_one_of_draft_2020_12() {
    for name in SCHEMAS {
        let schema = schema(name);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
    }
}

#[test]
fn golden_statements_are_accepted_by_schema_and_parser_and_print_back() {
    let validator = validator("statement");
    let goldens = goldens();
    assert_eq!(goldens.len(), 10);
    for (name, bytes) in goldens {
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        if let Err(error) = validator.validate(&value) {
            panic!("{name}: {error} at {}", error.instance_path());
        }
        let statement = Statement::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(String::from_utf8(statement.to_bytes()).unwrap(), String::from_utf8(bytes).unwrap(), "{name}");
    }
}

#[test]
fn unknown_members_of_the_predicate_are_accepted_by_both() {
    let validator = validator("statement");
    for pointer in ["/predicate/new", "/predicate/environment/new"] {
        let mut value = golden("reproduced");
        set(&mut value, pointer, json!([1]));
        assert!(validator.is_valid(&value));
        assert!(Statement::parse(value.to_string().as_bytes()).is_ok());
    }
}

/// (golden, pointer, what is put there)
#[expect(clippy::too_many_lines, reason = "a table")]
fn refused() -> Vec<(&'static str, &'static str, Value)> {
    let hex = "0".repeat(64);
    let git = golden("reproduced-from-git")["predicate"]["source"][0].clone();
    let sdist = golden("reproduced")["predicate"]["source"][0].clone();
    let subject = golden("reproduced")["subject"][0].clone();
    let dependency = golden("reproduced")["predicate"]["resolvedDependencies"][0].clone();
    let difference = json!({"path": "a", "kind": "CONTENT"});
    let long = "x".repeat(2049);
    let mut table = vec![
        ("reproduced", "/_type", json!("x")),
        ("reproduced", "/extra", json!(1)),
        ("reproduced", "/predicateType", json!("x")),
        ("reproduced", "/predicate", json!([])),
        ("reproduced", "/subject", json!([])),
        ("reproduced", "/subject", json!([subject, subject])),
        ("reproduced", "/subject", subject),
        ("reproduced", "/subject/0/extra", json!(1)),
        ("reproduced", "/subject/0/name", json!("six.tar.gz")),
        ("reproduced", "/subject/0/name", json!("six__x-1-py3-none-any.whl")),
        ("reproduced", "/subject/0/name", json!("six-1-x-py3-none-any.whl")),
        ("reproduced", "/subject/0/uri", json!("pkg:pypi/six@1.16.0")),
        ("reproduced", "/subject/0/digest/sha512", json!("x")),
        ("reproduced", "/subject/0/digest/sha256", json!("A".repeat(64))),
        ("reproduced", "/subject/0/digest", json!([hex])),
        ("reproduced", "/predicate/rebuilder/id", json!("x")),
        ("reproduced", "/predicate/rebuilder/version", json!({"a": ""})),
        ("reproduced", "/predicate/origin", json!("GIT")),
        ("reproduced", "/predicate/origin", json!({"SDIST": null})),
        ("reproduced", "/predicate/source", json!([])),
        ("reproduced", "/predicate/source", json!([sdist, git])),
        ("reproduced", "/predicate/source", json!([sdist, sdist])),
        ("reproduced", "/predicate/source/0/fromCommit", json!("VERIFIED")),
        ("reproduced", "/predicate/source/0/name", json!("a/b")),
        ("reproduced", "/predicate/recipe/kind", json!("inferred")),
        ("reproduced", "/predicate/recipe/content", json!("x".repeat(16_385))),
        ("reproduced", "/predicate/recipe/downloadLocation", json!("x")),
        ("reproduced", "/predicate/method", json!("SAME")),
        ("reproduced", "/predicate/environment/platform", json!("linux")),
        ("reproduced", "/predicate/environment/umask", json!("022")),
        ("reproduced", "/predicate/environment/umask", json!("1022")),
        ("reproduced", "/predicate/environment/buildPath", json!("")),
        ("reproduced", "/predicate/environment/buildPath", json!("/\u{1b}")),
        ("reproduced", "/predicate/environment/buildPath", json!(long)),
        ("reproduced", "/predicate/environment/clock", json!("FAKE")),
        ("reproduced", "/predicate/environment/network", json!("SOME")),
        ("reproduced", "/predicate/environment/variables", json!({"A=B": ""})),
        ("reproduced", "/predicate/environment/variables", json!({"A": "\n"})),
        ("reproduced", "/predicate/environment/zlib", json!("1.2")),
        ("reproduced", "/predicate/environment/zlib", json!(["1.2"])),
        ("reproduced", "/predicate/environment/cc", json!({})),
        ("reproduced", "/predicate/environment/containerImage", json!(hex)),
        ("reproduced", "/predicate/resolvedDependencies", json!({})),
        ("reproduced", "/predicate/resolvedDependencies", json!(vec![dependency; 101])),
        ("reproduced", "/predicate/resolvedDependencies/0/uri", json!("six")),
        (
            "reproduced-recorded-dependencies",
            "/predicate/resolvedDependencies/0/uri",
            json!("attest:dependencies?total=100"),
        ),
        ("reproduced", "/predicate/inputsDigest", json!(hex)),
        ("reproduced", "/predicate/recordDigest", json!({"sha256": "x"})),
        ("reproduced", "/predicate/rebuiltAt", json!("2026-11-21 21:00:00Z")),
        ("reproduced", "/predicate/rebuiltAt", json!("2026-11-21T21:00:00+01:00")),
        ("reproduced", "/predicate/repeat", json!(0)),
        ("reproduced", "/predicate/repeat", json!(4_294_967_296_u64)),
        ("reproduced", "/predicate/byproducts", json!([{"name": ""}])),
        ("reproduced-from-git", "/predicate/origin", json!("SDIST")),
        ("reproduced-from-git", "/predicate/source/0/uri", json!("https://github.com/a/b")),
        ("reproduced-from-git", "/predicate/source/0/uri", json!("git+https://github.com/a/b.git")),
        ("reproduced-from-git", "/predicate/source/0/uri", json!("git+https://u@github.com/a/b")),
        ("reproduced-from-git", "/predicate/source/0/uri", json!("git+https://GitHub.com/a/b")),
        ("reproduced-from-git", "/predicate/source/0/ref", json!("v1")),
        ("reproduced-from-git", "/predicate/source/0/ref", json!("refs/tags/a..b")),
        ("reproduced-from-git", "/predicate/source/0/digest", json!({"gitCommit": "abc"})),
        ("reproduced-from-git", "/predicate/source/0/digest", json!({"sha256": hex})),
        ("equivalent", "/predicate/members", json!([])),
        ("equivalent", "/predicate/members/0/path", json!("six.py")),
        ("equivalent", "/predicate/members/0/path", json!("a.dist-info/METADATA")),
        ("equivalent", "/predicate/members/0/path", json!("a.dist-info/sboms/../x")),
        ("equivalent", "/predicate/members/1/path", json!("a.dist-info/sboms/x.So")),
        ("equivalent", "/predicate/members/0/published", json!("x")),
        ("not-reproduced-different", "/predicate/outcome", json!("MEMBER_ADDED")),
        ("not-reproduced-different", "/predicate/outcome", json!("NONDETERMINISTIC")),
        ("not-reproduced-different", "/predicate/contradicts", json!("x")),
        ("not-reproduced-different", "/predicate/differencesTotal", json!(-1)),
        ("not-reproduced-different", "/predicate/differences/0/path", json!("\u{f6}")),
        ("not-reproduced-different", "/predicate/differences/0/path", json!("")),
        ("not-reproduced-different", "/predicate/differences/0/path", json!("x".repeat(257))),
        ("not-reproduced-different", "/predicate/differences/0/kind", json!("OTHER")),
        ("not-reproduced-different", "/predicate/differences", json!(vec![difference.clone(); 33])),
        ("not-reproduced-build-failed", "/predicate/rebuilt", json!({"sha256": hex})),
        ("not-reproduced-build-failed", "/predicate/contradicts", json!(hex)),
        ("not-reproduced-build-failed", "/predicate/differencesTotal", json!(1)),
        ("not-reproduced-build-failed", "/predicate/differences", json!([difference])),
        ("not-reproduced-source-not-found", "/predicate/outcome", json!("BUILD_FAILED")),
        ("withdrawn", "/predicate/statementId", json!("x")),
        ("withdrawn", "/predicate/reason", json!("")),
        ("withdrawn", "/predicate/reason", json!("a\nb")),
    ];
    // Every required member, missing.
    for (golden, pointers) in [
        (
            "reproduced",
            &[
                "/_type",
                "/subject",
                "/subject/0/name",
                "/subject/0/uri",
                "/subject/0/digest",
                "/subject/0/digest/sha256",
                "/predicateType",
                "/predicate",
                "/predicate/rebuilder",
                "/predicate/rebuilder/id",
                "/predicate/rebuilder/version",
                "/predicate/origin",
                "/predicate/source",
                "/predicate/source/0/name",
                "/predicate/source/0/digest",
                "/predicate/source/0/fromCommit",
                "/predicate/recipe",
                "/predicate/recipe/kind",
                "/predicate/recipe/digest",
                "/predicate/method",
                "/predicate/environment",
                "/predicate/environment/platform",
                "/predicate/environment/variables",
                "/predicate/environment/umask",
                "/predicate/environment/buildPath",
                "/predicate/environment/clock",
                "/predicate/environment/network",
                "/predicate/environment/python",
                "/predicate/environment/python/version",
                "/predicate/environment/zlib",
                "/predicate/resolvedDependencies",
                "/predicate/resolvedDependencies/0/uri",
                "/predicate/resolvedDependencies/0/digest",
                "/predicate/inputsDigest",
                "/predicate/recordDigest",
                "/predicate/rebuiltAt",
                "/predicate/repeat",
            ][..],
        ),
        (
            "reproduced-from-git",
            &[
                "/predicate/source/0/uri",
                "/predicate/source/0/ref",
                "/predicate/source/0/digest",
                "/predicate/source/0/treeSha256",
            ],
        ),
        (
            "equivalent",
            &[
                "/predicate/rebuilt",
                "/predicate/members",
                "/predicate/members/0/path",
                "/predicate/members/0/published",
                "/predicate/members/0/rebuilt",
            ],
        ),
        (
            "not-reproduced-different",
            &[
                "/predicate/outcome",
                "/predicate/rebuilt",
                "/predicate/differencesTotal",
                "/predicate/differences/0/path",
                "/predicate/differences/0/kind",
            ],
        ),
        ("withdrawn", &["/predicate/statementId", "/predicate/reason"]),
    ] {
        table.extend(pointers.iter().map(|p| (golden, *p, Value::Null)));
    }
    table
}

#[test]
fn what_a_schema_refuses_the_parser_refuses() {
    let validator = validator("statement");
    for (name, pointer, new) in refused() {
        let mut value = golden(name);
        set(&mut value, pointer, new.clone());
        assert!(!validator.is_valid(&value), "the schema accepts {new} at {pointer} of {name}");
        assert!(
            Statement::parse(value.to_string().as_bytes()).is_err(),
            "the parser accepts {new} at {pointer} of {name}"
        );
    }
}

#[test]
fn null_is_no_value_of_an_optional_member() {
    let validator = validator("statement");
    for (name, pointer) in [
        ("reproduced-from-git", "/predicate/environment/cc"),
        ("reproduced-from-git", "/predicate/environment/containerImage"),
        ("reproduced-from-git", "/predicate/recipe/downloadLocation"),
        ("reproduced-from-git", "/predicate/environment/python/digest"),
        ("reproduced-from-git", "/predicate/byproducts"),
        ("not-reproduced-different", "/predicate/contradicts"),
        ("not-reproduced-different", "/predicate/report"),
        ("not-reproduced-different", "/predicate/differences"),
    ] {
        let mut value = golden(name);
        *value.pointer_mut(pointer).unwrap() = Value::Null;
        assert!(!validator.is_valid(&value), "{pointer}");
        assert!(Statement::parse(value.to_string().as_bytes()).is_err(), "{pointer}");
    }
}

#[test]
fn envelopes_are_judged_alike() {
    let validator = validator("envelope");
    let key = SecretKey::from_seed([1; 32]);
    for (_, payload) in goldens() {
        let signature = Signature::Ed25519(key.sign(&pae(&payload)));
        let envelope = Envelope::new(payload, signature).unwrap().to_bytes();
        let value: Value = serde_json::from_slice(&envelope).unwrap();
        assert!(validator.is_valid(&value));
        let sig = value["signatures"][0].clone();
        for (pointer, new) in [
            ("/payloadType", json!("application/json")),
            ("/payload", json!("e30")),
            ("/payload", json!("e31=")),
            ("/payload", json!("_-__")),
            ("/signatures", json!([])),
            ("/signatures", json!([sig, sig])),
            ("/signatures/0/keyid", json!("")),
            ("/signatures/0/sig", json!("")),
            ("/extra", json!(1)),
            ("/payload", Value::Null),
            ("/payloadType", Value::Null),
            ("/signatures", Value::Null),
        ] {
            let mut bad = value.clone();
            set(&mut bad, pointer, new);
            assert!(!validator.is_valid(&bad), "{pointer}");
            assert!(Envelope::parse(bad.to_string().as_bytes()).is_err());
        }
    }
}
