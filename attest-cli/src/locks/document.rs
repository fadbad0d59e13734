//! The text of a lock, and what it is as TOML, with the line of everything in it.

use std::path::{Path, PathBuf};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::item::Place;

/// Ten thousand packages with all their wheels.
pub(crate) const MAX_LOCK: u64 = 64 * 1024 * 1024;

/// A lock cannot be read as what it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("{} is too large: expected a lock of at most {MAX_LOCK} bytes", .path.display())]
    TooLarge { path: PathBuf },
    #[error("{}: expected UTF-8 text", .path.display())]
    NotUtf8 { path: PathBuf },
    #[error("{place}: a conflict marker of git: two versions of the file were not merged")]
    Conflict { place: Place },
    #[error("{place}: expected TOML: {message}")]
    Toml { place: Place, message: String },
    #[error("{}: expected JSON", .path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{place}: expected {expected}")]
    Expected { place: Place, expected: &'static str },
    #[error("{place}: expected {format} of version {expected}, found {found}")]
    Version { place: Place, format: &'static str, expected: &'static str, found: String },
    #[error("{place}: {name} is listed in line {first} already")]
    Twice { place: Place, name: String, first: usize },
    #[error("{place}: expected the name of a package, found {found:?}")]
    Name { place: Place, found: String },
    #[error("{place}: expected a version, found {found:?}")]
    PackageVersion { place: Place, found: String },
}

/// The text of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) path: &'a Path,
    text: &'a str,
}

impl<'a> Text<'a> {
    /// Whatever is read has to be UTF-8, and no half of a merge.
    pub(crate) fn new(bytes: &'a [u8], path: &'a Path) -> Result<Self, LockError> {
        let text = std::str::from_utf8(bytes).map_err(|_| LockError::NotUtf8 { path: path.to_owned() })?;
        let is_marker = |line: &str| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>");
        if let Some(number) = text.lines().position(is_marker) {
            return Err(LockError::Conflict { place: Place::line(path, number + 1) });
        }
        Ok(Self { path, text })
    }

    pub(crate) fn as_str(&self) -> &'a str {
        self.text
    }

    /// Reads it as TOML.
    pub(crate) fn toml(&self) -> Result<Spanned<DeTable<'a>>, LockError> {
        DeTable::parse(self.text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| self.text[..span.start.min(self.text.len())].matches('\n').count() + 1);
            LockError::Toml { place: Place::line(self.path, line), message: error.message().to_owned() }
        })
    }
}

/// Where lines begin, to tell the line of a place in the text.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    path: &'a Path,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: Text<'a>) -> Self {
        let starts = std::iter::once(0).chain(text.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path: text.path, starts }
    }

    fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// A table of the document.
    pub(crate) fn table<'d>(&'d self, table: &'d DeTable<'d>, offset: usize) -> Table<'d> {
        Table { lines: self, entries: table, offset }
    }
}

/// A table with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'d> {
    lines: &'d Lines<'d>,
    entries: &'d DeTable<'d>,
    offset: usize,
}

impl<'d> Table<'d> {
    pub(crate) fn place(&self) -> Place {
        Place::line(self.lines.path, self.line())
    }

    pub(crate) fn line(&self) -> usize {
        self.lines.number(self.offset)
    }

    pub(crate) fn expected(&self, expected: &'static str) -> LockError {
        LockError::Expected { place: self.place(), expected }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Every key, with where its value is.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&'d str, Value<'d>)> + use<'d> {
        let lines = self.lines;
        self.entries.iter().map(move |(key, value)| (key.get_ref().as_ref(), Value { lines, value }))
    }

    pub(crate) fn value(&self, key: &str) -> Option<Value<'d>> {
        self.entries.get(key).map(|value| Value { lines: self.lines, value })
    }

    /// A text; nothing where there is no such key.
    pub(crate) fn text(&self, key: &str, expected: &'static str) -> Result<Option<&'d str>, LockError> {
        self.value(key).map(|value| value.text(expected)).transpose()
    }

    pub(crate) fn inner(&self, key: &str, expected: &'static str) -> Result<Option<Table<'d>>, LockError> {
        self.value(key).map(|value| value.table(expected)).transpose()
    }

    /// An array of tables; none where there is no such key.
    pub(crate) fn tables(&self, key: &str, expected: &'static str) -> Result<Vec<Table<'d>>, LockError> {
        let Some(value) = self.value(key) else {
            return Ok(Vec::new());
        };
        value.items().ok_or_else(|| value.expected(expected))?.into_iter().map(|value| value.table(expected)).collect()
    }

    /// An array of texts; none where there is no such key.
    pub(crate) fn texts(&self, key: &str, expected: &'static str) -> Result<Vec<&'d str>, LockError> {
        let Some(value) = self.value(key) else {
            return Ok(Vec::new());
        };
        value.items().ok_or_else(|| value.expected(expected))?.into_iter().map(|value| value.text(expected)).collect()
    }
}

/// A value with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'d> {
    lines: &'d Lines<'d>,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Value<'d> {
    pub(crate) fn expected(&self, expected: &'static str) -> LockError {
        LockError::Expected {
            place: Place::line(self.lines.path, self.lines.number(self.value.span().start)),
            expected,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&'d str> {
        self.value.get_ref().as_str()
    }

    pub(crate) fn text(&self, expected: &'static str) -> Result<&'d str, LockError> {
        self.as_text().ok_or_else(|| self.expected(expected))
    }

    /// `1`, as it is written.
    pub(crate) fn integer(&self) -> Option<&'d str> {
        self.value.get_ref().as_integer().filter(|integer| integer.radix() == 10).map(toml::de::DeInteger::as_str)
    }

    pub(crate) fn as_table(&self) -> Option<Table<'d>> {
        let table = self.value.get_ref().as_table()?;
        Some(Table { lines: self.lines, entries: table, offset: self.value.span().start })
    }

    pub(crate) fn table(&self, expected: &'static str) -> Result<Table<'d>, LockError> {
        self.as_table().ok_or_else(|| self.expected(expected))
    }

    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let array = self.value.get_ref().as_array()?;
        Some(array.iter().map(|value| Value { lines: self.lines, value }).collect())
    }
}
