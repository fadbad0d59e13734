//! `DIR/db.found`: sled's files as a start found them, kept until what was read from them is trusted.
//!
//! sled repairs while it opens. Where it cannot read on, because of a damaged byte or of an error of the disk that may have
//! passed a moment later, it takes that for the end of its log and overwrites what comes after with zeros: one EIO at the
//! wrong moment, and the entries that are not sealed yet are gone for good. The checks that follow refuse to start, but on
//! what they would refuse nothing is left. So the files are copied first, and put back by the next start.
//!
//! The copy is let go of before the first write of this start, never after: putting it back must not take back anything.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::store::durable;

/// A copy that is whole.
const FOUND: &str = "db.found";
/// A copy that is being made.
const MAKING: &str = "db.found.new";
/// A copy that is not needed any more.
const DONE: &str = "db.found.old";

/// Where the newest files of the database are that nothing has repaired: what a look from outside has to read.
pub(crate) fn trusted(data: &Path) -> PathBuf {
    let found = data.join(FOUND);
    if found.exists() { found } else { data.join("db") }
}

/// The copy, until it is let go of.
#[derive(Debug)]
pub(super) struct Found {
    data: PathBuf,
}

impl Found {
    /// Puts back what an earlier start found, if that start was not trusted in the end; removes what it left half-done.
    ///
    /// If we crash in here, the copy is still there, or already in its place.
    pub(super) fn put_back(data: &Path) -> io::Result<()> {
        let found = data.join(FOUND);
        if found.exists() {
            tracing::warn!(
                found = %found.display(),
                "an earlier start did not get to its end: putting the database back as it had found it"
            );
            let database = data.join("db");
            remove(&database)?;
            fs::rename(&found, &database)?;
            durable::sync_dir(data)?;
        }
        remove(&data.join(MAKING))?;
        remove(&data.join(DONE))
    }

    /// Copies the files, durably. Reads every byte of them: what cannot be read is an error before sled sees it.
    pub(super) fn keep(data: &Path) -> io::Result<Self> {
        let making = data.join(MAKING);
        fs::create_dir(&making)?;
        for file in fs::read_dir(data.join("db"))? {
            let file = file?;
            let copy = making.join(file.file_name());
            if file.file_type()?.is_dir() {
                // `blobs/`, which is empty: anything in it was refused before.
                fs::create_dir(&copy)?;
            } else {
                durable::write_new(&copy, &fs::read(file.path())?, 0o644)?;
            }
        }
        durable::sync_dir(&making)?;
        // A copy has its name only when it is whole.
        fs::rename(&making, data.join(FOUND))?;
        durable::sync_dir(data)?;
        Ok(Self { data: data.to_owned() })
    }

    /// Lets go of the copy, durably: the files themselves are trusted, and will be written.
    pub(super) fn release(self) -> io::Result<()> {
        let done = self.data.join(DONE);
        // Renamed first: removing takes more than one step, and half a copy must never be put back.
        fs::rename(self.data.join(FOUND), &done)?;
        durable::sync_dir(&self.data)?;
        remove(&done)
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(data: &Path, content: &str) {
        fs::create_dir_all(data.join("db/blobs")).unwrap();
        fs::write(data.join("db/db"), content).unwrap();
    }

    fn content(data: &Path) -> String {
        Found::put_back(data).unwrap();
        assert!(!data.join(FOUND).exists() && !data.join(MAKING).exists() && !data.join(DONE).exists());
        assert!(data.join("db/blobs").is_dir());
        fs::read_to_string(data.join("db/db")).unwrap()
    }

    #[test]
    fn what_a_start_found_is_put_back_until_it_is_let_go_of() {
        let dir = tempfile::tempdir().unwrap();
        database(dir.path(), "found");
        let found = Found::keep(dir.path()).unwrap();
        database(dir.path(), "overwritten by a repair");
        drop(found);
        assert_eq!(content(dir.path()), "found");

        let found = Found::keep(dir.path()).unwrap();
        found.release().unwrap();
        database(dir.path(), "found, and more");
        assert_eq!(content(dir.path()), "found, and more");
    }

    #[test]
    fn half_a_copy_is_never_put_back() {
        let dir = tempfile::tempdir().unwrap();
        database(dir.path(), "whole");
        for half in [MAKING, DONE] {
            fs::create_dir(dir.path().join(half)).unwrap();
            assert_eq!(content(dir.path()), "whole");
        }
    }

    #[test]
    fn a_copy_is_put_back_where_the_database_was_half_removed() {
        let dir = tempfile::tempdir().unwrap();
        database(dir.path(), "found");
        drop(Found::keep(dir.path()).unwrap());
        fs::remove_file(dir.path().join("db/db")).unwrap();
        assert_eq!(content(dir.path()), "found");
        drop(Found::keep(dir.path()).unwrap());
        fs::remove_dir_all(dir.path().join("db")).unwrap();
        assert_eq!(content(dir.path()), "found");
    }
}
