//! What is told: a closed list of kinds, one JSON form (schemas/watch-event.schema.json), and an id that says what happened
//! and not when, so that who receives an event twice (we were killed between sending it and noting so) can drop it.

use std::fmt;

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::StatementId,
    escape::Escaped,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

pub(crate) const SCHEMA: &str = "attest.watch-event/v1";
/// Longest text of an event, in characters; what strangers wrote is cut to [`MAX_STATED`].
const MAX_TEXT: usize = 2_000;
/// Longest text of a stranger.
const MAX_STATED: usize = 200;

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The same inputs gave another file, says somebody who names the statement that claims otherwise (docs/TRUST.md 4.2).
    Contradiction,
    /// Code that is only in the published file (docs/TRUST.md 4.2).
    ForeignCode,
    /// Two statements about one file have the same inputs and other output.
    Disagreement,
    /// A key of ours signed what we did not.
    NotMyStatement,
    /// A claim was taken back, or a file that was accepted is no longer.
    LostAttestation,
    /// A log signed two trees that cannot both be.
    Fork,
    /// Nothing fresh comes from a log.
    Stall,
    /// A witness does not cosign what a log shows.
    WitnessBehind,
}

impl Kind {
    #[cfg(test)]
    const ALL: [Self; 8] = [
        Self::Contradiction,
        Self::ForeignCode,
        Self::Disagreement,
        Self::NotMyStatement,
        Self::LostAttestation,
        Self::Fork,
        Self::Stall,
        Self::WitnessBehind,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Contradiction => "contradiction",
            Self::ForeignCode => "foreign-code",
            Self::Disagreement => "disagreement",
            Self::NotMyStatement => "not-my-statement",
            Self::LostAttestation => "lost-attestation",
            Self::Fork => "fork",
            Self::Stall => "stall",
            Self::WitnessBehind => "witness-behind",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether it is over at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Once and for all.
    Happened,
    /// It lasts until it is said to be over.
    Began,
    /// It no longer is.
    Over,
}

impl Phase {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Happened => "happened",
            Self::Began => "began",
            Self::Over => "over",
        }
    }
}

/// SHA-256 of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EventId(ArtifactDigest);

impl EventId {
    /// `parts` tell it apart from everything else of its kind, and hold no newline of their own.
    pub(crate) fn of(kind: Kind, phase: Phase, parts: &[&str]) -> Self {
        let text = format!("{SCHEMA}\n{kind}\n{}\n{}\n", phase.as_str(), parts.join("\n"));
        Self(ArtifactDigest::of(text.as_bytes()))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that may be shown anywhere: one line, nothing hidden in it, of bounded length. Everything of an event that is text is
/// of this type, so that no sink has to think of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct Plain(String);

impl From<String> for Plain {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Plain> for String {
    fn from(text: Plain) -> Self {
        text.0
    }
}

impl Plain {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self(shown(&text.to_string(), MAX_TEXT))
    }

    /// What somebody else wrote.
    pub(crate) fn stated(text: &str) -> Self {
        Self(shown(text, MAX_STATED))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Cut before it is escaped, so that no escape is torn, and again after, since escapes are longer.
fn shown(text: &str, most: usize) -> String {
    let cut: String = text.chars().take(most).map(no_character).collect();
    let mut shown: String = Escaped(&cut).to_string().chars().take(most).collect();
    if shown.chars().count() == most {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// U+FFFE and U+FFFF are no characters, and may not stand in XML.
const fn no_character(c: char) -> char {
    if matches!(c, '\u{fffe}' | '\u{ffff}') { char::REPLACEMENT_CHARACTER } else { c }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) schema: String,
    pub(crate) id: EventId,
    pub(crate) kind: Kind,
    pub(crate) phase: Phase,
    /// By our clock; the same however often it is sent.
    pub(crate) noticed_at: String,
    /// What happened, in a sentence.
    pub(crate) what: Plain,
    /// What to do next: a command, or words where there is none.
    pub(crate) next: Plain,
    /// Origin of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<Plain>,
    /// Of the statement in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<u64>,
    /// What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statement: Option<StatementId>,
    /// The statement that it takes back, contradicts or disagrees with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) other: Option<StatementId>,
    /// The published file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<File>,
    /// Who said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) said_by: Option<SaidBy>,
    /// Name of a witness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) witness: Option<Plain>,
    /// Which of the things that are watched it is about.
    pub(crate) watched: Vec<Plain>,
}

/// A published file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: Plain,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Plain>,
    pub(crate) sha256: ArtifactDigest,
}

impl File {
    pub(crate) fn new(name: &WheelName, sha256: ArtifactDigest) -> Self {
        Self {
            name: Plain::stated(name.as_str()),
            project: Some(Plain::stated(name.project.as_str())),
            version: Some(Plain::stated(name.version.as_str())),
            sha256,
        }
    }

    /// As `attest explain` takes it.
    pub(crate) fn item(&self) -> String {
        match (&self.project, &self.version) {
            (Some(project), Some(version)) => word(&format!("{project}=={version}")),
            _ => format!("sha256:{}", self.sha256),
        }
    }
}

/// Who said something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SaidBy {
    /// The name in the policy, or of a key of ours, whose signature holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signer: Option<Plain>,
    /// Whom the statement names: nobody checked that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stated: Option<Plain>,
}

impl fmt::Display for SaidBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.signer, &self.stated) {
            (Some(signer), _) => write!(f, "{signer}"),
            (None, Some(stated)) => {
                write!(f, "somebody who calls himself {stated} (a key that no policy of yours has)")
            }
            (None, None) => write!(f, "somebody whose key no policy of yours has"),
        }
    }
}

