//! What a statement is about: a published file, its digest, and the names that go with it.
//!
//! | type | rule |
//! |---|---|
//! | [`ArtifactDigest`] | SHA-256, 64 lower-case hex digits |
//! | [`ProjectName`] | [PEP 503](https://peps.python.org/pep-0503/#normalized-names) normal form |
//! | [`Version`] | [PEP 440](https://peps.python.org/pep-0440/) equality |
//! | [`WheelName`] | [binary distribution format](https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention) |

mod version;
mod wheel_name;

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

pub use version::Version;
pub use wheel_name::WheelName;

/// SHA-256 of a file. `Display`, `FromStr` and serde: 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactDigest([u8; 32]);

impl ArtifactDigest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest that was computed elsewhere, for example while the file was streamed.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ArtifactDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl FromStr for ArtifactDigest {
    type Err = ArtifactError;

    fn from_str(text: &str) -> Result<Self, ArtifactError> {
        parse_hex(text).map(Self).ok_or_else(|| ArtifactError::Digest { found: excerpt(text) })
    }
}

impl serde::Serialize for ArtifactDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_hex(&self.0, serializer)
    }
}

impl<'de> serde::Deserialize<'de> for ArtifactDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer)
    }
}

/// A project name, PEP 503-normalised at construction: lower case, runs of `-`, `_` and `.` are one `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(String);

impl ProjectName {
    /// Normalises `name`.
    ///
    /// # Errors
    /// When it is no name by the [names
    /// specification](https://packaging.python.org/en/latest/specifications/name-normalization/): ASCII letters,
    /// digits, `-`, `_` and `.`, with a letter or digit at both ends.
    pub fn new(name: &str) -> Result<Self, ArtifactError> {
        let bytes = name.as_bytes();
        let ends_alphanumeric = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let is_name = name.len() <= MAX_NAME
            && ends_alphanumeric(bytes.first())
            && ends_alphanumeric(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || is_name_separator(*b));
        if !is_name {
            return Err(ArtifactError::ProjectName { found: excerpt(name) });
        }
        let mut normal = String::with_capacity(name.len());
        for b in bytes {
            if is_name_separator(*b) {
                if !normal.ends_with('-') {
                    normal.push('-');
                }
            } else {
                normal.push(char::from(b.to_ascii_lowercase()));
            }
        }
        Ok(Self(normal))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_separator(b: u8) -> bool {
    matches!(b, b'-' | b'_' | b'.')
}

/// The last path segment of a URL as a file name: percent-decoded exactly once (docs/TRUST.md 3.2), so that a name
/// that holds an encoded `%` after that is compared as it is and cannot become another name later.
///
/// # Errors
/// When an escape is broken, or when the decoded name is empty or holds anything that no file name of an index holds
/// (separators, control characters, non-ASCII).
pub fn file_name_from_url(url: &str) -> Result<String, ArtifactError> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let segment = path.rsplit('/').next().unwrap_or_default();
    let broken = || ArtifactError::UrlFileName { found: excerpt(segment) };
    let mut name = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(b) = bytes.next() {
        let decoded = match b {
            b'%' => {
                let high = bytes.next().and_then(hex_value).ok_or_else(broken)?;
                let low = bytes.next().and_then(hex_value).ok_or_else(broken)?;
                high << 4 | low
            }
            other => other,
        };
        if !decoded.is_ascii_graphic() || matches!(decoded, b'/' | b'\\') {
            return Err(broken());
        }
        name.push(char::from(decoded));
    }
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(broken());
    }
    Ok(name)
}

/// Longest file or project name: what file systems take for one path component.
pub const MAX_NAME: usize = 255;

