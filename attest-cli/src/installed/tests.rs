use std::os::unix::fs::symlink;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{check::Fault, *};

fn hash(content: &[u8]) -> String {
    format!("sha256={}", BASE64_URL_SAFE_NO_PAD.encode(ArtifactDigest::of(content).as_bytes()))
}

/// A virtual environment with one package, as an installer leaves it.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.write("pyvenv.cfg", "home = /nowhere\ninclude-system-site-packages = false\n");
        for (path, content) in [
            ("foo.py", "x = 1\n"),
            ("foo-1.0.dist-info/METADATA", "Name: foo\n"),
            ("foo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nTag: py2-none-any\n"),
            ("foo-1.0.dist-info/INSTALLER", "pip"),
        ] {
            world.write(&format!("{SITE}/{path}"), content);
        }
        world.write("share/foo.txt", "data");
        world.write("bin/foo", "#!/somewhere/python\n");
        world.record(Self::rows());
        world
    }

    fn rows() -> String {
        let row = |path: &str, content: &str| format!("{path},{},{}\n", hash(content.as_bytes()), content.len());
        [
            row("foo.py", "x = 1\n"),
            row("foo-1.0.dist-info/METADATA", "Name: foo\n"),
            row("foo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nTag: py2-none-any\n"),
            row("foo-1.0.dist-info/INSTALLER", "pip"),
            row("../../../share/foo.txt", "data"),
            row("../../../bin/foo", "#!/somewhere/python\n"),
            "__pycache__/foo.cpython-311.pyc,,\nfoo-1.0.dist-info/RECORD,,\n".to_owned(),
        ]
        .concat()
    }

    fn record(&self, rows: impl AsRef<[u8]>) {
        self.write(&format!("{SITE}/foo-1.0.dist-info/RECORD"), rows);
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self) -> (Environment, Vec<Distribution>) {
        let environment = Environment::find(&self.path("")).unwrap();
        let (found, _) = environment.distributions().unwrap();
        (environment, found)
    }

    fn faults(&self) -> Vec<(String, Fault)> {
        let (environment, found) = self.read();
        check(&found, &environment).remove(0).into_iter().map(|faulty| (faulty.path, faulty.fault)).collect()
    }

    fn error(&self) -> Option<RecordError> {
        self.read().1[0].record_error().cloned()
    }
}

const SITE: &str = "lib/python3.11/site-packages";

#[test]
fn the_rows_of_an_installed_package_give_the_record_digest_of_its_wheel() {
    let world = World::new();
    let (environment, found) = world.read();
    assert!(world.faults().is_empty());
    let row =
        |path: &str, content: &str| (path.to_owned(), ArtifactDigest::of(content.as_bytes()), content.len() as u64);
    let wheel = [
        row("foo-1.0.data/data/share/foo.txt", "data"),
        row("foo-1.0.dist-info/METADATA", "Name: foo\n"),
        row("foo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nTag: py2-none-any\n"),
        row("foo.py", "x = 1\n"),
    ];
    assert_eq!(found[0].record_digests(&environment)[0], record_digest(&wheel).sha256);
    let tagged = |name: &str| found[0].is_tagged_like(&WheelName::parse(name).unwrap());
    assert!(tagged("foo-1.0-py2.py3-none-any.whl"));
    assert!(!tagged("foo-1.0-py3-none-any.whl") && !tagged("foo-1.0-1-py2.py3-none-any.whl"));
}

/// numpy's neighbours are built like this: code for all platforms in a wheel for one.
#[test]
fn code_that_a_wheel_keeps_in_its_data_folder_is_known_where_installers_put_it() {
    let world = World::new();
    let (environment, found) = world.read();
    let row =
        |path: &str, content: &str| (path.to_owned(), ArtifactDigest::of(content.as_bytes()), content.len() as u64);
    let wheel = |code: &str, content: &str| {
        let rows = [
            row("foo-1.0.data/data/share/foo.txt", "data"),
            row(code, content),
            row("foo-1.0.dist-info/METADATA", "Name: foo\n"),
            row("foo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nTag: py2-none-any\n"),
        ];
        record_digest(&rows).sha256
    };
    let there = found[0].record_digests(&environment);
    for code in ["foo.py", "foo-1.0.data/purelib/foo.py", "foo-1.0.data/platlib/foo.py"] {
        assert!(there.contains(&wheel(code, "x = 1\n")), "{code}");
        assert!(!there.contains(&wheel(code, "x = 2\n")), "{code}: other bytes");
    }
    assert!(!there.contains(&wheel("foo-1.0.data/headers/foo.py", "x = 1\n")));
}

