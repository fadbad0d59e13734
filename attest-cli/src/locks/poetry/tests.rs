use super::super::{
    Format,
    document::LockError,
    specimen::{error, python311, read, read_for},
};

const META: &str = "[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.9,<4\"\n";
const PACKAGE: &str = "[[package]]\nname = \"a\"\nversion = \"1\"\noptional = true\ngroups = [\"main\", \"dev\"]\n";
const WHEEL: &str = "{file = \"a-1-py3-none-any.whl\", hash = \"sha256:{A}\"}";

fn lock(package: &str) -> Vec<String> {
    read(Format::Poetry, &format!("{PACKAGE}{package}\n{META}"))
}

#[test]
fn files_are_selected_by_name_and_an_sdist_counts_since_the_index_decides() {
    let items = lock(
        "files = [\n    {file = \"a-1-cp311-cp311-manylinux_2_17_x86_64.whl\", hash = \"sha256:{A}\"},\n    \
         {file = \"a-1-cp311-cp311-win_amd64.whl\", hash = \"sha256:{B}\"},\n    {file = \"a-1.tar.gz\", hash = \"sha256:{B}\"},\n]",
    );
    assert_eq!(
        items,
        [
            "7 a-1-cp311-cp311-manylinux_2_17_x86_64.whl a",
            "8 a-1-cp311-cp311-win_amd64.whl (tags)",
            "9 a-1.tar.gz sdist"
        ]
    );
}

#[test]
fn what_breaks_a_rule_is_refused() {
    for (files, codes) in [
        (format!("[{WHEEL}, {{file = \"a-1-py3-none-any.whl\", hash = \"sha256:{{B}}\"}}]"), vec!["a", "two-hashes"]),
        ("[{file = \"a-1-py3-none-any.whl\", hash = \"md5:00\"}]".to_owned(), vec!["other-hash"]),
        ("[{file = \"a-1-py3-none-any.whl\", hash = \"sha256:00\"}]".to_owned(), vec!["malformed-hash"]),
        ("[{file = \"a-1-py3-none-any.whl\"}]".to_owned(), vec!["no-hash"]),
        ("[{file = \"b-1-py3-none-any.whl\", hash = \"sha256:{A}\"}]".to_owned(), vec!["other-name"]),
        ("[{hash = \"sha256:{A}\"}]".to_owned(), vec!["no-file"]),
        ("[{file = \"a-1.egg\", hash = \"sha256:{A}\"}]".to_owned(), vec!["wheel-name"]),
        ("[]".to_owned(), vec!["no-file"]),
    ] {
        let said = lock(&format!("files = {files}"));
        let said: Vec<&str> = said.iter().map(|item| item.rsplit_once(' ').unwrap().1).collect();
        assert_eq!(said, codes, "{files}");
    }
}

#[test]
fn sources_other_than_an_index_are_told() {
    for (source, expected) in [
        ("type = \"git\"\nurl = \"https://x\"", "a 1 vcs"),
        ("type = \"directory\"\nurl = \"../a\"", "a 1 local"),
        ("type = \"directory\"\nurl = \"libs/a\"", "a 1 (own)"),
        ("type = \"legacy\"\nurl = \"https://i\"", "a-1-py3-none-any.whl a"),
        ("type = \"url\"\nurl = \"https://x/a-1-py3-none-any.whl\"", "a-1-py3-none-any.whl a"),
        ("type = \"url\"\nurl = \"https://x/b-1-py3-none-any.whl\"", "a 1 other-name"),
        ("type = \"file\"\nurl = \"dist/a-1-py3-none-any.whl\"", "a-1-py3-none-any.whl a"),
    ] {
        assert!(lock(&format!("files = [{WHEEL}]\n[package.source]\n{source}"))[0].ends_with(expected), "{source}");
    }
}

#[test]
fn markers_leave_out_only_what_every_group_rules_out() {
    for (markers, counts) in [
        ("\"sys_platform == 'win32'\"", false),
        ("\"python_version >= '3.9'\"", true),
        ("{main = \"sys_platform == 'win32'\", dev = \"python_version < '3.10'\"}", false),
        ("{main = \"sys_platform == 'win32'\", dev = \"python_version < '3.12'\"}", true),
        // The other group has no marker.
        ("{main = \"sys_platform == 'win32'\"}", true),
        ("{main = \"sys_platform == 'win32'\", nobody = \"sys_platform == 'win32'\"}", true),
        ("1", true),
    ] {
        assert_eq!(lock(&format!("markers = {markers}\nfiles = [{WHEEL}]"))[0].ends_with(" a"), counts, "{markers}");
    }
}

#[test]
fn markers_that_poetry_ignores_leave_nothing_out() {
    let elsewhere = format!("{PACKAGE}markers = \"sys_platform == 'win32'\"\nfiles = [{WHEEL}]\n{META}");
    for (version, counts) in [("2.1", false), ("2.10", false), ("2.0", true), ("2.1rc1", true)] {
        let text = elsewhere.replace("\"2.1\"", &format!("\"{version}\""));
        assert_eq!(read(Format::Poetry, &text)[0].ends_with(" a"), counts, "{version}");
    }
}

#[test]
fn locks_of_older_poetries_are_read_and_of_others_not() {
    let old = "[[package]]\nname = \"A.b\"\nversion = \"1\"\n[metadata]\nlock-version = \"1.1\"\n[metadata.files]\n\
               a-b = [{file = \"a_b-1-py3-none-any.whl\", hash = \"sha256:{A}\"}]\nc = []\n";
    assert_eq!(read(Format::Poetry, old), ["7 a_b-1-py3-none-any.whl a"]);
    assert!(matches!(error(Format::Poetry, "[metadata]\nlock-version = \"3.0\""), LockError::Version { .. }));
    assert!(matches!(error(Format::Poetry, PACKAGE), LockError::Expected { .. }));
}

#[test]
fn who_requires_a_package_is_kept() {
    let text = format!(
        "{PACKAGE}files = [{WHEEL}]\n[package.dependencies]\nB = \"*\"\n[[package]]\nname = \"b\"\nversion = \"2\"\n{META}"
    );
    let items = read_for(Format::Poetry, &text, &python311()).unwrap();
    assert_eq!(items[1].package.as_ref().unwrap().required_by, ["a 1"]);
}
