//! Folders that are made once and shared by all runs, also by those that run at the same time.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;

/// Has `make` fill a new folder and renames it to `folder`, unless that is there already. Whoever sees `folder` sees all
/// of it: a run that is killed in between leaves a folder of another name.
pub(crate) fn make_once(folder: &Path, make: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let parent = folder.parent().context("expected a folder inside the cache")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(parent)?;
    make(making.path())?;
    match fs::rename(making.path(), folder) {
        // Another run was first, and what it made is the same.
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_half_way_leaves_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("a/b");
        let failed = make_once(&folder, |folder| {
            fs::write(folder.join("half"), "")?;
            anyhow::bail!("no space")
        });
        assert!(failed.is_err() && !folder.exists());
        assert_eq!(fs::read_dir(cache.path().join("a")).unwrap().count(), 0);
    }

    #[test]
    fn the_first_of_two_makers_wins() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("env");
        make_once(&folder, |ours| {
            make_once(&folder, |theirs| Ok(fs::write(theirs.join("who"), "theirs")?))?;
            Ok(fs::write(ours.join("who"), "ours")?)
        })
        .unwrap();
        make_once(&folder, |_| anyhow::bail!("made twice")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("who")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
    }
}
