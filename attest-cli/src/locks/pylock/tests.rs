use super::super::{
    Format,
    document::LockError,
    specimen::{error, python311, read, read_for},
};

const HEAD: &str = "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\n";

fn lock(text: &str) -> Vec<String> {
    read(Format::Pylock, &format!("{HEAD}{text}"))
}

#[test]
fn a_file_has_the_name_that_its_address_has_unless_it_is_named() {
    let hashes = "hashes = { sha256 = \"{A}\" }";
    for (wheel, expected) in [
        (format!("url = \"https://f/a-1-py3-none-any.whl\", {hashes}"), "6 a-1-py3-none-any.whl a"),
        (format!("path = \"x/a-1-py3-none-any.whl\", {hashes}"), "6 a-1-py3-none-any.whl a"),
        (format!("name = \"a-1-py3-none-any.whl\", {hashes}"), "6 a-1-py3-none-any.whl a"),
        (
            format!("name = \"a-1-py3-none-any.whl\", url = \"https://f/a-1-py2-none-any.whl\", {hashes}"),
            "6 a 1 other-name",
        ),
        // As uv writes older files, and as they were published.
        (
            format!("name = \"a-1.0-py2.py3-none-any.whl\", url = \"https://f/A-1-py3.py2-none-any.whl\", {hashes}"),
            "6 A-1-py3.py2-none-any.whl a",
        ),
        (format!("url = \"https://f/a-1-py3-none-any.whl\", path = \"evil.whl\", {hashes}"), "6 a 1 other-name"),
        (format!("url = \"https://f/a-1%2Bc-py3-none-any.whl\", {hashes}"), "6 a-1+c-py3-none-any.whl other-name"),
        (format!("url = \"https://f/b-1-py3-none-any.whl\", {hashes}"), "6 b-1-py3-none-any.whl other-name"),
        (format!("name = \"../a-1-py3-none-any.whl\", {hashes}"), "6 ../a-1-py3-none-any.whl wheel-name"),
        (hashes.to_owned(), "6 a 1 no-file"),
        ("url = \"https://f/a-1-py3-none-any.whl\"".to_owned(), "6 a-1-py3-none-any.whl no-hash"),
        ("url = \"https://f/a-1-py3-none-any.whl\", hashes = { }".to_owned(), "6 a-1-py3-none-any.whl no-hash"),
        (
            "url = \"https://f/a-1-py3-none-any.whl\", hashes = { sha256 = \"{A}\", sha512 = \"{B}\" }".to_owned(),
            "6 a-1-py3-none-any.whl other-hash",
        ),
        (
            "url = \"https://f/a-1-py3-none-any.whl\", hashes = { sha256 = \"{A}0\" }".to_owned(),
            "6 a-1-py3-none-any.whl malformed-hash",
        ),
    ] {
        assert_eq!(lock(&format!("wheels = [{{ {wheel} }}]\n")), [expected], "{wheel}");
    }
}

#[test]
fn every_kind_of_source_is_told() {
    for (source, expected) in [
        ("vcs = { type = \"git\", url = \"https://x\", commit-id = \"1\" }", vec!["3 a 1 vcs"]),
        ("directory = { path = \"../a\" }", vec!["3 a 1 local"]),
        ("directory = { path = \".\", editable = true }", vec!["3 a 1 (own)"]),
        (
            "archive = { url = \"https://f/a-1-py3-none-any.whl\", hashes = { sha256 = \"{A}\" } }",
            vec!["6 a-1-py3-none-any.whl a"],
        ),
        ("archive = { url = \"https://f/a.zip\", hashes = { sha256 = \"{A}\" } }", vec!["6 a.zip sdist"]),
        ("sdist = { url = \"https://f/a-1.tar.gz\", hashes = { sha256 = \"{A}\" } }", vec!["6 a-1.tar.gz sdist"]),
        ("", vec!["3 a 1 no-file"]),
        // An installer should refuse it; none of it is passed over.
        (
            "vcs = { url = \"x\" }\nwheels = [{ name = \"a-1-py3-none-any.whl\", hashes = { sha256 = \"{A}\" } }]",
            vec!["3 a 1 vcs", "7 a-1-py3-none-any.whl a"],
        ),
    ] {
        assert_eq!(lock(source), expected, "{source}");
    }
}

#[test]
fn markers_and_tags_leave_out_and_what_is_unclear_stays_in() {
    let wheel = "wheels = [{ name = \"a-1-py3-none-any.whl\", hashes = { sha256 = \"{A}\" } }]\n";
    for (marker, counts) in [
        ("sys_platform == 'win32'", false),
        ("python_version < '3.10'", false),
        ("'dev' in dependency_groups", true),
        ("python_version >= '3.10' and 'x' in extras", true),
        ("python_version < '3.10' and 'x' in extras", false),
        ("nonsense", true),
    ] {
        assert_eq!(lock(&format!("marker = \"{marker}\"\n{wheel}"))[0].ends_with(" a"), counts, "{marker}");
    }
}

#[test]
fn who_requires_a_package_is_kept() {
    let text =
        format!("{HEAD}dependencies = [{{ name = \"b\" }}]\n[[packages]]\nname = \"b\"\nvcs = {{ url = \"x\" }}\n");
    let items = read_for(Format::Pylock, &text, &python311()).unwrap();
    assert_eq!(items[1].package.as_ref().unwrap().required_by, ["a 1"]);
}

#[test]
fn another_version_or_shape_is_not_read() {
    for text in ["lock-version = \"1.1\"", "lock-version = \"2.0\"", "x = 1"] {
        assert!(matches!(error(Format::Pylock, text), LockError::Version { .. }), "{text}");
    }
    assert!(matches!(error(Format::Pylock, "lock-version = 1.0"), LockError::Expected { .. }));
    for text in ["wheels = 1", "wheels = [1]", "wheels = [{ url = 1 }]", "sdist = []", "directory = {}", "marker = []"]
    {
        assert!(matches!(error(Format::Pylock, &format!("{HEAD}{text}")), LockError::Expected { .. }), "{text}");
    }
    assert!(matches!(error(Format::Pylock, "lock-version = \"1.0\"\n[[packages]]\n"), LockError::Expected { .. }));
}
