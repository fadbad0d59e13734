//! poetry.lock, lock-version 1 and 2 ([as Poetry writes it](https://python-poetry.org/docs/basic-usage/#installing-with-poetrylock)).
//!
//! It has names and hashes and no addresses. Poetry takes a file that the index offers, of a name and hash that are listed
//! together. So files are selected by their names; but the index decides among them, and an sdist is built where it leaves
//! out the wheels.

use attest_core::artifact::ProjectName;

use crate::{
    item::{Elsewhere, Form, Item, Unattestable},
    platform::Target,
};

use super::{
    document::{LockError, Table},
    listed::{self, Decides, Listed, Listing, Name, Reading},
};

const VERSIONS: [&str; 2] = ["1.", "2."];

/// Every file of the lock.
pub(super) fn items(top: Table<'_>, reading: &Reading<'_, '_>) -> Result<Vec<Item>, LockError> {
    let metadata = top.inner("metadata", "metadata")?.ok_or_else(|| top.expected("a lock with metadata"))?;
    let version = metadata.text("lock-version", "a lock-version")?.unwrap_or("none");
    if !VERSIONS.iter().any(|known| version.starts_with(known)) {
        let (place, found) = (metadata.place(), version.to_owned());
        return Err(LockError::Version { place, format: "poetry.lock", expected: "1 or 2", found });
    }
    // Up to Poetry 1.2 files were listed by project, below.
    let elsewhere = metadata.inner("files", "files")?;
    let packages = top.tables("package", "packages")?;
    let mut listings = Vec::new();
    for table in &packages {
        let mut listing = Listing::new(table)?;
        listing.elsewhere = marker(table, reading.target).filter(|_| has_markers(version));
        listings.push(listing);
    }
    let names = packages.iter().map(dependencies).collect::<Result<Vec<_>, _>>()?;
    listed::name_dependents(&mut listings, &names);
    let mut all = Vec::new();
    for (table, listing) in packages.iter().zip(&listings) {
        let source = table.inner("source", "a source")?;
        let origin = source.as_ref().map_or(Ok(None), |source| source.text("url", "a URL"))?.unwrap_or_default();
        let items = package(table, listing, source.as_ref(), elsewhere.as_ref(), reading)?;
        all.extend(items.into_iter().map(|item| (origin, item)));
    }
    listed::refuse_two_hashes(all.iter_mut().map(|(origin, item)| (*origin, item)));
    Ok(all.into_iter().map(|(_, item)| item).collect())
}

fn package(
    table: &Table<'_>,
    listing: &Listing,
    source: Option<&Table<'_>>,
    by_project: Option<&Table<'_>>,
    reading: &Reading<'_, '_>,
) -> Result<Vec<Item>, LockError> {
    let files = match by_project {
        Some(by_project) => of_project(by_project, &listing.project)?,
        None => table.tables("files", "files")?,
    };
    let kind = source.map_or(Ok(None), |source| source.text("type", "a kind of source"))?;
    let url = source.map_or(Ok(None), |source| source.text("url", "a URL"))?;
    match kind {
        Some("git" | "hg" | "svn") => return Ok(vec![listing.source(Form::Vcs, Unattestable::Vcs)]),
        Some("directory") => return Ok(vec![listing.folder(url.unwrap_or_default())]),
        // The one file, which Poetry compares with every hash of the package.
        Some("url" | "file") => {
            let name = url.map(if kind == Some("url") { Name::Url } else { Name::Path });
            let files = files.iter().map(|table| {
                let listed = file(table)?;
                let names = listed.names.into_iter().chain(name).collect();
                Ok(listing.archive(&Listed { names, url: url.filter(|_| kind == Some("url")), ..listed }, reading))
            });
            let items = files.collect::<Result<Vec<_>, LockError>>()?;
            return Ok(if items.is_empty() { listing.items(&[], &[], Decides::Index, reading) } else { items });
        }
        // An index by its name; without one, PyPI.
        _ => {}
    }
    let (mut wheels, mut sdists) = (Vec::new(), Vec::new());
    for table in &files {
        let listed = file(table)?;
        let is_sdist = listed
            .names
            .iter()
            .any(|name| matches!(name, Name::Plain(name) if Unattestable::by_name(name) == Unattestable::Sdist));
        if is_sdist { sdists.push(listed) } else { wheels.push(listed) }
    }
    Ok(listing.items(&wheels, &sdists, Decides::Index, reading))
}

fn file<'d>(table: &Table<'d>) -> Result<Listed<'d>, LockError> {
    Ok(Listed {
        place: table.place(),
        names: table.text("file", "a file name")?.map(Name::Plain).into_iter().collect(),
        url: None,
        hashes: table.text("hash", "a hash")?.map(str::to_owned).into_iter().collect(),
        second_form: None,
    })
}

fn of_project<'d>(by_project: &Table<'d>, project: &ProjectName) -> Result<Vec<Table<'d>>, LockError> {
    let mut files = Vec::new();
    for (name, _) in by_project.values() {
        if ProjectName::new(name).is_ok_and(|name| name == *project) {
            files.extend(by_project.tables(name, "files")?);
        }
    }
    Ok(files)
}

/// Whether Poetry goes by the markers of a lock: before 2.1 it ignores them, and resolves again.
fn has_markers(version: &str) -> bool {
    version.strip_prefix("2.").is_some_and(|minor| minor.parse().is_ok_and(|minor: u32| minor >= 1))
}

/// `markers`: for all groups, or for each of them. Poetry looks them up by the groups that the package belongs to: one that
/// has no marker always holds, whatever other names are there.
fn marker(table: &Table<'_>, target: &Target<'_>) -> Option<Elsewhere> {
    let value = table.value("markers")?;
    let markers: Vec<&str> = match value.as_table() {
        Some(by_group) => {
            let groups = table.texts("groups", "names of groups").ok()?;
            groups.into_iter().map(|group| by_group.value(group)?.as_text()).collect::<Option<_>>()?
        }
        None => vec![value.as_text()?],
    };
    let out = !markers.is_empty() && markers.iter().all(|marker| target.rules_out(marker));
    out.then(|| Elsewhere::Marker(markers.join(" or ")))
}

/// `[package.dependencies]`
fn dependencies(table: &Table<'_>) -> Result<Vec<ProjectName>, LockError> {
    let Some(dependencies) = table.inner("dependencies", "dependencies")? else {
        return Ok(Vec::new());
    };
    dependencies.values().map(|(name, _)| listed::project(name, &dependencies.place())).collect()
}

#[cfg(test)]
mod tests;
