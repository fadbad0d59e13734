//! pylock.toml ([the specification](https://packaging.python.org/en/latest/specifications/pylock-toml/), PEP 751),
//! lock-version 1.0: every package whose marker may hold is installed, from the address that the file gives.
//!
//! Another minor version may have other ways to name files, so it is not read. Keys that the specification does not know
//! are for tools (`packages.tool`): no installer takes files from them.

use attest_core::artifact::ProjectName;

use crate::item::{Elsewhere, Form, Item, Unattestable};

use super::{
    document::{LockError, Table},
    listed::{self, Decides, Listed, Listing, Name, Reading},
};

const VERSION: &str = "1.0";

/// Every file of the lock.
pub(super) fn items(top: Table<'_>, reading: &Reading<'_, '_>) -> Result<Vec<Item>, LockError> {
    let version = top.text("lock-version", "a lock-version")?.unwrap_or("none");
    if version != VERSION {
        let found = version.to_owned();
        return Err(LockError::Version { place: top.place(), format: "pylock.toml", expected: VERSION, found });
    }
    let packages = top.tables("packages", "packages")?;
    let mut listings = packages
        .iter()
        .map(|table| {
            let mut listing = Listing::new(table)?;
            let marker = table.text("marker", "a marker")?.filter(|marker| reading.target.rules_out(marker));
            listing.elsewhere = marker.map(|marker| Elsewhere::Marker(marker.to_owned()));
            Ok(listing)
        })
        .collect::<Result<Vec<_>, LockError>>()?;
    let names = packages.iter().map(dependencies).collect::<Result<Vec<_>, _>>()?;
    listed::name_dependents(&mut listings, &names);
    let mut all = Vec::new();
    for (table, listing) in packages.iter().zip(&listings) {
        let index = table.text("index", "an index")?.unwrap_or_default();
        all.extend(files(table, listing, reading)?.into_iter().map(|item| (index, item)));
    }
    listed::refuse_two_hashes(all.iter_mut().map(|(index, item)| (*index, item)));
    Ok(all.into_iter().map(|(_, item)| item).collect())
}

/// A package should have one of these kinds of sources. Where it has more of them, none is passed over.
fn files(table: &Table<'_>, listing: &Listing, reading: &Reading<'_, '_>) -> Result<Vec<Item>, LockError> {
    let mut items = Vec::new();
    if table.has("vcs") {
        items.push(listing.source(Form::Vcs, Unattestable::Vcs));
    }
    if let Some(folder) = table.inner("directory", "a directory")? {
        let path = folder.text("path", "a path")?.ok_or_else(|| folder.expected("a directory with a path"))?;
        items.push(listing.folder(path));
    }
    if let Some(archive) = table.inner("archive", "an archive")? {
        items.push(listing.archive(&file(&archive)?, reading));
    }
    let wheels = table.tables("wheels", "wheels")?.iter().map(file).collect::<Result<Vec<_>, _>>()?;
    let sdists: Vec<_> = table.inner("sdist", "an sdist")?.map(|sdist| file(&sdist)).transpose()?.into_iter().collect();
    if items.is_empty() || !wheels.is_empty() || !sdists.is_empty() {
        items.extend(listing.items(&wheels, &sdists, Decides::Lock, reading));
    }
    Ok(items)
}

fn file<'d>(table: &Table<'d>) -> Result<Listed<'d>, LockError> {
    let (name, url) = (table.text("name", "a file name")?, table.text("url", "a URL")?);
    let path = table.text("path", "a path")?;
    let hashes = table.inner("hashes", "a table of hashes")?;
    let hashes = hashes
        .iter()
        .flat_map(Table::values)
        .map(|(algorithm, value)| Ok(format!("{algorithm}:{}", value.text("a hash")?)));
    Ok(Listed {
        place: table.place(),
        names: [url.map(Name::Url), path.map(Name::Path), name.map(Name::Plain)].into_iter().flatten().collect(),
        // Installers prefer the path.
        url: url.filter(|_| path.is_none()),
        hashes: hashes.collect::<Result<_, LockError>>()?,
        second_form: None,
    })
}

/// `packages.dependencies`, which not every tool writes.
fn dependencies(table: &Table<'_>) -> Result<Vec<ProjectName>, LockError> {
    let mut names = Vec::new();
    for dependency in table.tables("dependencies", "dependencies")? {
        if let Some(name) = dependency.text("name", "a package's name")? {
            names.push(listed::project(name, &dependency.place())?);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
