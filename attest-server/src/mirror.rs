//! A replica of a log that believes nothing but the log's key.
//!
//! ```text
//! checkpoint -> signature -> in line with what is held? -> pending (durable)
//!     -> tiles and entries, each checked against the signed root -> stored (durable)
//!     -> served checkpoint, compare and swap (durable) -> cosigned -> served
//! ```
//!
//! If we crash anywhere in there, the next round goes on from what is stored. Outage, garbage and an older checkpoint
//! change nothing: the mirror serves what it has and says that it is stale. Two checkpoints that contradict each other are
//! kept as evidence, and the mirror does not move again until an operator takes the evidence away (docs/TRUST.md 5.4).

mod catch_up;
pub mod evidence;
pub mod follow;
pub mod judge;
pub mod pending;
pub mod tree;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use attest_core::{
    note::{KeyName, KeyType, SignerKey, VerifierKey},
    time::Timestamp,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    clock::Clock,
    command::Outcome,
    config::{MirrorConfig, Serving},
    fetch::Upstream,
    freeze,
    http::{self, Role, Site, health::Progress},
    init,
    logging::chain,
    mirror_store::MirrorStore,
    mirrors::{Mirrors, Own},
    negatives::{
        Editions, ListError,
        audit::{self, Audited, Auditor},
    },
    quota::rebuilder::Quota,
    reader::Reader,
    rebuilders::{Rebuilders, live::LiveRebuilders},
    record::{self, Record},
    run::{announce, bind, stop_signal},
    sequencer::Options,
    store::{durable, identity::Kind},
    witnesses,
};
use follow::{FollowError, Follower, Round};

/// How following the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorState {
    /// The last look found what is served, or what is served now.
    Current,
    /// The log answers, and has shown the same note for longer than this mirror is patient: nothing was added, and
    /// no witness signed anew.
    Stalled {
        /// When the note was seen for the first time, by this process.
        since: Timestamp,
    },
    /// Nothing new could be had.
    Stale {
        /// When the last look that worked was, or this process started.
        since: Timestamp,
        /// What was wrong with the last one.
        reason: String,
    },
    /// The log contradicted itself.
    Forked {
        /// How, and where the evidence is.
        reason: String,
    },
}

/// Runs the mirror: once, or until SIGTERM or SIGINT.
pub async fn run(config: MirrorConfig) -> anyhow::Result<Outcome> {
    let log: VerifierKey =
        config.vkey.parse().with_context(|| format!("--vkey: expected a verifier key, found {:?}", config.vkey))?;
    ensure!(log.kind() == KeyType::Ed25519, "--vkey: expected the key of a log (Ed25519, type 0x01), found {log}");
    let upstream = Upstream::new(&config.upstream, config.contact.as_deref())?;
    let clock = Clock::system();
    let passed_on = config.witness_policy.as_deref().map_or(Ok(Vec::new()), witnesses::Settings::read_keys)?;
    let (store, reader) = open(&config.data, &log, config.name.as_deref(), &clock)?;
    let store = store.passing_on(passed_on);
    let cosigner = store.cosigner().to_string();
    tracing::info!(%log, cosigner, upstream = upstream.url(), "mirror");
    let negatives = Arc::new(Editions::new(reader.clone()));
    let witnessed = (upstream.clone(), clock.clone());
    let auditor = Auditor::open(&config.data, log.clone(), store.cosigner(), Arc::clone(&negatives), witnessed)?;
    let vkeys = vec![log.to_string(), cosigner, auditor.verifier().to_string()];
    let follower = Follower::new(config.data.clone(), upstream, (store, reader.clone()), clock.clone())?;
    match &config.serving {
        Serving::Once => once(follower, auditor).await,
        Serving::Listen(address) => {
            let (list, reloading) = listed(config.rebuilders.as_deref())?;
            let record = Record::configured(&config.record, &config.data, |coverage| record::Source {
                reader: reader.clone(),
                vkey: log.to_string(),
                rebuilders: list,
                coverage,
                floor: record::floor(Options::default().room),
            })?;
            let mirrors = Mirrors::new(&config.record.mirrors, config.contact.as_deref())?;
            let own = Own {
                reader: reader.clone(),
                log: log.clone(),
                data: config.data.clone(),
                kind: Kind::Mirror,
                clock: clock.clone(),
            };
            let watching = tokio::spawn(mirrors.clone().watch(own));
            let site = |state| Site {
                reader,
                mirrors,
                negatives,
                role: Role::Mirror { state, max_stale: config.max_stale },
                origin: log.name().as_str().to_owned(),
                public_url: config.public_url.clone(),
                vkeys,
                freeze: freeze::Watch::never(),
                data: config.data.clone(),
                clock,
                request_timeout: config.limits.request,
                progress: Progress::default(),
                record,
            };
            let outcome = serve(address, site, (follower, auditor), &config).await;
            watching.abort();
            if let Some(reloading) = reloading {
                reloading.abort();
            }
            outcome
        }
    }
}

