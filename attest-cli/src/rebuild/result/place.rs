//! Putting a finished folder where an older one may be.

use std::fs;
use std::io;
use std::path::Path;

use tempfile::TempDir;

use crate::host;

/// Puts `folder` at `path`. Whoever looks sees the old folder whole or the new one: the two are exchanged in one step.
/// If we crash before that, the new one is left under its temporary name; after it, the old one.
pub(super) fn put(folder: TempDir, path: &Path) -> io::Result<()> {
    // `rename` takes the place of nothing, or of an empty folder.
    match fs::rename(folder.path(), path) {
        Ok(()) => {
            let _moved = folder.keep();
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        // Some file systems say EEXIST, as POSIX lets them.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    if !host::exchange(folder.path(), path)? {
        // A file system that cannot exchange: for a moment there is none at `path`, but never a half.
        let parent = folder.path().parent().unwrap_or(Path::new("."));
        let old = tempfile::Builder::new().prefix(super::PARTIAL).tempdir_in(parent)?;
        fs::rename(path, old.path())?;
        fs::rename(folder.path(), path)?;
        let _moved = folder.keep();
        return old.close();
    }
    // What is under the temporary name now is the old one.
    folder.close()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn folder(parent: &Path, content: &str) -> TempDir {
        let folder = tempfile::tempdir_in(parent).unwrap();
        fs::write(folder.path().join("one"), content).unwrap();
        fs::write(folder.path().join("two"), content).unwrap();
        folder
    }

    #[test]
    fn a_reader_finds_a_folder_at_every_moment_while_it_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("result");
        put(folder(parent.path(), "0"), &path).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut missing = 0;
                while !done.load(Ordering::Relaxed) {
                    missing += u32::from(!path.join("one").exists());
                }
                missing
            });
            for content in 0..200 {
                put(folder(parent.path(), &content.to_string()), &path).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            assert_eq!(reader.join().unwrap(), 0);
        });
        assert_eq!(fs::read_to_string(path.join("two")).unwrap(), "199");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "old folders are left");
    }
}
