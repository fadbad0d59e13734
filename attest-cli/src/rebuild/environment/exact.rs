//! A lock that somebody else made: the very files, by digest, from the index or from an archive of dependencies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use attest_core::artifact::{ArtifactDigest, WheelName};
use attest_core::recipe::{BuildLock, LockedFile};

use super::{Lock, Locked, MAX_WHEEL};
use crate::files;
use crate::index::Index;

/// Files by digest, `DIR/SHA256/NAME`: what a rebuild keeps beside its results.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// A folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The file with this digest, by name; nothing where it is not archived.
    pub(crate) fn find(&self, digest: ArtifactDigest) -> anyhow::Result<Option<(String, Vec<u8>)>> {
        let folder = self.folder.join(digest.to_string());
        let Ok(entries) = fs::read_dir(&folder) else {
            return Ok(None);
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let bytes = files::read(&entry.path(), MAX_WHEEL)?;
            let found = ArtifactDigest::of(&bytes);
            ensure!(found == digest, "expected sha256 {digest} of {}, found {found}", entry.path().display());
            return Ok(Some((name, bytes)));
        }
        Ok(None)
    }
}

impl Lock {
    /// Fetches exactly these files: no version is chosen, no other file is accepted.
    pub(crate) fn exactly(lock: &BuildLock, index: &Index, archive: Option<&Archive>) -> anyhow::Result<Self> {
        let fetch = |file: &LockedFile| fetch(file, index, archive);
        Ok(Self(lock.files().iter().map(fetch).collect::<anyhow::Result<_>>()?))
    }

    /// Copies the files into a folder, by the names that they have on the index.
    pub(crate) fn copy_into(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        for one in &self.0 {
            let name = one.path.file_name().context("expected a file's name")?;
            fs::copy(&one.path, folder.join(name))?;
        }
        Ok(())
    }
}

fn fetch(file: &LockedFile, index: &Index, archive: Option<&Archive>) -> anyhow::Result<Locked> {
    let (project, digest) = (file.project(), file.sha256());
    let locked = |path| Locked { project: project.clone(), version: file.version().to_owned(), digest, path };
    let listed = index.project(project).unwrap_or_default();
    if let Some(found) = listed.iter().find(|found| found.digest == Some(digest)) {
        check_name(file, &found.name)?;
        index.fetch(found, digest, MAX_WHEEL)?;
        return Ok(locked(index.kept(digest, &found.name)));
    }
    if let Some((name, bytes)) = archive.map(|archive| archive.find(digest)).transpose()?.flatten() {
        check_name(file, &name)?;
        let path = index.kept(digest, &name);
        Index::keep(&path, &bytes)?;
        return Ok(locked(path));
    }
    let version = |name: &str| WheelName::parse(name).ok().filter(|name| name.version.as_str() == file.version());
    let others = listed.iter().filter(|found| version(&found.name).is_some()).filter_map(|found| found.digest);
    let others: Vec<_> = others.map(|digest| digest.to_string()).collect();
    if others.is_empty() {
        bail!("expected {file}, found no {project} {} on the index (an archive of it: --dependencies)", file.version());
    }
    bail!("expected {file}, found that the index has it with sha256 {}", others.join(", "))
}

/// Only wheels: an sdist would run code of its own where it is installed. The lock's name is what a statement says.
fn check_name(file: &LockedFile, name: &str) -> anyhow::Result<()> {
    let wheel = WheelName::parse(name).with_context(|| format!("expected a wheel for {file}, found {name:?}"))?;
    ensure!(
        wheel.project == *file.project() && wheel.version.as_str() == file.version(),
        "expected {file} to be a wheel of {} {}, found {name}",
        file.project(),
        file.version()
    );
    Ok(())
}
