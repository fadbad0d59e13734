use super::*;
use crate::rebuild::fixture::{Part, part, zip};

fn one(change: impl FnOnce(&mut Part)) -> Vec<u8> {
    let mut part = part("demo/core.py", "x = 1\n");
    change(&mut part);
    zip(&[part])
}

fn refused(bytes: &[u8]) -> &'static str {
    match read(bytes).unwrap_err() {
        ZipError::NoEnd { .. } => "no end",
        ZipError::OutOfBounds { .. } => "out of bounds",
        ZipError::Signature { .. } => "signature",
        ZipError::Layout => "layout",
        ZipError::Duplicate { .. } => "duplicate",
        ZipError::Path { .. } => "path",
        ZipError::Special { .. } => "special",
        ZipError::Method { .. } => "method",
        ZipError::LocalHeader { .. } => "local header",
        ZipError::TooLarge { .. } => "too large",
    }
}

#[test]
fn paths_that_leave_the_wheel_are_refused() {
    for name in ["../x.py", "/etc/passwd", "a/../../x", "a\\b.py", "C:/x", "a//b", "./a", "", "a/./b", "a\0b"] {
        assert_eq!(refused(&one(|part| part.name = name.to_owned())), "path", "{name:?}");
    }
}

#[test]
fn two_members_of_one_name_are_refused() {
    assert_eq!(refused(&zip(&[part("a.py", "1"), part("a.py", "2")])), "duplicate");
    let mut folder = part("a/", "");
    folder.mode = 0o040_755;
    assert_eq!(refused(&zip(&[part("a", ""), folder])), "duplicate");
}

#[test]
fn links_and_devices_are_refused() {
    for mode in [0o120_777, 0o020_644, 0o060_644, 0o010_644, 0o140_644, 0o040_755] {
        assert_eq!(refused(&one(|part| part.mode = mode)), "special", "{mode:o}");
    }
}

#[test]
fn encryption_and_unknown_methods_are_refused() {
    assert_eq!(refused(&one(|part| part.flags = 1)), "method");
    assert_eq!(refused(&one(|part| part.flags = 0x2000)), "method");
    assert_eq!(refused(&one(|part| part.method = 14)), "method");
}

#[test]
fn a_local_header_that_contradicts_the_directory_is_refused() {
    assert_eq!(refused(&one(|part| part.local_name = Some("demo/evil.py".to_owned()))), "local header");
    assert_eq!(refused(&one(|part| part.claimed = Some(5))), "local header");
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    assert_eq!(refused(&one(|part| part.claimed = Some(u32::MAX - 1))), "too large");
}

#[test]
fn bytes_before_after_or_missing_are_refused() {
    let good = one(|_| {});
    assert!(read(&good).is_ok());
    assert_eq!(refused(&[good.as_slice(), b"x"].concat()), "no end");
    assert_eq!(refused(&[b"x", good.as_slice()].concat()), "layout");
    assert_eq!(refused(b""), "no end");
    for end in 0..good.len() {
        assert!(read(&good[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn no_changed_byte_makes_it_panic() {
    let good = zip(&[part("a.py", "x = 1\n"), part("b.py", "y = 2\n")]);
    for at in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            let _ = read(&bad);
        }
    }
}

#[test]
fn a_changed_byte_of_content_shows_as_damage_of_its_member() {
    let mut bytes = one(|_| {});
    let at = bytes.windows(5).position(|window| window == b"x = 1").unwrap();
    bytes[at] = b'y';
    let members = read(&bytes).unwrap();
    assert!(members[0].damaged);
    assert_eq!(members[0].content, b"y = 1\n");
}
