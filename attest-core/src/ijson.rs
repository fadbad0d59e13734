//! Strict JSON: I-JSON ([RFC 7493](https://www.rfc-editor.org/rfc/rfc7493)), no duplicate key at any depth, depth at
//! most 32; and canonical JSON ([RFC 8785](https://www.rfc-editor.org/rfc/rfc8785)).
//!
//! serde_json's `Value` keeps the last of two equal keys, and other readers keep the first; they would see two
//! statements in the same signed bytes. So the whole text is checked first, in one pass, and deserialized after that.

mod canonical;
mod check;

pub use canonical::to_canonical;

/// Objects and arrays inside each other, the outermost included.
pub const MAX_DEPTH: usize = 32;

/// Largest integer that every reader represents exactly (RFC 7493 section 2.2).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Checks form and limits of the whole text, then deserializes it.
///
/// # Errors
/// The first rule that the text breaks, with its byte offset; [`IJsonError::Shape`] when the text is I-JSON but no `T`.
pub fn from_slice<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, IJsonError> {
    shape(check::check(bytes)?)
}

/// Deserializes text that [`check`] has accepted.
pub(crate) fn shape<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, IJsonError> {
    serde_json::from_str(text).map_err(|e| IJsonError::Shape {
        line: e.line(),
        column: e.column(),
        reason: crate::artifact::excerpt(&e.to_string()),
    })
}

/// Whether a value is printed as exactly this text, without printing it anywhere: compact, as serde_json does.
pub(crate) fn is_printed_as<T: serde::Serialize>(value: &T, text: &[u8]) -> bool {
    let mut rest = Rest(text);
    serde_json::to_writer(&mut rest, value).is_ok() && rest.0.is_empty()
}

/// What is still to come of a text; writing anything else fails.
struct Rest<'a>(&'a [u8]);

impl std::io::Write for Rest<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Checks form and limits only; returns the text.
///
/// # Errors
/// The first rule that the text breaks, with its byte offset.
pub fn check(bytes: &[u8]) -> Result<&str, IJsonError> {
    check::check(bytes)
}

