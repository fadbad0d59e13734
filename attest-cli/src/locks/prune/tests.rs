use std::collections::BTreeSet;

use attest_core::artifact::ArtifactDigest;
use proptest::prelude::*;

use super::*;

fn digest(name: &str) -> ArtifactDigest {
    ArtifactDigest::of(name.as_bytes())
}

fn keep(names: &[&str]) -> BTreeSet<ArtifactDigest> {
    names.iter().map(|name| digest(name)).collect()
}

/// `{a}` becomes the digest of `a`.
fn filled(template: &str) -> String {
    ["a", "b", "c", "d", "s"]
        .iter()
        .fold(template.to_owned(), |text, name| text.replace(&format!("{{{name}}}"), &digest(name).to_string()))
}

fn prune(name: &str, before: &str, kept: &[&str]) -> Result<Pruned, PruneError> {
    super::prune(Path::new(name), &filled(before), &keep(kept))
}

fn becomes(name: &str, before: &str, kept: &[&str], after: &str) {
    assert_eq!(prune(name, before, kept).map(|pruned| pruned.text), Ok(filled(after)));
}

const PIP: &str = "# by pip-compile\n--index-url https://index.example/simple\n\nsix==1.16.0 ; python_version > '3' \\\n    \
                   --hash=sha256:{a} \\\n    --hash=sha256:{b} \\\n    --hash=sha256:{c}\n    # via -r in.txt\nidna==3.10 \
                   --hash=sha256:{d} --hash sha256:{s}  # why\n";

#[test]
fn hashes_go_with_their_lines_and_everything_else_stays() {
    becomes(
        "requirements.txt",
        PIP,
        &["b", "d"],
        "# by pip-compile\n--index-url https://index.example/simple\n\nsix==1.16.0 ; python_version > '3' \\\n    \
         --hash=sha256:{b}\n    # via -r in.txt\nidna==3.10 --hash=sha256:{d}  # why\n",
    );
    becomes("requirements.txt", PIP, &["a", "b", "c", "d", "s"], PIP);
    becomes(
        "requirements.txt",
        "six==1 \\\r\n  --hash=sha256:{a} \\\r\n  --hash=sha256:{b}\r\nx==1 --hash=sha256:{c}",
        &["a", "c"],
        "six==1 \\\r\n  --hash=sha256:{a}\r\nx==1 --hash=sha256:{c}",
    );
}

#[test]
fn a_hash_of_another_algorithm_goes_whatever_stands_beside_it() {
    becomes(
        "r.txt",
        "six==1 --hash=sha256:{a} --hash=sha512:00 --hash=md5:{b}\n",
        &["a", "b"],
        "six==1 --hash=sha256:{a}\n",
    );
    let poetry = "[[package]]\nname = \"six\"\nfiles = [\n    {file = \"a\", hash = \"sha256:{a}\"},\n    \
                  {file = \"b\", hash = \"md5:{b}\"},\n]\n";
    becomes(
        "poetry.lock",
        poetry,
        &["a", "b"],
        "[[package]]\nname = \"six\"\nfiles = [\n    {file = \"a\", hash = \"sha256:{a}\"},\n]\n",
    );
    let both = "[[packages]]\nname = \"six\"\nwheels = [{ url = \"u\", hashes = { sha256 = \"{a}\", sha512 = \"00\" } }, \
                { url = \"v\", hashes = { sha256 = \"{b}\" } }]\n";
    becomes(
        "pylock.toml",
        both,
        &["a", "b"],
        "[[packages]]\nname = \"six\"\nwheels = [{ url = \"v\", hashes = { sha256 = \"{b}\" } }]\n",
    );
}

#[test]
fn a_package_of_which_nothing_would_be_left_is_an_error() {
    for (name, text) in [
        ("r.txt", "six==1 --hash=sha256:{a}\n"),
        ("uv.lock", "[[package]]\nname = \"six==1\"\nwheels = [{ hash = \"sha256:{a}\" }]\n"),
        ("poetry.lock", "[[package]]\nname = \"six==1\"\nfiles = [{ hash = \"sha256:{a}\" }]\n"),
        ("pylock.toml", "[[packages]]\nname = \"six==1\"\nsdist = { hashes = { sha256 = \"{a}\" } }\n"),
    ] {
        assert_eq!(prune(name, text, &["b"]), Err(PruneError::Empty { package: "six==1".to_owned() }), "{name}");
    }
}

