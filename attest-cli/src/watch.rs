//! `attest log watch`: what logs say about projects, files, repositories and keys of ours, and how the logs do.
//!
//! One look: bring the copy of each log up to date and prove all of it ([`crate::replica`]); hold it to what was read before; judge how
//! the log does ([`health`]); read the entries that are new, prove them again, and judge those that concern us ([`findings`]);
//! ask the gate about the files of locks ([`accepted`]). What there is to tell is kept together with how far was read
//! ([`store`]), and only then told ([`delivery`]): so nothing is lost, and nothing is told twice, whenever we are killed.
//!
//! However large a log is, a few bundles of it are in memory, and of what it holds about one file what the new statements need.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use attest_core::note::VerifierKey;

use crate::{
    client::Http,
    evidence::Source,
    exit::Exit,
    gate,
    history::History,
    input, interrupt,
    layers::Layers,
    platform::find::Selection,
    replica::Replica,
    run::{self, Run},
};

use self::{
    accepted::Standing,
    event::Event,
    health::Witness,
    interest::Interest,
    keys::{Keyring, Own, Signed},
    settings::Span,
    store::{Store, StoreError},
};

mod accepted;
pub(crate) mod delivery;
pub(crate) mod event;
mod findings;
mod follow;
pub(crate) mod health;
pub(crate) mod interest;
pub(crate) mod keys;
pub(crate) mod settings;
pub(crate) mod sinks;
pub(crate) mod store;

/// A log that is followed.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) source: Source,
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) stall_after: Span,
    pub(crate) witness_after: Span,
}

impl Followed {
    fn key(&self) -> &VerifierKey {
        &self.source.log
    }

    pub(crate) fn origin(&self) -> &str {
        self.source.log.name().as_str()
    }
}

/// What is watched, and everything that looking takes.
#[derive(Debug)]
pub(crate) struct Watch<'r> {
    pub(crate) run: &'r Run,
    pub(crate) logs: Vec<Followed>,
    pub(crate) interest: Interest,
    /// Locks and wheels that the policies judge.
    pub(crate) accepted: Vec<PathBuf>,
    pub(crate) own: Vec<Own>,
    pub(crate) layers: Option<Layers>,
    pub(crate) from_start: bool,
    pub(crate) http: Http,
    pub(crate) history: History,
    /// Where copies of logs are.
    pub(crate) data: PathBuf,
}

/// The memory, used by the look and by every sink.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<Store>);

impl Shared {
    pub(crate) fn new(store: Store) -> Self {
        Self(Mutex::new(store))
    }

    /// A thread that died holding it left it as it was written last.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look at one log gave.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) origin: String,
    pub(crate) url: String,
    /// Entries of the tree that was read.
    pub(crate) size: Option<u64>,
    /// Entries that were read for the first time.
    pub(crate) read: u64,
    pub(crate) error: Option<anyhow::Error>,
    pub(crate) exit: Exit,
}

/// What a look gave.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) logs: Vec<Looked>,
    /// What is new, in order.
    pub(crate) events: Vec<Event>,
    /// Why the files of locks could not be judged.
    pub(crate) accepted: Option<anyhow::Error>,
}

impl Watch<'_> {
    /// Looks once. Whatever one log does, the others are looked at.
    ///
    /// # Errors
    /// When the memory takes nothing: then nothing has changed, and the next look sees the same again.
    pub(crate) fn look(&self, store: &Shared) -> Result<Look, StoreError> {
        // Policies change while we run; one that cannot be read now says who is known all the same.
        let layers = self.run.layers().ok();
        let keyring = Keyring::new(layers.as_ref().or(self.layers.as_ref()), &self.own);
        let mut signed = Signed::default();
        let mut look = Look::default();
        for log in &self.logs {
            if interrupt::requested() {
                break;
            }
            let (looked, events) = self.follow(log, &keyring, &mut signed, store)?;
            look.logs.push(looked);
            look.events.extend(events);
        }
        if !self.accepted.is_empty() && !interrupt::requested() {
            match self.standings() {
                Ok(standings) => look.events.extend(judge(&standings, store)?),
                Err(error) => look.accepted = Some(error),
            }
        }
        Ok(look)
    }

    /// How the files of the locks stand with the policies, as `attest verify` says it.
    fn standings(&self) -> anyhow::Result<Vec<Standing>> {
        // Read anew each time: locks and policies change.
        let layers = self.run.layers()?;
        let selection = Selection { all_files: true, python: None };
        let items = input::items(&self.accepted, &selection, self.run)?;
        let judged = gate::judge(&items, &layers, self.run)?;
        Ok(judged.answers.iter().filter_map(Standing::of).collect())
    }

    fn replica(&self, log: &Followed) -> Replica {
        Replica::new(&self.data, log.key())
    }
}

/// What became of them since the last look.
fn judge(standings: &[Standing], store: &Shared) -> Result<Vec<Event>, StoreError> {
    let mut store = store.lock();
    let state = store.state();
    let changes = accepted::judge(standings, &state.accepted, &state.lasting, run::now());
    store.record(changes.events, |state| {
        state.accepted = changes.accepted;
        state.lasting = changes.lasting;
    })
}
