//! The folder of a room on this side, gone when it is dropped whatever the build did to it.

use std::fs;
use std::io;
use std::path::Path;

use crate::host;

/// A temporary folder that a stranger's code may fill.
#[derive(Debug)]
pub(crate) struct RoomFolder(Option<tempfile::TempDir>);

impl RoomFolder {
    /// Makes an empty one.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Some(tempfile::Builder::new().prefix("attest-room-").tempdir()?)))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.as_ref().map_or(Path::new(""), tempfile::TempDir::path)
    }
}

impl Drop for RoomFolder {
    fn drop(&mut self) {
        let Some(folder) = self.0.take() else { return };
        // A folder that a build closed to its owner is not empty when it cannot be listed.
        open_up(folder.path());
        // What still cannot be removed is left to whoever empties the temporary folder: the result stands.
        let _left = folder.close();
    }
}

/// Gives the owner back every folder below. Links are not followed: what they point to is not the build's.
fn open_up(folder: &Path) {
    let _closed = host::set_mode(folder, 0o700);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn folders_that_a_build_closed_are_removed_and_what_links_point_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        fs::set_permissions(outside.path(), Permissions::from_mode(0o755)).unwrap();
        let room = RoomFolder::new().unwrap();
        let path = room.path().to_owned();
        let deep = path.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), path.join("out")).unwrap();
        for closed in [deep, path.join("a")] {
            fs::set_permissions(closed, Permissions::from_mode(0o0)).unwrap();
        }
        drop(room);
        assert!(!path.exists());
        assert_eq!(fs::metadata(outside.path()).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