/// Why a name or digest was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// Not 64 lower-case hex digits.
    #[error("expected a SHA-256 digest as 64 lower-case hex digits, found {found:?}")]
    Digest {
        /// The text, shortened.
        found: String,
    },
    /// Not a project name.
    #[error(
        "expected a project name (ASCII letters, digits, '-', '_', '.', alphanumeric at both ends), found {found:?}"
    )]
    ProjectName {
        /// The text, shortened.
        found: String,
    },
    /// Not a PEP 440 version.
    #[error("expected a PEP 440 version, found {found:?}")]
    Version {
        /// The text, shortened.
        found: String,
    },
    /// Longer than any file name.
    #[error("expected a wheel file name of at most {MAX_NAME} bytes, found {found}")]
    WheelNameLength {
        /// Length in bytes.
        found: usize,
    },
    /// The name does not end in `.whl`.
    #[error("expected a wheel file name ending in .whl, found {found:?}")]
    WheelSuffix {
        /// The name, shortened.
        found: String,
    },
    /// Neither five nor six parts.
    #[error("expected 5 or 6 parts separated by '-' in a wheel file name, found {found} in {name:?}")]
    WheelParts {
        /// How many there were.
        found: usize,
        /// The name, shortened.
        name: String,
    },
    /// The first part is no escaped project name.
    #[error("expected an escaped project name in front of the wheel file name, found {found:?}")]
    WheelProject {
        /// That part.
        found: String,
    },
    /// The build tag does not begin with a digit, or holds other characters than letters, digits, `_` and `.`.
    #[error("expected a build tag (a digit first, then letters, digits, '_', '.'), found {found:?}")]
    WheelBuild {
        /// That part.
        found: String,
    },
    /// A compatibility tag is empty or holds other characters than letters, digits and `_`.
    #[error("expected {tag} tags (letters, digits, '_', separated by '.'), found {found:?}")]
    WheelTag {
        /// `python`, `abi` or `platform`.
        tag: &'static str,
        /// That part.
        found: String,
    },
    /// The last segment of a URL is no file name.
    #[error("expected a URL that ends in a file name, found {found:?} as its last segment")]
    UrlFileName {
        /// That segment as it was, shortened.
        found: String,
    },
}

/// As much of `text` as an error message needs: foreign input can be long, and messages get logged.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Exactly 64 lower-case hex digits, or nothing.
pub(crate) fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        if pair.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        *byte = hex_value(pair[0])? << 4 | hex_value(pair[1])?;
    }
    Some(bytes)
}

pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0; 64];
    bytes.chunks(32).try_for_each(|chunk| f.write_str(hex(chunk, &mut text)))
}

/// As [`write_hex`], without a formatter in between: digests are most of what a statement's JSON consists of.
pub(crate) fn serialize_hex<S: serde::Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(hex(bytes, &mut [0; 64]))
}

/// At most 32 bytes as lower-case hex digits.
fn hex<'a>(bytes: &[u8], text: &'a mut [u8; 64]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut length = 0;
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
        length += 2;
    }
    // Digits are ASCII.
    std::str::from_utf8(&text[..length]).unwrap_or_default()
}

/// Reads a string that is parsed and not kept: without a copy of it.
pub(crate) fn deserialize_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr> serde::de::Visitor<'_> for Text<T> {
        /// Not an error of the format: where that stands is told by the reader of the whole value.
        type Value = Result<T, T::Err>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.parse())
        }
    }

    deserializer.deserialize_str(Text(PhantomData))?.map_err(serde::de::Error::custom)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(ArtifactDigest::of(b"").to_string(), hex);
        assert_eq!(hex.parse(), Ok(ArtifactDigest::of(b"")));
        for wrong in [
            &hex.to_uppercase(),
            &hex[1..],
            &format!("{hex}0"),
            &format!(" {}", &hex[1..]),
            &format!("+{}", &hex[1..]),
            "",
        ] {
            assert!(matches!(wrong.parse::<ArtifactDigest>(), Err(ArtifactError::Digest { .. })), "{wrong}");
        }
    }

    #[test]
    fn spellings_of_a_project_name_are_one_name() {
        for spelling in ["Foo.Bar_baz", "foo-bar-baz", "FOO--bar..baz", "foo_-.bar.-_baz"] {
            assert_eq!(ProjectName::new(spelling).unwrap().as_str(), "foo-bar-baz");
        }
    }

    #[test]
    fn what_is_no_project_name_is_refused() {
        for wrong in ["", "-foo", "foo.", "_", "fo o", "foo/bar", "f\u{f6}o", "foo\n", "foo\0", &"a".repeat(256)] {
            assert!(matches!(ProjectName::new(wrong), Err(ArtifactError::ProjectName { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn a_url_is_decoded_exactly_once() {
        let base = "https://files.example/packages/ab/";
        for (segment, name) in [
            ("a-1.0-py3-none-any.whl", "a-1.0-py3-none-any.whl"),
            ("a-1.0%2Bcpu-py3-none-any.whl#sha256=00", "a-1.0+cpu-py3-none-any.whl"),
            ("a-1.0%2bcpu-py3-none-any.whl?x=/y", "a-1.0+cpu-py3-none-any.whl"),
            ("a-1.0%252Bcpu-py3-none-any.whl", "a-1.0%2Bcpu-py3-none-any.whl"),
        ] {
            assert_eq!(file_name_from_url(&format!("{base}{segment}")).as_deref(), Ok(name));
        }
        for wrong in ["", "a%2", "a%zz", "a%2Fb.whl", "a%00", "a%C3%B6", "a\u{f6}", "a%5Cb", "a%0Ab"] {
            assert!(
                matches!(file_name_from_url(&format!("{base}{wrong}")), Err(ArtifactError::UrlFileName { .. })),
                "{wrong}"
            );
        }
    }
}
