use super::super::{
    Format,
    document::LockError,
    specimen::{error, python311, read, read_for, shown},
};
use crate::{item::Question, platform::Target};

const HEAD: &str = "version = 1\nrevision = 5\nrequires-python = \">=3.9\"\n";
const ROOT: &str = "[[package]]\nname = \"demo\"\nversion = \"1\"\nsource = { virtual = \".\" }\n";

/// A project that requires `a`, and `a`.
fn with(package: &str) -> String {
    format!("{HEAD}{ROOT}dependencies = [{{ name = \"a\" }}]\n[[package]]\nname = \"a\"\nversion = \"1\"\n{package}")
}

fn lock(text: &str) -> Vec<String> {
    read(Format::Uv, text)
}

#[test]
fn wheels_for_this_python_count_and_the_others_are_counted() {
    let items = lock(&with(
        r#"source = { registry = "https://i/simple" }
sdist = { url = "https://f/a-1.tar.gz", hash = "sha256:{B}", size = 1 }
wheels = [
    { url = "https://f/a-1-cp311-cp311-manylinux_2_17_x86_64.whl", hash = "sha256:{A}", size = 1, upload-time = "x" },
    { url = "https://f/a-1-cp39-abi3-manylinux_2_17_x86_64.whl", hash = "sha256:{B}" },
    { url = "https://f/a-1-cp312-cp312-manylinux_2_17_x86_64.whl", hash = "sha256:{A}" },
    { url = "https://f/a-1-cp311-cp311-win_amd64.whl", hash = "sha256:{A}" },
]
"#,
    ));
    assert_eq!(
        items,
        [
            "4 demo 1 (own)",
            "15 a-1-cp311-cp311-manylinux_2_17_x86_64.whl a",
            "16 a-1-cp39-abi3-manylinux_2_17_x86_64.whl b",
            "17 a-1-cp312-cp312-manylinux_2_17_x86_64.whl (tags)",
            "18 a-1-cp311-cp311-win_amd64.whl (tags)",
            "13 a-1.tar.gz (wheel-fits)",
        ]
    );
}

