//! Collects what logs, their mirrors and local folders say about the files asked for. Nothing here is believed:
//! [`attest_core::verify`] judges it.
//!
//! One lookup for each log, all logs at once; a mirror is asked only where the log gives no usable answer, and a log is
//! not asked again what it answered before while it shows the same tree ([`cache`]).

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use attest_core::{
    artifact::ArtifactDigest,
    note::VerifierKey,
    time::Timestamp,
    verify::{Connection, Evidence, HeldTree},
};

use crate::{
    client::Http,
    history::{History, HistoryError},
    layers::{Layers, Owner},
    output::{Output, causes, plural},
    run,
};

use self::{
    ask::{Answer, Reply, Shown, Silence},
    cache::{Cache, Kept},
};

mod ask;
pub(crate) mod bundle;
pub(crate) mod cache;
pub(crate) mod folder;
mod held;

/// A log that some policy names, and where it can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) log: VerifierKey,
    /// The log itself first, then its mirrors.
    pub(crate) urls: Vec<String>,
    /// Whether some policy has auditors, so that lists of negatives are worth asking for.
    pub(crate) audited: bool,
}

/// The logs of all layers, each once.
///
/// A project's policy comes with a clone: whom it names for a log that others name too is not asked. An address that stands in
/// for their log in an outage could leave out what speaks against a file (docs/TRUST.md 1.2).
pub(crate) fn sources(layers: &Layers) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    let (project, users): (Vec<_>, Vec<_>) = layers.iter().partition(|layer| layer.owner == Owner::Project);
    let logs = users.into_iter().chain(project).flat_map(|layer| {
        let audited = !layer.policy.auditors().is_empty();
        layer.policy.logs().iter().map(move |log| (log, audited, layer.owner))
    });
    for (named, audited, owner) in logs {
        let known = sources.iter().position(|source| source.log == *named.vkey());
        let by_others = known.is_some() && owner == Owner::Project;
        let at = known.unwrap_or_else(|| {
            sources.push(Source { log: named.vkey().clone(), urls: Vec::new(), audited: false });
            sources.len() - 1
        });
        sources[at].audited |= audited;
        for url in named.urls().iter().filter(|_| !by_others) {
            if !sources[at].urls.contains(url) {
                sources[at].urls.push(url.clone());
            }
        }
    }
    sources
}

/// Everything that was found about the digests asked for.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// For [`attest_core::verify::Session`].
    pub(crate) evidence: Evidence,
    /// Proven forks.
    pub(crate) alarms: Vec<HistoryError>,
    /// The logs that answered.
    pub(crate) asked: Vec<Asked>,
    /// Whether anybody could be asked, and so which age limits apply.
    pub(crate) connection: Connection,
    /// Whether some log was not asked everything, because an answer of before was at hand.
    pub(crate) recalled: bool,
}

/// Whether logs must be asked everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    Anew,
    /// Not where they show the very tree that their last answer is about, and nothing at all for a while after that answer.
    Sparing {
        within: Duration,
    },
}

/// What asking takes.
#[derive(Debug)]
pub(crate) struct Means<'a> {
    pub(crate) history: &'a History,
    pub(crate) cache: &'a Cache,
    /// Where replicas of logs are.
    pub(crate) data: &'a Path,
    pub(crate) connection: Connection,
    pub(crate) asking: Asking,
    pub(crate) out: &'a Output,
}

/// A log that answered.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) url: String,
    /// Where a mirror stands in: why the log itself did not answer.
    pub(crate) stands_in: Option<String>,
}

/// Whether these files can be read as statements: in a folder, one that cannot is left out; one that was named is an error.
pub(crate) fn are_envelopes(files: &[PathBuf]) -> anyhow::Result<()> {
    files.iter().try_for_each(|file| folder::read_envelope(file).map(drop))
}

/// What local folders of statements hold about these digests: nobody is asked.
pub(crate) fn at_hand(
    folders: &[PathBuf],
    digests: &[ArtifactDigest],
    connection: Connection,
    out: &Output,
) -> io::Result<Gathered> {
    let evidence = Evidence {
        logs: Vec::new(),
        unlogged: folder::unlogged(folders, digests, out)?,
        unreachable: Vec::new(),
        forks: Vec::new(),
        negatives: Vec::new(),
        replicas: Vec::new(),
    };
    Ok(Gathered { evidence, alarms: Vec::new(), asked: Vec::new(), connection, recalled: false })
}

