use std::fs;

use super::changes::{Change, of_files, of_machine};
use super::*;

fn snapshot(folder: &Path) -> Snapshot {
    Snapshot::take(&[folder.to_str().unwrap().to_owned()], Path::new("python3")).unwrap()
}

#[test]
fn a_snapshot_is_what_the_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.whl"), "a").unwrap();
    let schema = include_str!("../../../schemas/snapshot.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let mut document = serde_json::to_value(snapshot(folder.path())).unwrap();
    assert!(
        schema.is_valid(&document),
        "{:?}",
        schema.iter_errors(&document).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    document["machine"]["variables"]["HOME"] = "/root".into();
    assert!(!schema.is_valid(&document), "a variable that is not in the closed list");
    document["machine"]["variables"].as_object_mut().unwrap().remove("HOME");
    document["secret"] = "x".into();
    assert!(!schema.is_valid(&document), "a field that no snapshot has");
}

#[test]
fn a_changed_a_removed_and_an_added_file_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["changed", "removed", "same"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let then = snapshot(folder.path());
    fs::write(folder.path().join("changed"), "other").unwrap();
    fs::remove_file(folder.path().join("removed")).unwrap();
    fs::write(folder.path().join("added"), "").unwrap();
    let changes = of_files(&then.files, &snapshot(folder.path()).files);
    let kinds: Vec<_> = changes.iter().map(|one| (one.path.rsplit('/').next().unwrap(), one.change)).collect();
    assert_eq!(kinds, [("changed", Change::Changed), ("removed", Change::Removed), ("added", Change::Added)]);
}

#[test]
fn another_version_of_a_tool_shows() {
    let folder = tempfile::tempdir().unwrap();
    let then = snapshot(folder.path());
    let mut now = then.machine.clone();
    assert!(of_machine(&then, &now).is_empty());
    "another".clone_into(&mut now.platform);
    now.variables.insert("CFLAGS".to_owned(), "-O3".to_owned());
    let names: Vec<_> = of_machine(&then, &now).into_iter().map(|one| one.what).collect();
    assert_eq!(names, ["platform", "variable CFLAGS"]);
}

#[test]
fn a_snapshot_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot.json");
    fs::write(&path, "{}").unwrap();
    assert!(matches!(Snapshot::read(&path), Err(SnapshotError::Json { .. })));
    let mut other = snapshot(folder.path());
    other.schema = "https://w3id.org/attest/snapshot/v2".to_owned();
    fs::write(&path, serde_json::to_vec(&other).unwrap()).unwrap();
    assert!(matches!(Snapshot::read(&path), Err(SnapshotError::Schema { .. })));
}
