//! [Atom](https://www.rfc-editor.org/rfc/rfc4287) feeds: of everything, of a project, of a rebuilder, and of disagreements.
//!
//! Ids are tag URIs (RFC 4151) made from the log's name, so they are the same from the log, from every mirror and after a
//! move. A feed has no time but those that statements give, which nobody vouches for: an entry that gives none (a
//! withdrawal, or what is no statement) has that of the newest one below it that does.

use std::fmt::Write as _;

use askama::Template;
use attest_core::{
    api::record::{Disagreement, DisagreementKind, EntryRow, Standing},
    time::Timestamp,
};

use super::visible;
use crate::{config::PublicUrl, http::pages::shown::lacking};

/// Bytes of a title before it is cut.
const MAX_TITLE: usize = 300;
/// RFC 4151 wants a day on which the namer had the name. The names of logs are for ever, so any will do.
const TAG_DATE: &str = "2026";
/// Authority of the tags of logs whose name does not begin with the name of a host (RFC 2606 section 2).
const NO_AUTHORITY: &str = "log.invalid";
/// 9999-12-31T23:59:59Z: RFC 3339 has no later time.
const LAST_TIME: u64 = 253_402_300_799;

#[derive(Debug, Template)]
#[template(path = "signed/feed.xml")]
struct Atom {
    id: String,
    title: String,
    author: String,
    updated: String,
    own: String,
    page: String,
    entries: Vec<Item>,
}

/// One `atom:entry`.
#[derive(Debug)]
struct Item {
    id: String,
    title: String,
    author: String,
    updated: String,
    page: String,
    summary: String,
}

/// A feed about to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel<'a> {
    /// First line of the log's checkpoints.
    pub(super) origin: &'a str,
    /// Where the site is, where that is configured.
    pub(super) public: Option<&'a PublicUrl>,
    /// The page it is the feed of, from the root of the site: empty, or with a slash at its end.
    pub(super) page: &'a str,
    pub(super) title: &'a str,
    /// Nothing was made later: anybody may state any time, and one in the year 9999 would be the newest for ever.
    pub(super) now: u64,
}

impl Channel<'_> {
    /// A feed of entries, newest first.
    pub(super) fn entries(&self, rows: &[EntryRow]) -> askama::Result<String> {
        let times = times(rows.iter(), self.now);
        let items = rows.iter().zip(times).map(|(row, updated)| Item {
            id: tag(self.origin, &format!("entry/{}", row.index)),
            title: title(row),
            author: name(&row.by.name),
            updated,
            page: self.url(&format!("entry/{}/", row.index)),
            summary: summary(row),
        });
        self.write(items.collect())
    }

    /// A feed of disagreements, newest first.
    pub(super) fn disagreements(&self, found: &[Disagreement]) -> askama::Result<String> {
        let times = times(found.iter().map(|one| &one.entry), self.now);
        let items = found.iter().zip(times).map(|(one, updated)| Item {
            id: tag(self.origin, &disagreement_id(one)),
            title: cut(&format!("{}: {}", kind_words(&one.kind), about(&one.entry))),
            author: name(&one.entry.by.name),
            updated,
            page: self.url(&format!("entry/{}/", one.entry.index)),
            summary: match &one.other {
                None => summary(&one.entry),
                Some(other) => {
                    format!(
                        "{} The other one is entry {}, by {}.",
                        summary(&one.entry),
                        other.index,
                        name(&other.by.name)
                    )
                }
            },
        });
        self.write(items.collect())
    }

    fn write(&self, entries: Vec<Item>) -> askama::Result<String> {
        // RFC 3339 times in UTC sort as texts.
        let updated = entries.iter().map(|item| item.updated.clone()).max().unwrap_or_else(|| time(0));
        let feed = format!("{}feed.atom", self.page);
        Atom {
            id: tag(self.origin, &feed),
            title: cut(&visible(self.title)),
            author: visible(self.origin),
            updated,
            own: self.url(&feed),
            page: self.url(self.page),
            entries,
        }
        .render()
    }

    /// A place on the site: absolute where it is known where the site is, otherwise from the feed.
    fn url(&self, path: &str) -> String {
        match self.public {
            Some(public) => public.join(path),
            None => match self.page.matches('/').count() {
                0 if path.is_empty() => "./".to_owned(),
                depth => format!("{}{path}", "../".repeat(depth)),
            },
        }
    }
}