/// Asks every log about all digests, and looks into local folders of statements.
pub(crate) fn gather(
    sources: &[Source],
    folders: &[PathBuf],
    digests: &[ArtifactDigest],
    means: &Means<'_>,
) -> io::Result<Gathered> {
    let mut gathered = at_hand(folders, digests, means.connection, means.out)?;
    if sources.is_empty() || digests.is_empty() {
        return Ok(gathered);
    }
    let recalled: Vec<_> = sources.iter().map(|source| recall(source, digests, means)).collect();
    let unknown: Vec<_> =
        sources.iter().zip(&recalled).filter(|(_, reply)| reply.is_none()).map(|(log, _)| log).collect();
    let mut asked = replies(&unknown, digests, means).into_iter();
    // In the order of the policy, whoever answered first.
    for (answer, lists) in recalled.into_iter().filter_map(|reply| reply.or_else(|| asked.next())) {
        // Also of a log that gave no answer: two lists by one key prove what they prove.
        gathered.evidence.negatives.extend(lists);
        match answer {
            Ok(answer) => {
                let origin = answer.asked.origin.clone();
                gathered.evidence.replicas.extend(answer.held.map(|head| HeldTree { origin, head }));
                gathered.recalled |= answer.recalled;
                gathered.asked.push(answer.asked);
                gathered.evidence.logs.extend(answer.views);
            }
            Err(Silence::Unreachable(origin, why)) => {
                gathered.evidence.unreachable.push((origin, why));
            }
            Err(Silence::Alarm(error)) => {
                gathered.evidence.forks.extend(error.proven_fork());
                gathered.alarms.push(*error);
            }
        }
    }
    Ok(gathered)
}

/// The answer of a log that nobody needs to be asked for.
fn recall(source: &Source, digests: &[ArtifactDigest], means: &Means<'_>) -> Option<Reply> {
    if let Some(replica) = held::replica(source, means) {
        return held::recall(&replica, source, digests, means);
    }
    let now = run::now();
    let kept = match (means.connection, means.asking) {
        (Connection::Offline, _) => means.cache.recall_parts(source, digests, means.history)?,
        (Connection::Online, Asking::Anew) => return None,
        (Connection::Online, Asking::Sparing { within }) if within.is_zero() => return None,
        (Connection::Online, Asking::Sparing { within }) => {
            let kept = means.cache.recall(source, digests, means.history).filter(|kept| has_lists(kept, source));
            kept.filter(|kept| is_within(kept.asked_at, within, now))?
        }
    };
    let age = now.secs().saturating_sub(kept.asked_at.secs());
    means.out.detail(format_args!("{}: what it said {age} s ago is at hand", source.log.name().as_str()));
    Some((Ok(Answer { asked: kept.asked(), views: kept.views, held: None, recalled: true }), kept.lists))
}

/// An answer to somebody without auditors has no lists: what only they name was never asked for.
fn has_lists(kept: &Kept, source: &Source) -> bool {
    !source.audited || !kept.lists.is_empty()
}

/// A clock that went back tells nothing about an age.
fn is_within(asked_at: Timestamp, within: Duration, now: Timestamp) -> bool {
    now.secs().checked_sub(asked_at.secs()).is_some_and(|age| age < within.as_secs())
}

/// One reply for each log, all logs at once.
fn replies(sources: &[&Source], digests: &[ArtifactDigest], means: &Means<'_>) -> Vec<Reply> {
    if means.connection == Connection::Offline {
        let why = "nobody is asked with --offline, and what is kept does not cover every file";
        return sources.iter().map(|source| ask::silent(ask::unreachable(source, why))).collect();
    }
    if sources.is_empty() {
        return Vec::new();
    }
    let task = format!("asking {} about {}", plural(sources.len(), "log"), plural(digests.len(), "file"));
    let _task = means.out.task(task);
    let http = Http::new();
    std::thread::scope(|scope| {
        let asking: Vec<_> = sources
            .iter()
            .map(|source| (source, scope.spawn(|| ask_and_keep(&http, source, digests, means))))
            .collect();
        let died = |source| ask::silent(ask::unreachable(source, "the lookup broke down"));
        asking.into_iter().map(|(source, thread)| thread.join().unwrap_or_else(|_| died(source))).collect()
    })
}

/// A log's reply. What the log itself said is kept, what another said in its place is not.
fn ask_and_keep(http: &Http, source: &Source, digests: &[ArtifactDigest], means: &Means<'_>) -> Reply {
    if let Some(replica) = held::replica(source, means) {
        return held::ask(http, &replica, source, digests, means);
    }
    // Before anybody is asked: what comes is not newer than it is said to be.
    let asked_at = run::now();
    let kept = || means.cache.recall(source, digests, means.history).filter(|kept| has_lists(kept, source));
    let shown = match means.asking {
        Asking::Anew => Shown::Nothing,
        Asking::Sparing { .. } => kept().map_or(Shown::Nothing, |kept| ask::again(http, source, kept, asked_at, means)),
    };
    let (answer, lists) = match shown {
        Shown::Same(reply) => return reply,
        Shown::Another(moved) => moved.with_lists(http, source, digests, means),
        Shown::Nothing => ask::with_lists(http, source, means.history, digests, means.out),
    };
    let own = answer.as_ref().ok().filter(|answer| answer.asked.stands_in.is_none());
    let Some(own) = own else { return (answer, lists) };
    let kept = Kept {
        asked_at,
        log: source.log.clone(),
        url: own.asked.url.clone(),
        digests: digests.iter().copied().collect(),
        views: own.views.clone(),
        lists,
    };
    if let Err(error) = means.cache.keep(&kept) {
        means.out.detail(format_args!("the answer is not kept: {}", causes(&error)));
    }
    (answer, kept.lists)
}
