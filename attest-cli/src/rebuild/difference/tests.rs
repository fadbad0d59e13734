use super::*;
use crate::rebuild::fixture::{part, zip};

fn found(name: &str, published: &[u8], rebuilt: &[u8], others: &[&str]) -> ContentDifference {
    let member = |content: &[u8]| {
        let mut part = part(name, "");
        part.content = content.to_vec();
        crate::rebuild::zip::read(&zip(&[part])).unwrap().remove(0)
    };
    let others = others.iter().copied().collect();
    difference(&member(published), &member(rebuilt), &others, Sides::PublishedAndRebuilt)
}

fn metadata(published: &str, rebuilt: &str) -> Vec<String> {
    found("demo-1.0.dist-info/METADATA", published.as_bytes(), rebuilt.as_bytes(), &[]).detail
}

#[test]
fn metadata_is_compared_field_by_field() {
    let published = "Metadata-Version: 2.1\nName: demo\nRequires-Dist: a\nRequires-Dist: b\n\nHello\n";
    let rebuilt =
        "Metadata-Version: 2.4\nName: demo\nRequires-Dist: b\nRequires-Dist: c\nDynamic: license-file\n\nHello!\n";
    assert_eq!(
        metadata(published, rebuilt),
        [
            "Metadata-Version: 2.1 published, 2.4 rebuilt",
            "Requires-Dist: a only published",
            "Requires-Dist: c only rebuilt",
            "Dynamic: license-file only rebuilt",
            "the description differs:",
            "- Hello",
            "+ Hello!",
        ]
    );
    assert_eq!(metadata("A: 1\nB: 2\n", "B: 2\nA: 1\n"), ["the same fields in another order or spelling"]);
    assert_eq!(metadata("A: 1\nA: 2\n", "A: 2\nA: 1\n"), ["A: in another order or number"]);
    assert_eq!(metadata("A: 1\n\nx\n", "A: 1\n\nx\n\n\n"), ["empty lines at the end"]);
    assert_eq!(metadata("A: 1\n  2\n", "A: 1\n  3\n"), ["A: 1\\n  2 published, 1\\n  3 rebuilt"]);
    assert_eq!(metadata("no header\n", "A: 1\n"), ["- no header", "+ A: 1"]);
    assert_eq!(metadata("A: 1\n", "A:  1\n"), ["- A: 1", "+ A:  1"]);
}

#[test]
fn a_metadata_of_many_fields_and_control_characters_is_short_and_harmless() {
    let many: Vec<_> = (0..100).map(|at| format!("X-{at}: \x1b[31m\n")).collect();
    let lines = metadata(&many.concat(), "A: 1\n");
    assert!(lines.len() <= 13 && lines.iter().all(|line| !line.contains('\x1b')), "{lines:?}");
}

#[test]
fn rows_of_record_that_follow_from_other_differences_are_not_repeated() {
    let record = |published: &str, rebuilt: &str, others: &[&str]| {
        found("demo-1.0.dist-info/RECORD", published.as_bytes(), rebuilt.as_bytes(), others)
    };
    let follows = record("a.py,sha256=A,1\nb.py,sha256=B,1\n", "b.py,sha256=B,1\na.py,sha256=C,2\n", &["a.py"]);
    assert_eq!(follows.cause, Some(Cause::OtherMembers));
    let lie = record("a.py,sha256=A,1\nb.py,sha256=B,1\nx,,\n", "a.py,sha256=C,1\nb.py,sha256=D,1\n", &["a.py"]);
    assert_eq!(
        lie.detail,
        ["b.py: sha256=B 1 published, sha256=D 1 rebuilt, although the file is the same", "x: a row only published"]
    );
    assert_eq!(lie.cause, None);
    let order = record("a.py,sha256=A,1\nb.py,sha256=B,1\n", "b.py,sha256=B,1\na.py,sha256=A,1\n", &[]);
    assert_eq!(order.detail, ["the same rows in another order"]);
    assert_eq!(record("garbage\n", "a,,\n", &[]).detail, ["- garbage", "+ a,,"]);
}

#[test]
fn an_embedded_time_or_path_is_named() {
    for (left, right, cause) in [
        ("built = '2024-02-25T23:17:32Z'\n", "built = '2026-11-22T06:00:00Z'\n", Some(Cause::EmbeddedTime)),
        ("built = 1708903052\n", "built = 1764000000\n", Some(Cause::EmbeddedTime)),
        ("x = 1\nat 23:17:32\n", "x = 1\nat 6:00:01\n", Some(Cause::EmbeddedTime)),
        ("path = \"/home/me/demo/x\"\n", "path = \"/build/src/x\"\n", Some(Cause::EmbeddedPath)),
        ("path = \"C:\\\\me\"\n", "path = \"/build/src\"\n", Some(Cause::EmbeddedPath)),
        ("x = 1\n", "x = 2\n", None),
        ("version = '1.2.3'\n", "version = '1.2.4'\n", None),
        ("a /x/y\n", "/x/y z w\n", None),
    ] {
        let found = found("demo/core.py", left.as_bytes(), right.as_bytes(), &[]);
        assert_eq!(found.cause, cause, "{left}");
        assert_eq!(found.detail[0].starts_with("an embedded"), cause.is_some(), "{left}");
    }
    let found = found("demo/data.bin", b"\xff\0/home/me/demo/x.c\0\x01", b"\xff\0/build/src/x.c\0\x01", &[]);
    assert_eq!(found.detail[0], "an embedded path: /home/me/demo/x.c published, /build/src/x.c rebuilt");
}

#[test]
fn line_ends_are_a_cause_of_their_own_whatever_the_file() {
    for name in ["demo/core.py", "demo-1.0.dist-info/METADATA", "demo-1.0.dist-info/RECORD"] {
        assert_eq!(found(name, b"A: 1\r\n", b"A: 1\n", &[]).cause, Some(Cause::LineEnds), "{name}");
    }
}