#[test]
fn an_sdist_counts_where_no_wheel_surely_fits_and_where_every_file_does() {
    let wheel = |name: &str| {
        with(&format!(
            "source = {{ registry = \"https://i\" }}\nsdist = {{ url = \"https://f/a-1.tar.gz\", hash = \"sha256:{{B}}\" }}\n\
             wheels = [{{ url = \"https://f/{name}\", hash = \"sha256:{{A}}\" }}]\n"
        ))
    };
    for (name, sdist) in [
        ("a-1-py3-none-any.whl", "(wheel-fits)"),
        ("a-1-cp311-cp311-win_amd64.whl", "sdist"),
        // Only an installer that knows more would take it.
        ("a-1-cp311-abi4-manylinux_2_17_x86_64.whl", "sdist"),
        ("b-1-py3-none-any.whl", "sdist"),
    ] {
        assert!(lock(&wheel(name))[2].ends_with(&format!("a-1.tar.gz {sdist}")), "{name}");
    }
    let all = read_for(Format::Uv, &wheel("a-1-cp311-cp311-win_amd64.whl"), &Target::Everywhere).unwrap();
    let all: Vec<String> = all.iter().map(shown).collect();
    assert!(all[1].ends_with("win_amd64.whl a") && all[2].ends_with("sdist"), "{all:?}");
    // Whatever Python it is, it takes this wheel and no other.
    let some = |name: &str| {
        let items = read_for(Format::Uv, &wheel(name), &Target::some_python()).unwrap();
        items[1..].iter().map(|item| shown(item).rsplit_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(some("a-1-py3-none-any.whl"), ["a", "(wheel-fits)"]);
    assert_eq!(some("a-1-cp311-cp311-win_amd64.whl"), ["a", "sdist"]);
}

#[test]
fn a_file_that_breaks_a_rule_is_refused_whatever_it_is_for() {
    let file = |file: &str| {
        lock(&with(&format!("source = {{ registry = \"https://i\" }}\nwheels = [{file}]\n")))[1]
            .rsplit_once(' ')
            .unwrap()
            .1
            .to_owned()
    };
    let url = "url = \"https://f/a-1-py3-none-any.whl\"";
    for (text, code) in [
        (format!("{{ {url} }}"), "no-hash"),
        (format!("{{ {url}, hash = \"sha512:{{A}}\" }}"), "other-hash"),
        (format!("{{ {url}, hash = \"SHA256:{{A}}\" }}"), "other-hash"),
        (format!("{{ {url}, hash = \"sha256:{{A}}aa\" }}"), "malformed-hash"),
        (format!("{{ {url}, hash = \"{{A}}\" }}"), "malformed-hash"),
        (
            format!("{{ {url}, hash = \"sha256:{{A}}\", zstd = {{ hash = \"sha256:{{B}}\", size = 1 }} }}"),
            "second-form",
        ),
        ("{ url = \"https://f/evil-1-py3-none-any.whl\", hash = \"sha256:{A}\" }".to_owned(), "other-name"),
        ("{ url = \"https://f/a-2-py3-none-any.whl\", hash = \"sha256:{A}\" }".to_owned(), "other-name"),
        ("{ url = \"https://f/a-1+x-py3-none-any.whl\", hash = \"sha256:{A}\" }".to_owned(), "other-name"),
        (format!("{{ {url}, path = \"x/a-1-py2-none-any.whl\", hash = \"sha256:{{A}}\" }}"), "other-name"),
        ("{ hash = \"sha256:{A}\" }".to_owned(), "no-file"),
        ("{ url = \"https://f/a-1-py3-none-any.whl%2Fx\", hash = \"sha256:{A}\" }".to_owned(), "wheel-name"),
        ("{ url = \"https://f/..\", hash = \"sha256:{A}\" }".to_owned(), "wheel-name"),
        ("{ filename = \"../a-1-py3-none-any.whl\", hash = \"sha256:{A}\" }".to_owned(), "wheel-name"),
        ("{ url = \"https://f/a-1.tar.gz\", hash = \"sha256:{A}\" }".to_owned(), "wheel-name"),
        // ... and what is none.
        (format!("{{ {url}, hash = \"sha256:{{A}}\", new = 1 }}"), "a"),
        ("{ url = \"https://f/A-1.0-py3-none-any.whl?x#y\", hash = \"sha256:{A}\" }".to_owned(), "a"),
        ("{ path = \"../../x/a-1-py3-none-any.whl\", hash = \"sha256:{A}\" }".to_owned(), "a"),
    ] {
        assert_eq!(file(&text), code, "{text}");
    }
    // For another machine, but refused all the same: somebody tampered with the lock.
    let elsewhere = "{ url = \"https://f/a-1-cp311-cp311-win_amd64.whl\", hash = \"sha512:{A}\" }";
    assert_eq!(file(elsewhere), "other-hash");
}

#[test]
fn where_a_package_comes_from_says_what_it_is() {
    for (source, expected) in [
        ("{ git = \"https://x/a?rev=1#1\" }", "a 1 vcs"),
        ("{ directory = \"../a\" }", "a 1 local"),
        ("{ editable = \"/tmp/a\" }", "a 1 local"),
        ("{ editable = \"packages/../../a\" }", "a 1 local"),
        ("{ editable = \"packages/a\" }", "a 1 (own)"),
        ("{ registry = \"https://i\" }", "a 1 no-file"),
    ] {
        assert!(lock(&with(&format!("source = {source}\n")))[1].ends_with(expected), "{source}");
    }
    // uv fetches the source: its name has to be that of the file, and exemptions are matched with its host.
    let direct = |source: &str, file: &str| {
        let text = with(&format!("source = {source}\nwheels = [{{ {file}, hash = \"sha256:{{A}}\" }}]\n"));
        let mut items = read_for(Format::Uv, &text, &python311()).unwrap();
        (shown(&items[1]).rsplit_once(' ').unwrap().1.to_owned(), items.remove(1).question)
    };
    let (said, question) =
        direct("{ url = \"https://evil/a-1-py3-none-any.whl\" }", "url = \"https://good/a-1-py3-none-any.whl\"");
    let Question::File { url: Some(url), .. } = question else { panic!("{said}") };
    assert_eq!((said.as_str(), url.as_str()), ("a", "https://evil/a-1-py3-none-any.whl"));
    let (said, _) = direct("{ url = \"https://x/a-2-py3-none-any.whl\" }", "url = \"https://x/a-1-py3-none-any.whl\"");
    assert_eq!(said, "other-name");
    let (said, question) = direct("{ path = \"dist/a-1-py3-none-any.whl\" }", "filename = \"a-1-py3-none-any.whl\"");
    assert!(matches!(question, Question::File { url: None, .. }), "{said}");
    for source in ["{ }", "{ registry = \"x\", git = \"y\" }", "{ new = \"x\" }"] {
        assert!(matches!(error(Format::Uv, &with(&format!("source = {source}\n"))), LockError::Expected { .. }));
    }
    assert!(matches!(error(Format::Uv, &with("")), LockError::Expected { .. }));
}

#[test]
fn what_no_member_reaches_is_counted_and_what_may_be_reached_counts() {
    let package = |name: &str, rest: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1\"\nsource = {{ registry = \"https://i\" }}\n{rest}\
             wheels = [{{ url = \"https://f/{name}-1-py3-none-any.whl\", hash = \"sha256:{{A}}\" }}]\n"
        )
    };
    let text = [
        HEAD,
        ROOT,
        "dependencies = [{ name = \"a\" }, { name = \"w\", marker = \"sys_platform == 'win32'\" }, \
         { name = \"x\", marker = \"extra == 'extra-4-demo-x'\" }, { name = \"o\", marker = \"python_version < '3.10'\" }]\n\
         [package.optional-dependencies]\nplot = [{ name = \"p\" }]\n[package.dev-dependencies]\ndev = [{ name = \"d\" }]\n\
         [package.future]\nnew = [{ name = \"f\" }]\n[package.metadata]\nrequires-dist = [{ name = \"m\" }]\n",
        &package("a", "dependencies = [{ name = \"b\" }, { name = \"a\" }]\n"),
        &package("b", ""),
        &package("w", "dependencies = [{ name = \"v\" }]\n"),
        &package("v", ""),
        &package("x", ""),
        &package("o", ""),
        &package("p", ""),
        &package("d", ""),
        &package("f", ""),
        &package("m", ""),
    ]
    .concat();
    let items = read_for(Format::Uv, &text, &python311()).unwrap();
    let said: Vec<String> = items
        .iter()
        .map(|item| {
            let package = item.package.as_ref().unwrap();
            format!("{} {} {:?}", package.project, shown(item).rsplit_once(' ').unwrap().1, package.required_by)
        })
        .collect();
    assert_eq!(
        said,
        [
            "demo (own) []",
            "a a [\"demo 1\", \"a 1\"]",
            "b a [\"a 1\"]",
            "w (marker) []",
            "v (unreached) []",
            "x a [\"demo 1\"]",
            "o (marker) []",
            "p a [\"demo 1\"]",
            "d a [\"demo 1\"]",
            "f a [\"demo 1\"]",
            "m (unreached) []",
        ]
    );
    let all = read_for(Format::Uv, &text, &Target::Everywhere).unwrap();
    assert_eq!(all.iter().filter(|item| matches!(item.question, Question::File { .. })).count(), 10);
}

