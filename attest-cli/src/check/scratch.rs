//! Where the copies are: one folder that is gone at the end, whatever a build did to its permissions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::variation::{Side, Variation};
use crate::{host, temporary::Temporary};

/// A temporary folder with a place for each of the two builds.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: Temporary,
    name: String,
}

/// One of the two places.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The copy of the tree.
    pub(crate) tree: PathBuf,
    /// `TMPDIR`
    pub(crate) tmp: PathBuf,
    /// Build environments: kept from build to build.
    pub(crate) environments: PathBuf,
}

impl Scratch {
    /// `name` is what the copied folder is called at the first place.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let root = Temporary::new("check")?;
        Ok(Self { root, name: name.to_owned() })
    }

    /// The folders of a build. They have nothing in common but the root: neither the length nor any name.
    pub(crate) fn place(&self, side: &Side) -> Place {
        let second = side.has(Variation::Path);
        let (folder, tree, tmp) = if second { ("second-build", "tree", "temporary") } else { ("1", "", "tmp") };
        let folder = self.root.path().join(folder);
        let tree = if second { format!("{tree}-of-{}", self.name) } else { self.name.clone() };
        Place { tree: folder.join(tree), tmp: folder.join(tmp), environments: folder.join("env") }
    }

    /// Both trees: what the first and the second build see as their path.
    pub(crate) fn trees(&self) -> [PathBuf; 2] {
        [Side::first(), Side::only(Variation::Path)].map(|side| self.place(&side).tree)
    }

    /// A file of ours beside the places.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Empties a place, all but its environments.
    pub(crate) fn clear(place: &Place) -> io::Result<()> {
        for folder in [&place.tree, &place.tmp] {
            remove(folder)?;
        }
        fs::create_dir_all(&place.tmp)
    }

    /// Another name of the home directory.
    pub(crate) fn link_home(home: &Path, link: &Path) -> io::Result<()> {
        if let Some(parent) = link.parent() {
            fs::create_dir_all(parent)?;
        }
        match host::symlink(home, link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }
}

/// Removes a folder, also where a build took the right to write away (Go and cargo do).
fn remove(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder).is_err() {
        return Ok(());
    }
    if fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    allow(folder)?;
    fs::remove_dir_all(folder)
}

fn allow(folder: &Path) -> io::Result<()> {
    host::set_mode(folder, 0o700)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Never through a link.
        if entry.file_type()?.is_dir() {
            allow(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_folder_that_nobody_may_write_to_is_removed_and_what_a_link_leads_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let scratch = Scratch::new("demo").unwrap();
        let root = scratch.root.path().to_owned();
        let place = scratch.place(&Side::first());
        fs::create_dir_all(place.tree.join("locked")).unwrap();
        fs::write(place.tree.join("locked/file"), "").unwrap();
        symlink(outside.path(), place.tree.join("locked/link")).unwrap();
        fs::set_permissions(place.tree.join("locked"), Permissions::from_mode(0o500)).unwrap();
        drop(scratch);
        assert!(!root.exists() && outside.path().join("kept").exists());
    }

    #[test]
    fn the_places_share_no_name_below_the_root() {
        let scratch = Scratch::new("demo").unwrap();
        let [first, second] = scratch.trees();
        let names = |path: &Path| -> Vec<_> {
            path.strip_prefix(scratch.root.path()).unwrap().iter().map(ToOwned::to_owned).collect()
        };
        assert!(names(&first).iter().all(|name| !names(&second).contains(name)));
    }
}
