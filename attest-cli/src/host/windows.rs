//! Windows. Files have no modes there: who may read one is inherited from its folder, and what is below a user's profile
//! is that user's alone.

use std::fs::{self, File, FileTimes, Metadata, TryLockError};
use std::io;
use std::os::windows::fs::FileExt as _;
use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::SystemTime;

use known_folders::{KnownFolder, get_known_folder_path};
use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

use super::Asked;

/// `CREATE_NEW_PROCESS_GROUP`
const NEW_GROUP: u32 = 0x200;

/// Where the machine's owner puts a policy: not `ProgramData`, below which everybody may make folders.
///
/// # Errors
/// When Windows does not say where programs are.
pub(crate) fn system_policy() -> io::Result<PathBuf> {
    let programs = get_known_folder_path(KnownFolder::ProgramFiles);
    let programs = programs.ok_or_else(|| io::Error::other("Windows names no folder for programs"))?;
    Ok(programs.join("attest").join("policy.toml"))
}

/// The profile of the account that runs this, from the system and not from `%USERPROFILE%`.
pub(crate) fn home() -> io::Result<Option<PathBuf>> {
    Ok(get_known_folder_path(KnownFolder::Profile))
}

/// Who runs this, for messages.
pub(crate) fn account() -> String {
    "this user".to_owned()
}

/// Container engines of Windows run in a machine of their own.
pub(crate) fn user() -> Option<String> {
    None
}

/// What a file's owner may do, for nothing else is known; no file says that it is a program.
pub(crate) fn mode(data: &Metadata) -> u32 {
    if data.permissions().readonly() { 0o400 } else { 0o600 }
}

/// Nothing is set.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// A new file is as private as its folder.
pub(crate) fn private(_builder: &mut tempfile::Builder<'_, '_>, _private: bool) {}

/// Makes a link, for which Windows has two kinds and wants a privilege.
pub(crate) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    if link.with_file_name("").join(target).is_dir() {
        std::os::windows::fs::symlink_dir(target, link)
    } else {
        std::os::windows::fs::symlink_file(target, link)
    }
}

/// When a file was changed; links have no time of their own.
pub(crate) fn set_link_time(path: &Path, time: SystemTime) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Ok(());
    }
    File::options().write(true).open(path)?.set_times(FileTimes::new().set_modified(time).set_accessed(time))
}

/// NTFS keeps names in a journal; there is nothing to ask for.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// There is no such step.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Not known here, so never a reason to stop: only Linux builds.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn free(_path: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

/// Whether an open file still has this name, as far as its time of birth tells.
pub(crate) fn is_file_of(file: &File, path: &Path) -> io::Result<bool> {
    Ok(file.metadata()?.created()? == fs::metadata(path)?.created()?)
}

/// Whose a file is says its folder, which is asked for in the user's profile.
pub(crate) fn is_ours_alone(_data: &Metadata) -> bool {
    true
}

/// Makes a folder, as private as the one that it is in.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Waits until nobody else holds a folder, and holds it as long as the file is open: one in it, since folders do not open.
pub(crate) fn lock_folder(folder: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(folder.join(".attest-lock"))?;
    file.lock()?;
    Ok(file)
}

/// Holds a folder that this process made, against [`try_hold_folder`]; none where it was taken away before.
pub(crate) fn hold_folder(folder: &Path) -> io::Result<Option<File>> {
    match lock_folder(folder) {
        // Whoever held it may have removed it meanwhile.
        Ok(file) => Ok(folder.is_dir().then_some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Holds a folder that nobody else does.
pub(crate) fn try_hold_folder(folder: &Path) -> io::Result<Option<File>> {
    let file = File::options().append(true).open(folder.join(".attest-lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The temporary folder is in the user's profile.
pub(crate) fn is_of_account(_data: &Metadata) -> bool {
    true
}

/// Not told by the standard library: size and time have to do.
pub(crate) fn inode(_data: &Metadata) -> u64 {
    0
}

/// Reads from a place, whoever else reads from elsewhere.
pub(crate) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        at += read as u64;
    }
    Ok(())
}

/// A path as an archive or git has it, which is UTF-8.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Gives a program a group of its own: Ctrl-C reaches us alone.
pub(crate) fn lead_group(command: &mut Command) -> &mut Command {
    command.creation_flags(NEW_GROUP)
}

/// Ends a program; what it started is not found again.
pub(crate) fn end_group(child: &mut Child) {
    let _gone = child.kill();
}

/// Nothing: a console tells all of its programs by itself.
pub(crate) fn hand_on(_id: u32, _asked: Asked) {}

/// How a program ended.
pub(crate) fn code_of(status: ExitStatus) -> Option<i32> {
    status.code()
}

/// What asks a program to end: Ctrl-C and Ctrl-Break.
#[derive(Debug)]
pub(crate) struct Ending {
    interrupt: CtrlC,
    terminate: CtrlBreak,
}

impl Ending {
    /// From now on. Inside of a runtime.
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()? })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
        }
    }
}
