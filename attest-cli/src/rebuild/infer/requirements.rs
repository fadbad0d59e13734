//! Requirement lines, and which of them a wheel overrules.

use attest_core::artifact::ProjectName;

/// Requirement lines with `pins` in place of what they say about the same projects: the wheel is the better witness.
/// An upper bound (`<`) is no such witness, it only narrows.
pub(crate) fn with_pins(requires: &[String], pins: &[String]) -> Vec<String> {
    let pinned = |line: &String| {
        let name = requirement_name(line).unwrap_or_default();
        pins.iter().any(|pin| pin.contains("==") && requirement_name(pin).is_some_and(|pin| same_project(pin, name)))
    };
    let mut lines: Vec<String> = requires.iter().filter(|line| !pinned(line)).chain(pins).cloned().collect();
    lines.sort();
    lines.dedup();
    lines
}

/// The pins among requirement lines, for adding requirements that only a hook names.
pub(crate) fn pins(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| line.contains("==") && !line.contains(';')).cloned().collect()
}

/// The projects that have a pin, as the index spells them.
pub(crate) fn pinned_projects(lines: &[String]) -> Vec<String> {
    let name = |line: String| ProjectName::new(requirement_name(&line)?).ok();
    pins(lines).into_iter().filter_map(name).map(|name| name.as_str().to_owned()).collect()
}

/// What a hook asks for that is neither `known`, nor pinned there, nor only for an extra.
pub(crate) fn unsettled(asked: &[String], known: &[String]) -> Vec<String> {
    let new = |line: &String| !known.contains(line) && !is_for_extra(line);
    with_pins(asked, &pins(known)).into_iter().filter(new).collect()
}

/// The project of a requirement line ([PEP 508](https://peps.python.org/pep-0508/)): all before extras, versions and markers.
pub(crate) fn requirement_name(line: &str) -> Option<&str> {
    let end = line.find(|next: char| !(next.is_ascii_alphanumeric() || "-_.".contains(next))).unwrap_or(line.len());
    Some(&line[..end]).filter(|name| !name.is_empty())
}

/// Whether a line only applies with an extra. Nobody asks a build for extras, but flit lists them.
pub(crate) fn is_for_extra(line: &str) -> bool {
    line.split_once(';').is_some_and(|(_, marker)| marker.split_whitespace().any(|word| word == "extra"))
}

pub(super) fn same_project(left: &str, right: &str) -> bool {
    matches!((ProjectName::new(left), ProjectName::new(right)), (Ok(left), Ok(right)) if left == right)
}
