//! What somebody may have meant who named a release that is not there.
//!
//! Nobody is asked about guesses: they come from the files that are kept here, from a short list of names that everybody
//! knows, and from the page of the index that was read anyway.

use std::collections::BTreeSet;

use attest_core::artifact::{ProjectName, Version, WheelName};

use crate::exit::{Exit, Failure};
use crate::index::{Index, IndexFile, NoSuchProject};

const POPULAR: &str = include_str!("popular.txt");
/// More are no help.
const MAX_SHOWN: usize = 3;

/// The same error, with a name to try instead where there is one that looks alike.
pub(super) fn project(error: anyhow::Error, typed: &ProjectName, index: &Index) -> anyhow::Error {
    if error.downcast_ref::<NoSuchProject>().is_none() {
        return error;
    }
    let message = error.to_string();
    let Some(hint) = release_in(typed.as_str()).or_else(|| near_project(typed.as_str(), index)) else {
        return error;
    };
    Failure::new(Exit::Undecided, message).hint(format!("did you mean {hint}?")).into()
}

/// A release that the index lacks, with those that it has.
pub(super) fn version(project: &ProjectName, typed: &Version, files: &[IndexFile]) -> anyhow::Error {
    let named = format!("{}=={}", project.as_str(), typed.as_str());
    let failure = Failure::new(Exit::Undecided, format!("expected {named} to have a wheel, found none on the index"));
    let wheels = files.iter().filter_map(|file| WheelName::parse(&file.name).ok());
    let versions: BTreeSet<String> = wheels.map(|wheel| wheel.version.as_str().to_owned()).collect();
    let mut near: Vec<_> = versions.iter().map(|version| (distance(typed.as_str(), version), version)).collect();
    near.sort();
    let near: Vec<&str> = near.iter().take(MAX_SHOWN).map(|(_, version)| version.as_str()).collect();
    if near.is_empty() {
        return failure.into();
    }
    failure.hint(format!("versions like it that have one: {}", near.join(", "))).into()
}

/// What has one `=` or an `@` too few or too many.
pub(super) fn spelling(typed: &str) -> Option<String> {
    let (name, version) = typed.split_once(['=', '@', '~'])?;
    let version = version.trim_start_matches(['=', '~', 'v']);
    let (name, version) = (ProjectName::new(name.trim()).ok()?, Version::new(version.trim()).ok()?);
    Some(format!("{}=={}", name.as_str(), version.as_str()))
}

/// `requests-2.34.2`, which is a project's name as far as its form goes: `requests-2-34-2`.
fn release_in(typed: &str) -> Option<String> {
    let digit = |(at, _): &(usize, &str)| typed[at + 1..].starts_with(|next: char| next.is_ascii_digit());
    let (at, _) = typed.match_indices('-').find(digit)?;
    Some(format!("{}=={}", &typed[..at], typed[at + 1..].replace('-', ".")))
}

fn near_project(typed: &str, index: &Index) -> Option<String> {
    let kept = index.kept_names();
    let kept = kept.iter().filter_map(|name| Some(WheelName::parse(name).ok()?.project.as_str().to_owned()));
    let known: BTreeSet<String> = kept.chain(POPULAR.lines().map(str::to_owned)).collect();
    nearest(typed, known.iter().map(String::as_str)).map(str::to_owned)
}

/// The one that takes the fewest slips to come from; none where that is more than a slip in four letters.
fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|name| (distance(typed, name), name)).filter(|(slips, _)| *slips > 0);
    near.min().filter(|(slips, _)| slips * 4 <= typed.len().max(4)).map(|(_, name)| name)
}

/// Letters to insert, drop, change or swap with their neighbour (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut next = vec![i];
        for j in 1..=other.len() {
            let change = row[j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = change.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = || POPULAR.lines();
        for (typed, meant) in [
            ("reqeusts", Some("requests")),
            ("request", Some("requests")),
            ("nunpy", Some("numpy")),
            ("scikitlearn", Some("scikit-learn")),
            ("six", None),
            ("my-private-thing", None),
            ("ab", None),
        ] {
            assert_eq!(nearest(typed, known().filter(|name| *name != typed)), meant, "{typed}");
        }
    }

    #[test]
    fn names_that_everybody_knows_are_names_in_their_normal_form_in_order() {
        let names: Vec<&str> = POPULAR.lines().collect();
        assert!(names.is_sorted() && names.len() > 50);
        assert!(names.iter().all(|name| ProjectName::new(name).is_ok_and(|parsed| parsed.as_str() == *name)));
    }

    #[test]
    fn a_swap_is_one_slip() {
        for (one, other, slips) in [("abc", "acb", 1), ("", "ab", 2), ("abc", "abc", 0), ("kitten", "sitting", 3)] {
            assert_eq!((distance(one, other), distance(other, one)), (slips, slips), "{one} {other}");
        }
    }

    #[test]
    fn releases_in_other_spellings_are_recognised() {
        assert_eq!(release_in("requests-2-34-2").as_deref(), Some("requests==2.34.2"));
        assert_eq!(release_in("typing-extensions"), None);
        for typed in ["requests=2.34.2", "requests@2.34.2", "requests===2.34.2", "requests~=2.34.2", "requests=v2.34.2"]
        {
            assert_eq!(spelling(typed).as_deref(), Some("requests==2.34.2"), "{typed}");
        }
        assert_eq!(spelling("requests>=2"), None, "a range is no release");
    }
}