#[test]
fn code_in_two_places_of_a_wheel_is_told_by_its_files_and_two_files_for_one_place_are_not() {
    let world = World::new();
    let row =
        |path: &str, content: &str| (path.to_owned(), ArtifactDigest::of(content.as_bytes()), content.len() as u64);
    world.write(&format!("{SITE}/bar.py"), "y = 1\n");
    world.record(format!("{}bar.py,{},6\n", World::rows(), hash(b"y = 1\n")));
    let (environment, found) = world.read();
    let wheel = |more: &[(&str, &str)]| {
        let mut rows = vec![
            row("foo-1.0.data/data/share/foo.txt", "data"),
            row("foo-1.0.dist-info/METADATA", "Name: foo\n"),
            row("foo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nTag: py2-none-any\n"),
        ];
        rows.extend(more.iter().map(|(path, content)| row(path, content)));
        rows
    };
    let shown = |more: &[(&str, &str)]| found[0].is_installed_from(&wheel(more), &environment);
    assert!(shown(&[("foo.py", "x = 1\n"), ("foo-1.0.data/purelib/bar.py", "y = 1\n")]));
    assert!(shown(&[("foo-1.0.data/platlib/foo.py", "x = 1\n"), ("bar.py", "y = 1\n")]));
    for other in [
        &[("foo.py", "x = 1\n"), ("foo-1.0.data/purelib/bar.py", "y = 2\n")][..],
        &[("foo.py", "x = 1\n")],
        &[("foo.py", "x = 1\n"), ("foo-1.0.data/headers/bar.py", "y = 1\n")],
        &[("foo.py", "x = 1\n"), ("bar.py", "y = 1\n"), ("foo-1.0.data/purelib/bar.py", "y = 1\n")],
    ] {
        assert!(!shown(other), "{other:?}");
    }
}

