//! What holds for every format: which one a file is, and that nothing makes a reader panic.

use std::path::Path;

use proptest::prelude::*;

use super::{
    Format,
    document::{LockError, Text},
    is_pylock,
    specimen::{error, python311, read_for},
};
use crate::item::{Form, Item, Question};

const UV: &str = "version = 1\nrevision = 3\n[[package]]\nname = \"demo\"\nversion = \"1\"\nsource = { virtual = \".\" }\n\
    dependencies = [{ name = \"a\", marker = \"python_version >= '3.9'\" }]\n[package.optional-dependencies]\nx = [{ name = \"a\" }]\n\
    [[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"https://i\" }\nsdist = { url = \"https://f/a-1.tar.gz\", hash = \"sha256:{B}\" }\n\
    wheels = [{ url = \"https://f/a-1-py3-none-any.whl\", hash = \"sha256:{A}\", size = 1 }]\n";
const PYLOCK: &str = "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\nmarker = \"python_version >= '3.9'\"\n\
    sdist = { url = \"https://f/a-1.tar.gz\", hashes = { sha256 = \"{B}\" } }\n\
    wheels = [{ name = \"a-1-py3-none-any.whl\", url = \"https://f/a-1-py3-none-any.whl\", hashes = { sha256 = \"{A}\" } }]\n";
const POETRY: &str = "[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"main\"]\nmarkers = \"python_version >= '3.9'\"\n\
    files = [{file = \"a-1-py3-none-any.whl\", hash = \"sha256:{A}\"}, {file = \"a-1.tar.gz\", hash = \"sha256:{B}\"}]\n\
    [package.dependencies]\na = \"*\"\n[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.9\"\n";
const PDM: &str = "[metadata]\nlock_version = \"4.5.0\"\n[[package]]\nname = \"a\"\nversion = \"1\"\n\
    files = [{file = \"a-1-py3-none-any.whl\", hash = \"sha256:{A}\"}]\n";
const PIPFILE: &str =
    "{\"_meta\": {\"pipfile-spec\": 6}, \"default\": {\"a\": {\"hashes\": [\"sha256:{A}\"], \"version\": \"==1\"}}}";
const ALL: [(Format, &str); 5] = [
    (Format::Uv, UV),
    (Format::Pylock, PYLOCK),
    (Format::Poetry, POETRY),
    (Format::Pdm, PDM),
    (Format::Pipfile, PIPFILE),
];

fn is_wheel_asked_about(item: &Item) -> bool {
    let is_wheel = item.package.as_ref().is_some_and(|package| package.form == Form::Wheel);
    is_wheel && matches!(item.question, Question::File { .. })
}

#[test]
fn a_format_is_told_by_its_name_or_by_what_it_says() {
    for (name, format) in [
        ("uv.lock", Some(Format::Uv)),
        ("pylock.toml", Some(Format::Pylock)),
        ("pylock.dev.toml", Some(Format::Pylock)),
        ("poetry.lock", Some(Format::Poetry)),
        ("requirements.txt", Some(Format::Requirements)),
        ("report.json", None),
        ("script.py.lock", None),
        ("-", None),
    ] {
        assert_eq!(Format::by_name(name), format, "{name}");
    }
    for (format, text) in ALL {
        assert_eq!(Format::by_content(text), format);
    }
    assert_eq!(Format::by_content("\n {\"version\": \"1\", \"install\": []}"), Format::Report);
    for text in ["idna==3.7 --hash=sha256:00", "", "version = 1", "# lock-version = \"1.0\"", "[[package]"] {
        assert_eq!(Format::by_content(text), Format::Requirements, "{text}");
    }
    assert!(!is_pylock("pylock.a.b.toml") && !is_pylock("pylockx.toml") && !is_pylock("pylock..toml"));
}

#[test]
fn what_cannot_be_read_whole_is_not_read() {
    let conflict = "version = 1\n<<<<<<< ours\nrevision = 1\n=======\nrevision = 2\n>>>>>>> theirs\n";
    assert_eq!(
        error(Format::Uv, conflict).to_string(),
        "the.lock:2: a conflict marker of git: two versions of the file were not merged"
    );
    for (format, text) in ALL {
        for end in (1..text.len() - 2).filter(|end| text.is_char_boundary(*end)) {
            // A truncated lock is an error, or holds no file that the whole one has not.
            if let Ok(items) = read_for(format, &text[..end], &python311()) {
                assert!(items.iter().filter(|item| is_wheel_asked_about(item)).count() <= 1);
            }
        }
    }
    let twice = "version = 1\nversion = 1\n";
    assert!(matches!(error(Format::Uv, twice), LockError::Toml { place, .. } if place.line_number() == Some(2)));
    assert!(matches!(Text::new(b"\xff", Path::new("x")), Err(LockError::NotUtf8 { .. })));
    let deep = format!("version = 1\nx = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(error(Format::Uv, &deep), LockError::Toml { .. }));
}

proptest! {
    #[test]
    fn a_mutated_lock_makes_nothing_panic(
        which in 0..ALL.len(), at in 0_usize..600, gone in 0_usize..40, put in "[a-z0-9\\[\\]{}\"'=,.:\\\\\n -]{0,12}",
    ) {
        let (format, text) = ALL[which];
        let (start, end) = (at.min(text.len()), (at + gone).min(text.len()));
        let mutated = format!("{}{put}{}", &text[..start], &text[end..]);
        let _ = Format::by_content(&mutated);
        let _ = read_for(format, &mutated, &python311());
    }

    /// Whatever stands in the place of a hash, only the one that is there passes.
    #[test]
    fn no_other_text_is_taken_for_a_digest(hash in "(sha256|sha512|SHA256|md5)?:?[0-9a-fA-F]{60,66}") {
        for (format, text) in &ALL[..4] {
            let text = text.replace("sha256:{A}", &hash).replace("{A}", &hash);
            if let Ok(items) = read_for(*format, &text, &python311()) {
                for item in items {
                    if let (true, Question::File { wanted, .. }) = (is_wheel_asked_about(&item), &item.question) {
                        prop_assert!(hash.ends_with(&wanted.digest.to_string()));
                    }
                }
            }
        }
    }
}