#[test]
fn of_several_versions_the_one_for_this_python_counts() {
    let fork = |version: &str, marker: &str| {
        format!(
            "[[package]]\nname = \"a\"\nversion = \"{version}\"\nsource = {{ registry = \"https://i\" }}\n\
             resolution-markers = [\"{marker}\"]\n\
             wheels = [{{ url = \"https://f/a-{version}-py3-none-any.whl\", hash = \"sha256:{{A}}\" }}]\n"
        )
    };
    let (old, new) = (fork("1", "python_version < '3.10'"), fork("2", "python_version >= '3.10'"));
    let project = format!(
        "{HEAD}{ROOT}dependencies = [{{ name = \"a\", version = \"1\", source = {{ registry = \"https://i\" }}, marker = \"python_version < '3.10'\" }}, \
         {{ name = \"a\", version = \"2\", source = {{ registry = \"https://i\" }}, marker = \"python_version >= '3.10'\" }}]\n{old}{new}"
    );
    let script = format!("{HEAD}[manifest]\nrequirements = [{{ name = \"a\" }}]\n{old}{new}");
    for text in [project, script] {
        let items = lock(&text);
        let ends: Vec<&str> = items.iter().rev().take(2).map(|item| item.rsplit_once(' ').unwrap().1).collect();
        assert_eq!(ends[0], "a", "{items:?}");
        assert!(ends[1].starts_with('('), "{items:?}");
    }
    // A version that is not there leads to all that are.
    let broken = format!("{HEAD}{ROOT}dependencies = [{{ name = \"a\", version = \"3\" }}]\n{old}{new}");
    assert_eq!(lock(&broken).iter().filter(|item| item.ends_with(" a")).count(), 2);
    // Nobody knows what is installed: all of it.
    assert_eq!(lock(&format!("{HEAD}{old}{new}")).iter().filter(|item| item.ends_with(" a")).count(), 2);
}