const UV: &str = r#"version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "six"
version = "1.16.0"
source = { registry = "https://index.example/simple" }
sdist = { url = "https://f/six-1.16.0.tar.gz", hash = "sha256:{s}", size = 3 } # built where no wheel fits
wheels = [
    { url = "https://f/six-1.16.0-cp311.whl", hash = "sha256:{a}", size = 1 },
    # the next is for macOS
    { url = "https://f/six-1.16.0-mac.whl", hash = "sha256:{b}", size = 2 }, # brackets: ]}
    { url = "https://f/six-1.16.0-win.whl", hash = "sha256:{c}", size = 2 },
]

[package.metadata]
requires-dist = []

[[package]]
name = "demo"
version = "0.1.0"
source = { virtual = "." }
"#;

#[test]
fn a_lock_of_uv_loses_wheels_and_the_sdist_and_nothing_else() {
    let after: String = UV
        .split_inclusive('\n')
        .filter(|line| !line.contains("{s}") && !line.contains("{b}") && !line.contains("{c}"))
        .collect();
    becomes("uv.lock", UV, &["a"], &after);
    becomes("uv.lock", UV, &["a", "b", "c", "s"], UV);
    let only_sdist = prune("uv.lock", UV, &["s"]).unwrap();
    assert!(!only_sdist.text.contains("wheels"), "{}", only_sdist.text);
    assert_eq!((only_sdist.kept, only_sdist.removed), (1, 3));
}

#[test]
fn elements_on_one_line_go_with_one_comma() {
    let line = |inner: &str| format!("[[package]]\nname = \"six\"\nwheels = [{inner}]\n");
    let of = |name: &str| format!("{{ url = \"{name}\", hash = \"sha256:{{{name}}}\" }}");
    let all = line(&format!("{}, {}, {}", of("a"), of("b"), of("c")));
    becomes("uv.lock", &all, &["a"], &line(&of("a")));
    becomes("uv.lock", &all, &["b"], &line(&of("b")));
    becomes("uv.lock", &all, &["c"], &line(&of("c")));
    becomes("uv.lock", &all, &["a", "c"], &line(&format!("{}, {}", of("a"), of("c"))));
    let trailing = line(&format!("{}, {},", of("a"), of("b")));
    becomes("uv.lock", &trailing, &["a"], &line(&format!("{},", of("a"))));
}

const PIP_LOCK: &str = r#"lock-version = "1.0"
created-by = "pip"

[[packages]]
name = "six"
version = "1.16.0"

[[packages.wheels]]
name = "a.whl"
url = "https://f/a.whl"

[packages.wheels.hashes]
sha256 = "{a}"

[[packages.wheels]]
name = "b.whl"

[packages.wheels.hashes]
sha256 = "{b}"

[packages.sdist]
name = "s.tar.gz"

[packages.sdist.hashes]
sha256 = "{s}"

# about idna
[[packages]]
name = "idna"
wheels = [{ name = "c.whl", hashes = { sha256 = "{c}" } }]
"#;

#[test]
fn tables_with_headers_go_with_their_own_tables() {
    let kept_a = PIP_LOCK
        .replace("[[packages.wheels]]\nname = \"b.whl\"\n\n[packages.wheels.hashes]\nsha256 = \"{b}\"\n\n", "")
        .replace("[packages.sdist]\nname = \"s.tar.gz\"\n\n[packages.sdist.hashes]\nsha256 = \"{s}\"\n\n", "");
    becomes("pylock.toml", PIP_LOCK, &["a", "c"], &kept_a);
    becomes("pylock.dev.toml", PIP_LOCK, &["a", "b", "c", "s"], PIP_LOCK);
    let sdist = prune("pylock.toml", PIP_LOCK, &["s", "c"]).unwrap();
    assert!(!sdist.text.contains("wheels]]") && sdist.text.contains("# about idna"), "{}", sdist.text);
}

