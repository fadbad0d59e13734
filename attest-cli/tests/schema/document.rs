//! An answer in JSON, held to its schema in `schemas/`.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

/// The document that a program printed, which is what the schema of this name says, and stops being that with a key more.
#[track_caller]
pub(crate) fn of(output: &Output, name: &str) -> Value {
    let mut document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    held(&document, name, "");
    assert_eq!(document["schema"], format!("attest.{name}/v1"));
    let whole = document.clone();
    document["more"] = 1.into();
    assert!(!validator(name, "").is_valid(&document), "{name} takes anything");
    whole
}

/// Whether a value is what a schema, or the part of it at `pointer`, says.
#[track_caller]
pub(crate) fn held(value: &Value, name: &str, pointer: &str) {
    let validator = validator(name, pointer);
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}: {value:#}");
}

#[track_caller]
fn validator(name: &str, pointer: &str) -> jsonschema::Validator {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas").join(format!("{name}.schema.json"));
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    if !pointer.is_empty() {
        // The parts that it names stay where they are.
        schema = serde_json::json!({ "$ref": format!("#{pointer}"), "$defs": schema["$defs"] });
    }
    jsonschema::validator_for(&schema).unwrap()
}
