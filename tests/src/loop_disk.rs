//! A disk of its own whose power can be cut: ext4 on a loop device.
//!
//! What a program wrote and did not sync is in the page cache above the file system, and so not in the image below it. A
//! copy of the image, mounted again, is what a machine finds after its power went away: the journal is replayed, and the
//! rest is gone.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{command, tool};

/// More than a log wants to keep free. Sparse: it takes the space of what is written.
const SIZE: u64 = 1600 << 20;
/// The kernel writes by itself only what is older than 30 s, and with `commit=300` commits nothing by itself in less: what
/// is in the image was synced by the program. `noinit_itable`: otherwise it fills the image in the background.
const OPTIONS: &str = "noatime,noinit_itable,commit=300";
/// Longest wait for a moment without a write.
const QUIET_LIMIT: Duration = Duration::from_secs(20);

/// Unmounted when dropped; the image stays.
#[derive(Debug)]
pub struct LoopDisk {
    image: PathBuf,
    folder: PathBuf,
    device: String,
}

/// How the file system orders the data of a file against its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// The default of ext4: new blocks are written before the journal names them.
    Ordered,
    /// In any order, as other file systems do.
    Writeback,
}

impl LoopDisk {
    /// Makes an image with an empty file system in it.
    ///
    /// # Errors
    /// When `mkfs.ext4` fails.
    pub fn format(image: &Path) -> Result<()> {
        File::create(image)?.set_len(SIZE)?;
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args(["-q", "-F", "-J", "size=16", "-E", "lazy_itable_init=1,lazy_journal_init=1"]).arg(image);
        command::run(&mut mkfs)?.expect(0)?;
        Ok(())
    }

    /// Whether this machine allows it; says why not.
    ///
    /// # Panics
    /// When a tool is missing and the environment variable `CI` is set.
    pub fn is_allowed(folder: &Path) -> bool {
        if !tool::have(&["losetup", "mkfs.ext4", "mount", "umount"]) {
            return false;
        }
        let (image, point) = (folder.join("tried.img"), folder.join("tried"));
        let tried = Self::format(&image).and_then(|()| Self::mount(&image, &point, Ordering::Ordered));
        let allowed = tried.is_ok();
        drop(tried);
        let _ = fs::remove_file(image);
        if !allowed {
            tool::not_allowed("mounting an image through a loop device (only root may, and not in every container)");
        }
        allowed
    }

    /// Mounts an image, replaying its journal.
    ///
    /// # Errors
    /// When there is no loop device, or it is not a file system any more.
    pub fn mount(image: &Path, folder: &Path, ordering: Ordering) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut attach = Command::new("losetup");
        attach.args(["--find", "--show"]).arg(image);
        let device = command::run(&mut attach)?.expect(0)?.stdout.trim().to_owned();
        // From here on the guard detaches it, whatever happens.
        let disk = Self { image: image.to_owned(), folder: folder.to_owned(), device };
        let data = match ordering {
            Ordering::Ordered => "data=ordered",
            Ordering::Writeback => "data=writeback",
        };
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", &format!("{OPTIONS},{data}")]).arg(&disk.device).arg(&disk.folder);
        command::run(&mut mount)?.expect(0)?;
        Ok(disk)
    }

    /// Copies the image as it is below the file system, at a moment at which nothing is being written to it: what a power
    /// cut now would leave. Whoever writes has to stand still.
    ///
    /// # Errors
    /// When there is no such moment.
    pub fn cut_power(&self, copy: &Path) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < QUIET_LIMIT {
            let before = self.writes()?;
            let mut cp = Command::new("cp");
            cp.args(["--sparse=always"]).arg(&self.image).arg(copy);
            command::run(&mut cp)?.expect(0)?;
            if before.in_flight == 0 && self.writes()? == before {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("{} was written to for {QUIET_LIMIT:?} while everything stood still", self.device)
    }

    /// Unmounts it, with everything written.
    ///
    /// # Errors
    /// When it is still in use.
    pub fn unmount(self) -> Result<()> {
        command::run(Command::new("umount").arg(&self.folder))?.expect(0)?;
        Ok(())
    }

    fn writes(&self) -> Result<Writes> {
        let name = self.device.rsplit('/').next().context("no name of a device")?;
        let stat = fs::read_to_string(format!("/sys/block/{name}/stat"))?;
        let number = |at: usize| -> Result<u64> { Ok(stat.split_whitespace().nth(at).context("too few")?.parse()?) };
        // Documentation/block/stat.rst: 4 is the number of writes that ended, 8 is how many requests are under way.
        Ok(Writes { ended: number(4)?, in_flight: number(8)? })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Writes {
    ended: u64,
    in_flight: u64,
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // Lazy: a server may still be ending. The device goes with the last that uses it.
        let _ = command::run(Command::new("umount").args(["--lazy", "--quiet"]).arg(&self.folder));
        let _ = command::run(Command::new("losetup").arg("--detach").arg(&self.device));
    }
}
