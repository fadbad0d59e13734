//! Asks one log, or a mirror of it, over HTTP: one lookup, and beside it the lists of negatives.

use std::time::{Duration, Instant};

use attest_core::{
    api::{self, FoundEntry},
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::{LeafIndex, NodeHash, TreeHead},
    negatives::{Edition, subject_of_entry},
    time::Timestamp,
    verify::{LogView, LoggedEntry},
};

use super::{Asked, Means, Source, cache::Kept};
use crate::{
    client::{ClientError, Http, LogClient},
    history::{History, HistoryError},
    negatives,
    output::{Output, causes},
};

/// Files whose missing entries are asked for at one address.
const MAX_OWED: usize = 32;
/// Pages of entries about one file. More is no log that answers.
const MAX_PAGES: usize = 64;

/// What a log says.
pub(super) struct Answer {
    pub(super) asked: Asked,
    /// One for each checkpoint that the log answered with.
    pub(super) views: Vec<LogView>,
    /// Where a replica answered: the tree that it holds.
    pub(super) held: Option<TreeHead>,
    /// Whether it is an answer of before.
    pub(super) recalled: bool,
}

/// What came of asking a log, and the lists of negatives that came beside it.
pub(super) type Reply = (Result<Answer, Silence>, Vec<Edition>);

/// Why a log gave nothing.
pub(super) enum Silence {
    Unreachable(String, String),
    Alarm(Box<HistoryError>),
}

/// A log that gave no answer.
pub(super) fn unreachable(source: &Source, why: &str) -> Silence {
    Silence::Unreachable(origin(source), why.to_owned())
}

fn origin(source: &Source) -> String {
    source.log.name().as_str().to_owned()
}

/// No answer, and no lists.
pub(super) fn silent(silence: Silence) -> Reply {
    (Err(silence), Vec::new())
}

/// The answer of a log, and beside it the lists of its negatives; what they name and the answer does not have is asked for
/// at every address.
pub(super) fn with_lists(
    http: &Http,
    source: &Source,
    history: &History,
    digests: &[ArtifactDigest],
    out: &Output,
) -> Reply {
    if !source.audited {
        return (ask(http, source, history, digests, out), Vec::new());
    }
    let (answer, lists) = std::thread::scope(|scope| {
        let lists = scope.spawn(|| negatives::lists(http, source, digests, out));
        (ask(http, source, history, digests, out), lists.join().unwrap_or_default())
    });
    let answer = answer.and_then(|answer| with_owed(http, source, history, digests, answer, &lists, out));
    (answer, lists)
}

/// The answer of before, where the log shows the very tree that it is about: nothing was added since, so it would be the
/// same. The checkpoint of now stands in its place, as its cosignatures may be newer. Nobody hears which files it is about.
pub(super) fn again(http: &Http, source: &Source, kept: Kept, now: Timestamp, means: &Means<'_>) -> Option<Reply> {
    let url = source.urls.iter().find(|url| **url == kept.url)?;
    let client = http.log(url).ok()?;
    let note = client.checkpoint().ok()?;
    let shown = match admit(&client, &String::from_utf8(note).ok()?, source, means.history) {
        Ok(shown) => shown,
        // A fork is proven whoever else answers well.
        Err(AskError::History(error @ HistoryError::Fork { .. })) => {
            return Some(silent(Silence::Alarm(Box::new(error))));
        }
        Err(_) => return None,
    };
    let note = shown.note().to_string().into_bytes();
    let same = |view: &LogView| {
        UnverifiedCheckpoint::parse(&view.checkpoint).is_ok_and(|kept| kept.claim().head == shown.head())
    };
    if !kept.views.iter().all(same) {
        return None;
    }
    let renewed = kept.views.iter().any(|view| view.checkpoint != note);
    let views = kept.views.into_iter().map(|view| LogView { checkpoint: note.clone(), ..view }).collect();
    let kept = Kept { asked_at: now, views, ..kept };
    if renewed && let Err(error) = means.cache.keep(&kept) {
        means.out.detail(format_args!("the answer is not kept: {}", causes(&error)));
    }
    means.out.detail(format_args!("{url}: nothing was added since it was asked"));
    Some((Ok(Answer { asked: kept.asked(), views: kept.views, held: None, recalled: true }), kept.lists))
}

