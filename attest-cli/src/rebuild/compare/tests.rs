use super::*;
use crate::rebuild::fixture::{self, Part, TIME, part, zip};

fn found(published: &[Part], rebuilt: &[Part]) -> Vec<Found> {
    compare(&Wheel::read(&zip(published)).unwrap(), &Wheel::read(&zip(rebuilt)).unwrap(), Sides::PublishedAndRebuilt)
}

fn wheel() -> Vec<Part> {
    fixture::wheel("setuptools (82.0.1)")
}

#[test]
fn code_that_only_the_published_wheel_has_comes_first_and_is_foreign() {
    let mut published = wheel();
    published[0].content = b"x = 2\n".to_vec();
    published.push(part("demo/backdoor.pth", "import os\n"));
    let found = found(&published, &wheel());
    assert_eq!(
        (found[0].path.as_str(), found[0].kind, found[0].foreign_code),
        ("demo/backdoor.pth", DifferenceKind::OnlyInPublished, true)
    );
    assert_eq!(
        (found[1].path.as_str(), found[1].kind, found[1].foreign_code),
        ("demo/core.py", DifferenceKind::Content, false)
    );
}

#[test]
fn a_missing_readme_is_not_foreign_code() {
    let mut published = wheel();
    published.push(part("demo/README.txt", "hello\n"));
    assert!(!found(&published, &wheel())[0].foreign_code);
}

#[test]
fn fields_are_shown_from_both_sides() {
    let mut published = wheel();
    published[1].content = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n".to_vec();
    assert_eq!(found(&published, &wheel())[0].detail, ["Metadata-Version: 2.4 published, 2.1 rebuilt"]);
}

#[test]
fn a_line_cannot_write_to_the_reader_s_terminal() {
    let mut published = wheel();
    published[0].content = b"\x1b]0;owned\x07\n".to_vec();
    let detail = found(&published, &wheel())[0].detail.join("\n");
    assert!(!detail.contains('\x1b') && !detail.contains('\x07'), "{detail:?}");
}

#[test]
fn time_mode_and_system_are_one_difference_of_the_entry() {
    let mut published = wheel();
    published[0] = Part { time: TIME - 1, mode: 0o100_600, system: 0, ..published[0].clone() };
    let found = found(&published, &wheel());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, DifferenceKind::ZipMetadata);
    assert_eq!(
        found[0].detail,
        [
            "time: 2024-02-25 23:17:30 published, 2024-02-25 23:17:32 rebuilt",
            "mode: 0o100600 published, 0o100644 rebuilt",
            "made on: Windows published, Unix rebuilt"
        ]
    );
}

#[test]
fn another_order_alone_is_said_once() {
    let mut published = wheel();
    published.swap(0, 1);
    let kinds: Vec<_> = found(&published, &wheel()).iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [DifferenceKind::Order]);
}

#[test]
fn line_ends_alone_are_named() {
    let mut published = wheel();
    published[0].content = b"x = 1\r\n".to_vec();
    assert_eq!(found(&published, &wheel())[0].detail, ["line ends only (CRLF: built on Windows?)"]);
}

#[test]
fn a_record_that_only_follows_comes_last_and_one_that_lies_does_not() {
    let with = |core: &str, record: &str| {
        let mut parts = wheel();
        parts[0].content = core.as_bytes().to_vec();
        parts[3].content = record.as_bytes().to_vec();
        parts[1].time = TIME;
        parts
    };
    let mut published = with("x = 2\n", "demo/core.py,sha256=A,6\n");
    published[1].time -= 1;
    let follows = found(&published, &with("x = 1\n", "demo/core.py,sha256=B,6\n"));
    let names: Vec<_> = follows.iter().map(|one| one.path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["core.py", "METADATA", "RECORD"]);
    assert_eq!(follows[2].cause, Some(Cause::OtherMembers));
    let lies = found(&with("x = 1\n", "demo/core.py,sha256=A,6\n"), &with("x = 1\n", "demo/core.py,sha256=B,6\n"));
    assert_eq!((lies[0].kind, lies[0].cause), (DifferenceKind::Content, None));
}

#[test]
fn equal_wheels_have_no_differences() {
    assert_eq!(found(&wheel(), &wheel()), Vec::new());
}
