//! Collects what logs, their mirrors and local folders say about the files asked for. Nothing here is believed:
//! [`attest_core::verify`] judges it.
//!
//! One lookup for each log, all logs at once; a mirror is asked only where the log gives no usable answer.

use std::{io, path::PathBuf};

use attest_core::{
    api::{self, FoundEntry},
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::{LeafIndex, NodeHash},
    note::VerifierKey,
    verify::{Evidence, LogView, LoggedEntry},
};

use crate::{
    client::{ClientError, Http, LogClient},
    history::{History, HistoryError},
    layers::Layers,
    output::{Output, causes, plural},
};

pub(crate) mod folder;

/// Pages of entries about one file. More is no log that answers.
const MAX_PAGES: usize = 64;

/// A log that some policy names, and where it can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) log: VerifierKey,
    /// The log itself first, then its mirrors.
    pub(crate) urls: Vec<String>,
}

/// The logs of all layers, each once.
pub(crate) fn sources(layers: &Layers) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for named in layers.iter().flat_map(|layer| layer.policy.logs()) {
        let known = sources.iter().position(|source| source.log == *named.vkey());
        let at = known.unwrap_or_else(|| {
            sources.push(Source { log: named.vkey().clone(), urls: Vec::new() });
            sources.len() - 1
        });
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
}

/// A log that answered.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) url: String,
}

