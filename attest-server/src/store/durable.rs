//! The few file operations whose order decides what survives a crash.
//!
//! Syncing a file says nothing about the name that leads to it: a new or renamed file is durable only after its
//! directory was synced as well, and a new directory only after its parent was.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
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