impl Event {
    /// An event about nothing yet.
    pub(crate) fn new(kind: Kind, phase: Phase, parts: &[&str], now: Timestamp) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id: EventId::of(kind, phase, parts),
            kind,
            phase,
            noticed_at: now.to_string(),
            what: Plain::new(""),
            next: Plain::new(""),
            log: None,
            index: None,
            statement: None,
            other: None,
            file: None,
            said_by: None,
            witness: None,
            watched: Vec::new(),
        }
    }

    /// As one line of text.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.kind, self.what)
    }
}

/// A word of a shell's command line, quoted where it is more than plain: people copy it.
pub(crate) fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=+@%,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_says_what_happened_and_not_when() {
        let at = |secs| Event::new(Kind::Stall, Phase::Began, &["log", "7"], Timestamp::from_secs(secs)).id;
        assert_eq!(at(1), at(2));
        let of = |kind, phase, parts: &[&str]| EventId::of(kind, phase, parts);
        let all = [
            of(Kind::Stall, Phase::Began, &["log", "7"]),
            of(Kind::Stall, Phase::Over, &["log", "7"]),
            of(Kind::Stall, Phase::Began, &["log", "8"]),
            of(Kind::Fork, Phase::Began, &["log", "7"]),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn every_event_fits_the_schema() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../../schemas/watch-event.schema.json")).unwrap();
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(schema["properties"]["kind"]["enum"], serde_json::json!(kinds));
        let schema = jsonschema::validator_for(&schema).unwrap();
        let id = StatementId::of_payload(b"");
        let name = WheelName::parse("demo-1.0-py3-none-any.whl").unwrap();
        for kind in Kind::ALL {
            let bare = Event::new(kind, Phase::Happened, &["x"], Timestamp::from_secs(1_700_000_000));
            let whole = Event {
                log: Some(Plain::new("log.test")),
                index: Some(7),
                statement: Some(id),
                other: Some(id),
                file: Some(File::new(&name, ArtifactDigest::of(b""))),
                said_by: Some(SaidBy { signer: Some(Plain::new("alice")), stated: Some(Plain::new("https://a.test")) }),
                witness: Some(Plain::new("w1")),
                watched: vec![Plain::new("project demo")],
                ..bare.clone()
            };
            for event in [bare, whole] {
                let json = serde_json::to_value(&event).unwrap();
                assert_eq!(schema.validate(&json).map_err(|error| error.to_string()), Ok(()));
                assert_eq!(serde_json::from_value::<Event>(json.clone()).unwrap(), event);
                let mut other = json;
                other["surprise"] = serde_json::json!(1);
                assert!(!schema.is_valid(&other));
            }
        }
    }

    #[test]
    fn nothing_that_a_stranger_writes_is_more_than_words() {
        let long = "x".repeat(10_000);
        for (text, expected) in [
            ("plain – ü", "plain – ü"),
            ("a\nb\r\u{1b}[2J", "a\\u{a}b\\u{d}\\u{1b}[2J"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{ffff}", "\u{fffd}"),
        ] {
            assert_eq!(Plain::stated(text).as_str(), expected);
        }
        assert_eq!(Plain::stated(&long).as_str().chars().count(), MAX_STATED);
        let hidden = "\u{202e}".repeat(10_000);
        assert_eq!(Plain::stated(&hidden).as_str().chars().count(), MAX_STATED);
        assert!(Plain::stated(&long).as_str().ends_with('…'));
    }

    #[test]
    fn a_command_to_copy_runs_nothing_else() {
        assert_eq!(word("idna==3.20"), "idna==3.20");
        assert_eq!(word("demo==1!2.0"), "'demo==1!2.0'");
        assert_eq!(word("a; rm -rf '$HOME'"), r"'a; rm -rf '\''$HOME'\'''");
        assert_eq!(word(""), "''");
    }
}
