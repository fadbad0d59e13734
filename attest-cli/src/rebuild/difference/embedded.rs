//! Times and paths that a build wrote into a file: the two commonest reasons why one does not repeat.

use super::Cause;
use crate::rebuild::compare::Sides;
use crate::rebuild::explain::visible;

/// How much around the first difference is looked at.
const AROUND: usize = 512;
/// Lines that are compared with each other.
const MAX_PAIRS: usize = 64;

/// The first time or path that differs, and a line for people.
pub(super) fn find(published: &[u8], rebuilt: &[u8], sides: Sides) -> Option<(Cause, String)> {
    let lines = |bytes: &[u8]| -> Vec<String> {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(_) => vec![printable_at(bytes, first_difference(published, rebuilt))],
        }
    };
    let (theirs, ours) = (lines(published), lines(rebuilt));
    let pairs = theirs.iter().zip(&ours).filter(|(left, right)| left != right).take(MAX_PAIRS);
    let mut found = pairs.filter_map(|(left, right)| in_line(left, right));
    found.next().map(|(cause, one, other)| {
        let what = if cause == Cause::EmbeddedTime { "time" } else { "path" };
        let (left, right) = sides.words();
        (cause, format!("an embedded {what}: {} {left}, {} {right}", visible(one), visible(other)))
    })
}

fn first_difference(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// The run of printable ASCII around a place.
fn printable_at(bytes: &[u8], at: usize) -> String {
    let printable = |byte: &&u8| **byte == b' ' || byte.is_ascii_graphic();
    let at = at.min(bytes.len());
    let before = bytes[at.saturating_sub(AROUND)..at].iter().rev().take_while(printable).count();
    let after = bytes[at..].iter().take(AROUND).take_while(printable).count();
    bytes[at - before..at + after].iter().map(|byte| char::from(*byte)).collect()
}

/// The first word that differs in two lines of as many words.
fn in_line<'a>(left: &'a str, right: &'a str) -> Option<(Cause, &'a str, &'a str)> {
    // Only within the same frame: two lines that merely both have a path in them have nothing to do with each other.
    let words = |line: &'a str| line.split(|c: char| c.is_whitespace() || "\"'`,;()[]{}<>=".contains(c));
    let (theirs, ours): (Vec<_>, Vec<_>) = (words(left).collect(), words(right).collect());
    if theirs.len() != ours.len() {
        return None;
    }
    let (one, other) = theirs.into_iter().zip(ours).find(|(one, other)| one != other)?;
    if is_path(one) && is_path(other) {
        Some((Cause::EmbeddedPath, one, other))
    } else if is_time(one) && is_time(other) {
        Some((Cause::EmbeddedTime, one, other))
    } else {
        None
    }
}

/// An absolute path of more than one part.
fn is_path(word: &str) -> bool {
    let unix = word.starts_with('/') && word[1..].contains('/');
    let windows = word.get(1..3).is_some_and(|drive| drive == ":\\" || drive == ":/");
    unix || windows
}

/// `2024-02-25`, `23:17:32`, `2024-02-25T23:17:32Z`, or seconds to nanoseconds since 1970.
fn is_time(word: &str) -> bool {
    let groups: Vec<&str> = word.split(|c: char| !c.is_ascii_digit()).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let since_1970 = |digits: &str| matches!(digits.len(), 10 | 13 | 16 | 19) && digits.starts_with(['1', '2']);
    match lengths.as_slice() {
        [_] => since_1970(word),
        // 1708903052.25
        [10, _] => since_1970(groups[0]),
        [4, 2, 2, ..] => word.as_bytes().get(4).is_some_and(|mark| b"-/.:".contains(mark)),
        [1 | 2, 2, 2, ..] => word.contains(':'),
        _ => false,
    }
}
