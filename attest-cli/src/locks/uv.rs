//! uv.lock, [version 1](https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile), whatever its revision: uv
//! installs, from the addresses in it, what the members of the workspace reach.
//!
//! uv ignores keys that it does not know, and so does this reader where they cannot lead to other files: an unknown key of a
//! package is searched for packages that it leads to, and one of a wheel that holds a table (`zstd`: the same wheel packed
//! anew, with a hash of its own) refuses the wheel.

use std::collections::HashMap;

use crate::{
    item::{Form, Item, Unattestable},
    platform::Target,
};

use self::graph::Graph;
use super::{
    document::{LockError, Table},
    listed::{self, Decides, Listed, Listing, Name, Reading},
};

mod graph;

const VERSION: &str = "1";
/// What a wheel or sdist is known to have.
const FILE_KEYS: [&str; 6] = ["url", "path", "filename", "hash", "size", "upload-time"];

/// A lock that was parsed and not selected from.
#[derive(Debug)]
pub(crate) struct UvLock<'d> {
    packages: Vec<Entry<'d>>,
    top: Table<'d>,
}

#[derive(Debug)]
struct Entry<'d> {
    listing: Listing,
    table: Table<'d>,
    source: Source<'d>,
    /// The source as one text, to tell packages of one name and version apart.
    origin: String,
}

/// Where uv takes a package from.
#[derive(Clone, Copy, Debug)]
enum Source<'d> {
    /// Files with addresses of their own.
    Registry,
    /// One file at this URL, whatever URL the file has.
    Url(&'d str),
    /// One file on disk.
    Path(&'d str),
    Git,
    /// Built from a folder, or only its requirements taken.
    Folder(&'d str),
}

/// Every file of the lock.
pub(super) fn items(top: Table<'_>, reading: &Reading<'_, '_>) -> Result<Vec<Item>, LockError> {
    let lock = UvLock::new(top)?;
    let graph = Graph::new(&lock)?;
    let reached = graph.reached(reading.target);
    let mut all = Vec::new();
    for (index, entry) in lock.packages.iter().enumerate() {
        let listing = Listing {
            place: entry.listing.place.clone(),
            project: entry.listing.project.clone(),
            version: entry.listing.version.clone(),
            elsewhere: graph.elsewhere(index, &reached, reading.target),
            required_by: Graph::required_by(index, &reached, &lock),
        };
        all.extend(entry.items(&listing, reading)?.into_iter().map(|item| (entry.origin.as_str(), item)));
    }
    listed::refuse_two_hashes(all.iter_mut().map(|(origin, item)| (*origin, item)));
    Ok(all.into_iter().map(|(_, item)| item).collect())
}

/// The folders of the workspace's members, the lock's own first: each says in its pyproject.toml which Pythons it is for.
pub(super) fn members<'d>(top: &Table<'d>) -> impl Iterator<Item = &'d str> {
    let packages =
        ["package", "distribution"].into_iter().flat_map(|key| top.tables(key, "packages").unwrap_or_default());
    let folder = |package: Table<'d>| match Source::new(&package.inner("source", "a source").ok()??) {
        Ok(Source::Folder(path)) => Some(path),
        _ => None,
    };
    std::iter::once(".").chain(packages.filter_map(folder))
}

impl<'d> UvLock<'d> {
    fn new(top: Table<'d>) -> Result<Self, LockError> {
        let version = top.value("version").and_then(|value| value.integer()).unwrap_or("none");
        if version != VERSION {
            let found = version.to_owned();
            return Err(LockError::Version { place: top.place(), format: "uv.lock", expected: VERSION, found });
        }
        // Up to uv 0.2 packages were distributions; uv still reads both.
        let mut tables = top.tables("package", "packages")?;
        tables.extend(top.tables("distribution", "packages")?);
        let packages = tables.into_iter().map(Entry::new).collect::<Result<Vec<_>, _>>()?;
        let mut seen: HashMap<(&str, String, &str), usize> = HashMap::new();
        for entry in &packages {
            let Listing { project, version, place, .. } = &entry.listing;
            let version = version.as_ref().map_or_else(String::new, ToString::to_string);
            let line = entry.table.line();
            if let Some(first) = seen.insert((project.as_str(), version, &entry.origin), line) {
                return Err(LockError::Twice { place: place.clone(), name: entry.listing.label(), first });
            }
        }
        Ok(Self { packages, top })
    }
}