/// The answer, with the entries that the lists name and that it lacks.
fn with_owed(
    http: &Http,
    source: &Source,
    history: &History,
    digests: &[ArtifactDigest],
    mut answer: Answer,
    lists: &[Edition],
    out: &Output,
) -> Result<Answer, Silence> {
    for url in &source.urls {
        let handed = answer.views.iter().flat_map(|view| &view.entries).map(|entry| entry.index).collect();
        let owed = negatives::owed(source.log.name().as_str(), lists, digests, &handed);
        let mut allowance = Allowance::new();
        for (digest, from) in owed.into_iter().take(MAX_OWED) {
            let client = http.log(url).map_err(AskError::from);
            let found = client.and_then(|client| {
                more(&client, (digest, from.get()), source, history, Wanted::Negatives, &mut allowance)
            });
            match found {
                Ok(views) => answer.views.extend(views),
                Err(AskError::History(error @ HistoryError::Fork { .. })) => {
                    return Err(Silence::Alarm(Box::new(error)));
                }
                Err(error) => {
                    out.detail(format_args!("{url}: entry {from} of the list of negatives: {}", causes(&error)));
                    break;
                }
            }
        }
    }
    Ok(answer)
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
            Ok(mut answer) => {
                if nth > 0 {
                    let why = why.join("; ");
                    out.note(format_args!("{}: the mirror {url} stands in ({why})", source.log.name().as_str()));
                    answer.asked.stands_in = Some(why);
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
    #[error(
        "{url} has no end of answers: expected at most {} MiB in {} seconds", Allowance::BYTES >> 20, Allowance::TIME.as_secs()
    )]
    Excess { url: String },
}

/// What one address may answer in all, however it divides that into pages: each of them alone is bounded, but a liar has
/// as many as it likes.
struct Allowance {
    bytes: usize,
    until: Instant,
}

impl Allowance {
    const BYTES: usize = 512 << 20;
    const TIME: Duration = Duration::from_secs(120);

    fn new() -> Self {
        Self { bytes: Self::BYTES, until: Instant::now() + Self::TIME }
    }

    fn take(&mut self, client: &LogClient, view: &LogView) -> Result<(), AskError> {
        let size = |entry: &LoggedEntry| size_of_val(entry) + entry.envelope.len() + size_of_val(&entry.path[..]);
        let left = self.bytes.checked_sub(view.entries.iter().map(size).sum());
        self.bytes = left
            .filter(|_| Instant::now() < self.until)
            .ok_or_else(|| AskError::Excess { url: client.base().to_owned() })?;
        Ok(())
    }
}

/// What the entries about a file are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// To decide by them.
    All,
    /// To hear what speaks against the file. That passes the widest filter, no freshness asked (docs/TRUST.md 4.3): a
    /// mirror is always a little behind its log, and would otherwise never show what the log holds back.
    Negatives,
}

fn ask_at(
    http: &Http,
    url: &str,
    source: &Source,
    history: &History,
    digests: &[ArtifactDigest],
) -> Result<Answer, AskError> {
    let client = http.log(url)?;
    let mut asked = Asked { origin: origin(source), size: 0, url: url.to_owned(), stands_in: None };
    let mut allowance = Allowance::new();
    let mut views = Vec::new();
    for chunk in digests.chunks(api::MAX_LOOKUP) {
        let found = client.lookup(chunk)?;
        asked.size = admit(&client, &found.checkpoint, source, history)?.head().size.get();
        let mut unfinished = Vec::new();
        // By what was asked, not by what was answered: a file has one more page, however often it is named.
        for digest in chunk {
            let artifact = found.artifacts.iter().find(|artifact| artifact.sha256 == *digest);
            let artifact = artifact.ok_or_else(|| AskError::Missing { url: url.to_owned(), digest: *digest })?;
            unfinished.extend(artifact.more_from.map(|from| (*digest, from)));
        }
        let first = view(&client, found)?;
        allowance.take(&client, &first)?;
        views.push(first);
        for unfinished in unfinished {
            views.extend(more(&client, unfinished, source, history, Wanted::All, &mut allowance)?);
        }
    }
    Ok(Answer { asked, views, held: None, recalled: false })
}

/// The entries about a file that did not fit into the first answer; each page may be under a newer checkpoint.
fn more(
    client: &LogClient,
    (digest, mut from): (ArtifactDigest, u64),
    source: &Source,
    history: &History,
    wanted: Wanted,
    allowance: &mut Allowance,
) -> Result<Vec<LogView>, AskError> {
    let mut views = Vec::new();
    for _ in 0..MAX_PAGES {
        let found = client.artifact(digest, from)?;
        let behind = match admit(client, &found.checkpoint, source, history) {
            Ok(_) => false,
            Err(AskError::History(HistoryError::Stale { .. })) if wanted == Wanted::Negatives => true,
            Err(error) => return Err(error),
        };
        let artifact = found.artifacts.iter().find(|artifact| artifact.sha256 == digest);
        let next = artifact.ok_or_else(|| AskError::Missing { url: client.base().to_owned(), digest })?.more_from;
        let mut page = view(client, found)?;
        allowance.take(client, &page)?;
        if behind {
            page.entries.retain(|entry| subject_of_entry(&entry.envelope).is_some());
        }
        views.push(page);
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

#[cfg(test)]
mod tests;
