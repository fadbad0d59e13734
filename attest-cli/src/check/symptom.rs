//! What differs between two builds, and what the differing bytes themselves tell about why.

use std::collections::BTreeMap;

use attest_core::statement::DifferenceKind;
use serde::Serialize;

use super::archive::{self, Entry};
use super::bench::Built;
use super::made::Made;
use super::trace::{Trace, Traces};
use crate::rebuild::compare::{self, Sides};
use crate::rebuild::explain::text_difference;
use crate::rebuild::wheel::Wheel;

/// In what two files, or two members of one name, differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Kind {
    /// Other bytes.
    Content,
    /// There is no such member in the other one.
    OnlyInFirst,
    /// There is no such member in the other one.
    OnlyInSecond,
    /// The same members in another order.
    Order,
    /// The time in the zip, tar or gzip header.
    Time,
    /// The permissions in the zip or tar header.
    Mode,
    /// User or group in the tar header.
    Owner,
    /// The same bytes, compressed otherwise.
    Compression,
    /// Anything else in headers.
    Container,
}

/// One difference.
#[derive(Clone, Debug)]
pub(crate) struct Symptom {
    /// Path of the wheel or sdist.
    pub(crate) file: String,
    /// Member; empty for the file as a whole.
    pub(crate) member: String,
    /// What differs.
    pub(crate) kind: Kind,
    /// Lines for people.
    pub(crate) detail: Vec<String>,
    /// What the bytes give away.
    pub(crate) trace: Option<Trace>,
}

impl Symptom {
    fn new(file: &str, member: &str, kind: Kind, detail: Vec<String>) -> Self {
        Self { file: file.to_owned(), member: member.to_owned(), kind, detail, trace: None }
    }

    /// The same difference as another one, whatever the bytes.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.file, &self.member, self.kind) == (&other.file, &other.member, other.kind)
    }
}

/// All differences between what two builds made.
pub(crate) fn compare(first: &Built, second: &Built, traces: &Traces) -> Vec<Symptom> {
    let by_path = |built: &'_ Built| -> BTreeMap<String, usize> {
        built.files.iter().enumerate().map(|(at, made)| (made.path.clone(), at)).collect()
    };
    let (ours, theirs) = (by_path(first), by_path(second));
    let mut found = Vec::new();
    for (path, at) in &ours {
        match theirs.get(path) {
            Some(other) => found.extend(compare_files(&first.files[*at], &second.files[*other], traces)),
            None => found.push(Symptom::new(path, "", Kind::OnlyInFirst, Vec::new())),
        }
    }
    for path in theirs.keys().filter(|path| !ours.contains_key(*path)) {
        found.push(Symptom::new(path, "", Kind::OnlyInSecond, Vec::new()));
    }
    found
}

fn compare_files(first: &Made, second: &Made, traces: &Traces) -> Vec<Symptom> {
    if first.bytes == second.bytes {
        return Vec::new();
    }
    let found = if first.is_wheel() {
        match (Wheel::read(&first.bytes), Wheel::read(&second.bytes)) {
            (Ok(left), Ok(right)) => Some(compare_wheels(&first.path, &left, &right, traces)),
            _ => None,
        }
    } else {
        match (archive::read(&first.bytes), archive::read(&second.bytes)) {
            (Ok(left), Ok(right)) => Some(compare_archives(&first.path, &left, &right, traces)),
            _ => None,
        }
    };
    // Neither reads as what its name says: all that is known is that the bytes differ.
    let mut found = found.unwrap_or_else(|| vec![content(&first.path, "", &first.bytes, &second.bytes, traces)]);
    if found.is_empty() {
        found.push(Symptom::new(&first.path, "", Kind::Container, vec!["outside of all members".to_owned()]));
    }
    // RECORD repeats what differs elsewhere.
    let is_record = |one: &Symptom| one.kind == Kind::Content && one.member.ends_with(".dist-info/RECORD");
    let tells = |one: &Symptom| {
        !is_record(one) && matches!(one.kind, Kind::Content | Kind::OnlyInFirst | Kind::OnlyInSecond | Kind::Order)
    };
    if found.iter().any(tells) {
        found.retain(|one| !is_record(one));
    }
    found.sort_by(|left, right| (left.kind, &left.member).cmp(&(right.kind, &right.member)));
    found
}

