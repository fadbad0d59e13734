//! Room on the disk: new entries are refused below a floor, and a reserve file is given back when nothing is left.
//!
//! sled cannot open on a full disk (it writes a snapshot first), so a log that ran into ENOSPC could not even be
//! started to be read. The reserve is deleted before opening when the disk is that full, and made again when there is
//! room.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use rustix::fs::FallocateFlags;

/// How long an answer of the file system is believed, in milliseconds.
const RECHECK_AFTER_MS: u64 = 250;

/// Watches the file system under the data folder.
#[derive(Debug)]
pub struct Space {
    data: PathBuf,
    floor: u64,
    start: Instant,
    /// Milliseconds after `start` at which `full` was last set.
    checked: AtomicU64,
    full: AtomicBool,
}

impl Space {
    /// `floor`: bytes that stay free.
    pub fn new(data: &Path, floor: u64) -> Self {
        let space = Self {
            data: data.to_owned(),
            floor,
            start: Instant::now(),
            checked: AtomicU64::new(0),
            full: AtomicBool::new(false),
        };
        space.check();
        space
    }

    /// Whether new entries may come. Asks the file system at most a few times a second.
    pub fn has_room(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now.saturating_sub(self.checked.load(Ordering::Relaxed)) >= RECHECK_AFTER_MS {
            self.checked.store(now, Ordering::Relaxed);
            self.check();
        }
        !self.full.load(Ordering::Relaxed)
    }

    fn check(&self) {
        // A file system that does not answer counts as full: refusing is safe, accepting is not.
        let full = free(&self.data).map_or(true, |free| free < self.floor);
        if self.full.swap(full, Ordering::Relaxed) != full {
            let floor = self.floor;
            if full {
                tracing::error!(floor, "less free disk space than the floor: new entries are refused");
            } else {
                tracing::info!(floor, "free disk space is above the floor again: new entries are accepted");
            }
        }
    }
}

/// Gives the reserve back if the disk is fuller than the reserve is large, so that the database can open.
pub fn release_reserve(data: &Path, bytes: u64) -> io::Result<()> {
    let path = data.join("reserve");
    if path.exists() && free(data)? < bytes {
        tracing::warn!("the disk is full: giving the reserve back, so that the database can open");
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Makes the reserve, where there is room for it above `floor`.
pub fn make_reserve(data: &Path, bytes: u64, floor: u64) -> io::Result<()> {
    let path = data.join("reserve");
    if path.exists() || bytes == 0 || free(data)? < floor.saturating_add(bytes) {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes).map_err(io::Error::from)
}

/// Bytes that an unprivileged process can still write.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_floor_there_is_no_room() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Space::new(dir.path(), 0).has_room());
        assert!(!Space::new(dir.path(), u64::MAX).has_room());
    }

    #[test]
    fn the_reserve_is_given_back_only_when_the_disk_is_full() {
        let dir = tempfile::tempdir().unwrap();
        make_reserve(dir.path(), 4096, 0).unwrap();
        assert_eq!(fs::metadata(dir.path().join("reserve")).unwrap().len(), 4096);
        release_reserve(dir.path(), 4096).unwrap();
        assert!(dir.path().join("reserve").exists());
        release_reserve(dir.path(), u64::MAX).unwrap();
        assert!(!dir.path().join("reserve").exists());
        make_reserve(dir.path(), 4096, u64::MAX).unwrap();
        assert!(!dir.path().join("reserve").exists());
    }
}
