//! A folder with the files of a site. There is one writer.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Says that the folder is ours to write to and to delete from; its lock is the writer's.
const MARKER: &str = ".attest-site";
const FORMAT: &str = "attest-site 1\n";
/// What a file is called until it is whole. No link has a part that begins with a dot.
const TEMPORARY: &str = ".attest-tmp";

/// A site, to write to.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    lock: File,
}

/// The folder cannot hold the site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{}: cannot be written", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Everything in it that is no page would be deleted.
    #[error("{} holds something else than an exported site; expected a new or empty folder", root.display())]
    NotASite { root: PathBuf },
    #[error("another process writes to {}", root.display())]
    Held { root: PathBuf },
}

impl Folder {
    /// Opens the site in `root`, or starts one in a new or empty folder.
    pub(super) fn open(root: &Path) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { path: root.to_owned(), source };
        fs::create_dir_all(root).map_err(io)?;
        let marker = root.join(MARKER);
        if fs::read(&marker).is_ok_and(|text| text != FORMAT.as_bytes()) {
            return Err(FolderError::NotASite { root: root.to_owned() });
        }
        if !marker.exists() && fs::read_dir(root).map_err(io)?.next().is_some() {
            return Err(FolderError::NotASite { root: root.to_owned() });
        }
        let mut lock = OpenOptions::new().append(true).create(true).open(&marker).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Held { root: root.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        if lock.metadata().map_err(io)?.len() == 0 {
            lock.write_all(FORMAT.as_bytes()).map_err(io)?;
        }
        Ok(Self { root: root.to_owned(), lock })
    }

    /// Writes what is served under `path`; whether that changed anything.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<bool, FolderError> {
        let file = self.root.join(file_of(path));
        if is_already(&file, bytes) {
            return Ok(false);
        }
        let replace = || -> io::Result<()> {
            let directory = file.parent().unwrap_or(&self.root);
            fs::create_dir_all(directory)?;
            let temporary = self.root.join(TEMPORARY);
            fs::write(&temporary, bytes)?;
            fs::rename(&temporary, &file)
        };
        replace().map_err(|source| FolderError::Io { path: file.clone(), source })?;
        Ok(true)
    }

    /// Deletes every file that stands for none of `paths`, and makes the others durable; how many were deleted.
    pub(super) fn finish(&self, paths: &HashSet<String>) -> Result<u64, FolderError> {
        let kept: HashSet<PathBuf> = paths.iter().map(|path| self.root.join(file_of(path))).collect();
        let deleted = prune(&self.root, &kept, &self.root.join(MARKER))?;
        let io = |source| FolderError::Io { path: self.root.clone(), source };
        // One for all: ten thousand syncs would take longer than everything else.
        rustix::fs::syncfs(&self.lock).map_err(|error| io(error.into()))?;
        Ok(deleted)
    }
}

/// The file that stands for what is served under a path.
fn file_of(path: &str) -> String {
    if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() }
}

fn is_already(file: &Path, bytes: &[u8]) -> bool {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    fs::metadata(file).is_ok_and(|data| data.len() == length) && fs::read(file).is_ok_and(|found| found == bytes)
}

/// Deletes what is not kept, and folders that are empty then.
fn prune(folder: &Path, kept: &HashSet<PathBuf>, marker: &Path) -> Result<u64, FolderError> {
    let io = |source| FolderError::Io { path: folder.to_owned(), source };
    let mut deleted = 0;
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        // Not through a symbolic link: whatever is behind it is not ours.
        if entry.file_type().map_err(io)?.is_dir() {
            deleted += prune(&path, kept, marker)?;
            // Fails where something is left in it.
            let _ = fs::remove_dir(&path);
        } else if path != marker && !kept.contains(&path) {
            fs::remove_file(&path).map_err(io)?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
