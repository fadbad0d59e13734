//! Files that appear whole or not at all: written beside their place, synced, then renamed into it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::host;

pub(crate) mod together;

/// Who may read a new file; the umask takes away from it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// Everybody, writable by its owner as the umask says.
    Shared,
    /// Only its owner.
    Private,
}

/// A file could not be written or read; nothing half-written is left under its name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{} exists already", .path.display())]
    Exists { path: PathBuf },
    #[error("cannot write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is too large: expected at most {limit} bytes", .path.display())]
    TooLarge { path: PathBuf, limit: u64 },
}

/// Creates a file that must not exist yet.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), FileError> {
    let file = staged(path, bytes, mode)?;
    match file.persist_noclobber(path) {
        Ok(_) => synced(path),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(FileError::Exists { path: path.to_owned() })
        }
        Err(error) => Err(FileError::Write { path: path.to_owned(), source: error.error }),
    }
}

/// Creates a file or replaces it: whoever reads it sees the old bytes or the new ones.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), FileError> {
    let file = staged(path, bytes, mode)?;
    file.persist(path).map_err(|error| FileError::Write { path: path.to_owned(), source: error.error })?;
    synced(path)
}

/// As [`replace`], without waiting for the disk: for what carries a checksum and can be had again. After a power cut there
/// may be anything under its name.
pub(crate) fn replace_unsynced(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), FileError> {
    let file = written(path, bytes, mode)?;
    file.persist(path).map(drop).map_err(|error| FileError::Write { path: path.to_owned(), source: error.error })
}

/// Gives a file other bytes, all of them or none: a link to it stays one, and who may read it stays as it was.
pub(crate) fn rewrite(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let place = fs::canonicalize(path).map_err(failed)?;
    let permissions = fs::metadata(&place).map_err(failed)?.permissions();
    let file = staged(&place, bytes, Mode::Private)?;
    file.as_file().set_permissions(permissions).map_err(failed)?;
    file.persist(&place).map_err(|error| failed(error.error))?;
    synced(&place)
}

/// Makes files last that were [replaced without waiting](replace_unsynced), and the names that they got.
pub(crate) fn sync(paths: impl IntoIterator<Item = PathBuf>) -> Result<(), FileError> {
    let mut folders = BTreeSet::new();
    for path in paths {
        folders.insert(folder(&path).to_owned());
        let synced = File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(|source| FileError::Write { path, source })?;
    }
    for path in folders {
        File::open(&path).and_then(|folder| folder.sync_all()).map_err(|source| FileError::Write { path, source })?;
    }
    Ok(())
}

/// Reads a file that has at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // What it says of its length only spares growing: a pipe says nothing, and a file may change meanwhile.
    let expected = file.metadata().map_or(0, |data| data.len()).min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1);
    io::Read::read_to_end(&mut io::Read::take(file, limit + 1), &mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn staged(path: &Path, bytes: &[u8], mode: Mode) -> Result<NamedTempFile, FileError> {
    let file = written(path, bytes, mode)?;
    // If we crash here, only the temporary name is left.
    file.as_file().sync_all().map_err(|source| FileError::Write { path: path.to_owned(), source })?;
    Ok(file)
}

fn written(path: &Path, bytes: &[u8], mode: Mode) -> Result<NamedTempFile, FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    fs::create_dir_all(folder(path)).map_err(failed)?;
    let mut builder = tempfile::Builder::new();
    host::private(builder.prefix(".attest-"), matches!(mode, Mode::Private));
    let mut file = builder.tempfile_in(folder(path)).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    Ok(file)
}

/// Makes the rename itself last.
fn synced(path: &Path) -> Result<(), FileError> {
    host::sync_folder(folder(path)).map_err(|source| FileError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_exists_is_never_created_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create(&path, b"first", Mode::Private).unwrap();
        assert!(matches!(create(&path, b"second", Mode::Private), Err(FileError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        fs::create_dir_all(path.join("not empty")).unwrap();
        assert!(matches!(replace(&path, b"x", Mode::Shared), Err(FileError::Write { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_rewritten_keeps_its_readers_and_the_links_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        rewrite(&link, b"after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o440);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::write(&path, [0; 11]).unwrap();
        assert!(matches!(read(&path, 10), Err(FileError::TooLarge { limit: 10, .. })));
        assert_eq!(read(&path, 11).unwrap().len(), 11);
    }
}