#[test]
fn every_way_in_which_a_file_is_not_its_own_is_found() {
    let world = World::new();
    let site = |path: &str| world.path(&format!("{SITE}/{path}"));
    let one = |fault| vec![("foo.py".to_owned(), fault)];
    fs::write(site("foo.py"), "x = 2\n").unwrap();
    assert_eq!(world.faults(), one(Fault::Altered), "of the same size");
    fs::write(site("foo.py"), "x = 11\n").unwrap();
    assert_eq!(world.faults(), one(Fault::Altered));
    fs::remove_file(site("foo.py")).unwrap();
    assert_eq!(world.faults(), one(Fault::Missing));
    // A pipe in its place must not be waited for.
    rustix::fs::mknodat(rustix::fs::CWD, site("foo.py"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    assert_eq!(world.faults(), one(Fault::NotAFile));
    fs::remove_file(site("foo.py")).unwrap();
    symlink("/dev/zero", site("foo.py")).unwrap();
    assert_eq!(world.faults(), one(Fault::NotAFile));
}

#[test]
fn a_record_that_two_readers_could_understand_differently_is_refused() {
    let world = World::new();
    let wrong = [
        ("/etc/passwd,,", "absolute"),
        ("a/../../b,,", "`..` in the middle"),
        ("a//b,,", "an empty part"),
        ("a\\b,,", "another separator"),
        ("a,sha256=AA,", "a short hash"),
        ("a,md5,", "no hash"),
        ("a,,-1", "a negative size"),
        ("a,,+1", "a signed size"),
        ("a,,99999999999999999999", "a size of no file"),
        ("a", "too few columns"),
        ("a,,,", "too many columns"),
        ("\"a,,", "an open quote"),
        ("\"a\"b,,", "something behind a quote"),
        ("foo.py,,", "a file named twice"),
    ];
    for (line, what) in wrong {
        world.record(format!("{}{line}\n", World::rows()));
        assert!(world.error().is_some(), "{what}");
    }
    world.record(b"f\xfc.py,,\n");
    assert_eq!(world.error(), Some(RecordError::NotUtf8));
    fs::remove_file(world.path(&format!("{SITE}/foo-1.0.dist-info/RECORD"))).unwrap();
    assert_eq!(world.error(), Some(RecordError::Missing));
    let (environment, found) = world.read();
    assert_eq!(found[0].record_digests(&environment), []);
}

#[test]
fn rows_outside_of_the_environment_are_not_followed_and_match_nothing() {
    let world = World::new();
    world.record(format!("{}../../../../../../../../../../etc/passwd,{},4\n", World::rows(), hash(b"data")));
    assert_eq!(world.faults()[0].1, Fault::Outside);
    let (environment, found) = world.read();
    assert_eq!(found[0].record_digests(&environment), []);
    world.record(format!("{}free.py,,\n", World::rows()));
    assert_eq!(world.faults(), [("free.py".to_owned(), Fault::NoHash)]);
}

#[test]
fn quoted_columns_are_read_as_csv() {
    let world = World::new();
    world.write(&format!("{SITE}/a,\"b.py"), "");
    world.record(format!("{}\"a,\"\"b.py\",{},0\n", World::rows(), hash(b"")));
    assert_eq!(world.faults(), []);
}

#[test]
fn code_that_no_package_claims_is_found() {
    let world = World::new();
    for path in ["evil.pth", "sitecustomize.py", "foo/__init__.py", "_virtualenv.py"] {
        world.write(&format!("{SITE}/{path}"), "import os\n");
    }
    world.write(&format!("{SITE}/_virtualenv.pth"), "import _virtualenv");
    world.write(&format!("{SITE}/__pycache__/foo.cpython-311.pyc"), "");
    world.write(&format!("{SITE}/NOTES"), "");
    symlink(world.path("share"), world.path(&format!("{SITE}/linked"))).unwrap();
    let (environment, found) = world.read();
    let unclaimed = unclaimed(&found, &environment);
    let names: Vec<String> =
        unclaimed.code.iter().map(|path| path.strip_prefix(world.path(SITE)).unwrap().display().to_string()).collect();
    assert_eq!(names, ["_virtualenv.py", "evil.pth", "foo/__init__.py", "linked", "sitecustomize.py"]);
    assert_eq!((unclaimed.compiled, unclaimed.others), (1, 1));
}

#[test]
fn what_was_never_a_published_wheel_says_what_it_is() {
    let world = World::new();
    let direct = |content: &str| {
        world.write(&format!("{SITE}/foo-1.0.dist-info/direct_url.json"), content);
        let found = world.read().1.remove(0);
        (found.foreign, found.claimed)
    };
    assert_eq!(direct(r#"{"url":"file:///x","dir_info":{"editable":true}}"#).0, Some(Foreign::Editable));
    assert_eq!(direct(r#"{"url":"file:///x","dir_info":{}}"#).0, Some(Foreign::Local));
    assert_eq!(direct(r#"{"url":"https://x","vcs_info":{"vcs":"git"}}"#).0, Some(Foreign::Vcs));
    assert_eq!(direct("garbage").0, Some(Foreign::Local));
    let hex = "aa".repeat(32);
    let (foreign, claimed) =
        direct(&format!(r#"{{"url":"https://x","archive_info":{{"hashes":{{"sha256":"{hex}"}}}}}}"#));
    assert_eq!((foreign, claimed), (None, hex.parse().ok()));
}

#[test]
fn a_compiled_file_that_needs_no_source_is_not_let_in_by_a_row_without_hash() {
    for path in ["sitecustomize.pyc", "pkg/__init__.pyc", "foo-1.0.dist-info/RECORD.pyc"] {
        let world = World::new();
        world.write(&format!("{SITE}/{path}"), "code");
        let before = world.read().1.remove(0);
        world.record(format!("{}{path},,\n", World::rows()));
        let (environment, found) = world.read();
        assert!(!before.record_digests(&environment).is_empty());
        assert_eq!(found[0].record_digests(&environment), [], "{path}");
    }
    let world = World::new();
    world.write(&format!("{SITE}/sitecustomize.pyc"), "code");
    world.record(format!("{}sitecustomize.pyc,,\n", World::rows()));
    assert_eq!(world.faults(), [("sitecustomize.pyc".to_owned(), Fault::NoHash)]);
}

#[test]
fn libraries_plugins_and_folders_that_cannot_be_listed_count_as_code() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let paths = ["foo.libs/libz.so.1", "foo-1.0.dist-info/entry_points.txt", "a.start"];
    for path in paths {
        world.write(&format!("{SITE}/{path}"), "");
    }
    world.write(&format!("{SITE}/dark/__init__.py"), "");
    let dark = world.path(&format!("{SITE}/dark"));
    fs::set_permissions(&dark, fs::Permissions::from_mode(0o311)).unwrap();
    // Whoever may read everything lists it, and finds what is in it.
    let hidden = if fs::read_dir(&dark).is_ok() { "dark/__init__.py" } else { "dark" };
    let (environment, found) = world.read();
    let unclaimed = unclaimed(&found, &environment);
    fs::set_permissions(&dark, fs::Permissions::from_mode(0o755)).unwrap();
    let names: Vec<String> =
        unclaimed.code.iter().map(|path| path.strip_prefix(world.path(SITE)).unwrap().display().to_string()).collect();
    assert_eq!(names, ["a.start", hidden, "foo-1.0.dist-info/entry_points.txt", "foo.libs/libz.so.1"]);
}

#[test]
fn what_python_reads_in_either_case_is_seen_in_either_case() {
    let world = World::new();
    world.write(&format!("{SITE}/evil-1.0.DIST-INFO/entry_points.txt"), "[pytest11]\nx = y\n");
    world.write("pyvenv.cfg", "Include-System-Site-Packages = TRUE\n");
    let (environment, found) = world.read();
    let (_, others) = environment.distributions().unwrap();
    assert!(environment.sees_system);
    assert_eq!((found.len(), others.len()), (1, 1));
}
