//! What every command has at hand: where to speak, which policies judge, and what is remembered.

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use attest_core::{time::Timestamp, verify::Connection};

use crate::{
    evidence::cache::Cache,
    history::History,
    layers::{LayerError, Layers},
    output::Output,
    places::{PlaceError, Places},
};

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) out: Output,
    /// Which age limits apply, and whether anybody may be asked (docs/TRUST.md 5.1).
    pub(crate) connection: Connection,
    /// `--asked-within`: how long what a log said spares asking it.
    pub(crate) asked_within: Duration,
    /// For "in 0.41 s".
    pub(crate) started: Instant,
    /// `--frozen` and `--locked`.
    pub(crate) pinned: Pinned,
    /// `--statement`: files of signed statements beside those in the data folder.
    pub(crate) statements: Vec<PathBuf>,
    named: Vec<PathBuf>,
    data: Option<PathBuf>,
}

/// What `attest.lock` is to a run, as uv's flags of the same names have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinned {
    /// Evidence beside what logs say.
    Free,
    /// `--locked`: that too, and what would change it refuses.
    Locked,
    /// `--frozen`: all the evidence there is.
    Frozen,
}

impl Run {
    /// `named` is `--policy`, `data` is `--data-dir`.
    pub(crate) fn new(out: Output, connection: Connection, named: Vec<PathBuf>, data: Option<PathBuf>) -> Self {
        Self {
            out,
            connection,
            asked_within: Duration::ZERO,
            started: Instant::now(),
            pinned: Pinned::Free,
            statements: Vec::new(),
            named,
            data,
        }
    }

    /// The account's places, or those that flags name.
    pub(crate) fn places(&self) -> Result<Places, PlaceError> {
        Places::of_account(self.data.as_deref())
    }

    /// The policies that judge.
    pub(crate) fn layers(&self) -> Result<Layers, LayerError> {
        Layers::load(&self.places()?, &self.named, self.connection)
    }

    /// Where statements are that need no log: a folder, and files that were named.
    pub(crate) fn statements(&self) -> Result<Vec<PathBuf>, PlaceError> {
        Ok([vec![self.places()?.statements()?], self.statements.clone()].concat())
    }

    /// What was seen of logs.
    pub(crate) fn history(&self) -> Result<History, PlaceError> {
        Ok(History::new(self.places()?.data()?))
    }

    /// What logs answered before.
    pub(crate) fn evidence(&self) -> Result<Cache, PlaceError> {
        Ok(Cache::new(self.places()?.data()?))
    }
}

/// The machine's clock.
pub(crate) fn now() -> Timestamp {
    // A clock before 1970 is as wrong as one that is a day off: everything is stale or in the future then.
    Timestamp::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs()))
}
