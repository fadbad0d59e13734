//! Which tag is a version's. Projects write `v1.2.3`, `1.2.3`, `demo-1.2.3`, `demo/v1.2.3`, `release-1.2.3`, `rel_1_2_3`.

use attest_core::artifact::{ProjectName, Version};

/// Words before a version that say nothing else.
const WORDS: [&str; 5] = ["release", "version", "rel", "ver", "r"];
const SEPARATORS: [char; 5] = ['-', '_', '.', '/', '@'];

/// How far a tag is from being exactly a project's version; the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Distance {
    /// A repository with several projects names them in its tags; where there is such a tag, it is meant.
    unnamed: bool,
    /// `1.0` also fits 1.0.0, but less than `1.0.0` does.
    spelled_otherwise: bool,
    /// `v1.0` and `1.0` before `release-1.0`.
    with_word: bool,
}

/// The tags that fit best: several only where nothing tells them apart.
pub(super) fn closest<'t>(tags: &[&'t str], project: &ProjectName, version: &Version) -> Vec<&'t str> {
    let near: Vec<_> = tags.iter().filter_map(|tag| Some((distance(tag, project, version)?, *tag))).collect();
    let Some(nearest) = near.iter().map(|(distance, _)| *distance).min() else {
        return Vec::new();
    };
    near.into_iter().filter(|(distance, _)| *distance == nearest).map(|(_, tag)| tag).collect()
}

fn distance(tag: &str, project: &ProjectName, version: &Version) -> Option<Distance> {
    let digits = tag.char_indices().filter(|(_, next)| next.is_ascii_digit());
    digits.filter_map(|(at, _)| split_distance(&tag[..at], &tag[at..], project, version)).min()
}

fn split_distance(head: &str, rest: &str, project: &ProjectName, version: &Version) -> Option<Distance> {
    let is_same = |text: &str| Version::new(text).is_ok_and(|found| found.same_as(version));
    if !is_same(rest) && !is_same(&rest.replace(['_', '-'], ".")) {
        return None;
    }
    let head = head.trim_end_matches(SEPARATORS).to_ascii_lowercase();
    // The `v` of `v1.0` says nothing, with another word before it or not: `release/v1.0`.
    let (head, _) = split_word(&head, &["v"]);
    let (name, word) = split_word(head, &WORDS);
    let named = ProjectName::new(name).is_ok_and(|found| found == *project);
    if !name.is_empty() && !named {
        return None;
    }
    Some(Distance {
        unnamed: name.is_empty(),
        spelled_otherwise: rest != version.as_str(),
        with_word: !word.is_empty(),
    })
}

/// `demo-v` is `demo` and `v`; the `v` of `dev` is none.
fn split_word<'h>(head: &'h str, words: &[&'static str]) -> (&'h str, &'static str) {
    for word in words {
        let Some(name) = head.strip_suffix(word) else { continue };
        if name.is_empty() || name.ends_with(SEPARATORS) {
            return (name.trim_end_matches(SEPARATORS), word);
        }
    }
    (head, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'t>(tags: &[&'t str], version: &str) -> Vec<&'t str> {
        closest(tags, &ProjectName::new("demo-tool").unwrap(), &Version::new(version).unwrap())
    }

    #[test]
    fn every_usual_form_of_a_tag_is_the_versions() {
        for tag in [
            "1.2.3",
            "v1.2.3",
            "V1.2.3",
            "v.1.2.3",
            "demo-tool-1.2.3",
            "demo_tool-v1.2.3",
            "Demo.Tool/v1.2.3",
            "demo-tool@1.2.3",
            "release-1.2.3",
            "release/v1.2.3",
            "rel_1_2_3",
            "r1.2.3",
            "version-1.2.3",
            "demo-tool-release-1-2-3",
        ] {
            assert_eq!(best(&[tag], "1.2.3"), [tag]);
        }
    }

    #[test]
    fn tags_of_other_projects_and_versions_are_not() {
        for tag in
            ["1.2.30", "11.2.3", "v1.2", "other-1.2.3", "demo-1.2.3", "dev1.2.3", "1.2.3-rc1", "v1.2.3.post1", ""]
        {
            assert_eq!(best(&[tag], "1.2.3"), [""; 0], "{tag}");
        }
    }

    #[test]
    fn the_most_specific_tag_is_taken_and_equals_are_all_shown() {
        assert_eq!(best(&["v1.0", "demo-tool-1.0", "other-1.0"], "1.0"), ["demo-tool-1.0"]);
        assert_eq!(best(&["v1.0", "v1.0.0"], "1.0.0"), ["v1.0.0"]);
        assert_eq!(best(&["release-1.0", "v1.0"], "1.0"), ["v1.0"]);
        assert_eq!(best(&["1.0", "v1.0"], "1.0"), ["1.0", "v1.0"]);
        assert_eq!(best(&["v2.0rc1"], "2.0.0rc1"), ["v2.0rc1"]);
    }
}
