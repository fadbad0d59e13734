//! What changed on the index since the last look, by the serial numbers of its projects.
//!
//! Nothing is missed between two looks, as it is with an RSS of the last hundred releases, and no history is fetched: the first
//! look only remembers where the index stands. A project that changed is looked up once, however often it did.

use attest_core::artifact::ProjectName;

/// Projects that are looked up after one look; the others wait for the next.
const MAX_PROJECTS: usize = 1000;

/// Projects with changes after `from`, oldest first, and how far that is.
pub(super) fn since(mut projects: Vec<(ProjectName, u64)>, from: Option<u64>) -> (Vec<ProjectName>, u64) {
    let newest = projects.iter().map(|(_, serial)| *serial).max().unwrap_or_default();
    let Some(from) = from else { return (Vec::new(), newest) };
    projects.retain(|(_, serial)| *serial > from);
    projects.sort_by_key(|(_, serial)| *serial);
    if let Some((_, serial)) = projects.get(MAX_PROJECTS).cloned() {
        // All projects with one number or none of them: the next look begins behind it.
        let before = projects.partition_point(|(_, other)| *other < serial);
        let with = projects.partition_point(|(_, other)| *other <= serial);
        projects.truncate(if before > 0 { before } else { with });
    }
    // A mirror that is behind has nothing new, and leads nobody back.
    let next = projects.last().map_or(from, |(_, serial)| *serial);
    (projects.into_iter().map(|(project, _)| project).collect(), next)
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

    #[test]
    fn the_first_look_asks_for_nothing_and_the_next_for_what_came_after_it() {
        let (found, next) = since(named(&[("b", 5), ("a", 9)]), None);
        assert_eq!((names(&found), next), (vec![], 9));
        let (found, next) = since(named(&[("b", 12), ("a", 9), ("c", 10)]), Some(next));
        assert_eq!((names(&found), next), (vec!["c", "b"], 12));
        let (found, next) = since(named(&[("b", 12), ("a", 9), ("c", 10)]), Some(next));
        assert_eq!((names(&found), next), (vec![], 12));
        assert_eq!(since(named(&[("a", 3)]), Some(12)).1, 12, "a mirror that is behind");
    }

    #[test]
    fn more_changes_than_one_look_takes_are_left_for_the_next_and_none_is_lost() {
        let all: Vec<_> = (1..=2500).rev().map(|n| (ProjectName::new(&format!("p{n}")).unwrap(), n)).collect();
        let (mut from, mut looked) = (0, Vec::new());
        for _ in 0..3 {
            let (found, next) = since(all.clone(), Some(from));
            looked.extend(found);
            from = next;
        }
        looked.sort();
        looked.dedup();
        assert_eq!((looked.len(), from), (2500, 2500));
        // An index may number whatever changed together alike.
        let alike: Vec<_> = all.into_iter().map(|(project, n)| (project, n.div_ceil(600))).collect();
        let (first, from) = since(alike.clone(), Some(0));
        let (second, _) = since(alike, Some(from));
        assert_eq!((first.len(), from, second.len()), (600, 1, 600));
    }
}
