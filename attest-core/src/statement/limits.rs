//! How long the lists of a statement are (docs/TRUST.md 7), and how longer ones are cut when it is signed.

use std::fmt::Write as _;

use super::{Build, Dependency, Difference, Predicate, Refusal, dependency_record, weight};
use crate::artifact::ArtifactDigest;

/// Differences in a statement; the total and the report's digest tell of the others.
pub const MAX_DIFFERENCES: usize = 32;
/// Bytes of a difference's path, escaped.
pub const MAX_DIFFERENCE_PATH: usize = 256;
/// Dependencies listed one by one.
pub const MAX_DEPENDENCIES: usize = 100;
/// Bytes of a recipe's text inside a statement.
pub const MAX_RECIPE: usize = 16 * 1024;
/// Differing members of an `equivalent` statement. A list that is the claim itself cannot be cut, so more is an error.
pub const MAX_MEMBERS: usize = 32;
/// Bytes of any other text.
pub const MAX_TEXT: usize = 2048;

/// In front of the number of dependencies, in the `uri` of the one entry that stands for all of them.
const RECORD_URI: &str = "attest:dependencies?total=";

pub(super) fn truncate(predicate: &mut Predicate) {
    match predicate {
        Predicate::Reproduced(build) | Predicate::Equivalent { build, .. } => {
            truncate_build(build);
        }
        Predicate::NotReproduced { build, refusal } => {
            truncate_build(build);
            truncate_differences(refusal);
        }
        Predicate::Withdrawn(_) => {}
    }
}

fn truncate_build(build: &mut Build) {
    if build.resolved_dependencies.len() > MAX_DEPENDENCIES {
        build.resolved_dependencies = vec![Dependency {
            uri: format!("{RECORD_URI}{}", build.resolved_dependencies.len()),
            digest: ArtifactDigest::of(&dependency_record(&build.resolved_dependencies)).into(),
        }];
    }
    // The digest stays; the text is retrievable by it.
    if build.recipe.content.as_ref().is_some_and(|text| text.len() > MAX_RECIPE) {
        build.recipe.content = None;
    }
}

fn truncate_differences(refusal: &mut Refusal) {
    let found = u64::try_from(refusal.differences.len()).unwrap_or(u64::MAX);
    refusal.differences_total = refusal.differences_total.max(found);
    refusal.differences = abridged(std::mem::take(&mut refusal.differences));
}

/// Differences as a statement lists them: paths escaped, and of more than [`MAX_DIFFERENCES`] those that decide whether it
/// is an accusation first, then the others in the order given.
pub fn abridged(mut differences: Vec<Difference>) -> Vec<Difference> {
    for Difference { path, .. } in &mut differences {
        *path = escape_path(path);
    }
    if differences.len() > MAX_DIFFERENCES {
        // Stable. What decides whether this is an accusation must not be crowded out.
        differences.sort_by_key(weight);
        differences.truncate(MAX_DIFFERENCES);
    }
    differences
}

/// Printable ASCII stays, anything else is written as `\u{HEX}`, and what goes beyond the limit is cut between two
/// characters. Paths come out of foreign archives and end up on people's terminals.
pub(super) fn escape_path(path: &str) -> String {
    let mut escaped = String::new();
    for c in path.chars() {
        let before = escaped.len();
        if is_plain(c) {
            escaped.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
        }
        if escaped.len() > MAX_DIFFERENCE_PATH {
            escaped.truncate(before);
            break;
        }
    }
    escaped
}

pub(super) fn is_plain(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic()
}

/// How many dependencies the one entry stands for, when it does.
pub(super) fn recorded_total(dependencies: &[Dependency]) -> Option<&str> {
    match dependencies {
        [one] => one.uri.strip_prefix(RECORD_URI),
        _ => None,
    }
}
