use super::super::{
    Format,
    document::LockError,
    specimen::{error, read},
};

const META: &str = "[metadata]\nlock_version = \"4.5.0\"\n[[package]]\nname = \"a\"\nversion = \"1\"\n";

#[test]
fn every_hash_has_to_pass_since_pdm_takes_a_file_by_any_of_them() {
    let items = read(
        Format::Pdm,
        &format!(
            "{META}files = [\n    {{file = \"a-1-cp311-cp311-win_amd64.whl\", hash = \"sha256:{{A}}\"}},\n    \
             {{url = \"https://f/a-1-py3-none-any.whl\", hash = \"sha256:{{B}}\"}},\n    {{file = \"a-1.tar.gz\", hash = \"sha256:{{B}}\"}},\n]\n"
        ),
    );
    assert_eq!(items, ["7 a-1-cp311-cp311-win_amd64.whl a", "8 a-1-py3-none-any.whl b", "9 a-1.tar.gz sdist"]);
}

#[test]
fn markers_and_sources_are_told() {
    for (rest, expected) in [
        (
            "marker = \"sys_platform == 'win32'\"\nfiles = [{file = \"a-1-py3-none-any.whl\", hash = \"sha256:{A}\"}]",
            "(marker)",
        ),
        ("git = \"https://x\"\nrevision = \"1\"", "vcs"),
        ("path = \"../a\"", "local"),
        ("path = \"./a\"\neditable = true", "(own)"),
        ("", "no-file"),
    ] {
        assert!(read(Format::Pdm, &format!("{META}{rest}\n"))[0].ends_with(expected), "{rest}");
    }
    assert!(matches!(error(Format::Pdm, "[metadata]\nlock_version = \"5.0\""), LockError::Version { .. }));
}