/// An entry may disagree in several ways, and a reader shows one of those that have the same id (RFC 4287 section 4.1.1).
fn disagreement_id(one: &Disagreement) -> String {
    let kind = match one.kind {
        DisagreementKind::SameInputs => "same-inputs",
        DisagreementKind::ForeignCode => "foreign-code",
        DisagreementKind::Withdrawn => "withdrawn",
    };
    let other = one.other.as_ref().map(|other| format!("/{}", other.index)).unwrap_or_default();
    format!("disagreement/{}/{kind}{other}", one.entry.index)
}

/// The id of something in a log (RFC 4151), whatever the log's name is.
fn tag(origin: &str, what: &str) -> String {
    let (host, rest) = origin.split_once('/').unwrap_or((origin, ""));
    let is_host = host.contains('.')
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        });
    let (authority, within) = if is_host { (host, rest) } else { (NO_AUTHORITY, origin) };
    let slash = if within.is_empty() { "" } else { "/" };
    format!("tag:{authority},{TAG_DATE}:{}{slash}{}", encode(within), encode(what))
}

/// RFC 3986 section 2.3: unreserved characters and slashes stay, every other byte is percent-encoded.
fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// A time for each entry: its own, or that of the newest one below it that has one that was already.
fn times<'a>(rows: impl DoubleEndedIterator<Item = &'a EntryRow>, now: u64) -> impl Iterator<Item = String> {
    let mut latest = 0;
    let mut times: Vec<String> = rows
        .rev()
        .map(|row| {
            latest = row.stated_time.filter(|time| *time <= now.min(LAST_TIME)).unwrap_or(latest);
            time(latest)
        })
        .collect();
    times.reverse();
    times.into_iter()
}

fn time(seconds: u64) -> String {
    Timestamp::from_secs(seconds).to_string()
}

fn title(row: &EntryRow) -> String {
    cut(&format!("{} {}", about(row), standing_words(row.standing)))
}

/// The file, or what there is instead.
fn about(row: &EntryRow) -> String {
    row.about.as_ref().map_or_else(|| format!("entry {}", row.index), |about| name(&about.file))
}

fn summary(row: &EntryRow) -> String {
    let group = row.by.group.as_ref().map(|group| format!(" (group {})", name(group))).unwrap_or_default();
    let sha256 = row.about.as_ref().map(|about| format!(" SHA-256 of the file: {}.", about.sha256)).unwrap_or_default();
    let commit = row.commit.as_ref().map(|commit| format!(" Commit: {}.", name(commit))).unwrap_or_default();
    let why = row.no_vote.map(|why| format!(" No vote: {}.", lacking(why))).unwrap_or_default();
    format!("Signed by {}{group}, entry {} of the log.{why}{sha256}{commit}", name(&row.by.name), row.index)
}

const fn standing_words(standing: Standing) -> &'static str {
    match standing {
        Standing::Reproduced => "was reproduced",
        Standing::NoVote => "was reproduced in a way that is no vote",
        Standing::Equivalent => "was rebuilt with the same content",
        Standing::Abstained => "could not be reproduced",
        Standing::Contradicted => "is contradicted",
        Standing::ForeignCode => "has code that is not in its source",
        Standing::Withdrawal => "has a statement less: it was withdrawn",
        Standing::Other => "is of nobody on the list of rebuilders",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
pub(super) const fn kind_words(kind: &DisagreementKind) -> &'static str {
    match kind {
        DisagreementKind::SameInputs => "Same inputs, other output",
        DisagreementKind::ForeignCode => "Code that is only in the published file",
        DisagreementKind::Withdrawn => "Withdrawn",
    }
}

/// A text of strangers, on one line.
fn name(text: &str) -> String {
    cut(&visible(text))
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_TITLE {
        return text.to_owned();
    }
    let mut end = MAX_TITLE;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests;
