//! How large the data folder is. Counting hundreds of thousands of tiles takes seconds, so it is not done for a scrape.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::instruments;
use crate::record;

/// Between two counts.
const EVERY: Duration = Duration::from_secs(600);
/// What `st_blocks` counts in, whatever the file system's own blocks are (POSIX leaves it open, Linux does not).
const BLOCK: u64 = 512;
/// Folders of the data folder that grow.
const PARTS: [&str; 3] = ["db", "tile", "index"];
/// One file that does, and is a part too.
const RECORD: &str = "record";

/// Counts now and every ten minutes, for as long as the runtime lives.
pub async fn watch(data: PathBuf) {
    loop {
        let data = data.clone();
        // A runtime that ends takes this task with it.
        let _ = tokio::task::spawn_blocking(move || count(&data)).await;
        tokio::time::sleep(EVERY).await;
    }
}

fn count(data: &Path) {
    for part in PARTS {
        match size(&data.join(part)) {
            Ok(bytes) => instruments().store.set(part, bytes),
            Err(error) => tracing::debug!(part, %error, "could not measure the size on disk"),
        }
    }
    if let Ok(metadata) = fs::metadata(data.join(record::FILE)) {
        instruments().store.set(RECORD, metadata.blocks() * BLOCK);
    }
}

/// Bytes that the files below `folder` occupy. What disappears meanwhile was not there.
fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in present(fs::read_dir(&folder))?.into_iter().flatten() {
            let entry = entry?;
            match present(entry.metadata())? {
                Some(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Some(metadata) => bytes += metadata.blocks() * BLOCK,
                None => {}
            }
        }
    }
    Ok(bytes)
}

fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_occupy_is_counted_in_all_folders_below() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(size(&dir.path().join("none")).unwrap(), 0);
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/c"), vec![1; 100_000]).unwrap();
        fs::write(dir.path().join("d"), vec![1; 100_000]).unwrap();
        let found = size(dir.path()).unwrap();
        assert!((200_000..300_000).contains(&found), "{found}");
    }
}
