//! Several files that are written together, or not at all as far as a file system can promise that.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{FileError, Mode, staged, synced};
use crate::host;

/// A folder that no other attest writes to in the meantime. Nothing is left in it when this is dropped.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl Held {
    /// Waits until nobody else holds the folder.
    pub(crate) fn folder(folder: &Path) -> Result<Self, FileError> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let failed = |source| FileError::Read { path: folder.to_owned(), source };
        Ok(Self(host::lock_folder(folder).map_err(failed)?))
    }
}

/// A file, and what it is to hold.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    /// None where it must not exist yet. It is left alone when somebody changed it since.
    pub(crate) before: Option<Vec<u8>>,
    pub(crate) after: Vec<u8>,
}

/// Writes all of them, in this order: all are on disk under other names before the first takes its place, so that a full
/// disk changes nothing; and when one cannot take its place, those before it get back what they held.
///
/// If we crash between two of them, the first are new and the others as they were.
pub(crate) fn write(changes: &[Change]) -> Result<(), FileError> {
    let mut ready: Vec<(NamedTempFile, PathBuf, &Change)> = Vec::new();
    for change in changes {
        let place = if change.before.is_some() { real(&change.path)? } else { change.path.clone() };
        let file = staged(&place, &change.after, Mode::Shared)?;
        if change.before.is_some() {
            let failed = |source| FileError::Write { path: change.path.clone(), source };
            let permissions = fs::metadata(&place).map_err(failed)?.permissions();
            file.as_file().set_permissions(permissions).map_err(failed)?;
        }
        ready.push((file, place, change));
    }
    for change in changes {
        unchanged(change)?;
    }
    let mut done: Vec<(PathBuf, &Change)> = Vec::new();
    for (file, place, change) in ready {
        let placed =
            file.persist(&place).map_err(|error| FileError::Write { path: change.path.clone(), source: error.error });
        if let Err(error) = placed.map(drop).and_then(|()| synced(&place)) {
            for (place, change) in done.iter().rev() {
                take_back(place, change);
            }
            return Err(error);
        }
        done.push((place, change));
    }
    Ok(())
}

fn real(path: &Path) -> Result<PathBuf, FileError> {
    fs::canonicalize(path).map_err(|source| FileError::Write { path: path.to_owned(), source })
}

fn unchanged(change: &Change) -> Result<(), FileError> {
    let found = match fs::read(&change.path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(FileError::Read { path: change.path.clone(), source }),
    };
    if found == change.before {
        return Ok(());
    }
    let source = io::Error::other("somebody changed it in the meantime");
    Err(FileError::Write { path: change.path.clone(), source })
}

/// As far as that works: the error that led here is the one to tell.
fn take_back(place: &Path, change: &Change) {
    let _restored = match &change.before {
        Some(before) => super::rewrite(place, before),
        None => fs::remove_file(place).map_err(|source| FileError::Write { path: place.to_owned(), source }),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &Path, before: Option<&str>, after: &str) -> Change {
        Change { path: path.to_owned(), before: before.map(|text| text.as_bytes().to_vec()), after: after.into() }
    }

    #[test]
    fn of_several_files_all_are_written_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old, blocked) = (dir.path().join("new"), dir.path().join("old"), dir.path().join("blocked"));
        fs::write(&old, "before").unwrap();
        // A folder that is not empty: nothing takes its place.
        fs::create_dir_all(blocked.join("full")).unwrap();
        let changes = [change(&new, None, "1"), change(&old, Some("before"), "2"), change(&blocked, None, "3")];
        write(&changes).unwrap_err();
        assert!(!new.exists());
        assert_eq!(fs::read_to_string(&old).unwrap(), "before");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left over");
        write(&changes[..2]).unwrap();
        assert_eq!((fs::read_to_string(&new).unwrap(), fs::read_to_string(&old).unwrap()), ("1".into(), "2".into()));
    }

    #[test]
    fn what_somebody_changed_in_the_meantime_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::write(&one, "a").unwrap();
        fs::write(&two, "edited").unwrap();
        write(&[change(&one, Some("a"), "b"), change(&two, Some("read"), "c")]).unwrap_err();
        write(&[change(&one, None, "b")]).unwrap_err();
        assert_eq!(
            (fs::read_to_string(&one).unwrap(), fs::read_to_string(&two).unwrap()),
            ("a".into(), "edited".into())
        );
    }
}