fn content(file: &str, member: &str, first: &[u8], second: &[u8], traces: &Traces) -> Symptom {
    let detail = text_difference(first, second, Sides::FirstAndSecond);
    Symptom { trace: traces.find(first, second), ..Symptom::new(file, member, Kind::Content, detail) }
}

fn compare_wheels(file: &str, first: &Wheel, second: &Wheel, traces: &Traces) -> Vec<Symptom> {
    let (left, right) = (first.by_name(), second.by_name());
    let pair = |path: &str| Some((*left.get(path)?, *right.get(path)?));
    let mut found = Vec::new();
    for one in compare::compare(first, second, Sides::FirstAndSecond) {
        let (path, detail) = (one.path.as_str(), one.detail);
        let kind = match one.kind {
            DifferenceKind::Content => Kind::Content,
            DifferenceKind::OnlyInPublished => Kind::OnlyInFirst,
            DifferenceKind::OnlyInRebuilt => Kind::OnlyInSecond,
            DifferenceKind::Order => Kind::Order,
            DifferenceKind::Compression => Kind::Compression,
            DifferenceKind::ZipMetadata => Kind::Container,
        };
        let trace = match (kind, pair(path)) {
            (Kind::Content, Some((left, right))) => traces.find(&left.content, &right.content),
            _ => None,
        };
        if kind != Kind::Container {
            found.push(Symptom { trace, ..Symptom::new(file, path, kind, detail) });
            continue;
        }
        // One line of the comparison may be about a time, a mode and more: they have causes of their own.
        let Some((left, right)) = pair(path) else { continue };
        let (time, mode) = (left.dos_time != right.dos_time, left.mode() != right.mode());
        if time {
            found.push(Symptom::new(file, path, Kind::Time, about(&detail, "time")));
        }
        if mode {
            found.push(Symptom::new(file, path, Kind::Mode, about(&detail, "mode")));
        }
        if !time && !mode {
            found.push(Symptom::new(file, path, Kind::Container, detail));
        }
    }
    found
}

fn about(detail: &[String], what: &str) -> Vec<String> {
    detail.iter().filter(|line| line.starts_with(what)).cloned().collect()
}

fn compare_archives(file: &str, first: &[Entry], second: &[Entry], traces: &Traces) -> Vec<Symptom> {
    let by_name = |entries: &'_ [Entry]| -> BTreeMap<String, usize> {
        entries.iter().enumerate().map(|(at, entry)| (entry.name.clone(), at)).collect()
    };
    let (ours, theirs) = (by_name(first), by_name(second));
    let mut found = Vec::new();
    for (name, at) in &ours {
        let Some(other) = theirs.get(name) else {
            found.push(Symptom::new(file, name, Kind::OnlyInFirst, Vec::new()));
            continue;
        };
        let (left, right) = (&first[*at], &second[*other]);
        if left.content != right.content {
            found.push(content(file, name, &left.content, &right.content, traces));
        }
        for (kind, left, right) in [
            (Kind::Time, left.time.to_string(), right.time.to_string()),
            (Kind::Mode, format!("{:o}", left.mode), format!("{:o}", right.mode)),
            (Kind::Owner, left.owner.clone(), right.owner.clone()),
            (Kind::Container, left.link.clone(), right.link.clone()),
        ] {
            if left != right {
                let detail = format!("{left} in the first build, {right} in the second");
                found.push(Symptom::new(file, name, kind, vec![detail]));
            }
        }
    }
    for name in theirs.keys().filter(|name| !ours.contains_key(*name)) {
        found.push(Symptom::new(file, name, Kind::OnlyInSecond, Vec::new()));
    }
    let common = |entries: &[Entry], other: &BTreeMap<String, usize>| -> Vec<String> {
        entries.iter().map(|entry| entry.name.clone()).filter(|name| other.contains_key(name)).collect()
    };
    if common(first, &theirs) != common(second, &ours) {
        found.push(Symptom::new(file, "", Kind::Order, vec!["the members come in another order".to_owned()]));
    }
    found
}
