//! Collects what logs, their mirrors and local folders say about the files asked for. Nothing here is believed:
//! [`attest_core::verify`] judges it.
//!
//! One lookup for each log, all logs at once; a mirror is asked only where the log gives no usable answer.

use std::{io, path::PathBuf};

use attest_core::{
    artifact::ArtifactDigest,
    note::VerifierKey,
    verify::{Connection, Evidence},
};

use crate::{
    client::Http,
    history::{History, HistoryError},
    layers::Layers,
    output::{Output, causes, plural},
};

use self::ask::{Reply, Silence};

mod ask;
pub(crate) mod folder;

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
pub(crate) fn sources(layers: &Layers) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    let logs = layers.iter().flat_map(|layer| {
        let audited = !layer.policy.auditors().is_empty();
        layer.policy.logs().iter().map(move |log| (log, audited))
    });
    for (named, audited) in logs {
        let known = sources.iter().position(|source| source.log == *named.vkey());
        let at = known.unwrap_or_else(|| {
            sources.push(Source { log: named.vkey().clone(), urls: Vec::new(), audited: false });
            sources.len() - 1
        });
        sources[at].audited |= audited;
        for url in named.urls() {
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

/// Asks every log about all digests, and looks into local folders of statements.
pub(crate) fn gather(
    sources: &[Source],
    folders: &[PathBuf],
    history: &History,
    digests: &[ArtifactDigest],
    connection: Connection,
    out: &Output,
) -> io::Result<Gathered> {
    let unlogged = folder::unlogged(folders, digests, out)?;
    let evidence =
        Evidence { logs: Vec::new(), unlogged, unreachable: Vec::new(), forks: Vec::new(), negatives: Vec::new() };
    let mut gathered = Gathered { evidence, alarms: Vec::new(), asked: Vec::new(), connection };
    if sources.is_empty() || digests.is_empty() {
        return Ok(gathered);
    }
    for (answer, lists) in replies(sources, history, digests, connection, out) {
        // Also of a log that gave no answer: two lists by one key prove what they prove.
        gathered.evidence.negatives.extend(lists);
        match answer {
            Ok(answer) => {
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

/// One reply for each log, all logs at once.
fn replies(
    sources: &[Source],
    history: &History,
    digests: &[ArtifactDigest],
    connection: Connection,
    out: &Output,
) -> Vec<Reply> {
    let nobody = |why: &str| sources.iter().map(|source| ask::silent(ask::unreachable(source, why))).collect();
    if connection == Connection::Offline {
        return nobody("nobody is asked with --offline");
    }
    let _task = out.task(format!("asking {} about {}", plural(sources.len(), "log"), plural(digests.len(), "file")));
    match Http::new() {
        Ok(http) => std::thread::scope(|scope| {
            let asking: Vec<_> = sources
                .iter()
                .map(|source| (source, scope.spawn(|| ask::with_lists(&http, source, history, digests, out))))
                .collect();
            let died = |source| ask::silent(ask::unreachable(source, "the lookup broke down"));
            asking.into_iter().map(|(source, thread)| thread.join().unwrap_or_else(|_| died(source))).collect()
        }),
        Err(error) => nobody(&causes(&error)),
    }
}
