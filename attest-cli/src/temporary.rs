//! Temporary folders that do not stay behind: gone when they are dropped, when a signal ends the program
//! ([`crate::interrupt`]), and after a crash (SIGKILL, a lost machine) when attest makes its next one.
//!
//! Who uses a folder holds a lock on it, which ends with the process. So one of ours that can be locked is nobody's any
//! more. Whoever makes one may lose it to such a look before it is locked: then it is not there, and another one is made.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use tempfile::TempDir;

use crate::{host, interrupt};

/// Every name begins with this, then what the folder is for. People call folders of their own `attest-mirror-20261122` and
/// `attest-export-snapshot`, and those are not swept away.
const PREFIX: &str = "attest-temporary-";
/// Letters and digits that nobody guesses, at the end.
const RANDOM: usize = 8;
/// Folders that the sweep of another process takes away at the very moment when they are made.
const TRIES: usize = 8;

/// Those that are to go when a signal ends the program.
static OURS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// An empty folder of this process, that a stranger's code may fill.
#[derive(Debug)]
pub(crate) struct Temporary {
    folder: Option<TempDir>,
    held: Option<File>,
}

impl Temporary {
    /// `what` it is for: lower-case letters.
    pub(crate) fn new(what: &str) -> io::Result<Self> {
        static SWEPT: Once = Once::new();
        let parent = env::temp_dir();
        SWEPT.call_once(|| sweep(&parent));
        interrupt::clean_up()?;
        Self::within(&parent, what)
    }

    fn within(parent: &Path, what: &str) -> io::Result<Self> {
        let prefix = format!("{PREFIX}{what}-");
        for _ in 0..TRIES {
            let folder = tempfile::Builder::new().prefix(&prefix).rand_bytes(RANDOM).tempdir_in(parent)?;
            ours().insert(folder.path().to_owned());
            let mut made = Self { folder: Some(folder), held: None };
            made.held = host::hold_folder(made.path())?;
            if made.held.is_some() {
                return Ok(made);
            }
        }
        Err(io::Error::other("other processes take away every folder that is made"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        // An open file keeps its folder where the system is Windows.
        drop(self.held.take());
        // A folder that a build closed to its owner is not empty when it cannot be listed.
        open_up(folder.path());
        ours().remove(folder.path());
        // What still cannot be removed is left to whoever empties the temporary folder: the result stands.
        let _left = folder.close();
    }
}

/// Removes all of them: the program ends now.
pub(crate) fn remove_all() {
    for folder in std::mem::take(&mut *ours()) {
        remove(&folder);
    }
}

fn ours() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(folder: &Path) {
    open_up(folder);
    let _left = fs::remove_dir_all(folder);
}

/// Takes away what processes left that are dead. What cannot be is left: nobody waits for it.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_named = entry.file_name().to_str().is_some_and(is_ours);
        // Of the entry itself: a link is no folder.
        if !is_named || !entry.metadata().is_ok_and(|data| data.is_dir() && host::is_of_account(&data)) {
            continue;
        }
        if let Ok(Some(_held)) = host::try_hold_folder(&entry.path()) {
            remove(&entry.path());
        }
    }
}

/// `attest-temporary-WHAT-XXXXXXXX`
fn is_ours(name: &str) -> bool {
    let Some((what, random)) = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('-')) else { return false };
    let is_random = random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric());
    is_random && !what.is_empty() && what.bytes().all(|b| b.is_ascii_lowercase())
}

/// Gives the owner back every folder below. Links are not followed: what they point to is not ours.
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
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn folders_that_a_build_closed_are_removed_and_what_links_point_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        fs::set_permissions(outside.path(), Permissions::from_mode(0o755)).unwrap();
        let room = Temporary::new("room").unwrap();
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

    #[test]
    fn what_a_dead_process_left_is_taken_away_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let live = Temporary::within(parent.path(), "proxy").unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let dead = parent.path().join("attest-temporary-proxy-Dead1234");
        fs::create_dir_all(dead.join("files")).unwrap();
        std::os::unix::fs::symlink(outside.path(), dead.join("files/link")).unwrap();
        std::os::unix::fs::symlink(outside.path(), parent.path().join("attest-temporary-proxy-Link1234")).unwrap();
        fs::write(parent.path().join("attest-temporary-proxy-File1234"), "").unwrap();
        let others = [
            "attest-temporary-proxy-short",
            "attest-temporary-Proxy-Dead1234",
            "attest-temporary--Dead1234",
            "other-temporary-proxy-Dead1234",
            // Of people.
            "attest-mirror-20261122",
            "attest-export-snapshot",
        ];
        for other in others {
            fs::create_dir(parent.path().join(other)).unwrap();
        }
        sweep(parent.path());
        assert!(!dead.exists() && live.path().is_dir() && outside.path().join("kept").is_file());
        let left = || fs::read_dir(parent.path()).unwrap().count();
        assert_eq!(left(), 9);
        drop(live);
        assert_eq!(left(), 8);
    }

    #[test]
    fn whose_folder_is_taken_away_before_it_is_locked_makes_another_one() {
        let parent = tempfile::tempdir().unwrap();
        let made = parent.path().join("attest-temporary-proxy-Made1234");
        fs::create_dir(&made).unwrap();
        let sweeper = host::try_hold_folder(&made).unwrap().unwrap();
        assert!(host::try_hold_folder(&made).unwrap().is_none(), "held by somebody");
        fs::remove_dir(&made).unwrap();
        drop(sweeper);
        assert!(host::hold_folder(&made).unwrap().is_none(), "it is gone");
    }
}
