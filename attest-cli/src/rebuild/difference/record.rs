//! RECORD, row by row: a row that differs because its file does says nothing new.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cause, ContentDifference};
use crate::rebuild::compare::Sides;
use crate::rebuild::explain::visible;
use crate::rebuild::rows::{self, Row};

/// How many rows are shown.
const MAX_LINES: usize = 12;

/// Nothing where one of the two is no RECORD: then the lines are compared as they are.
pub(super) fn difference(
    published: &[u8],
    rebuilt: &[u8],
    others: &BTreeSet<&str>,
    sides: Sides,
) -> Option<ContentDifference> {
    let (theirs, ours) = (rows::parse(published).ok()?, rows::parse(rebuilt).ok()?);
    let own =
        |rows: Vec<Row>| -> Vec<Row> { rows.into_iter().filter(|row| !others.contains(row.path.as_str())).collect() };
    let (theirs, ours) = (own(theirs), own(ours));
    if theirs == ours {
        let detail = vec!["only the rows of members that differ themselves".to_owned()];
        return Some(ContentDifference { cause: Some(Cause::OtherMembers), detail });
    }
    let mut detail = rows_that_differ(&theirs, &ours, sides);
    if detail.is_empty() {
        detail.push("the same rows in another order".to_owned());
    }
    if detail.len() > MAX_LINES {
        let more = detail.len() - MAX_LINES;
        detail.truncate(MAX_LINES);
        detail.push(format!("and {more} more rows"));
    }
    Some(ContentDifference { cause: None, detail })
}

fn rows_that_differ(theirs: &[Row], ours: &[Row], sides: Sides) -> Vec<String> {
    let (left, right) = sides.words();
    let (theirs, ours) = (by_path(theirs), by_path(ours));
    let paths: BTreeSet<&str> = theirs.keys().chain(ours.keys()).copied().collect();
    let line = |path: &str| {
        let shown = visible(path);
        match (theirs.get(path), ours.get(path)) {
            (Some(one), Some(other)) if one == other => None,
            // The file is the same on both sides: one of the two rows is not true.
            (Some(one), Some(other)) => {
                let row = |row: &Row| visible(&format!("{} {}", row.hash, row.size));
                Some(format!("{shown}: {} {left}, {} {right}, although the file is the same", row(one), row(other)))
            }
            (Some(_), None) => Some(format!("{shown}: a row only {left}")),
            (None, _) => Some(format!("{shown}: a row only {right}")),
        }
    };
    paths.into_iter().filter_map(line).collect()
}

fn by_path(rows: &[Row]) -> BTreeMap<&str, &Row> {
    rows.iter().map(|row| (row.path.as_str(), row)).collect()
}
