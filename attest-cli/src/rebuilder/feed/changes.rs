//! What changed on the index since the last look, by the serial numbers of its projects.
//!
//! Nothing is missed between two looks, as it is with an RSS of the last hundred releases, and no history is fetched: the first
//! look only remembers where the index stands. A project that changed is looked up once, however often it did.
//!
//! A number that is far too large, by mistake or by malice, must not make everything after it look old: so all is taken for
//! seen only up to a number that [`SURE`] projects have or exceed, and of those few above it each one's own is remembered.

use std::{collections::BTreeMap, fmt, str::FromStr};

use attest_core::artifact::ProjectName;

/// Projects that are looked up after one look; the others wait for the next.
const MAX_PROJECTS: usize = 1000;
/// So many projects do not have a wrong number at the same time.
const SURE: usize = 64;

/// How far an index was read: `12 idna:14 six:13`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Up to this number everything was seen.
    all: u64,
    /// Above it, these.
    beyond: BTreeMap<ProjectName, u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(f)?;
        self.beyond.iter().try_for_each(|(project, serial)| write!(f, " {}:{serial}", project.as_str()))
    }
}

/// It is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("expected the number of a change and projects with theirs, found {found:?}")]
pub(super) struct PlaceError {
    found: String,
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let read = || {
            let mut words = text.split(' ');
            let all = words.next()?.parse().ok()?;
            let own = |word: &str| {
                let (project, serial) = word.split_once(':')?;
                Some((ProjectName::new(project).ok()?, serial.parse().ok()?))
            };
            Some(Self { all, beyond: words.map(own).collect::<Option<_>>()? })
        };
        read().ok_or_else(|| PlaceError { found: text.chars().take(100).collect() })
    }
}

/// Projects with changes after `from`, oldest first, and how far that is.
pub(super) fn since(mut projects: Vec<(ProjectName, u64)>, from: Option<Place>) -> (Vec<ProjectName>, Place) {
    projects.sort_by_key(|(_, serial)| *serial);
    let sure = projects.len().checked_sub(SURE).map_or(0, |at| projects[at].1);
    let Some(from) = from else {
        projects.retain(|(_, serial)| *serial > sure);
        return (Vec::new(), Place { all: sure, beyond: projects.into_iter().collect() });
    };
    let is_known = |project: &ProjectName, serial: &u64| from.beyond.get(project) == Some(serial);
    let mut beyond: BTreeMap<ProjectName, u64> =
        projects.iter().filter(|(project, serial)| is_known(project, serial)).cloned().collect();
    projects.retain(|(project, serial)| *serial > from.all && !is_known(project, serial));
    if let Some((_, serial)) = projects.get(MAX_PROJECTS).cloned() {
        // All projects with one number or none of them: the next look begins behind it.
        let before = projects.partition_point(|(_, other)| *other < serial);
        let with = projects.partition_point(|(_, other)| *other <= serial);
        projects.truncate(if before > 0 { before } else { with });
    }
    // A mirror that is behind has nothing new, and leads nobody back.
    let all = projects.last().map_or(from.all, |(_, serial)| *serial).min(sure).max(from.all);
    beyond.extend(projects.iter().cloned());
    beyond.retain(|_, serial| *serial > all);
    (projects.into_iter().map(|(project, _)| project).collect(), Place { all, beyond })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(serials: &[(&str, u64)]) -> Vec<(ProjectName, u64)> {
        serials.iter().map(|(name, serial)| (ProjectName::new(name).unwrap(), *serial)).collect()
    }

    fn names(found: &[ProjectName]) -> Vec<&str> {
        found.iter().map(ProjectName::as_str).collect()
    }

    fn many(last: u64) -> Vec<(ProjectName, u64)> {
        (1..=last).rev().map(|n| (ProjectName::new(&format!("p{n}")).unwrap(), n)).collect()
    }

    fn at(all: u64) -> Place {
        Place { all, beyond: BTreeMap::new() }
    }

    #[test]
    fn the_first_look_asks_for_nothing_and_the_next_for_what_came_after_it() {
        let (found, next) = since(named(&[("b", 5), ("a", 9)]), None);
        assert_eq!((names(&found), next.to_string().as_str()), (vec![], "0 a:9 b:5"));
        let now = named(&[("b", 12), ("a", 9), ("c", 10)]);
        let (found, next) = since(now.clone(), Some(next));
        assert_eq!((names(&found), next.to_string().as_str()), (vec!["c", "b"], "0 a:9 b:12 c:10"));
        let (found, again) = since(now, Some(next.clone()));
        assert_eq!((names(&found), &again), (vec![], &next));
        assert_eq!(since(named(&[("a", 3)]), Some(at(12))).1, at(12), "a mirror that is behind");
    }

    #[test]
    fn more_changes_than_one_look_takes_are_left_for_the_next_and_none_is_lost() {
        let (mut from, mut looked) = (at(0), Vec::new());
        for _ in 0..3 {
            let (found, next) = since(many(2500), Some(from));
            looked.extend(found);
            from = next;
        }
        looked.sort();
        looked.dedup();
        assert_eq!((looked.len(), from.all, from.beyond.len()), (2500, 2437, SURE - 1));
        assert!(since(many(2500), Some(from)).0.is_empty());
        // An index may number whatever changed together alike.
        let alike: Vec<_> = many(2500).into_iter().map(|(project, n)| (project, n.div_ceil(600))).collect();
        let (first, from) = since(alike.clone(), Some(at(0)));
        let all = from.all;
        let (second, _) = since(alike, Some(from));
        assert_eq!((first.len(), all, second.len()), (600, 1, 600));
    }

    #[test]
    fn numbers_that_are_far_too_large_silence_nobody_else() {
        let lying = |honest: u64, serial: u64| {
            let mut all = many(honest);
            all.extend(
                (0..u64::try_from(SURE).unwrap() - 1)
                    .map(|n| (ProjectName::new(&format!("liar{n}")).unwrap(), serial - n)),
            );
            all
        };
        for first in [None, Some(at(0))] {
            // Those that lie from the first look on, and those that begin later.
            let is_first = first.is_none();
            let (_, from) = since(lying(900, u64::MAX), first);
            let (found, from) = since(lying(902, u64::MAX), Some(from));
            assert_eq!(names(&found), ["p901", "p902"], "{is_first}");
            let (found, from) = since(lying(902, u64::MAX), Some(from));
            assert!(found.is_empty(), "a lie is looked at once");
            let (found, from) = since(lying(902, u64::MAX - 100), Some(from));
            assert_eq!(found.len(), SURE - 1, "or when it changes");
            assert!(from.beyond.len() < SURE);
        }
        // Not either where they are more than one look takes.
        let (mut from, mut looked) = (at(0), 0);
        for _ in 0..4 {
            let (found, next) = since(lying(1010, u64::MAX), Some(from));
            looked += found.len();
            from = next;
        }
        assert_eq!(looked, 1010 + SURE - 1);
        assert_eq!(names(&since(lying(1011, u64::MAX), Some(from)).0), ["p1011"]);
    }

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        for text in ["0", "12", "12 idna:14 six:13"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in ["", "x", "12 ", "12 idna", "12 idna:x", "-1", "12  six:1"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
