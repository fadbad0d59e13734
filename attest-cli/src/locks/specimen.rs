//! What tests of the formats share: a Python to select for, and items as short texts.

use std::path::Path;

use attest_core::verify::WantedName;

use super::{
    Format,
    document::{Lines, LockError, Text},
    listed::Reading,
    pdm, pipfile, poetry, pylock, settings, uv,
};
use crate::{
    item::{Form, Item, Question},
    platform::{Python, Target},
};

pub(super) const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// CPython 3.11 on a Linux of 2023.
pub(super) fn python311() -> Target<'static> {
    Target::here(|| {
        Some(Python::new(
            "/usr/bin/python3",
            &["cp311-cp311-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_17_x86_64", "py3-none-any"],
            &[("python_version", "3.11"), ("python_full_version", "3.11.7"), ("platform_machine", "x86_64")],
        ))
    })
}

/// `{A}` and `{B}` stand for two digests.
pub(super) fn read_for(format: Format, text: &str, target: &Target<'_>) -> Result<Vec<Item>, LockError> {
    let text = text.replace("{A}", A).replace("{B}", B);
    let text = Text::new(text.as_bytes(), Path::new("the.lock"))?;
    if format == Format::Pipfile {
        return pipfile::items(text, target);
    }
    let (document, lines) = (text.toml()?, Lines::new(text));
    let top = lines.table(document.get_ref(), 0);
    let reading = Reading { target, builds: settings::builds(Path::new("/nowhere"), None).is_some() };
    match format {
        Format::Uv => uv::items(top, &reading),
        Format::Pylock => pylock::items(top, &reading),
        Format::Poetry => poetry::items(top, &reading),
        _ => pdm::items(top, &reading),
    }
}

pub(super) fn read(format: Format, text: &str) -> Vec<String> {
    let items = read_for(format, text, &python311()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    items.iter().map(shown).collect()
}

pub(super) fn error(format: Format, text: &str) -> LockError {
    read_for(format, text, &python311()).expect_err(text)
}

/// `LINE NAME DIGEST`, or the code of what is said instead of a digest.
pub(super) fn shown(item: &Item) -> String {
    let line = item.place.line_number().unwrap_or_default();
    let said = match &item.question {
        // A question of which the policy can only say that it is exempt.
        Question::File { wanted, .. } if item.package.as_ref().is_some_and(|package| package.form == Form::Sdist) => {
            assert!(matches!(&wanted.name, WantedName::File(name) if *name == item.name));
            "sdist".to_owned()
        }
        Question::File { wanted, .. } => {
            match &wanted.name {
                WantedName::File(name) => assert_eq!(*name, item.name),
                WantedName::Release { .. } => {}
            }
            wanted.digest.to_string()[..1].to_owned()
        }
        Question::Refused(error) => error.code().to_owned(),
        Question::NotAttestable(why) => why.code().to_owned(),
        Question::NotSelectable(elsewhere) => format!("({})", elsewhere.code()),
    };
    format!("{line} {} {said}", item.name)
}
