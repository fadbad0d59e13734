//! The newest events as an [Atom](https://www.rfc-editor.org/rfc/rfc4287) file for any web server or reader. It is written anew as a
//! whole, from what is remembered, so it cannot tell anything twice.

use std::{fmt::Write as _, path::PathBuf};

use super::super::event::{Event, EventId, Phase};
use crate::files::{self, FileError, Mode};

/// Events that it shows.
pub(crate) const SHOWN: usize = 100;
/// `updated` of a feed that has nothing to tell yet: it must have one.
const NEVER: &str = "1970-01-01T00:00:00Z";

/// A feed.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) path: PathBuf,
    pub(crate) title: String,
    /// Told apart from other feeds by the memory of its watch, wherever the file is.
    pub(crate) id: EventId,
}

impl Feed {
    /// Writes the file; the newest event is the last one.
    pub(crate) fn write(&self, newest: &[Event]) -> Result<(), FileError> {
        files::replace(&self.path, self.text(newest).as_bytes(), Mode::Shared)
    }

    fn text(&self, newest: &[Event]) -> String {
        let updated = newest.last().map_or(NEVER, |event| event.noticed_at.as_str());
        let mut text =
            String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n");
        // A String takes whatever memory holds.
        let _always = write!(
            text,
            "  <id>{}</id>\n  <title>{}</title>\n  <updated>{updated}</updated>\n  \
             <author><name>attest log watch</name></author>\n  <generator version=\"{}\">attest</generator>\n",
            urn(&self.id),
            xml(&self.title),
            env!("CARGO_PKG_VERSION"),
        );
        for event in newest.iter().rev() {
            entry(&mut text, event);
        }
        text.push_str("</feed>\n");
        text
    }
}

fn entry(text: &mut String, event: &Event) {
    let over = if event.phase == Phase::Over { " (over)" } else { "" };
    let title: String = event.what.as_str().chars().take(120).collect();
    let mut content = format!("{}\n\nNext: {}\n", event.what, event.next);
    if let (Some(log), Some(index)) = (&event.log, event.index) {
        let _always = writeln!(content, "\nLog: {log}, index {index}");
    }
    if let Some(statement) = event.statement {
        let _always = writeln!(content, "Statement: {statement}");
    }
    for watched in &event.watched {
        let _always = writeln!(content, "Watched: {watched}");
    }
    let _always = write!(
        text,
        "  <entry>\n    <id>{}</id>\n    <title>{}{over}: {}</title>\n    <updated>{}</updated>\n    \
         <category term=\"{}\"/>\n    <content type=\"text\">{}</content>\n  </entry>\n",
        urn(&event.id),
        event.kind,
        xml(&title),
        event.noticed_at,
        event.kind,
        xml(&content)
    );
}

/// RFC 4287 wants an IRI: a UUID of version 8 made of the id (RFC 9562, sections 5.8 and 6.5).
fn urn(id: &EventId) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&id.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _always = write!(hex, "{byte:02x}");
        hex
    });
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Text, between tags or in an attribute. What no XML may hold is escaped before ([`super::super::event::Plain`]); a title is the
/// user's own, and is held to the same.
fn xml(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use attest_core::time::Timestamp;

    use super::super::super::event::{Kind, Plain};
    use super::*;

    #[test]
    fn whatever_a_statement_says_the_feed_is_well_formed_and_shows_it_as_words() {
        let mut event = Event::new(Kind::Stall, Phase::Began, &["1"], Timestamp::from_secs(1_700_000_000));
        event.what = Plain::new("</title><script>alert('x')</script>&amp;\u{202e}\u{0}\u{ffff}]]>");
        let id = EventId::of(Kind::Fork, Phase::Began, &["feed"]);
        let feed = Feed { path: PathBuf::new(), title: "a & b\u{1}".to_owned(), id };
        let text = feed.text(&[event]);
        assert!(!text.contains("<script>") && !text.contains("\u{202e}"), "{text}");
        assert!(text.contains("&lt;/title&gt;&lt;script&gt;"), "{text}");
        assert!(text.contains("<title>a &amp; b\u{fffd}</title>"), "{text}");
        assert!(text.contains("<updated>2023-11-14T22:13:20Z</updated>"), "{text}");
        assert!(text.chars().all(|c| !c.is_control() || c == '\n'), "{text:?}");
    }

    #[test]
    fn ids_are_uuids_of_version_8() {
        let urn = urn(&EventId::of(Kind::Fork, Phase::Began, &["1"]));
        assert_eq!(urn.len(), "urn:uuid:".len() + 36);
        assert_eq!((&urn[23..24], urn[28..29].contains(['8', '9', 'a', 'b'])), ("8", true), "{urn}");
    }
}
