//! A witness: cosigns checkpoints of the logs that it is told of, if they only ever grow.
//!
//! [C2SP tlog-witness](https://c2sp.org/tlog-witness): `add-checkpoint` and the monitoring endpoint. What it decides is in
//! [`attest_core::witness`]; here is the order of things:
//!
//! ```text
//! request -> parsed -> signed by the log? -> [lock of that log: consistent? -> cosigned -> stored, durably] -> answered
//! ```
//!
//! If we crash before it is stored, nobody has seen the cosignature. Nothing but what was verified here is stored, served
//! or answered. Two checkpoints of one size and two roots are kept as evidence, and nothing more of that log is cosigned
//! until an operator takes the evidence away (docs/TRUST.md 5.4).

mod http;
mod identity;
mod store;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use anyhow::{Context as _, ensure};
use attest_core::{
    merkle::TreeSize,
    note::{SignerKey, VerifierKey},
    tlog_policy::TlogPolicy,
    witness::{AddCheckpoint, Cosigned, CosignedError, Refusal, RequestError, SignedRequest, origin_hash},
};

use crate::{
    clock::Clock,
    command::Outcome,
    config::WitnessConfig,
    http::Listeners,
    run::{announce, bind, stop_signal},
    store::{evidence, lock::DirectoryLock},
    witnesses::evidence::Finding,
};
use store::Copies;

/// Runs the witness until SIGTERM or SIGINT.
pub async fn run(config: WitnessConfig) -> anyhow::Result<Outcome> {
    use std::io::Write as _;
    let logs = read_logs(&config.logs).with_context(|| format!("{} cannot be used", config.logs.display()))?;
    if !identity::exists(&config.data) {
        identity::create(&config.data, config.name.as_deref())?;
    }
    let lock = DirectoryLock::take(&config.data)?;
    let key = identity::read(&config.data)?;
    let vkey = key.verifier().to_string();
    let witness = Witness::open(&config.data, key, logs, Clock::system())?;
    let stop = stop_signal()?;
    let listeners = bind(&config.listen, None).await?;
    tracing::info!(vkey, logs = witness.logs.len(), "witness");
    writeln!(std::io::stdout(), "{vkey}")?;
    announce(&listeners)?;
    let router = http::router(Arc::new(witness), config.limits.request);
    let Listeners { main, .. } = listeners;
    crate::http::serve::serve(main, router, config.limits, stop).await;
    drop(lock);
    Ok(Outcome::Done)
}

/// The keys of `log` lines. One for each origin: a new key is a new log (docs/TRUST.md 5.3).
fn read_logs(path: &Path) -> anyhow::Result<Vec<VerifierKey>> {
    /// The grammar asks for a quorum in every file; in a list of logs it has nothing to say.
    const NO_QUORUM: &[u8] = b"quorum none\n";
    let mut bytes = fs::read(path)?;
    ensure!(bytes.ends_with(b"\n"), "expected every line to end in a newline");
    bytes.extend_from_slice(NO_QUORUM);
    let list = TlogPolicy::parse(&bytes)?;
    ensure!(list.witnesses().is_empty(), "expected `log <vkey>` lines only, found a witness");
    ensure!(!list.logs().is_empty(), "expected at least one line `log <vkey>`, found none");
    let keys: Vec<VerifierKey> = list.logs().iter().map(|log| log.key().clone()).collect();
    for (i, key) in keys.iter().enumerate() {
        let same = keys[..i].iter().any(|other| other.name() == key.name());
        ensure!(!same, "expected one key for each log, found a second one for {}", key.name());
    }
    Ok(keys)
}

/// The witness's state: one lock for each log, held from reading what was cosigned to having stored what is.
#[derive(Debug)]
pub struct Witness {
    key: SignerKey,
    /// By origin.
    logs: BTreeMap<String, Watched>,
    data: PathBuf,
    clock: Clock,
}

#[derive(Debug)]
struct Watched {
    key: VerifierKey,
    state: Mutex<State>,
    /// What monitors get: durable, always. Apart from the state, so that nobody reads behind somebody's fsync.
    served: RwLock<Option<Arc<str>>>,
}

#[derive(Debug)]
struct State {
    copies: Copies,
    latest: Option<Cosigned>,
    /// Evidence that this log forked.
    forked: Option<PathBuf>,
}

impl Witness {
    /// Reads what was cosigned for each of `logs`; one that is new begins with nothing.
    pub fn open(data: &Path, key: SignerKey, logs: Vec<VerifierKey>, clock: Clock) -> anyhow::Result<Self> {
        let mut watched = BTreeMap::new();
        for log in logs {
            // Somebody with a log's key and a witness's name could else make lines that look like ours.
            ensure!(
                log.public() != key.verifier().public() && log.name() != key.verifier().name(),
                "{log} is this witness itself: a witness is not the log (docs/TRUST.md 1.3)"
            );
            let origin = log.name().as_str().to_owned();
            let state = State::open(data, &log, key.verifier())
                .with_context(|| format!("what was cosigned for {origin} cannot be relied on"))?;
            if let Some(latest) = &state.latest {
                let (now, time) = (clock.now(), latest.time());
                ensure!(now >= time, "this machine's clock says {now}, but {origin} was cosigned at {time}");
            }
            let served = RwLock::new(state.latest.as_ref().map(|latest| latest.note().to_string().into()));
            watched.insert(origin, Watched { key: log, state: Mutex::new(state), served });
        }
        Ok(Self { key, logs: watched, data: data.to_owned(), clock })
    }