type List = watch::Receiver<Arc<Rebuilders>>;

/// The list of rebuilders and what keeps it up to date; without a file, an empty one.
fn listed(file: Option<&Path>) -> anyhow::Result<(List, Option<JoinHandle<()>>)> {
    let Some(file) = file else {
        return Ok((watch::channel(Arc::new(Rebuilders::nobody())).1, None));
    };
    // Nobody submits to a mirror, so no quota is asked for.
    let live =
        LiveRebuilders::open(file, Quota::default()).with_context(|| format!("{} cannot be used", file.display()))?;
    Ok((live.subscribe(), Some(tokio::spawn(live.watch()?))))
}

async fn once(mut follower: Follower, mut auditor: Auditor) -> anyhow::Result<Outcome> {
    match follower.round().await {
        Ok(round) => {
            report(&round);
            Ok(match round {
                Round::Advanced { .. } | Round::Current => {
                    if audit(&mut auditor).await? {
                        Outcome::Alarm
                    } else {
                        Outcome::Done
                    }
                }
                Round::Behind { .. } => Outcome::Undecided,
            })
        }
        Err(FollowError::Own(error)) => bail!(error),
        Err(error) => {
            tracing::error!("{}", chain(&error));
            Ok(match error {
                FollowError::Fork { .. } | FollowError::ForkedBefore { .. } => Outcome::Alarm,
                FollowError::Upstream(_) | FollowError::Own(_) => Outcome::Undecided,
            })
        }
    }
}

async fn serve(
    address: &str,
    site: impl FnOnce(watch::Receiver<MirrorState>) -> Site,
    following: (Follower, Auditor),
    config: &MirrorConfig,
) -> anyhow::Result<Outcome> {
    let stop = stop_signal()?;
    let listeners = bind(address, config.metrics_listen.as_deref()).await?;
    let (state, shown) = watch::channel(MirrorState::Stale {
        since: Clock::system().now(),
        reason: "the log was not asked yet".to_owned(),
    });
    let site = Arc::new(site(shown));
    let patience = (config.poll_interval, config.max_stale);
    let following = tokio::spawn(follow(following, state, patience, site.clock.clone()));
    announce(&listeners)?;
    http::serve(&site, listeners, config.limits.clone(), stop).await;
    // Wherever a round is cut off, the next start goes on: that is what makes a crash harmless, too.
    following.abort();
    let _ = following.await;
    Ok(Outcome::Done)
}