/// Why a text is not JSON that everybody reads alike. Offsets are bytes from the start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IJsonError {
    /// RFC 7493 section 2.1.
    #[error("expected UTF-8, found another byte at offset {offset}")]
    NotUtf8 {
        /// First byte that is not UTF-8.
        offset: usize,
    },
    /// RFC 8259 section 8.1.
    #[error("expected JSON, found a byte order mark in front of it")]
    ByteOrderMark,
    /// The text ends inside a value.
    #[error("expected more JSON, found the end of the text at offset {offset}: it is truncated")]
    Truncated {
        /// Length of the text.
        offset: usize,
    },
    /// Something else than the grammar allows here.
    #[error("expected {expected}, found {found:?} at offset {offset}: not JSON")]
    Syntax {
        /// What could have stood here.
        expected: &'static str,
        /// The character.
        found: char,
        /// Where it is.
        offset: usize,
    },
    /// A key that its object already has, after unescaping.
    #[error("expected each key of an object once, found {key:?} again at offset {offset}")]
    DuplicateKey {
        /// The key, shortened.
        key: String,
        /// End of the object.
        offset: usize,
    },
    /// More nesting than [`MAX_DEPTH`].
    #[error("expected nesting of at most {MAX_DEPTH}, found deeper nesting at offset {offset}")]
    TooDeep {
        /// Where the level begins.
        offset: usize,
    },
    /// Half a surrogate pair (RFC 7493 section 2.1).
    #[error("expected a whole surrogate pair, found half of one at offset {offset}")]
    LoneSurrogate {
        /// Where the escape begins.
        offset: usize,
    },
    /// A code point that Unicode keeps for internal use (RFC 7493 section 2.1).
    #[error("expected no noncharacter of Unicode, found one in the string that ends at offset {offset}")]
    Noncharacter {
        /// Behind the string.
        offset: usize,
    },
    /// A number that readers would round differently (RFC 7493 section 2.2).
    #[error("expected an integer of at most {MAX_INTEGER} or a finite number, found {found:?} at offset {offset}")]
    NumberRange {
        /// The number as written, shortened.
        found: String,
        /// Where it begins.
        offset: usize,
    },
    /// Bytes after the value.
    #[error("expected the end of the text after the JSON value, found more at offset {offset}")]
    TrailingBytes {
        /// First byte after the value.
        offset: usize,
    },
    /// Good JSON of another shape: a member is missing or has the wrong type.
    #[error("{reason}")]
    Shape {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 when the member is missing as a whole.
        column: usize,
        /// What the deserializer expected and found.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn good_json_is_read() {
        for text in [
            "null",
            " [ ] ",
            "{}",
            "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}",
            "[0,-1,9007199254740991,-9007199254740991,1.5,1e3,-0.5E-2]",
            r#""\u0041\ud83d\ude00\n\"\\\/\b\f\r\t""#,
            "\"\u{1f600}\u{7f}\u{2028}\"",
            "[true,false]",
        ] {
            assert_eq!(from_slice::<Value>(text.as_bytes()), Ok(serde_json::from_str(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn each_rule_has_its_own_refusal() {
        use IJsonError as E;
        type Expected = fn(&IJsonError) -> bool;
        let syntax: Expected = |e| matches!(e, E::Syntax { .. });
        let truncated: Expected = |e| matches!(e, E::Truncated { .. });
        let duplicate: Expected = |e| matches!(e, E::DuplicateKey { .. });
        let surrogate: Expected = |e| matches!(e, E::LoneSurrogate { .. });
        let range: Expected = |e| matches!(e, E::NumberRange { .. });
        let trailing: Expected = |e| matches!(e, E::TrailingBytes { .. });
        let table: &[(&[u8], Expected)] = &[
            (b"", truncated),
            (b"{", truncated),
            (b"{\"a\"", truncated),
            (b"{\"a\":", truncated),
            (b"{\"a\":1", truncated),
            (b"{\"a\":1,", truncated),
            (b"[1,", truncated),
            (b"\"ab", truncated),
            (b"\"ab\\", truncated),
            (b"\"\\u00", truncated),
            (b"tru", truncated),
            (b"-", truncated),
            (b"1.", truncated),
            (b"1e", truncated),
            (b"x", syntax),
            (b"{a:1}", syntax),
            (b"{1:1}", syntax),
            (b"{\"a\" 1}", syntax),
            (b"{\"a\":1,}", syntax),
            (b"[1,]", syntax),
            (b"[1 2]", syntax),
            (b"[01]", syntax),
            (b"[+1]", syntax),
            (b"[.5]", syntax),
            (b"[1.]", syntax),
            (b"[NaN]", syntax),
            (b"[trux]", syntax),
            (b"\"\\x\"", syntax),
            (b"\"\\u00g0\"", syntax),
            (b"\"a\nb\"", syntax),
            (b"\"\0\"", syntax),
            (b"// c\n1", syntax),
            (b"\x0b1", syntax),
            (b"{\"a\":1,\"a\":2}", duplicate),
            (b"{\"a\":1,\"b\":2,\"a\":1}", duplicate),
            (b"{\"a\":1,\"\\u0061\":2}", duplicate),
            (b"[[{\"x\":{\"a\":1,\"a\":2}}]]", duplicate),
            (b"{\"\":1,\"\":1}", duplicate),
            (b"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", duplicate),
            (b"\"\\ud83d\"", surrogate),
            (b"\"\\ude00\"", surrogate),
            (b"\"\\ud83d\\ud83d\"", surrogate),
            (b"\"\\ud83dx\"", surrogate),
            (b"{\"\\ud83d\":1}", surrogate),
            (b"9007199254740992", range),
            (b"-9007199254740992", range),
            (b"[100000000000000000000000]", range),
            (b"1e400", range),
            (b"1 1", trailing),
            (b"{}{}", trailing),
            (b"{}\0", trailing),
            (b"\xef\xbb\xbf{}", |e| matches!(e, E::ByteOrderMark)),
            (b"\"\xff\"", |e| matches!(e, E::NotUtf8 { offset: 1 })),
            (b"\"\xed\xa0\x80\"", |e| matches!(e, E::NotUtf8 { .. })),
        ];
        for (text, expected) in table {
            let shown = String::from_utf8_lossy(text);
            let error = from_slice::<Value>(text).expect_err(&shown);
            assert!(expected(&error), "{shown}: {error:?}");
        }
    }

    #[test]
    fn depth_is_bounded_before_anything_recurses() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(check(nested(MAX_DEPTH + 1).as_bytes()), Err(IJsonError::TooDeep { offset: MAX_DEPTH }));
        assert_eq!(check("[".repeat(10_000_000).as_bytes()), Err(IJsonError::TooDeep { offset: MAX_DEPTH }));
        assert!(matches!(check("{\"a\":".repeat(100_000).as_bytes()), Err(IJsonError::TooDeep { .. })));
    }

    #[test]
    fn a_duplicate_is_found_at_every_depth() {
        for depth in 0..MAX_DEPTH - 1 {
            let text = format!("{}{}{}", "{\"k\":".repeat(depth), "{\"a\":1,\"b\":2,\"a\":3}", "}".repeat(depth));
            assert!(
                matches!(
                    check(text.as_bytes()),
                    Err(IJsonError::DuplicateKey { ref key, .. }) if key == "a"
                ),
                "depth {depth}"
            );
        }
    }

    #[test]
    fn a_value_is_printed_as_one_text_and_no_other() {
        let value = serde_json::json!({"a": [1, "two\n", null], "b": {}});
        let text = serde_json::to_vec(&value).unwrap();
        assert!(is_printed_as(&value, &text));
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert!(!is_printed_as(&value, &other), "byte {at}");
            assert!(!is_printed_as(&value, &text[..at]), "cut at {at}");
        }
        assert!(!is_printed_as(&value, &[&text[..], b" "].concat()));
    }

    #[test]
    fn good_json_of_another_shape_says_what_is_missing() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Wanted {
            name: String,
        }
        let error = from_slice::<Wanted>(b"{}").unwrap_err();
        assert!(error.to_string().contains("name"), "{error}");
    }
}