#[test]
fn a_form_that_cannot_be_cut_out_is_an_error_and_never_half_a_lock() {
    let dotted =
        "[[packages]]\nname = \"six\"\nsdist.hashes.sha256 = \"{s}\"\nwheels = [{ hashes = { sha256 = \"{a}\" } }]\n";
    assert!(prune("pylock.toml", dotted, &["a"]).is_err());
    assert!(prune("uv.lock", "not toml [", &[]).is_err());
    assert!(prune("uv.lock", "<<<<<<< HEAD\n", &[]).is_err());
    // Two physical lines make one hash, as pip reads it: what is seen here is not what pip sees.
    let (start, end) = (&digest("a").to_string()[..10], &digest("a").to_string()[10..]);
    let broken = format!("six==1 --hash=sha256:{start}\\\n{end} --hash=sha256:{}\n", digest("b"));
    let pruned = super::prune(Path::new("r.txt"), &broken, &keep(&["a", "b"]));
    assert!(pruned.is_err() || !pruned.clone().unwrap().text.contains(start), "{pruned:?}");
}

/// What is left where `a` alone is accepted, as it is written to disk.
fn left(name: &str, before: &str) -> Result<(), String> {
    let text = filled(before);
    let pruned = prune(name, before, &["a"]).map_err(|error| error.to_string())?;
    assert!(pruned.text.len() <= text.len());
    again::look(Path::new(name), &pruned.text, &keep(&["a"])).map_err(|error| error.to_string())
}

const SCRIPT: &str = r#"version = 1
requires-python = ">=3.11"

[[package]]
name = "six"
version = "1.16.0"
source = { registry = "https://index.example/simple" }
sdist = { url = "https://f/six-1.16.0.tar.gz", hash = "sha256:{s}" }
wheels = [
    { url = "https://f/six-1.16.0-py3-none-any.whl", hash = "sha256:{a}" },
    { url = "https://f/six-1.16.0-cp311-cp311-win_amd64.whl", hash = "sha256:{b}" },
]
"#;

#[test]
fn a_lock_of_a_script_and_one_of_an_older_uv_are_pruned_as_every_other() {
    for (name, text) in [
        ("tool.py.lock", SCRIPT.to_owned()),
        ("uv.lock", SCRIPT.replace("[[package]]", "[[distribution]]")),
        ("old.py.lock", SCRIPT.replace("[[package]]", "[[distribution]]")),
    ] {
        assert_eq!(prune(name, &text, &["a"]).map(|pruned| (pruned.kept, pruned.removed)), Ok((1, 2)), "{name}");
        assert_eq!(left(name, &text), Ok(()), "{name}");
    }
}

#[test]
fn what_verify_finds_in_a_pruned_lock_and_nobody_accepted_is_an_error() {
    let poetry1 = "[[package]]\nname = \"six\"\nversion = \"1.16.0\"\n\n[metadata]\nlock-version = \"1.1\"\n\n\
                   [metadata.files]\nsix = [\n    {file = \"six-1.16.0-py3-none-any.whl\", hash = \"sha256:{a}\"},\n    \
                   {file = \"six-1.16.0.tar.gz\", hash = \"sha256:{s}\"},\n]\n";
    assert!(left("poetry.lock", poetry1).unwrap_err().contains("six-1.16.0.tar.gz would stay"));
    // pip takes a file that has either hash.
    let fragment = "six @ https://f/six-1.16.0-py3-none-any.whl#sha256={b} --hash=sha256:{a}\n";
    assert!(left("requirements.txt", fragment).unwrap_err().contains("would stay"));
    let good = "six @ https://f/six-1.16.0-py3-none-any.whl#sha256={a} --hash=sha256:{a} --hash=sha256:{b}\n";
    assert_eq!(left("requirements.txt", good), Ok(()));
}

proptest! {
    #[test]
    fn whatever_the_text_nothing_panics_and_what_stays_was_accepted(
        edits in proptest::collection::vec((0..2000_usize, any::<u8>(), 0..3_u8), 0..6),
        which in 0..3_usize,
        bits in 0..32_u8,
    ) {
        let (name, text) = [("uv.lock", UV), ("pylock.toml", PIP_LOCK), ("requirements.txt", PIP)][which];
        let mut bytes = filled(text).into_bytes();
        for (at, byte, edit) in edits {
            let at = at % bytes.len();
            match edit {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        let names: Vec<&str> = ["a", "b", "c", "d", "s"].into_iter().enumerate()
            .filter(|(nth, _)| bits & (1 << nth) != 0).map(|(_, name)| name).collect();
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let path = Path::new(name);
        if let Ok(pruned) = super::prune(path, &text, &keep(&names)) {
            let again = super::prune(path, &pruned.text, &keep(&names)).unwrap();
            prop_assert_eq!(again.removed, 0);
            prop_assert_eq!(again.text, pruned.text);
        }
    }
}
