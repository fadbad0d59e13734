//! A disk in memory, small enough to be filled.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use anyhow::Result;
use rustix::fs::FallocateFlags;

use crate::{command, tool};

/// More than a log wants to keep free, and little enough to be filled.
const SIZE: &str = "size=1200m";

/// Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// `None`, with the reason printed, where nothing may be mounted.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn mount(folder: PathBuf) -> Result<Option<Self>> {
        fs::create_dir_all(&folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&folder);
        if command::run(&mut mount).is_ok_and(|outcome| outcome.code() == Some(0)) {
            return Ok(Some(Self { folder }));
        }
        tool::not_allowed("mounting a small disk (only root may)");
        Ok(None)
    }

    /// Takes this many bytes away, or all that there are.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub fn fill(&self, bytes: u64) -> Result<()> {
        let file = File::create(self.filler())?;
        let free = rustix::fs::statvfs(&self.folder)?;
        let bytes = bytes.min(free.f_bavail * free.f_frsize);
        if bytes > 0 {
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
        }
        Ok(())
    }

    /// Gives them back.
    ///
    /// # Errors
    /// When nothing was taken.
    pub fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: a server may still be ending.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
