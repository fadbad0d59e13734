//! Where a user's policy and memory are.
//!
//! No environment variable selects, drops or loosens a policy (docs/TRUST.md 1.2), and what attest remembers (policy
//! serials, checkpoints seen) is part of that: the home directory is the one of the account, from the passwd database,
//! not `$HOME`, and `XDG_*` are not asked. Only flags, which a person sees, lead elsewhere.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

const SYSTEM_POLICY: &str = "/etc/attest/policy.toml";
const USER_POLICY: &str = ".config/attest/policy.toml";
const USER_KEY: &str = ".config/attest/signer.key";
const USER_DATA: &str = ".local/share/attest";
const PROJECT_POLICY: &str = "attest-policy.toml";
const PASSWD: &str = "/etc/passwd";
/// For accounts that are not in the file (LDAP, systemd). A fixed path: `PATH` would select it.
const GETENT: &str = "/usr/bin/getent";
/// `getent`: "one or more supplied key could not be found in the database".
const GETENT_NOT_FOUND: i32 = 2;

/// The places of one run.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) system_policy: PathBuf,
    /// None where the account has no home directory, and so no policy in it.
    pub(crate) user_policy: Option<PathBuf>,
    pub(crate) project_policy: PathBuf,
    home: Option<PathBuf>,
    data: Option<PathBuf>,
}

/// A place could not be determined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("cannot tell the home directory of user {uid}, where a policy may be")]
    Unknown { uid: u32, source: io::Error },
    #[error("user {uid} has no home directory, and no other place was named")]
    NoHome { uid: u32 },
}

impl Places {
    /// The places of the account that runs this; `data` is `--data-dir`.
    pub(crate) fn of_account(data: Option<&Path>) -> Result<Self, PlaceError> {
        let uid = rustix::process::geteuid().as_raw();
        let home = home_of(uid).map_err(|source| PlaceError::Unknown { uid, source })?;
        Ok(Self::new(home, data))
    }

    fn new(home: Option<PathBuf>, data: Option<&Path>) -> Self {
        Self {
            system_policy: PathBuf::from(SYSTEM_POLICY),
            user_policy: home.as_ref().map(|home| home.join(USER_POLICY)),
            project_policy: PathBuf::from(PROJECT_POLICY),
            data: data.map(Path::to_owned).or_else(|| home.as_ref().map(|home| home.join(USER_DATA))),
            home,
        }
    }

    /// What attest remembers between runs.
    pub(crate) fn data(&self) -> Result<&Path, PlaceError> {
        self.data.as_deref().ok_or_else(PlaceError::no_home)
    }

    /// Statements of the user's own key, which need no log (docs/TRUST.md 3.9).
    pub(crate) fn statements(&self) -> Result<PathBuf, PlaceError> {
        Ok(self.data()?.join("statements"))
    }

    /// Where `key generate` writes unless told otherwise.
    pub(crate) fn key(&self) -> Result<PathBuf, PlaceError> {
        self.home.as_ref().map(|home| home.join(USER_KEY)).ok_or_else(PlaceError::no_home)
    }
}

impl PlaceError {
    /// The next step.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Unknown { .. } => {
                "a policy that cannot be looked for is not left out: repair the passwd database".to_owned()
            }
            Self::NoHome { .. } => "name a folder with --data-dir, and files with -o".to_owned(),
        }
    }

    /// Of the account that runs this.
    pub(crate) fn no_home() -> Self {
        Self::NoHome { uid: rustix::process::geteuid().as_raw() }
    }
}

/// Home directory of an account; none when the account does not exist or names no absolute path.
fn home_of(uid: u32) -> io::Result<Option<PathBuf>> {
    if let Some(line) = passwd_line(&std::fs::read_to_string(PASSWD)?, uid) {
        return Ok(home_in(line));
    }
    let answer = match Command::new(GETENT).args(["passwd", &uid.to_string()]).env_clear().output() {
        Ok(answer) => answer,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match answer.status.code() {
        Some(0) => Ok(passwd_line(&String::from_utf8_lossy(&answer.stdout), uid).and_then(home_in)),
        Some(GETENT_NOT_FOUND) => Ok(None),
        _ => Err(io::Error::other(format!("{GETENT} failed ({})", answer.status))),
    }
}

/// `name:password:uid:gid:comment:home:shell`
fn passwd_line(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find(|line| line.split(':').nth(2).and_then(|field| field.parse().ok()) == Some(uid))
}

fn home_in(line: &str) -> Option<PathBuf> {
    let home = PathBuf::from(line.split(':').nth(5)?);
    home.is_absolute().then_some(home)
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
    }

    #[test]
    fn an_account_without_a_home_needs_a_named_data_folder() {
        let places = Places::new(None, None);
        assert_eq!(places.user_policy, None);
        assert!(matches!(places.data(), Err(PlaceError::NoHome { .. })));
        assert_eq!(Places::new(None, Some(Path::new("/d"))).data().unwrap(), Path::new("/d"));
    }
}
