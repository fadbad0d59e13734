//! What differs between operating systems, and nothing else: the rest of the program is written for all of them.
//!
//! `unix` and `windows` have the same functions, `linux` and `others` have. What one of them has no word for is said at the function; what only
//! Linux has (clean rooms) is refused by name, by [`needs_linux`], before anything is begun.
//!
//! `.ci/portable` holds the other modules to this: no name of one system outside of here.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod others;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{FewerCpus, step_back};
#[cfg(not(target_os = "linux"))]
pub(crate) use others::{FewerCpus, step_back};
#[cfg(unix)]
pub(crate) use unix::{
    Ending, account, code_of, end_group, exchange, free, hand_on, hold_folder, home, inode, is_file_of, is_of_account,
    is_ours_alone, lead_group, lock_folder, make_private, mode, path_of, private, read_exact_at, set_link_time,
    set_mode, symlink, sync_folder, system_policy, try_hold_folder, user,
};
#[cfg(windows)]
pub(crate) use windows::{
    Ending, account, code_of, end_group, exchange, free, hand_on, hold_folder, home, inode, is_file_of, is_of_account,
    is_ours_alone, lead_group, lock_folder, make_private, mode, path_of, private, read_exact_at, set_link_time,
    set_mode, symlink, sync_folder, system_policy, try_hold_folder, user,
};

use crate::exit::{Exit, Failure};

/// How somebody asked a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Ctrl-C, which a terminal sends to everything that runs in it.
    Interrupt,
    /// SIGTERM, or Ctrl-Break: to us alone.
    Terminate,
}

impl Asked {
    /// How a program ends that does as it is asked: 128 and the number of the signal.
    pub(crate) const fn code(self) -> i32 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Rooms are made of Linux's namespaces.
///
/// # Errors
/// Everywhere else.
pub(crate) fn needs_linux(command: &str) -> anyhow::Result<()> {
    if cfg!(target_os = "linux") {
        return Ok(());
    }
    let found = format!("expected Linux for `attest {command}`, found {}", std::env::consts::OS);
    Err(Failure::new(Exit::Usage, found)
        .hint("run it in a Linux machine or container; everything else works here")
        .into())
}
