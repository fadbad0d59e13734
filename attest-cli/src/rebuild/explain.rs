//! Differences in plain words.

use std::collections::BTreeSet;

use attest_core::statement::DifferenceKind;

use super::compare::{Found, Sides};
use super::difference::Cause;
use super::elf;
use crate::output::plural;

/// Longer texts are not compared line by line.
const MAX_TEXT: usize = 256 << 10;
/// How many lines of a difference are shown.
const MAX_LINES: usize = 12;
/// How many differences are printed one by one.
const MAX_SHOWN: usize = 10;

/// What the differences mean, one sentence per kind, then the differences themselves.
pub(crate) fn explain(found: &[Found], sides: Sides, guesses: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if found.iter().any(|one| one.foreign_code) {
        lines.push(
            "the published wheel has code that its source does not build: look at it before anything else".to_owned(),
        );
    }
    let kinds: BTreeSet<u8> = found.iter().map(|one| one.kind as u8).collect();
    let only =
        |kinds_allowed: &[DifferenceKind]| kinds.iter().all(|kind| kinds_allowed.iter().any(|one| *one as u8 == *kind));
    if only(&[DifferenceKind::Compression]) {
        lines.push("every file is the same; only the compressor differs (another zlib)".to_owned());
    } else if only(&[DifferenceKind::Compression, DifferenceKind::ZipMetadata, DifferenceKind::Order]) {
        lines.push("every file is the same; only the container (times, modes, order) differs".to_owned());
    } else if found.iter().filter(|one| one.kind == DifferenceKind::Content).all(|one| is_generated(&one.path))
        && found.iter().all(|one| one.kind != DifferenceKind::OnlyInPublished || is_generated(&one.path))
    {
        lines.push(
            "the code is the same; generated metadata differs, as other versions of the build tools do".to_owned(),
        );
    }
    lines.extend(signs(found, sides));
    let (shown, more) = shown(found);
    for (one, alike) in shown {
        let name = if one.path.is_empty() { "(all members)".to_owned() } else { visible(&one.path) };
        lines.push(format!("{name}: {}", kind_in_words(one.kind, sides)));
        lines.extend(one.detail.iter().map(|detail| format!("    {detail}")));
        if alike > 0 {
            lines.push(format!("    and in the same way: {}", plural(alike, "other member")));
        }
    }
    if more > 0 {
        lines.push(format!("and {more} more, in report.json"));
    }
    lines.extend(guesses.iter().map(|guess| format!("guessed: {guess}")));
    lines
}

/// What several differences together are a sign of.
fn signs(found: &[Found], sides: Sides) -> Vec<String> {
    let has = |cause| found.iter().any(|one| one.cause == Some(cause));
    let mut lines = Vec::new();
    if sides == Sides::PublishedAndRebuilt && (has(Cause::Windows) || has(Cause::LineEnds)) {
        lines.push("line ends or zip entries look like those of another system: built on Windows?".to_owned());
    }
    if has(Cause::EmbeddedTime) {
        lines.push("the build writes the time into its files: it has to honour SOURCE_DATE_EPOCH".to_owned());
    }
    if has(Cause::EmbeddedPath) {
        lines.push("the build writes its own path into its files".to_owned());
    }
    lines
}

/// The differences to print, each with how many others are alike, and how many are left. Of entries that differ in the same
/// kind of zip metadata one stands for all, and rows of RECORD that only follow are not repeated.
fn shown(found: &[Found]) -> (Vec<(&Found, usize)>, usize) {
    let telling = found.iter().filter(|one| one.cause != Some(Cause::OtherMembers));
    let mut shown: Vec<(&Found, usize)> = Vec::new();
    let mut more = 0;
    for one in telling {
        let container = matches!(one.kind, DifferenceKind::ZipMetadata | DifferenceKind::Compression);
        let first = shown.iter_mut().find(|(first, _)| container && first.kind == one.kind && alike(first, one));
        if let Some((_, alike)) = first {
            *alike += 1;
        } else if shown.len() < MAX_SHOWN {
            shown.push((one, 0));
        } else {
            more += 1;
        }
    }
    (shown, more)
}

/// Whether the same fields of two zip entries differ.
fn alike(one: &Found, other: &Found) -> bool {
    let field = |line: &String| line.split(':').next().map(str::to_owned);
    one.detail.iter().map(field).eq(other.detail.iter().map(field))
}

fn is_generated(path: &str) -> bool {
    path.contains(".dist-info/")
}

pub(crate) fn kind_in_words(kind: DifferenceKind, sides: Sides) -> String {
    let (left, right) = sides.words();
    match kind {
        DifferenceKind::Content => "other content".to_owned(),
        DifferenceKind::OnlyInPublished => format!("only {left}"),
        DifferenceKind::OnlyInRebuilt => format!("only {right}"),
        DifferenceKind::ZipMetadata => "other zip entry".to_owned(),
        DifferenceKind::Order => "other order".to_owned(),
        DifferenceKind::Compression => "other compression".to_owned(),
    }
}

/// Lines that only one side has, `-` published, `+` rebuilt; for binaries and big files where they part.
pub(crate) fn text_difference(published: &[u8], rebuilt: &[u8], sides: Sides) -> Vec<String> {
    let (Ok(theirs), Ok(ours)) = (std::str::from_utf8(published), std::str::from_utf8(rebuilt)) else {
        return elf::difference::difference(published, rebuilt, sides)
            .unwrap_or_else(|| vec![first_difference(published, rebuilt, sides)]);
    };
    if theirs.len() > MAX_TEXT || ours.len() > MAX_TEXT {
        return vec![first_difference(published, rebuilt, sides)];
    }
    if theirs.replace("\r\n", "\n") == ours.replace("\r\n", "\n") && theirs != ours {
        return vec!["line ends only (CRLF: built on Windows?)".to_owned()];
    }
    let (left, right): (BTreeSet<_>, BTreeSet<_>) = (theirs.lines().collect(), ours.lines().collect());
    let removed = theirs.lines().filter(|line| !right.contains(line)).map(|line| format!("- {}", visible(line)));
    let added = ours.lines().filter(|line| !left.contains(line)).map(|line| format!("+ {}", visible(line)));
    let mut lines: Vec<_> = removed.chain(added).collect();
    if lines.is_empty() {
        lines.push("the same lines in another order or number".to_owned());
    }
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push(format!("and {more} more lines"));
    }
    lines
}

fn first_difference(published: &[u8], rebuilt: &[u8], sides: Sides) -> String {
    let (left, right) = sides.words();
    let same = published.iter().zip(rebuilt).take_while(|(left, right)| left == right).count();
    format!("{} bytes {left}, {} {right}, the same up to byte {same}", published.len(), rebuilt.len())
}

/// A stranger's line on somebody's terminal: no control characters, not too long.
pub(crate) fn visible(line: &str) -> String {
    line.chars()
        .take(160)
        .flat_map(|next| if next.is_control() { next.escape_default().collect() } else { vec![next] })
        .collect()
}
