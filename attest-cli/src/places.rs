//! Where a user's policy and memory are.
//!
//! No environment variable selects, drops or loosens a policy (docs/TRUST.md 1.2), and what attest remembers (policy
//! serials, checkpoints seen) is part of that: the home directory is the one of the account, as the
//! system knows it, not `$HOME`, and `XDG_*` are not asked. Only flags, which a person sees, lead elsewhere.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::host;

const USER_POLICY: &str = ".config/attest/policy.toml";
const USER_KEY: &str = ".config/attest/signer.key";
const USER_DATA: &str = ".local/share/attest";
const PROJECT_POLICY: &str = "attest-policy.toml";

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
    #[error("cannot tell the home directory of {account}, where a policy may be")]
    Unknown { account: String, source: io::Error },
    #[error("cannot tell where this machine's own policy may be")]
    System(#[source] io::Error),
    #[error("{account} has no home directory, and no other place was named")]
    NoHome { account: String },
}

impl Places {
    /// The places of the account that runs this; `data` is `--data-dir`.
    pub(crate) fn of_account(data: Option<&Path>) -> Result<Self, PlaceError> {
        let home = host::home().map_err(|source| PlaceError::Unknown { account: host::account(), source })?;
        Ok(Self::new(host::system_policy().map_err(PlaceError::System)?, home, data))
    }

    fn new(system_policy: PathBuf, home: Option<PathBuf>, data: Option<&Path>) -> Self {
        Self {
            system_policy,
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
            Self::Unknown { .. } | Self::System(_) => {
                "a policy that cannot be looked for is not left out: repair the list of accounts".to_owned()
            }
            Self::NoHome { .. } => "name a folder with --data-dir, and files with -o".to_owned(),
        }
    }

    /// Of the account that runs this.
    pub(crate) fn no_home() -> Self {
        Self::NoHome { account: host::account() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_a_home_needs_a_named_data_folder() {
        let places = Places::new(PathBuf::new(), None, None);
        assert_eq!(places.user_policy, None);
        assert!(matches!(places.data(), Err(PlaceError::NoHome { .. })));
        assert_eq!(Places::new(PathBuf::new(), None, Some(Path::new("/d"))).data().unwrap(), Path::new("/d"));
    }
}
