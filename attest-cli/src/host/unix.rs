//! Linux and macOS.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags, Timespec, Timestamps, openat, renameat_with, statvfs, utimensat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, geteuid, getgid, getuid, kill_process, kill_process_group};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use super::Asked;

const PASSWD: &str = "/etc/passwd";
/// What answers for accounts that are not in the file (LDAP, systemd, Open Directory), in the form of a line of it.
/// A fixed path: `PATH` would select it.
#[cfg(not(target_os = "macos"))]
const ACCOUNTS: (&str, &[&str]) = ("/usr/bin/getent", &["passwd"]);
#[cfg(target_os = "macos")]
const ACCOUNTS: (&str, &[&str]) = ("/usr/bin/id", &["-P"]);
/// `getent`: "one or more supplied key could not be found in the database".
const NOT_FOUND: i32 = 2;

/// Where the machine's owner puts a policy.
#[expect(clippy::unnecessary_wraps, reason = "Windows may not say")]
pub(crate) fn system_policy() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/etc/attest/policy.toml"))
}

/// Home directory of the account that runs this, from the passwd database and not from `$HOME`; none when the account
/// does not exist or names no absolute path.
pub(crate) fn home() -> io::Result<Option<PathBuf>> {
    let uid = geteuid().as_raw();
    if let Some(line) = passwd_line(&fs::read_to_string(PASSWD)?, uid) {
        return Ok(home_in(line));
    }
    let (program, words) = ACCOUNTS;
    let answer = match Command::new(program).args(words).arg(uid.to_string()).env_clear().output() {
        Ok(answer) => answer,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match answer.status.code() {
        Some(0) => Ok(passwd_line(&String::from_utf8_lossy(&answer.stdout), uid).and_then(home_in)),
        Some(NOT_FOUND) => Ok(None),
        _ => Err(io::Error::other(format!("{program} failed ({})", answer.status))),
    }
}

/// Who runs this, for messages.
pub(crate) fn account() -> String {
    format!("user {}", geteuid().as_raw())
}

/// Whoever runs this, as a container engine takes it.
#[expect(clippy::unnecessary_wraps, reason = "Windows has none")]
pub(crate) fn user() -> Option<String> {
    Some(format!("{}:{}", getuid().as_raw(), getgid().as_raw()))
}

/// `name:password:uid:gid:comment:home:shell`; BSD's own form, which `id -P` prints, has three more fields after `gid`.
fn passwd_line(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find(|line| line.split(':').nth(2).and_then(|field| field.parse().ok()) == Some(uid))
}

fn home_in(line: &str) -> Option<PathBuf> {
    let home = PathBuf::from(line.rsplit(':').nth(1)?);
    home.is_absolute().then_some(home)
}

/// Permissions of a file, nine bits.
pub(crate) fn mode(data: &Metadata) -> u32 {
    data.permissions().mode() & 0o777
}

/// Sets the permissions of a file or folder.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// A temporary file is its owner's alone until it has its name; the umask takes away from what it is given after that.
pub(crate) fn private(builder: &mut tempfile::Builder<'_, '_>, private: bool) {
    builder.permissions(Permissions::from_mode(if private { 0o600 } else { 0o666 }));
}

/// Makes a link.
pub(crate) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// When a file was changed, or a link itself.
pub(crate) fn set_link_time(path: &Path, time: SystemTime) -> io::Result<()> {
    let passed = time.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let seconds = i64::try_from(passed.as_secs()).map_err(io::Error::other)?;
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Makes renames into and out of a folder last.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Exchanges two folders in one step; false where the file system cannot.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Bytes that may still be written where `path` is; none where no more files can be made.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let disk = statvfs(path)?;
    // File systems without a number of files say that there are none at all.
    let full = disk.f_files > 0 && disk.f_favail == 0;
    Ok(if full { 0 } else { disk.f_bavail.saturating_mul(disk.f_frsize) })
}

/// Whether an open file still has this name.
pub(crate) fn is_file_of(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, named) = (file.metadata()?, fs::metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (named.dev(), named.ino()))
}

/// Whether a file is this account's, and nobody else may write to it.
pub(crate) fn is_ours_alone(data: &Metadata) -> bool {
    data.uid() == geteuid().as_raw() && data.mode() & 0o022 == 0
}

/// Makes a folder that only its owner may look into.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Waits until nobody else holds a folder, and holds it as long as the file is open.
pub(crate) fn lock_folder(folder: &Path) -> io::Result<File> {
    let file = File::open(folder)?;
    file.lock()?;
    Ok(file)
}

/// Holds a folder that this process made, against [`try_hold_folder`]; none where it was taken away before.
pub(crate) fn hold_folder(folder: &Path) -> io::Result<Option<File>> {
    let file = match lock_folder(folder) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Whoever held it may have removed it meanwhile.
    match is_file_of(&file, folder) {
        Ok(is) => Ok(is.then_some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Holds a folder that nobody else does; a link is nobody's folder.
pub(crate) fn try_hold_folder(folder: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, folder, flags, rustix::fs::Mode::empty())?);
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether this account has it.
pub(crate) fn is_of_account(data: &Metadata) -> bool {
    data.uid() == geteuid().as_raw()
}

/// Number of a file in its file system.
pub(crate) fn inode(data: &Metadata) -> u64 {
    data.ino()
}

/// Reads from a place, whoever else reads from elsewhere.
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    file.read_exact_at(bytes, at)
}

/// A path as an archive or git has it.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Gives a program a group of its own: Ctrl-C reaches us alone, and we end all that it started.
pub(crate) fn lead_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Ends a program that leads a group, with everything in it. To be waited for after that.
pub(crate) fn end_group(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _gone = kill_process_group(group, Signal::KILL);
    }
}

/// Tells a program that runs for the user what we were told.
pub(crate) fn hand_on(id: u32, asked: Asked) {
    let signal = match asked {
        Asked::Interrupt => Signal::INT,
        Asked::Terminate => Signal::TERM,
    };
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // Fails only when it has ended just now.
        let _ended = kill_process(id, signal);
    }
}

/// How a program ended, as a shell has it: 128 and the number of the signal that ended it.
pub(crate) fn code_of(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal))
}

/// What asks a program to end: Ctrl-C and SIGTERM.
#[derive(Debug)]
pub(crate) struct Ending {
    interrupt: Stream,
    terminate: Stream,
}

impl Ending {
    /// From now on. Inside of a runtime.
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_directory_is_the_account_s() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\nnobody:x:99:99:::\n";
        assert_eq!(passwd_line(passwd, 1000).and_then(home_in), Some(PathBuf::from("/home/ann")));
        assert_eq!(passwd_line(passwd, 0).and_then(home_in), Some(PathBuf::from("/root")));
        assert_eq!(passwd_line(passwd, 99).and_then(home_in), None);
        assert_eq!(passwd_line(passwd, 100), None);
        // As `id -P` prints it on macOS.
        let line = "ann:********:501:20::0:0:Ann:/Users/ann:/bin/zsh\n";
        assert_eq!(passwd_line(line, 501).and_then(home_in), Some(PathBuf::from("/Users/ann")));
    }
}