impl<'d> Entry<'d> {
    fn new(table: Table<'d>) -> Result<Self, LockError> {
        let place = table.inner("source", "a source")?.ok_or_else(|| table.expected("a package with a source"))?;
        let source = Source::new(&place)?;
        Ok(Self { listing: Listing::new(&table)?, table, source, origin: origin(&place) })
    }

    fn items(&self, listing: &Listing, reading: &Reading<'_, '_>) -> Result<Vec<Item>, LockError> {
        match self.source {
            Source::Git => return Ok(vec![listing.source(Form::Vcs, Unattestable::Vcs)]),
            Source::Folder(path) => return Ok(vec![listing.folder(path)]),
            Source::Registry | Source::Url(_) | Source::Path(_) => {}
        }
        let wheels = self.table.tables("wheels", "wheels")?;
        let wheels = wheels.iter().map(|wheel| self.file(wheel)).collect::<Result<Vec<_>, _>>()?;
        let sdist = self.table.inner("sdist", "an sdist")?.map(|sdist| self.file(&sdist)).transpose()?;
        let sdists: Vec<_> = sdist.into_iter().collect();
        Ok(listing.items(&wheels, &sdists, Decides::Lock, reading))
    }

    fn file(&self, table: &Table<'d>) -> Result<Listed<'d>, LockError> {
        let second_form = table.values().find(|(key, value)| !FILE_KEYS.contains(key) && value.as_table().is_some());
        let (own_url, own_path) = (table.text("url", "a URL")?, table.text("path", "a path")?);
        // uv fetches the source, and goes by the file's own name.
        let (url, of_source) = match self.source {
            Source::Url(url) => (Some(url), Some(Name::Url(url))),
            Source::Path(path) => (None, Some(Name::Path(path))),
            Source::Registry | Source::Git | Source::Folder(_) => (own_url.filter(|_| own_path.is_none()), None),
        };
        let names =
            [own_url.map(Name::Url), own_path.map(Name::Path), table.text("filename", "a file name")?.map(Name::Plain)];
        Ok(Listed {
            place: table.place(),
            names: names.into_iter().flatten().chain(of_source).collect(),
            url,
            hashes: table.text("hash", "a hash")?.map(str::to_owned).into_iter().collect(),
            second_form: second_form.map(|(key, _)| key),
        })
    }
}

impl<'d> Source<'d> {
    fn new(table: &Table<'d>) -> Result<Self, LockError> {
        let text = |key| table.text(key, "a source's place");
        let kinds = ["registry", "git", "url", "path", "editable", "virtual", "directory"];
        if kinds.iter().filter(|kind| table.has(kind)).count() != 1 {
            return Err(table.expected("one source: registry, git, url, path, editable, virtual or directory"));
        }
        if let Some(url) = text("url")? {
            return Ok(Self::Url(url));
        }
        if let Some(path) = text("path")? {
            return Ok(Self::Path(path));
        }
        for kind in ["editable", "virtual", "directory"] {
            if let Some(path) = text(kind)? {
                return Ok(Self::Folder(path));
            }
        }
        Ok(if text("git")?.is_some() { Self::Git } else { Self::Registry })
    }
}

/// `registry https://...`
fn origin(source: &Table<'_>) -> String {
    let parts: Vec<String> =
        source.values().filter_map(|(key, value)| Some(format!("{key} {}", value.as_text()?))).collect();
    parts.join(" ")
}

/// What is surely not installed here.
fn ruled_out(markers: &[&str], target: &Target<'_>) -> bool {
    !markers.is_empty() && markers.iter().all(|marker| target.rules_out(marker))
}

#[cfg(test)]
mod tests;
