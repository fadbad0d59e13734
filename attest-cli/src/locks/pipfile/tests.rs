use super::super::{
    Format,
    document::LockError,
    specimen::{error, read},
};

fn lock(entry: &str) -> Vec<String> {
    read(
        Format::Pipfile,
        &format!(
            "{{\n\"_meta\": {{\"pipfile-spec\": 6, \"sources\": []}},\n\"default\": {{\n\"a\": {entry}\n}},\n\"develop\": {{}}\n}}"
        ),
    )
}

#[test]
fn every_hash_has_to_pass_since_none_has_a_name() {
    let items = lock(
        "{\n\"hashes\": [\n\"sha256:{A}\",\n\"sha256:{B}\",\n\"sha512:00\"\n],\n\"version\": \"==1\", \"index\": \"pypi\"}",
    );
    assert_eq!(items, ["6 a==1 a", "7 a==1 b", "8 a==1 other-hash"]);
}

#[test]
fn what_is_no_pinned_release_is_told() {
    for (entry, expected) in [
        ("{\"version\": \"==1\"}", "no-hash"),
        ("{\"version\": \"*\", \"hashes\": [\"sha256:{A}\"]}", "not-pinned"),
        ("{\"git\": \"https://x\", \"ref\": \"1\"}", "vcs"),
        ("{\"path\": \".\", \"editable\": true}", "local"),
        ("{\"file\": \"https://x/a-1-py3-none-any.whl\", \"hashes\": [\"sha256:{A}\"]}", "local"),
        ("{\"version\": \"==1\", \"markers\": \"sys_platform == 'win32'\", \"hashes\": [\"sha256:{A}\"]}", "(marker)"),
        ("{\"version\": \"==1\", \"markers\": \"python_version >= '3.9'\", \"hashes\": [\"sha256:{A}\"]}", "a"),
    ] {
        assert!(lock(entry)[0].ends_with(expected), "{entry}");
    }
    assert!(matches!(error(Format::Pipfile, "{\"_meta\": {\"pipfile-spec\": 7}}"), LockError::Version { .. }));
    assert!(matches!(error(Format::Pipfile, "{\"default\": {}}"), LockError::Json { .. }));
}
