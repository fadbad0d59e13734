//! pylock.toml ([PEP 751](https://peps.python.org/pep-0751/)), uv.lock and poetry.lock: tables of packages, each with
//! tables of files. Found by the places that the TOML reader gives, cut out of the text.

use std::{collections::BTreeSet, ops::Range};

use attest_core::artifact::ArtifactDigest;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{PruneError, Pruned, without};

/// Where a format has its files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    packages: &'static [&'static str],
    /// Keys of a package that hold a list of files.
    lists: &'static [&'static str],
    /// Keys of a package that hold one.
    singles: &'static [&'static str],
    hash: HashForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HashForm {
    /// `hash = "sha256:HEX"`
    Text,
    /// `hashes = { sha256 = "HEX" }`
    Table,
}

pub(crate) const UV: Layout =
    Layout { packages: &["package", "distribution"], lists: &["wheels"], singles: &["sdist"], hash: HashForm::Text };
pub(crate) const POETRY: Layout =
    Layout { packages: &["package"], lists: &["files"], singles: &[], hash: HashForm::Text };
pub(crate) const PYLOCK: Layout =
    Layout { packages: &["packages"], lists: &["wheels"], singles: &["sdist", "archive"], hash: HashForm::Table };

type Value<'d> = Spanned<DeValue<'d>>;

pub(super) fn prune(text: &str, layout: &Layout, keep: &BTreeSet<ArtifactDigest>) -> Result<Pruned, PruneError> {
    let document = parse(text)?;
    let shears = Pruner { text, layout, keep };
    let (mut cuts, mut kept, mut removed) = (Vec::new(), 0, 0);
    for package in packages(document.get_ref(), layout) {
        let files = shears.package(package, &mut cuts)?;
        if files.kept == 0 && files.removed > 0 {
            let name = package.get("name").and_then(|name| name.get_ref().as_str()).unwrap_or_default();
            return Err(PruneError::Empty { package: name.to_owned() });
        }
        kept += files.kept;
        removed += files.removed;
    }
    let pruned = Pruned { text: without(text, cuts), kept, removed };
    faithful(text, &pruned.text, layout, keep)?;
    Ok(pruned)
}

fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, PruneError> {
    DeTable::parse(text).map_err(|error| PruneError::Toml { message: error.message().to_owned() })
}

fn packages<'a, 'd>(document: &'a DeTable<'d>, layout: &Layout) -> Vec<&'a DeTable<'d>> {
    let packages = layout.packages.iter().filter_map(|key| document.get(*key)?.get_ref().as_array());
    packages.flat_map(|packages| packages.iter()).filter_map(|package| package.get_ref().as_table()).collect()
}

