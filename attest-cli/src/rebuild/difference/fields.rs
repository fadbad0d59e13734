//! METADATA and WHEEL ([core metadata](https://packaging.python.org/en/latest/specifications/core-metadata/)), field by field.

use super::{Cause, ContentDifference};
use crate::rebuild::compare::Sides;
use crate::rebuild::explain::{self, visible};

/// How many fields are shown.
const MAX_LINES: usize = 12;

/// Header fields in their order, and what follows them.
struct Document<'a> {
    fields: Vec<(&'a str, String)>,
    body: &'a str,
}

impl<'a> Document<'a> {
    /// Nothing where it is no header: then the lines are compared as they are.
    fn parse(text: &'a str) -> Option<Self> {
        let mut fields: Vec<(&str, String)> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            let line = line.strip_suffix('\r').unwrap_or(line);
            rest = after;
            if line.is_empty() {
                break;
            } else if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut()?;
                value.push('\n');
                value.push_str(line);
            } else {
                let (name, value) = line.split_once(':')?;
                fields.push((name, value.trim().to_owned()));
            }
        }
        Some(Self { fields, body: rest })
    }

    fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

pub(super) fn difference(published: &str, rebuilt: &str, sides: Sides) -> Option<ContentDifference> {
    let (theirs, ours) = (Document::parse(published)?, Document::parse(rebuilt)?);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in theirs.fields.iter().chain(&ours.fields) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    }
    let mut detail: Vec<String> =
        names.iter().flat_map(|name| field(name, &theirs.values(name), &ours.values(name), sides)).collect();
    if detail.is_empty() && theirs.fields != ours.fields {
        detail.push("the same fields in another order or spelling".to_owned());
    }
    if detail.len() > MAX_LINES {
        let more = detail.len() - MAX_LINES;
        detail.truncate(MAX_LINES);
        detail.push(format!("and {more} more fields"));
    }
    if theirs.body.trim_end() != ours.body.trim_end() {
        detail.push("the description differs:".to_owned());
        detail.extend(explain::text_difference(theirs.body.as_bytes(), ours.body.as_bytes(), sides));
    } else if theirs.body != ours.body {
        detail.push("empty lines at the end".to_owned());
    }
    // Two files that say the same and differ nevertheless, in spaces: shown as they are.
    (!detail.is_empty()).then_some(ContentDifference { cause: None::<Cause>, detail })
}

fn field(name: &str, theirs: &[&str], ours: &[&str], sides: Sides) -> Vec<String> {
    let (left, right) = sides.words();
    let name = visible(name);
    match (theirs, ours) {
        (theirs, ours) if theirs == ours => Vec::new(),
        ([one], [other]) => vec![format!("{name}: {} {left}, {} {right}", visible(one), visible(other))],
        _ => {
            let only = |values: &[&str], others: &[&str], side: &str| -> Vec<String> {
                let missing = values.iter().filter(|value| !others.contains(value));
                missing.map(|value| format!("{name}: {} only {side}", visible(value))).collect()
            };
            let lines = [only(theirs, ours, left), only(ours, theirs, right)].concat();
            if lines.is_empty() { vec![format!("{name}: in another order or number")] } else { lines }
        }
    }
}
