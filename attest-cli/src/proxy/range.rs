//! Parts of files ([RFC 9110 section 14](https://www.rfc-editor.org/rfc/rfc9110#section-14)): uv reads the metadata at a
//! wheel's end, and pip goes on with a download that broke off.

use std::ops::Range;

use attest_core::artifact::ArtifactDigest;
use axum::http::{HeaderMap, header};

/// What of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it: also where several parts are asked for, or in a way that we do not know.
    Whole,
    /// Not empty.
    Part(Range<u64>),
    /// Nothing of it is within the file.
    Beyond,
}

pub(super) fn asked(headers: &HeaderMap, size: u64, digest: &ArtifactDigest) -> Asked {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(ranges) = text(header::RANGE).and_then(|range| range.trim().strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    // The part of another file is of no use.
    if text(header::IF_RANGE).is_some_and(|tag| tag != format!("\"{digest}\"")) {
        return Asked::Whole;
    }
    let Some((first, last)) = ranges.split_once('-').filter(|_| !ranges.contains(',')) else {
        return Asked::Whole;
    };
    let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u64>().ok() } else { None };
    let part = match (first.trim(), last.trim()) {
        ("", suffix) => number(suffix).map(|length| size.saturating_sub(length)..size),
        (first, "") => number(first).map(|first| first..size),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..size.min(last.saturating_add(1))),
            _ => None,
        },
    };
    match part {
        None => Asked::Whole,
        Some(part) if part.is_empty() => Asked::Beyond,
        Some(part) => Asked::Part(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_within_the_file_or_not_at_all() {
        let digest = ArtifactDigest::of(b"");
        let ask = |range: &str, condition: Option<String>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Some(condition) = condition {
                headers.insert(header::IF_RANGE, condition.parse().unwrap());
            }
            asked(&headers, 100, &digest)
        };
        for (range, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=10-", Asked::Part(10..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=90-18446744073709551615", Asked::Part(90..100)),
            ("bytes=100-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=5-4", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("lines=1-2", Asked::Whole),
        ] {
            assert_eq!(ask(range, None), expected, "{range}");
        }
        assert_eq!(ask("bytes=1-2", Some(format!("\"{digest}\""))), Asked::Part(1..3));
        assert_eq!(ask("bytes=1-2", Some("\"other\"".to_owned())), Asked::Whole);
        assert_eq!(asked(&HeaderMap::new(), 100, &digest), Asked::Whole);
    }
}
