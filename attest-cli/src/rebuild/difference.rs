//! What differs in the content of one member, by what kind of file it is.
//!
//! | member | compared |
//! |---|---|
//! | `METADATA`, `WHEEL` | field by field: [`fields`] |
//! | `RECORD` | row by row, without the rows that follow from other differences: [`record`] |
//! | anything else | as text, or as what it is: [`explain::text_difference`] |
//!
//! Beside the lines for people there is a [`Cause`] where the difference shows one: [`embedded`] finds times and paths.

use std::collections::BTreeSet;

use serde::Serialize;

use super::compare::Sides;
use super::explain;
use super::zip::Member;

mod embedded;
mod fields;
mod record;

/// Why a member differs, where the difference itself tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Cause {
    /// CRLF on one side.
    LineEnds,
    /// One of the zip entries was written on Windows.
    Windows,
    /// Another implementation or setting of deflate.
    Compressor,
    /// A time that the build wrote into the file.
    EmbeddedTime,
    /// A path of the machine that built.
    EmbeddedPath,
    /// Only because other members differ.
    OtherMembers,
}

/// What differs in a member's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentDifference {
    /// Why.
    pub(crate) cause: Option<Cause>,
    /// Lines for people.
    pub(crate) detail: Vec<String>,
}

/// Compares what is in a member. `others` are the members of which something else than RECORD's rows tells that they differ.
pub(crate) fn difference(
    published: &Member,
    rebuilt: &Member,
    others: &BTreeSet<&str>,
    sides: Sides,
) -> ContentDifference {
    let (left, right) = (published.content.as_slice(), rebuilt.content.as_slice());
    let texts = std::str::from_utf8(left).ok().zip(std::str::from_utf8(right).ok());
    if texts.is_some_and(|(left, right)| left.replace("\r\n", "\n") == right.replace("\r\n", "\n")) {
        return ContentDifference {
            cause: Some(Cause::LineEnds),
            detail: explain::text_difference(left, right, sides),
        };
    }
    let by_kind = match (dist_info_file(&published.name), texts) {
        (Some("METADATA" | "WHEEL"), Some((left, right))) => fields::difference(left, right, sides),
        (Some("RECORD"), _) => record::difference(left, right, others, sides),
        _ => None,
    };
    by_kind.unwrap_or_else(|| {
        let mut detail = explain::text_difference(left, right, sides);
        let found = embedded::find(left, right, sides);
        if let Some((_, line)) = &found {
            detail.insert(0, line.clone());
        }
        ContentDifference { cause: found.map(|(cause, _)| cause), detail }
    })
}

fn dist_info_file(name: &str) -> Option<&str> {
    let (folder, file) = name.split_once('/')?;
    folder.ends_with(".dist-info").then_some(file)
}

#[cfg(test)]
mod tests;