    /// `add-checkpoint`: the body of the answer. Blocks while it writes.
    pub fn add(&self, body: &[u8]) -> Result<String, AddError> {
        let request = AddCheckpoint::parse(body)?;
        let watched = self.logs.get(request.origin());
        let request = request.verify(watched.map(|watched| &watched.key))?;
        let Some(Watched { key, state, served }) = watched else {
            return Err(AddError::Interrupted);
        };
        // A thread that panicked in here may have stored something that this memory does not know of: only a new start,
        // which reads the disk, may decide again.
        let mut state = state.lock().map_err(|_| AddError::Interrupted)?;
        self.keep_evidence(key, &mut state, &request);
        let consistent = request.check(state.latest.as_ref())?;
        if let Some(evidence) = &state.forked {
            return Err(AddError::Forked { evidence: evidence.clone() });
        }
        let cosigned = consistent.cosign(&self.key, self.clock.now())?;
        let note = cosigned.note().to_string();
        state.copies.store(&note);
        *served.write().unwrap_or_else(PoisonError::into_inner) = Some(note.into());
        let answer = cosigned.body();
        state.latest = Some(cosigned);
        Ok(answer)
    }

    /// Two roots for one size, both signed by the log, can be explained by nothing else than a fork.
    fn keep_evidence(&self, log: &VerifierKey, state: &mut State, request: &SignedRequest) {
        let Some(latest) = &state.latest else { return };
        let (held, seen) = (latest.head(), request.claim().head);
        if held.size != seen.size || held.root == seen.root || state.forked.is_some() {
            return;
        }
        let finding = Finding {
            log,
            from: "add-checkpoint",
            held: latest.note().to_string(),
            seen: request.note().to_string(),
            size: held.size,
            held_root: held.root,
            seen_root: Some(seen.root),
        };
        let kept = finding.keep(&self.data, &prefix(log), self.clock.now());
        // Where it cannot be written, this process stops cosigning all the same.
        let path = kept.unwrap_or_else(|error| {
            tracing::error!(%error, "the evidence of a fork could not be written: {}\n{}", finding.held, finding.seen);
            self.data.clone()
        });
        tracing::error!(log = %log.name(), size = held.size.get(), evidence = %path.display(), "the log forked");
        state.forked = Some(path);
    }

    /// The monitoring endpoint: the latest cosigned checkpoint of the log with that hash of its origin.
    fn checkpoint(&self, hash: &str) -> Option<Arc<str>> {
        let found = self.logs.iter().find(|(origin, _)| origin_hash(origin) == hash);
        found.and_then(|(_, watched)| watched.served.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Logs that forked.
    fn forked(&self) -> Vec<&str> {
        let forked = |watched: &Watched| watched.state.lock().map_or(true, |state| state.forked.is_some());
        self.logs.iter().filter(|(_, watched)| forked(watched)).map(|(origin, _)| origin.as_str()).collect()
    }
}

impl State {
    fn open(data: &Path, log: &VerifierKey, own: &VerifierKey) -> anyhow::Result<Self> {
        let copies = Copies::open_or_create(data, log.name().as_str())?;
        let latest = match copies.note() {
            "" => None,
            note => Some(Cosigned::parse(note.as_bytes(), log, own)?),
        };
        let forked = evidence::found(data, &prefix(log))?;
        Ok(Self { copies, latest, forked })
    }
}

/// Of the names of evidence files about a log.
fn prefix(log: &VerifierKey) -> String {
    format!("fork-{}-", &origin_hash(log.name().as_str())[..16])
}

/// Why a request gets no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Not a request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Refused by the rules of the specification.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log was proven to have forked.
    #[error("this log showed two trees of one size: nothing more of it is cosigned")]
    Forked {
        /// The proof.
        evidence: PathBuf,
    },
    /// The cosignature could not be made.
    #[error(transparent)]
    Cosign(#[from] CosignedError),
    /// A thread of the server ended early.
    #[error("the witness could not finish this request")]
    Interrupted,
    /// A body over the limit.
    #[error("expected a body of at most {} bytes, found more, or one that broke off", AddCheckpoint::MAX_LEN)]
    Body,
}

impl AddError {
    /// The size that the body of a 409 names.
    fn conflict(&self) -> Option<TreeSize> {
        match self {
            Self::Refused(Refusal::Conflict { latest, .. }) => Some(*latest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
