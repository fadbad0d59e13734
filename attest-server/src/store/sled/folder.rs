//! The files that sled keeps, and what sled does not do about them.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use crate::store::{DatabaseError, durable};

/// The working set is the unsealed tail.
const CACHE_BYTES: u64 = 32 << 20;

pub(super) fn open_tree(path: &Path) -> Result<::sled::Db, DatabaseError> {
    // The flusher stays on (its default of 500 ms): old segments are collected only there.
    let config = ::sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
    config.open().map_err(|source| DatabaseError::Sled { path: path.display().to_string(), source })
}

/// Refuses a folder that no `init` made, or that was emptied: opening it would make an empty tree.
pub(super) fn refuse_empty(path: &Path) -> Result<(), DatabaseError> {
    let empty = || DatabaseError::Empty { path: path.display().to_string() };
    match fs::metadata(path.join("db")) {
        Ok(metadata) if metadata.len() > 0 => Ok(()),
        Ok(_) => Err(empty()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(empty()),
        Err(error) => Err(io_error("looking at db", path, error)),
    }
}

/// Deletes the snapshots that an interrupted start left half-written.
pub(super) fn delete_torn_snapshots(path: &Path) -> io::Result<()> {
    for file in fs::read_dir(path)? {
        let file = file?;
        let name = file.file_name();
        if name.to_string_lossy().starts_with("snap.") && name.to_string_lossy().ends_with(".generating") {
            tracing::warn!(file = %file.path().display(), "deleting a snapshot that an interrupted start left");
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Refuses a folder with files in `blobs/`.
pub(super) fn refuse_blobs(path: &Path) -> Result<(), DatabaseError> {
    let blobs = path.join("blobs");
    let io = |source| io_error("reading", &blobs, source);
    match fs::read_dir(&blobs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io(error)),
        Ok(mut files) => match files.next() {
            None => Ok(()),
            Some(file) => Err(DatabaseError::Blobs {
                path: blobs.display().to_string(),
                found: file.map_err(io)?.file_name().to_string_lossy().into_owned(),
            }),
        },
    }
}

/// Syncs what sled does not: its configuration, its snapshots, and the names of all its files.
pub(super) fn sync_all(path: &Path) -> Result<(), DatabaseError> {
    for file in fs::read_dir(path).map_err(|source| io_error("reading", path, source))? {
        let file = file.map_err(|source| io_error("reading", path, source))?.path();
        let sync = File::open(&file).and_then(|file| file.sync_all());
        sync.map_err(|source| io_error("syncing", &file, source))?;
    }
    durable::sync_dir(path).map_err(|source| io_error("syncing", path, source))
}

pub(super) fn io_error(operation: &'static str, path: &Path, source: io::Error) -> DatabaseError {
    DatabaseError::Io { operation, path: path.display().to_string(), source }
}
