//! Two wheels side by side: every difference, from code that only one has down to a flag in the zip.

use std::collections::BTreeSet;

use attest_core::statement::{DifferenceKind, is_code};
use serde::Serialize;

use super::difference::{self, Cause};
use super::wheel::{Wheel, zip_seconds};
use super::zip::Member;

/// `create_system` of what Python writes on Windows.
const WINDOWS: u8 = 0;

/// What the two wheels are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sides {
    /// The published wheel and ours.
    PublishedAndRebuilt,
    /// Two builds of ours.
    FirstAndSecond,
}

impl Sides {
    /// Words for the left and the right one.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::PublishedAndRebuilt => ("published", "rebuilt"),
            Self::FirstAndSecond => ("in the first build", "in the second"),
        }
    }
}

/// One difference, with what a person needs to judge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    /// Member; empty for the order of all.
    pub(crate) path: String,
    /// What differs.
    pub(crate) kind: DifferenceKind,
    /// Only in the published file, and something that Python or a shell would run: the mark of an attack.
    pub(crate) foreign_code: bool,
    /// Why, where the difference itself tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<Cause>,
    /// Lines for people.
    pub(crate) detail: Vec<String>,
}

impl Found {
    fn new(path: &str, kind: DifferenceKind, detail: Vec<String>) -> Self {
        Self { path: path.to_owned(), kind, foreign_code: false, cause: None, detail }
    }
}

/// All differences, most telling first.
pub(crate) fn compare(published: &Wheel, rebuilt: &Wheel, sides: Sides) -> Vec<Found> {
    let (ours, theirs) = (rebuilt.by_name(), published.by_name());
    let differs = |name: &&str| match (theirs.get(name), ours.get(name)) {
        (Some(one), Some(other)) => one.content != other.content,
        _ => true,
    };
    // What RECORD's rows follow from.
    let others: BTreeSet<&str> = theirs.keys().chain(ours.keys()).copied().filter(differs).collect();
    let mut found = Vec::new();
    for (name, member) in &theirs {
        match ours.get(name) {
            Some(other) => found.extend(compare_member(member, other, &others, sides)),
            None => found.push(Found {
                foreign_code: sides == Sides::PublishedAndRebuilt && is_code(name),
                ..Found::new(name, DifferenceKind::OnlyInPublished, vec![format!("{} bytes", member.content.len())])
            }),
        }
    }
    for (name, member) in &ours {
        if !theirs.contains_key(name) {
            found.push(Found::new(
                name,
                DifferenceKind::OnlyInRebuilt,
                vec![format!("{} bytes", member.content.len())],
            ));
        }
    }
    let common = |wheel: &Wheel, other: &std::collections::BTreeMap<&str, &Member>| -> Vec<String> {
        wheel
            .members()
            .iter()
            .map(|member| member.name.clone())
            .filter(|name| other.contains_key(name.as_str()))
            .collect()
    };
    if common(published, &ours) != common(rebuilt, &theirs) {
        found.push(Found::new("", DifferenceKind::Order, vec!["the members come in another order".to_owned()]));
    }
    found.sort_by_key(rank);
    found
}

/// Foreign code, content, container; and what follows from another difference after everything that it could follow from.
fn rank(found: &Found) -> (bool, u8) {
    let kind = match found.kind {
        DifferenceKind::Content if found.cause == Some(Cause::OtherMembers) => 6,
        DifferenceKind::Content => 0,
        DifferenceKind::OnlyInPublished => 1,
        DifferenceKind::OnlyInRebuilt => 2,
        DifferenceKind::Order => 3,
        DifferenceKind::ZipMetadata => 4,
        DifferenceKind::Compression => 5,
    };
    (!found.foreign_code, kind)
}

fn compare_member(published: &Member, rebuilt: &Member, others: &BTreeSet<&str>, sides: Sides) -> Vec<Found> {
    let name = &published.name;
    let mut found = Vec::new();
    if published.content != rebuilt.content || published.damaged {
        let mut content = difference::difference(published, rebuilt, others, sides);
        if published.damaged {
            content.cause = None;
            content.detail.insert(0, "damaged: its bytes do not match their own checksum".to_owned());
        }
        found.push(Found { cause: content.cause, ..Found::new(name, DifferenceKind::Content, content.detail) });
    } else if published.compressed != rebuilt.compressed {
        let (left, right) = sides.words();
        let (theirs, ours) = (published.compressed.len(), rebuilt.compressed.len());
        let detail = format!("same content, compressed by something else: {theirs} bytes {left}, {ours} {right}");
        let compressor = Some(Cause::Compressor);
        found.push(Found { cause: compressor, ..Found::new(name, DifferenceKind::Compression, vec![detail]) });
    }
    let detail = container_difference(published, rebuilt, sides);
    if !detail.is_empty() {
        let windows = published.create_system != rebuilt.create_system
            && (published.create_system == WINDOWS || rebuilt.create_system == WINDOWS);
        let cause = windows.then_some(Cause::Windows);
        found.push(Found { cause, ..Found::new(name, DifferenceKind::ZipMetadata, detail) });
    }
    found
}

fn container_difference(published: &Member, rebuilt: &Member, sides: Sides) -> Vec<String> {
    let (left, right) = sides.words();
    let mut detail = Vec::new();
    if published.dos_time != rebuilt.dos_time {
        detail.push(format!("time: {} {left}, {} {right}", show_time(published), show_time(rebuilt)));
    }
    if published.external_attributes != rebuilt.external_attributes {
        detail.push(format!("mode: {:#o} {left}, {:#o} {right}", published.mode(), rebuilt.mode()));
    }
    if published.create_system != rebuilt.create_system {
        let system = |member: &Member| match member.create_system {
            WINDOWS => "Windows".to_owned(),
            3 => "Unix".to_owned(),
            other => format!("system {other}"),
        };
        detail.push(format!("made on: {} {left}, {} {right}", system(published), system(rebuilt)));
    }
    if published.rest != rebuilt.rest {
        detail.push("zip versions, flags or extra fields".to_owned());
    }
    detail
}

fn show_time(member: &Member) -> String {
    let time = zip_seconds(member.dos_time).and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "no date".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests;