/// Follows for good. After a fork it goes on looking for evidence only, so that it resumes when an operator moved it away.
async fn follow(
    (mut follower, mut auditor): (Follower, Auditor),
    state: watch::Sender<MirrorState>,
    (interval, max_stale): (Duration, Duration),
    clock: Clock,
) {
    let mut last_good = clock.now();
    loop {
        let now = match follower.round().await {
            Ok(round) => {
                report(&round);
                match round {
                    Round::Advanced { .. } | Round::Current => {
                        last_good = clock.now();
                        if let Err(error) = audit(&mut auditor).await {
                            tracing::warn!(error = format!("{error:#}"), "no list of negatives could be signed");
                        }
                        match follower.unchanged_since() {
                            Some(since) if last_good.secs().saturating_sub(since.secs()) > max_stale.as_secs() => {
                                MirrorState::Stalled { since }
                            }
                            _ => MirrorState::Current,
                        }
                    }
                    Round::Behind { seen, held } => MirrorState::Stale {
                        since: last_good,
                        reason: format!("the log shows {seen} entries, fewer than the {held} that it had before"),
                    },
                }
            }
            Err(error @ (FollowError::Fork { .. } | FollowError::ForkedBefore { .. })) => {
                MirrorState::Forked { reason: chain(&error) }
            }
            Err(error) => MirrorState::Stale { since: last_good, reason: chain(&error) },
        };
        let changed = state.send_replace(now.clone()) != now;
        match now {
            MirrorState::Forked { reason } if changed => tracing::error!("{reason}"),
            MirrorState::Stale { reason, .. } if changed => tracing::warn!(reason, "stale"),
            MirrorState::Stalled { since } if changed => tracing::warn!(%since, "the log shows nothing new"),
            _ => {}
        }
        tokio::time::sleep(interval).await;
    }
}

/// Looks at the log's list of negatives; whether it is proven to be wrong.
async fn audit(auditor: &mut Auditor) -> Result<bool, ListError> {
    match auditor.round().await? {
        Audited::Nothing => Ok(false),
        Audited::Signed { head } => {
            tracing::debug!(size = head.size.get(), "signed the list of negatives");
            Ok(false)
        }
        Audited::Wrong { list, evidence } => {
            let evidence = evidence.map_or_else(|error| error.to_string(), |path| path.display().to_string());
            tracing::error!(evidence, "{list}");
            Ok(true)
        }
    }
}

fn report(round: &Round) {
    match round {
        Round::Advanced { size } => tracing::info!(size = size.get(), "advanced"),
        Round::Current => tracing::debug!("current"),
        Round::Behind { seen, held } => {
            tracing::warn!(seen = seen.get(), held = held.get(), "the log shows an older checkpoint");
        }
    }
}

/// Opens the mirror of `log` in `data`; the first time, makes it.
fn open(data: &Path, log: &VerifierKey, name: Option<&str>, clock: &Clock) -> anyhow::Result<(MirrorStore, Reader)> {
    if !data.join("log.id").exists() {
        create(data, log, name, clock, None)?;
    }
    let (store, reader) = MirrorStore::open(data, Options::default().room, clock.clone())?;
    ensure!(
        store.upstream() == log,
        "{} mirrors the log {}, not {log}: a mirror follows one log for ever",
        data.display(),
        store.upstream()
    );
    Ok((store, reader))
}

/// Makes the mirror beside its place and moves it there whole: if we crash in here, the next start begins anew.
/// `auditor`: the key of its lists of negatives, where it is not a new one.
pub(crate) fn create(
    data: &Path,
    log: &VerifierKey,
    name: Option<&str>,
    clock: &Clock,
    auditor: Option<&SignerKey>,
) -> anyhow::Result<()> {
    let name = match name {
        Some(name) => KeyName::new(name)?,
        // Cosigners of one log need names of their own (C2SP tlog-mirror).
        None => KeyName::new(&format!("{}/mirror/{:08x}", log.name().as_str(), getrandom::u32()?))?,
    };
    let beside = beside(data)?;
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("could not remove {}", beside.display()));
        }
        _ => {}
    }
    let cosigner = init::init_mirror(&beside, log.clone(), name, clock.now())?;
    if let Some(auditor) = auditor {
        let secret = format!("{}\n", auditor.to_secret_string());
        durable::write_secret(&beside.join(audit::KEY), secret.as_bytes())?;
        durable::sync_dir(&beside)?;
    }
    fs::rename(&beside, data)
        .with_context(|| format!("{} is not a mirror, and not a new or empty folder either", data.display()))?;
    let parent = fs::canonicalize(data)?;
    if let Some(parent) = parent.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    tracing::info!(%cosigner, "new mirror; this is the key of its cosignatures");
    Ok(())
}

fn beside(data: &Path) -> anyhow::Result<PathBuf> {
    let name = data.file_name().context("--data: expected the path of a folder")?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".init");
    Ok(data.with_file_name(hidden))
}
