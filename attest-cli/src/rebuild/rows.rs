//! The rows of a wheel's RECORD ([PyPA: recording installed projects](https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file)):
//! path, hash and size of every file, as Python's csv writes them.
//!
//! In scope: reading them, and whether they are true. Out of scope, and refused: hashes weaker than SHA-256.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::wheel::Wheel;
use super::zip::Member;

/// Why a RECORD is none, or not true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowsError {
    /// There is none.
    #[error("expected a RECORD in the wheel, found none")]
    Missing,
    /// Not UTF-8.
    #[error("expected RECORD in UTF-8")]
    Encoding,
    /// Not three fields.
    #[error("expected path, hash and size in line {line} of RECORD, found another row")]
    Form {
        /// Counted from 1.
        line: usize,
    },
    /// One path in two rows.
    #[error("expected every file once in RECORD, found {path:?} twice")]
    Twice {
        /// Which.
        path: String,
    },
    /// A file that RECORD does not list.
    #[error("expected every file in RECORD, found none for {path:?}")]
    Unlisted {
        /// Which.
        path: String,
    },
    /// A row without a file.
    #[error("expected a file for every row of RECORD, found no {path:?}")]
    NoFile {
        /// Which.
        path: String,
    },
    /// No hash, or a weak one.
    #[error("expected sha256=, sha384= or sha512= of {path:?} in RECORD, found {found:?}")]
    Algorithm {
        /// Which.
        path: String,
        /// The hash field.
        found: String,
    },
    /// A hash or size of something else.
    #[error("expected {path:?} to be what RECORD says ({listed}), found {found}")]
    Lie {
        /// Which.
        path: String,
        /// In RECORD.
        listed: String,
        /// Of the file.
        found: String,
    },
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Path from the folder into which the wheel is installed.
    pub(crate) path: String,
    /// `sha256=` and unpadded URL-safe base64, or nothing.
    pub(crate) hash: String,
    /// Bytes, or nothing.
    pub(crate) size: String,
}

/// The rows of a RECORD.
pub(crate) fn parse(content: &[u8]) -> Result<Vec<Row>, RowsError> {
    let text = std::str::from_utf8(content).map_err(|_| RowsError::Encoding)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(at, line)| row(line).ok_or(RowsError::Form { line: at + 1 })).collect()
}

/// `a.py,sha256=...,6` or `"a,b.py",sha256=...,6`: no path of a wheel has a line end in it, so lines are rows.
fn row(line: &str) -> Option<Row> {
    let (path, rest) = if let Some(quoted) = line.strip_prefix('"') {
        let end = quoted.rfind("\",")?;
        (quoted[..end].replace("\"\"", "\""), &quoted[end + 2..])
    } else {
        let (path, rest) = line.split_once(',')?;
        (path.to_owned(), rest)
    };
    let (hash, size) = rest.split_once(',')?;
    let plain = |field: &str| !field.contains(['"', ',']);
    (plain(hash) && plain(size)).then(|| Row { path, hash: hash.to_owned(), size: size.to_owned() })
}

/// Whether RECORD lists every file of the wheel, and only files of the wheel, with their true hashes and sizes. RECORD
/// itself and its signatures cannot have a hash in it (PEP 427).
pub(crate) fn check(wheel: &Wheel) -> Result<(), RowsError> {
    let record = wheel.metadata("RECORD").ok_or(RowsError::Missing)?;
    let is_about_record = |name: &str| ["", ".jws", ".p7s"].iter().any(|end| name == format!("{}{end}", record.name));
    let mut rows = BTreeMap::new();
    for row in parse(&record.content)? {
        if let Some(row) = rows.insert(row.path.clone(), row) {
            return Err(RowsError::Twice { path: row.path });
        }
    }
    for member in wheel.members().iter().filter(|member| !member.is_folder()) {
        match rows.remove(&member.name) {
            _ if is_about_record(&member.name) => {}
            Some(row) => is_true(&row, member)?,
            None => return Err(RowsError::Unlisted { path: member.name.clone() }),
        }
    }
    // Signatures may be listed before they are made.
    match rows.into_keys().find(|path| !is_about_record(path)) {
        Some(path) => Err(RowsError::NoFile { path }),
        None => Ok(()),
    }
}

fn is_true(row: &Row, member: &Member) -> Result<(), RowsError> {
    let found = match row.hash.split_once('=').unwrap_or_default().0 {
        "sha256" => format!("sha256={}", URL_SAFE_NO_PAD.encode(Sha256::digest(&member.content))),
        "sha384" => format!("sha384={}", URL_SAFE_NO_PAD.encode(Sha384::digest(&member.content))),
        "sha512" => format!("sha512={}", URL_SAFE_NO_PAD.encode(Sha512::digest(&member.content))),
        _ => return Err(RowsError::Algorithm { path: row.path.clone(), found: row.hash.clone() }),
    };
    let size = member.content.len().to_string();
    // An old wheel pads its hashes, and sizes are optional.
    if row.hash.trim_end_matches('=') != found || !(row.size.is_empty() || row.size == size) {
        let listed = format!("{}, {} bytes", row.hash, row.size);
        return Err(RowsError::Lie { path: row.path.clone(), listed, found: format!("{found}, {size} bytes") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::fixture::{self, Part, part, recorded, zip};

    fn checked(parts: &[Part]) -> Result<(), RowsError> {
        check(&Wheel::read(&zip(parts)).unwrap())
    }

    #[test]
    fn a_record_that_lists_everything_truly_is_accepted() {
        let mut parts = fixture::wheel("flit 4.1.0");
        parts.push(part("demo/a,b \"c\".py", "x"));
        assert_eq!(checked(&recorded(parts)), Ok(()));
    }

    #[test]
    fn a_record_that_lies_leaves_out_or_makes_up_is_refused() {
        let good = recorded(fixture::wheel("flit 4.1.0"));
        let change = |change: fn(&mut String)| {
            let mut parts = good.clone();
            let record = &mut parts.last_mut().unwrap().content;
            let mut text = String::from_utf8(record.clone()).unwrap();
            change(&mut text);
            *record = text.into_bytes();
            checked(&parts).unwrap_err()
        };
        assert!(matches!(change(|text| *text = text.replace(",6\n", ",7\n")), RowsError::Lie { .. }));
        let other = change(|text| {
            let at = text.find("sha256=").unwrap() + 7;
            text.replace_range(at..=at, "_");
        });
        assert!(matches!(other, RowsError::Lie { .. }));
        assert!(matches!(change(|text| text.push_str("demo/evil.py,sha256=x,1\n")), RowsError::NoFile { .. }));
        assert!(matches!(change(|text| *text = text.repeat(2)), RowsError::Twice { .. }));
        assert!(matches!(change(|text| *text = text.replace("sha256=", "md5=")), RowsError::Algorithm { .. }));
        assert!(matches!(change(|text| text.push_str("demo\n")), RowsError::Form { .. }));
        let mut more = good.clone();
        more.push(part("demo/evil.py", ""));
        assert!(matches!(checked(&more), Err(RowsError::Unlisted { .. })));
        let mut none = good.clone();
        none.pop();
        assert_eq!(checked(&none), Err(RowsError::Missing));
        let mut garbage = good.clone();
        garbage.last_mut().unwrap().content = vec![0xff];
        assert_eq!(checked(&garbage), Err(RowsError::Encoding));
    }
}
