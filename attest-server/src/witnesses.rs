//! The witnesses of a log, and how they are asked: the other side of [C2SP tlog-witness](https://c2sp.org/tlog-witness).
//!
//! Each witness has a task of its own that asks it for the newest checkpoint, so that a slow one holds up nobody and is
//! never asked for what is superseded. What it answers is verified before it leaves that task: it can be late, missing or
//! refused, but it cannot be wrong.
//!
//! ```text
//! publisher -- target --> task of each witness -- add-checkpoint --> witness
//!           <-- events --                      <-- lines, verified --
//! ```
//!
//! Before the first signature every witness is asked what it has seen (`asker.rs`): a log that was restored from a backup,
//! or that runs twice, learns it there and signs nothing (`contradiction.rs`).

mod ask;
mod asker;
mod contradiction;
pub mod evidence;
mod panel;
mod status;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use attest_core::{
    note::VerifierKey,
    tlog_policy::{PolicyWitness, TlogPolicy, TlogPolicyError},
};
use clap::ValueEnum;
use serde::Deserialize;

pub use ask::AskError;
pub use contradiction::Contradiction;
pub(crate) use panel::{Panel, Patience, Progress, Surroundings};
pub use status::{Cosigning, WitnessStatus};

/// What to do as long as too few witnesses cosign. Deliberately without a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fail {
    /// Publish nothing and answer nobody.
    Closed,
    /// Wait a moment, then publish with the cosignatures that there are.
    Open,
}

impl std::fmt::Display for Fail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
        })
    }
}

/// A log's witnesses and what their quorum is worth.
#[derive(Clone, Debug)]
pub struct Settings {
    policy: Arc<TlogPolicy>,
    fail: Fail,
}

impl Settings {
    /// Reads the policy file of the log with the key `log`.
    pub fn read(path: &Path, fail: Fail, log: &VerifierKey) -> Result<Self, SettingsError> {
        Self::new(read_policy(path)?, fail, log)
    }

    /// The keys of the witnesses in a policy file: a mirror asks none of them, it passes their lines on.
    pub fn read_keys(path: &Path) -> Result<Vec<VerifierKey>, SettingsError> {
        Ok(read_policy(path)?.witnesses().iter().map(|witness| witness.key().clone()).collect())
    }

    /// The witnesses of `policy`, all of which must be reachable.
    pub fn new(policy: TlogPolicy, fail: Fail, log: &VerifierKey) -> Result<Self, SettingsError> {
        if !policy.has_quorum() {
            return Err(SettingsError::NoQuorum);
        }
        if !policy.logs().is_empty() && !policy.logs().iter().any(|listed| listed.key() == log) {
            return Err(SettingsError::OtherLog { log: Box::new(log.clone()) });
        }
        for witness in policy.witnesses() {
            let name = || witness.name().to_string();
            if witness.url().is_none() {
                return Err(SettingsError::NoUrl { name: name() });
            }
            ask::Endpoint::parse(witness).map_err(|found| SettingsError::Url { name: name(), found })?;
            // docs/TRUST.md 1.3: a witness is not the log.
            if witness.key().public() == log.public() || witness.key().name() == log.name() {
                return Err(SettingsError::IsLog { name: name() });
            }
        }
        Ok(Self { policy: Arc::new(policy), fail })
    }

    fn witnesses(&self) -> &[PolicyWitness] {
        self.policy.witnesses()
    }
}

fn read_policy(path: &Path) -> Result<TlogPolicy, SettingsError> {
    let bytes = fs::read(path).map_err(|source| SettingsError::Io { path: path.to_owned(), source })?;
    TlogPolicy::parse(&bytes).map_err(|source| SettingsError::Form { path: path.to_owned(), source })
}

/// How long to wait for witnesses. Constants in the program; shorter in tests.
impl Default for Patience {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(5),
            round: Duration::from_secs(10),
            open: Duration::from_secs(2),
            start: Duration::from_secs(15),
            pause: Duration::from_millis(250),
            max_pause: Duration::from_secs(30),
            // Far below half of any age that a policy would still call fresh.
            refresh: Duration::from_secs(600),
            end: Duration::from_secs(5),
        }
    }
}

/// Why a witness policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It could not be read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// Not a tlog-policy.
    #[error("{}: not a witness policy", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: TlogPolicyError,
    },
    /// `quorum none`.
    #[error(
        "expected a quorum of witnesses, found `quorum none`\nhint: a log without witnesses is run without --witness-policy"
    )]
    NoQuorum,
    /// `log` lines, none of them ours.
    #[error("the policy lists logs, and {log} is not among them")]
    OtherLog {
        /// This log.
        log: Box<VerifierKey>,
    },
    /// A witness that nobody can ask.
    #[error("witness {name} has no URL: expected `witness <name> <vkey> <url>`, with the prefix of its add-checkpoint")]
    NoUrl {
        /// Its name.
        name: String,
    },
    /// A URL that is none.
    #[error("witness {name}: expected an http or https URL without query, found {found:?}")]
    Url {
        /// Its name.
        name: String,
        /// As given.
        found: String,
    },
    /// The log as its own witness.
    #[error("witness {name} has the key or the name of the log itself, which witnesses nothing (docs/TRUST.md 1.3)")]
    IsLog {
        /// Its name.
        name: String,
    },
}

#[cfg(test)]
mod tests;