/// The sha256 of a file that has no other hash.
fn digest(file: &DeTable<'_>, form: HashForm) -> Option<ArtifactDigest> {
    match form {
        HashForm::Text => file.get("hash")?.get_ref().as_str()?.strip_prefix("sha256:")?.parse().ok(),
        HashForm::Table => {
            let hashes = file.get("hashes")?.get_ref().as_table()?;
            let sha256 = hashes.get("sha256")?.get_ref().as_str()?;
            if hashes.len() == 1 { sha256.parse().ok() } else { None }
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    kept: usize,
    removed: usize,
}

struct Pruner<'a> {
    text: &'a str,
    layout: &'a Layout,
    keep: &'a BTreeSet<ArtifactDigest>,
}

impl Pruner<'_> {
    fn package(&self, package: &DeTable<'_>, cuts: &mut Vec<Range<usize>>) -> Result<Count, PruneError> {
        let mut count = Count::default();
        for (key, value) in package {
            let name: &str = key.get_ref();
            if self.layout.lists.contains(&name) {
                self.list(key, value, &mut count, cuts)?;
            } else if self.layout.singles.contains(&name) {
                if self.stays(value) {
                    count.kept += 1;
                } else {
                    count.removed += 1;
                    cuts.push(self.whole(key.span(), value)?);
                }
            }
        }
        Ok(count)
    }

    fn stays(&self, file: &Value<'_>) -> bool {
        let digest = file.get_ref().as_table().and_then(|file| digest(file, self.layout.hash));
        digest.is_some_and(|digest| self.keep.contains(&digest))
    }

    fn list(
        &self,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Value<'_>,
        count: &mut Count,
        cuts: &mut Vec<Range<usize>>,
    ) -> Result<(), PruneError> {
        let files = value.get_ref().as_array().ok_or_else(|| self.form(value.span().start))?;
        let files: Vec<&Value<'_>> = files.iter().collect();
        let stays: Vec<bool> = files.iter().map(|file| self.stays(file)).collect();
        let kept = stays.iter().filter(|stays| **stays).count();
        count.kept += kept;
        count.removed += files.len() - kept;
        if kept == files.len() {
            return Ok(());
        }
        let tables = files.iter().all(|file| self.is_header(&file.span()));
        if tables {
            for (file, _) in files.iter().zip(&stays).filter(|(_, stays)| !**stays) {
                cuts.push(self.section(file));
            }
        } else if kept == 0 {
            cuts.push(self.whole(key.span(), value)?);
        } else {
            self.elements(&files, &stays, cuts);
        }
        Ok(())
    }

    /// Elements of `[{...}, {...}]`, with their commas; whole lines where nothing else stands there.
    fn elements(&self, files: &[&Value<'_>], stays: &[bool], cuts: &mut Vec<Range<usize>>) {
        for (at, file) in files.iter().enumerate().filter(|(at, _)| !stays[*at]) {
            let span = file.span();
            let after = self.after_comma(span.end);
            let own_line = self.line_before(span.start).trim().is_empty();
            let rest = self.rest_of_line(after);
            if own_line && (rest.trim().is_empty() || rest.trim_start().starts_with('#')) {
                let start = span.start - self.line_before(span.start).len();
                cuts.push(start..self.line_end(after));
            } else if let Some(next) = files.get(at + 1) {
                cuts.push(span.start..next.span().start);
            } else {
                // The last one: with the comma before it.
                let before = (0..at).rev().find(|at| stays[*at]).and_then(|at| files.get(at));
                cuts.push(before.map_or(span.start, |file| file.span().end)..span.end);
            }
        }
    }

    /// `key = value`, with its line or lines, or the table under its own header.
    fn whole(&self, key: Range<usize>, value: &Value<'_>) -> Result<Range<usize>, PruneError> {
        if self.is_header(&value.span()) {
            return Ok(self.section(value));
        }
        let rest = self.rest_of_line(value.span().end);
        let alone = self.line_before(key.start).trim().is_empty()
            && (rest.trim().is_empty() || rest.trim_start().starts_with('#'));
        let inline = self.text.get(value.span().start..).is_some_and(|value| value.starts_with(['{', '[']));
        if !alone || !inline {
            return Err(self.form(key.start));
        }
        Ok(key.start - self.line_before(key.start).len()..self.line_end(value.span().end))
    }

    /// From a header to what follows the table and those in it, blank lines included.
    fn section(&self, table: &Value<'_>) -> Range<usize> {
        let span = table.span();
        let start = span.start - self.line_before(span.start).len();
        let mut end = self.line_end(last(table));
        while end < self.text.len() && self.rest_of_line(end).trim().is_empty() {
            end = self.line_end(end);
        }
        start..end
    }

    /// Whether a table has a header of its own, `[[packages.wheels]]`, at the place that the reader gives for it.
    fn is_header(&self, span: &Range<usize>) -> bool {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let bracketed = text.starts_with('[') && text.ends_with(']') && !text.contains(['{', '=', '\n']);
        bracketed && self.line_before(span.start).trim().is_empty()
    }

    fn form(&self, at: usize) -> PruneError {
        PruneError::Form { line: self.text.get(..at).unwrap_or_default().matches('\n').count() + 1 }
    }

    fn line_before(&self, at: usize) -> &str {
        let before = self.text.get(..at).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default()
    }

    fn rest_of_line(&self, at: usize) -> &str {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.split('\n').next().unwrap_or_default()
    }

    /// Behind the line end.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.find('\n').map_or(rest.len(), |end| end + 1)
    }

    fn after_comma(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let space = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if rest[space..].starts_with(',') { at + space + 1 } else { at }
    }
}

/// The end of the last thing in a value.
fn last(value: &Value<'_>) -> usize {
    let inner = match value.get_ref() {
        DeValue::Table(table) => table.iter().map(|(key, value)| key.span().end.max(last(value))).max(),
        DeValue::Array(array) => array.iter().map(last).max(),
        _ => None,
    };
    value.span().end.max(inner.unwrap_or_default())
}

/// The same document, but for the files that went.
fn faithful(before: &str, after: &str, layout: &Layout, keep: &BTreeSet<ArtifactDigest>) -> Result<(), PruneError> {
    let read = |text: &str| -> Result<toml::Table, PruneError> {
        toml::from_str(text).map_err(|error| PruneError::Toml { message: error.message().to_owned() })
    };
    let mut expected = read(before)?;
    let stays = |file: &toml::Value| accepted(file, layout.hash).is_some_and(|digest| keep.contains(&digest));
    let packages = expected.iter_mut().filter(|(key, _)| layout.packages.contains(&key.as_str()));
    let packages = packages.filter_map(|(_, packages)| packages.as_array_mut());
    for package in packages.flatten().filter_map(toml::Value::as_table_mut) {
        for list in layout.lists {
            let files = package.get_mut(*list).and_then(toml::Value::as_array_mut);
            let gone = files.is_some_and(|files| {
                let before = files.len();
                files.retain(stays);
                files.is_empty() && before > 0
            });
            if gone {
                package.remove(*list);
            }
        }
        package.retain(|key, file| {
            let key: &str = key;
            !layout.singles.contains(&key) || stays(file)
        });
    }
    match read(after) {
        Ok(after) if after == expected => Ok(()),
        _ => Err(PruneError::Unfaithful),
    }
}

fn accepted(file: &toml::Value, form: HashForm) -> Option<ArtifactDigest> {
    match form {
        HashForm::Text => file.get("hash")?.as_str()?.strip_prefix("sha256:")?.parse().ok(),
        HashForm::Table => {
            let hashes = file.get("hashes")?.as_table()?;
            let sha256 = hashes.get("sha256")?.as_str()?;
            if hashes.len() == 1 { sha256.parse().ok() } else { None }
        }
    }
}