/// Asks every log about all digests, and looks into local folders of statements.
pub(crate) fn gather(
    sources: &[Source],
    folders: &[PathBuf],
    history: &History,
    digests: &[ArtifactDigest],
    out: &Output,
) -> io::Result<Gathered> {
    let unlogged = folder::unlogged(folders, digests, out)?;
    let evidence = Evidence { logs: Vec::new(), unlogged, unreachable: Vec::new(), forks: Vec::new() };
    let mut gathered = Gathered { evidence, alarms: Vec::new(), asked: Vec::new() };
    if sources.is_empty() || digests.is_empty() {
        return Ok(gathered);
    }
    let task = out.task(format!("asking {} about {}", plural(sources.len(), "log"), plural(digests.len(), "file")));
    let answers: Vec<Result<Answer, Silence>> = match Http::new() {
        Ok(http) => std::thread::scope(|scope| {
            let asking: Vec<_> = sources
                .iter()
                .map(|source| (source, scope.spawn(|| ask(&http, source, history, digests, out))))
                .collect();
            asking.into_iter().map(|(source, thread)| thread.join().unwrap_or_else(|_| Err(died(source)))).collect()
        }),
        Err(error) => {
            let why = causes(&error);
            sources.iter().map(|source| Err(Silence::Unreachable(origin(source), why.clone()))).collect()
        }
    };
    drop(task);
    for answer in answers {
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

struct Answer {
    asked: Asked,
    /// One for each checkpoint that the log answered with.
    views: Vec<LogView>,
}

/// Why a log gave nothing.
enum Silence {
    Unreachable(String, String),
    Alarm(Box<HistoryError>),
}

fn died(source: &Source) -> Silence {
    Silence::Unreachable(origin(source), "the lookup broke down".to_owned())
}

fn origin(source: &Source) -> String {
    source.log.name().as_str().to_owned()
}

/// One usable answer, from the log or from the first of its mirrors that gives one.
fn ask(
    http: &Http,
    source: &Source,
    history: &History,
    digests: &[ArtifactDigest],
    out: &Output,
) -> Result<Answer, Silence> {
    let mut why = Vec::new();
    for (nth, url) in source.urls.iter().enumerate() {
        match ask_at(http, url, source, history, digests) {
            Ok(answer) => {
                if nth > 0 {
                    out.note(format_args!(
                        "{}: the mirror {url} stands in ({})",
                        source.log.name().as_str(),
                        why.join("; ")
                    ));
                }
                return Ok(answer);
            }
            // A fork is proven whoever else answers well.
            Err(AskError::History(error @ HistoryError::Fork { .. })) => {
                return Err(Silence::Alarm(Box::new(error)));
            }
            Err(error) => why.push(causes(&error)),
        }
    }
    if why.is_empty() {
        why.push("no URL is known for it".to_owned());
    }
    Err(Silence::Unreachable(origin(source), why.join("; ")))
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("{url} shows no checkpoint that {origin} signed")]
    Checkpoint { url: String, origin: String, source: attest_core::checkpoint::CheckpointError },
    #[error("{url} left out {digest}, which it was asked about")]
    Missing { url: String, digest: ArtifactDigest },
    #[error("{url} answered a proof that is no list of base64 hashes")]
    Proof { url: String },
    #[error("{url} has no end of entries about {digest}")]
    Endless { url: String, digest: ArtifactDigest },
}

fn ask_at(
    http: &Http,
    url: &str,
    source: &Source,
    history: &History,
    digests: &[ArtifactDigest],
) -> Result<Answer, AskError> {
    let client = http.log(url)?;
    let mut asked = Asked { origin: origin(source), size: 0, url: url.to_owned() };
    let mut views = Vec::new();
    for chunk in digests.chunks(api::MAX_LOOKUP) {
        let found = client.lookup(chunk)?;
        asked.size = admit(&client, &found.checkpoint, source, history)?.head().size.get();
        for digest in chunk {
            if !found.artifacts.iter().any(|artifact| artifact.sha256 == *digest) {
                return Err(AskError::Missing { url: url.to_owned(), digest: *digest });
            }
        }
        let unfinished: Vec<_> =
            found.artifacts.iter().filter_map(|artifact| Some((artifact.sha256, artifact.more_from?))).collect();
        views.push(view(&client, found)?);
        for (digest, from) in unfinished {
            views.extend(more(&client, digest, from, source, history)?);
        }
    }
    Ok(Answer { asked, views })
}

/// The entries about a file that did not fit into the first answer; each page may be under a newer checkpoint.
fn more(
    client: &LogClient,
    digest: ArtifactDigest,
    mut from: u64,
    source: &Source,
    history: &History,
) -> Result<Vec<LogView>, AskError> {
    let mut views = Vec::new();
    for _ in 0..MAX_PAGES {
        let found = client.artifact(digest, from)?;
        admit(client, &found.checkpoint, source, history)?;
        let artifact = found.artifacts.iter().find(|artifact| artifact.sha256 == digest);
        let next = artifact.ok_or_else(|| AskError::Missing { url: client.base().to_owned(), digest })?.more_from;
        views.push(view(client, found)?);
        match next {
            None => return Ok(views),
            Some(next) => from = next,
        }
    }
    Err(AskError::Endless { url: client.base().to_owned(), digest })
}

/// Signed by the log, and a continuation of what was seen of it before.
fn admit(client: &LogClient, checkpoint: &str, source: &Source, history: &History) -> Result<LogCheckpoint, AskError> {
    let shown = UnverifiedCheckpoint::parse(checkpoint.as_bytes()).and_then(|note| note.verify(&source.log)).map_err(
        |error| AskError::Checkpoint { url: client.base().to_owned(), origin: origin(source), source: error },
    )?;
    history.admit(&source.log, &shown, |id| client.tile(id))?;
    Ok(shown)
}

fn view(client: &LogClient, found: api::Found) -> Result<LogView, AskError> {
    let entry = |entry: FoundEntry| {
        let path = entry.proof.iter().map(|hash| hash.parse()).collect::<Result<Vec<NodeHash>, _>>();
        Ok(LoggedEntry {
            index: LeafIndex::new(entry.index),
            path: path.map_err(|_| AskError::Proof { url: client.base().to_owned() })?,
            envelope: entry.envelope.into_bytes(),
        })
    };
    let entries = found.artifacts.into_iter().flat_map(|artifact| artifact.entries).map(entry);
    Ok(LogView { checkpoint: found.checkpoint.into_bytes(), entries: entries.collect::<Result<_, AskError>>()? })
}