#[test]
fn members_of_a_workspace_are_where_it_begins() {
    let member = "[[package]]\nname = \"m\"\nversion = \"1\"\nsource = { registry = \"https://i\" }\n\
                  wheels = [{ url = \"https://f/m-1-py3-none-any.whl\", hash = \"sha256:{A}\" }]\n";
    let items = lock(&format!("{HEAD}[manifest]\nmembers = [\"m\", \"gone\"]\n{member}"));
    assert_eq!(items, ["6 m-1-py3-none-any.whl a".replace('6', "10")]);
    let items = lock(&format!("{HEAD}[manifest.dependency-groups]\ndev = [{{ name = \"m\" }}]\n{ROOT}{member}"));
    assert!(items[1].ends_with("whl a"), "{items:?}");
}

#[test]
fn a_lock_that_uv_does_not_read_is_none() {
    assert!(matches!(error(Format::Uv, "version = 2\n"), LockError::Version { found, .. } if found == "2"));
    assert!(matches!(error(Format::Uv, "revision = 1\n"), LockError::Version { .. }));
    assert!(matches!(error(Format::Uv, "version = 0x1\n"), LockError::Version { .. }));
    let twice =
        with("source = { git = \"x\" }\n[[package]]\nname = \"A\"\nversion = \"1\"\nsource = { git = \"x\" }\n");
    assert!(matches!(error(Format::Uv, &twice), LockError::Twice { first: 9, .. }));
    let name = with("source = { git = \"x\" }\n").replace("\"a\"\nversion", "\"../a\"\nversion");
    assert!(matches!(error(Format::Uv, &name), LockError::Name { .. }));
    let version = with("source = { git = \"x\" }\n").replace("\"1\"\nsource = { git", "\"1/2\"\nsource = { git");
    assert!(matches!(error(Format::Uv, &version), LockError::PackageVersion { .. }));
    // Up to 0.2, uv wrote this.
    let old = with("source = { git = \"x\" }\n").replace("[[package]]", "[[distribution]]");
    assert_eq!(lock(&old).len(), 2);
}

#[test]
fn one_name_with_two_hashes_is_refused_unless_two_indexes_have_it() {
    let wheels = "wheels = [{ url = \"https://f/a-1-py3-none-any.whl\", hash = \"sha256:{A}\" }, \
                  { url = \"https://g/a-1-py3-none-any.whl\", hash = \"sha256:{B}\" }]\n";
    assert!(lock(&with(&format!("source = {{ registry = \"https://i\" }}\n{wheels}")))[2].ends_with("two-hashes"));
    let other = "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"https://j\" }\n\
                 wheels = [{ url = \"https://f/a-1-py3-none-any.whl\", hash = \"sha256:{B}\" }]\n";
    let one = "source = { registry = \"https://i\" }\nwheels = [{ url = \"https://f/a-1-py3-none-any.whl\", hash = \"sha256:{A}\" }]\n";
    let items = lock(&with(&format!("{one}{other}")));
    assert!(items[1].ends_with(" a") && items[2].ends_with(" b"), "{items:?}");
}
