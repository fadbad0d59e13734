//! pdm.lock, [lock_version 4](https://pdm-project.org/latest/usage/lockfile/).
//!
//! PDM asks the index again and takes any file that has one of a package's hashes, under whatever name: so every hash has
//! to pass, as in requirements files, and nothing is left out by its name.

use crate::{
    item::{Elsewhere, Form, Item, Unattestable},
    platform::Target,
};

use super::{
    document::{LockError, Table},
    listed::{self, Decides, Listed, Listing, Name, Reading},
};

const VERSION: &str = "4.";

/// Every file of the lock.
pub(super) fn items(top: Table<'_>, reading: &Reading<'_, '_>) -> Result<Vec<Item>, LockError> {
    let metadata = top.inner("metadata", "metadata")?.ok_or_else(|| top.expected("a lock with metadata"))?;
    let version = metadata.text("lock_version", "a lock_version")?.unwrap_or("none");
    if !version.starts_with(VERSION) {
        let (place, found) = (metadata.place(), version.to_owned());
        return Err(LockError::Version { place, format: "pdm.lock", expected: "4", found });
    }
    let mut all = Vec::new();
    for table in top.tables("package", "packages")? {
        let mut listing = Listing::new(&table)?;
        let marker = table.text("marker", "a marker")?.filter(|marker| reading.target.rules_out(marker));
        listing.elsewhere = marker.map(|marker| Elsewhere::Marker(marker.to_owned()));
        all.extend(package(&table, &listing)?);
    }
    listed::refuse_two_hashes(all.iter_mut().map(|item| ("", item)));
    Ok(all)
}

fn package(table: &Table<'_>, listing: &Listing) -> Result<Vec<Item>, LockError> {
    if ["git", "hg", "svn", "bzr"].iter().any(|kind| table.has(kind)) {
        return Ok(vec![listing.source(Form::Vcs, Unattestable::Vcs)]);
    }
    let files = table.tables("files", "files")?.iter().map(file).collect::<Result<Vec<_>, _>>()?;
    if let (Some(path), true) = (table.text("path", "a path")?, files.is_empty()) {
        return Ok(vec![listing.folder(path)]);
    }
    let is_sdist =
        |listed: &Listed<'_>| listed.file_name().is_ok_and(|name| Unattestable::by_name(&name) == Unattestable::Sdist);
    let (sdists, wheels): (Vec<_>, Vec<_>) = files.into_iter().partition(is_sdist);
    let unselected = Reading { target: &Target::Everywhere, builds: true };
    Ok(listing.items(&wheels, &sdists, Decides::Index, &unselected))
}

fn file<'d>(table: &Table<'d>) -> Result<Listed<'d>, LockError> {
    let url = table.text("url", "a URL")?;
    Ok(Listed {
        place: table.place(),
        names: [table.text("file", "a file name")?.map(Name::Plain), url.map(Name::Url)]
            .into_iter()
            .flatten()
            .collect(),
        url,
        hashes: table.text("hash", "a hash")?.map(str::to_owned).into_iter().collect(),
        second_form: None,
    })
}

#[cfg(test)]
mod tests;
