//! RECORD: [one row for each installed file](https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file),
//! `path,sha256=BASE64,size`, as CSV. Read strictly: a file that two readers could understand differently is refused.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use attest_core::artifact::ArtifactDigest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// RECORD cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("it has no RECORD: nothing says which files are its own")]
    Missing,
    #[error("its RECORD cannot be read: {why}")]
    Unreadable { why: String },
    #[error("its RECORD is not UTF-8 text")]
    NotUtf8,
    #[error("its RECORD is broken in line {line}: expected path,hash,size")]
    Columns { line: usize },
    #[error("its RECORD names {path:?} in line {line}, which is no path below an environment")]
    Path { line: usize, path: String },
    #[error("its RECORD names {path:?} twice")]
    Twice { path: String },
    #[error("its RECORD has {found:?} in line {line}: expected a hash like sha256=BASE64")]
    Hash { line: usize, found: String },
    #[error("its RECORD has {found:?} in line {line}: expected a size in bytes")]
    Size { line: usize, found: String },
}

/// The rows.
#[derive(Debug)]
pub(crate) struct Record {
    rows: Vec<Row>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// From the folder that the `.dist-info` lies in: a few `..` at the beginning and nowhere else.
    pub(super) path: String,
    pub(super) hash: Option<Hash>,
    pub(super) size: Option<u64>,
}

/// What the bytes have to hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256(ArtifactDigest),
    /// Allowed, and nothing that any statement could be compared with.
    Other(String),
}

impl Record {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::NotUtf8)?;
        let mut rows = Vec::new();
        let mut seen = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() {
                continue;
            }
            let row = Row::parse(line, number + 1)?;
            if !seen.insert(row.path.clone()) {
                return Err(RecordError::Twice { path: row.path });
            }
            rows.push(row);
        }
        Ok(Self { rows })
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl Row {
    fn parse(line: &str, number: usize) -> Result<Self, RecordError> {
        let columns = columns(line).ok_or(RecordError::Columns { line: number })?;
        let [path, hash, size] = columns.as_slice() else {
            return Err(RecordError::Columns { line: number });
        };
        if !is_plain(path) {
            return Err(RecordError::Path { line: number, path: path.clone() });
        }
        let hash = (!hash.is_empty()).then(|| Hash::parse(hash, number)).transpose()?;
        let wrong_size = || RecordError::Size { line: number, found: size.clone() };
        let plain_number = size.bytes().all(|digit| digit.is_ascii_digit());
        let size = match size.as_str() {
            "" => None,
            digits if plain_number => Some(digits.parse().map_err(|_| wrong_size())?),
            _ => return Err(wrong_size()),
        };
        Ok(Self { path: path.clone(), hash, size })
    }

    /// Where the file is, seen from `folder`. The path holds no `..` but those at its beginning, so this is text alone.
    pub(super) fn place(&self, folder: &Path) -> PathBuf {
        let (mut place, mut rest) = (folder.to_owned(), self.path.as_str());
        while let Some(below) = rest.strip_prefix("../") {
            place.pop();
            rest = below;
        }
        place.join(rest)
    }

    pub(super) fn sha256(&self) -> Option<ArtifactDigest> {
        match self.hash {
            Some(Hash::Sha256(digest)) => Some(digest),
            _ => None,
        }
    }

    /// Made by Python or an installer from a source beside its folder. Anywhere else Python imports a compiled file for
    /// itself, without any source.
    pub(super) fn is_compiled(&self) -> bool {
        is_compiled(Path::new(&self.path))
    }

    /// A program that the installer wrote or rewrote, wherever it went.
    pub(super) fn is_script(&self) -> bool {
        let below = self.path.trim_start_matches("../");
        below.len() < self.path.len() && below.starts_with("bin/")
    }
}

impl Hash {
    fn parse(text: &str, line: usize) -> Result<Self, RecordError> {
        let wrong = || RecordError::Hash { line, found: text.to_owned() };
        let (algorithm, value) = text.split_once('=').ok_or_else(wrong)?;
        if algorithm != "sha256" {
            return Ok(Self::Other(algorithm.to_owned()));
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(value).map_err(|_| wrong())?;
        Ok(Self::Sha256(ArtifactDigest::from_bytes(bytes.try_into().map_err(|_| wrong())?)))
    }
}

/// In `__pycache__`, where Python looks only for what belongs to a source.
pub(super) fn is_compiled(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pyc")
        && path.parent().is_some_and(|folder| folder.ends_with("__pycache__"))
}

/// RFC 4180, within a line: quotes around a whole column, doubled inside of it.
fn columns(line: &str) -> Option<Vec<String>> {
    let mut columns = Vec::new();
    let mut rest = line;
    loop {
        let (column, after) = if let Some(quoted) = rest.strip_prefix('"') { unquoted(quoted)? } else { plain(rest)? };
        columns.push(column);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(columns),
            None => return None,
        }
    }
}

fn plain(text: &str) -> Option<(String, &str)> {
    let (column, after) = text.split_at(text.find(',').unwrap_or(text.len()));
    (!column.contains('"')).then(|| (column.to_owned(), after))
}

/// What stands before the closing quote, and what follows it.
fn unquoted(mut text: &str) -> Option<(String, &str)> {
    let mut column = String::new();
    loop {
        let (part, after) = text.split_once('"')?;
        column.push_str(part);
        let Some(more) = after.strip_prefix('"') else {
            return Some((column, after));
        };
        column.push('"');
        text = more;
    }
}

/// Relative, and `..` only where it begins: what follows can be found without asking the file system.
fn is_plain(path: &str) -> bool {
    let below = path.trim_start_matches("../");
    let bad = |part: &str| matches!(part, "" | "." | "..");
    !path.chars().any(|c| c.is_control() || c == '\\') && !below.split('/').any(bad)
}
