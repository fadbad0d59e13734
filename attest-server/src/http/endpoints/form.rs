//! Forms of parameters: what their text is like, in the words of JSON Schema, and how it is read. One spelling each.

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    merkle::LeafIndex,
};
use serde_json::{Value, json};

/// [RFC 7493](https://www.rfc-editor.org/rfc/rfc7493#section-2.2): beyond it, readers of JSON may round.
pub(in crate::http) const MAX_INDEX: u64 = (1 << 53) - 1;

/// Longest version that is looked for: longer ones fit into no file name.
const MAX_VERSION: usize = 255;

/// What the text of a parameter is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Form {
    /// SHA-256 of a file.
    Digest,
    /// Index of an entry, or a number of entries.
    Index,
    /// A project, normalised.
    Name,
    /// A project, in any spelling of its name.
    AnyName,
    /// A version of a release.
    Version,
    /// The id of a rebuilder's key.
    RebuilderId,
    /// Anything that UTF-8 can say.
    Text,
    /// Two digits of each shard of a list of negatives.
    Shards,
    /// Level of a tile.
    Level,
    /// Index of a tile.
    TileIndex,
    /// Width of a partial tile.
    Width,
}

impl Form {
    /// JSON Schema.
    pub(in crate::http) fn schema(self) -> Value {
        match self {
            Self::Digest => json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
            Self::Index => json!({"type": "integer", "minimum": 0, "maximum": MAX_INDEX}),
            Self::Name => json!({"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 255}),
            Self::AnyName => {
                json!({"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "maxLength": 255})
            }
            Self::Version => {
                json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._!+-]*$", "maxLength": MAX_VERSION})
            }
            Self::RebuilderId => json!({"type": "string", "pattern": "^[0-9a-f]{16}$"}),
            Self::Text => json!({"type": "string"}),
            Self::Shards => json!({"type": "string", "pattern": "^([0-9a-f]{2}){1,256}$"}),
            Self::Level => json!({"type": "integer", "minimum": 0, "maximum": 63}),
            Self::TileIndex => json!({"type": "string", "pattern": "^[0-9]{3}$"}),
            Self::Width => json!({"type": "integer", "minimum": 1, "maximum": 255}),
        }
    }

    /// A text of this form, as it stands in a URL.
    pub(in crate::http) const fn example(self) -> &'static str {
        match self {
            Self::Digest => "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",
            Self::Index | Self::Level => "0",
            Self::Name | Self::AnyName | Self::Text => "six",
            Self::Version => "1.16.0",
            Self::RebuilderId => "0123456789abcdef",
            Self::Shards => "001fff",
            Self::TileIndex => "000",
            Self::Width => "1",
        }
    }

    /// What is expected, for an error.
    pub(in crate::http) const fn expected(self) -> &'static str {
        match self {
            Self::Digest => "the SHA-256 of a file as 64 lower-case hexadecimal digits",
            Self::Index => "a decimal number below 2^53 without sign or leading zeros",
            Self::Name => "the normalised name of a project, like `scikit-learn`",
            Self::AnyName => "the name of a project",
            Self::Version => "a version, as it stands in file names",
            Self::RebuilderId => "16 lower-case hexadecimal digits",
            Self::Text => "percent-encoded UTF-8",
            Self::Shards => "two lower-case hexadecimal digits for each shard",
            Self::Level => "the level of a tile, 0 to 63",
            Self::TileIndex => "the index of a tile, in groups of three digits",
            Self::Width => "the width of a partial tile, 1 to 255",
        }
    }
}

/// [`Form::Index`].
pub(in crate::http) fn index(text: &str) -> Option<LeafIndex> {
    let index: u64 = text.parse().ok()?;
    (index <= MAX_INDEX && index.to_string() == text).then_some(LeafIndex::new(index))
}

/// [`Form::Digest`].
pub(in crate::http) fn digest(text: &str) -> Option<ArtifactDigest> {
    text.parse().ok()
}

/// [`Form::AnyName`]; [`Form::Name`] where it is the text again.
pub(in crate::http) fn name(text: &str) -> Option<ProjectName> {
    ProjectName::new(text).ok()
}

/// [`Form::Version`]. Wider than PEP 440: there are no statements about what is no version, and that is an answer.
pub(in crate::http) fn version(text: &str) -> Option<&str> {
    let first = text.bytes().next()?;
    let is_version = text.len() <= MAX_VERSION
        && first.is_ascii_alphanumeric()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._!+-".contains(&byte));
    is_version.then_some(text)
}

/// [`Form::RebuilderId`].
pub(in crate::http) fn rebuilder_id(text: &str) -> Option<&str> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then_some(text)
}

/// [`Form::Text`] in a query, as forms and libraries write it: `+` is a space.
pub(in crate::http) fn text(encoded: &str) -> Option<String> {
    let spaced: Vec<u8> = encoded.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
    String::from_utf8(decode(&spaced, |_| true)?).ok()
}

/// A path segment in which only what a URL may need escaped is escaped: a letter has one spelling
/// ([RFC 3986 section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)).
pub(in crate::http) fn segment(encoded: &str) -> Option<String> {
    let reserved = |byte: u8| !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    String::from_utf8(decode(encoded.as_bytes(), reserved)?).ok()
}

fn decode(encoded: &[u8], may_be_encoded: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let mut digit = || char::from(*bytes.next()?).to_digit(16);
        let byte = u8::try_from(digit()? << 4 | digit()?).ok()?;
        if !may_be_encoded(byte) {
            return None;
        }
        decoded.push(byte);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_one_spelling() {
        assert_eq!(index("0"), Some(LeafIndex::new(0)));
        assert_eq!(index("9007199254740991"), Some(LeafIndex::new(MAX_INDEX)));
        for text in ["", "01", "+1", "-1", "1.0", "1e3", " 1", "%31", "9007199254740992", "99999999999999999999"] {
            assert_eq!(index(text), None, "{text}");
        }
    }

    #[test]
    fn a_letter_of_a_path_has_one_spelling_and_what_may_be_reserved_has_two() {
        for encoded in ["1!2.0+cpu", "1%212.0%2Bcpu", "1%212.0%2bcpu"] {
            assert_eq!(segment(encoded).as_deref(), Some("1!2.0+cpu"));
        }
        for broken in ["%73ix", "s%", "s%2", "s%zz", "%ff", "%2d"] {
            assert_eq!(segment(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_search_is_any_text() {
        assert_eq!(text("a+b%2B%20c%C3%A4").as_deref(), Some("a b+ cä"));
        for broken in ["%", "%f", "%ff", "%C3"] {
            assert_eq!(text(broken), None, "{broken}");
        }
    }

    #[test]
    fn what_no_file_can_be_called_is_no_version() {
        assert_eq!(version("1!2.0.post1+cpu"), Some("1!2.0.post1+cpu"));
        for wrong in ["", ".", "..", "1/2", "1 2", "1\u{e4}", "1\0", &"1".repeat(256)] {
            assert!(version(wrong).is_none(), "{wrong:?}");
        }
    }
}
