//! The few file operations whose order decides what survives a crash.
//!
//! Syncing a file says nothing about the name that leads to it: a new or renamed file is durable only after its
//! directory was synced as well, and a new directory only after its parent was.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
};

/// Threads that sync files at a time. Syncs that wait together share a commit of the file system's journal: with eight, a
/// hundred small files took a tenth of the time that they took one by one.
const SYNCING: usize = 8;

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Syncs the bytes of many files (not their names). After an error, which of them are durable is not known.
pub(crate) fn sync_together(files: &[&File]) -> io::Result<()> {
    let share = files.len().div_ceil(SYNCING);
    if share <= 1 {
        return files.iter().try_for_each(|file| file.sync_all());
    }
    thread::scope(|scope| {
        let shares: Vec<_> = files
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().try_for_each(|file| file.sync_all())))
            .collect();
        shares.into_iter().try_for_each(|share| {
            let died = || io::Error::other("a thread that synced files died");
            share.join().unwrap_or_else(|_| Err(died()))
        })
    })
}

/// Creates a file that must not exist yet, readable by its owner alone, and syncs its bytes (not its name).
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_new(path, bytes, 0o600)
}

/// Creates a file that must not exist yet and syncs its bytes (not its name).
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes `path` hold `bytes`, durably on return. If we crash in here, it holds what it held before, or all of `bytes`.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    // Left by a crash, or by whoever else cannot be here: writers hold a lock.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_new(&temporary, bytes, mode)?;
    std::fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Ends the process at once, without destructors.
///
/// After a failed sync the kernel may have dropped the dirty pages and a retry would succeed without having written
/// them, so nothing that this process still knows can be trusted: neither what is on disk nor what a destructor would
/// write. A fresh start reads what is there. There is no automatic restart in this program; a supervisor that restarts
/// it runs the normal recovery.
pub fn abort(operation: &str, error: &dyn std::error::Error) -> ! {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::error!(%operation, %error, %cause, "storage failed: stopping at once, so that nothing wrong is signed");
    std::process::abort()
}
