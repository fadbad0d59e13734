//! Asks one log, or a mirror of it, over HTTP: one lookup, and beside it the lists of negatives.

use attest_core::{
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::TreeHead,
    negatives::Edition,
    time::Timestamp,
    verify::LogView,
};

use self::pages::{Allowance, Pages, Question, Wanted};
use super::{Asked, Means, Source, cache::Kept};
use crate::{
    client::{ClientError, Http, LogClient},
    history::{History, HistoryError},
    negatives,
    output::{Output, causes},
};

mod pages;

/// Files whose missing entries are asked for at one address.
const MAX_OWED: usize = 32;
/// How often an answer is asked for once more because the log seems to have grown meanwhile. A log may grow as it likes.
const MAX_ANEW: usize = 4;

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

/// What a log shows whose answer of before is at hand.
pub(super) enum Shown {
    /// The very tree that the answer is about.
    Same(Reply),
    Another(Moved),
    /// Nothing to go by.
    Nothing,
}

/// A log that shows another tree than before. That it continues what was seen is still to be proven.
pub(super) struct Moved {
    client: LogClient,
    checkpoint: LogCheckpoint,
}

/// The answer of before, where the log shows the very tree that it is about: nothing was added since, so it would be the
/// same. The checkpoint of now stands in its place, as its cosignatures may be newer. Nobody hears which files it is about.
pub(super) fn again(http: &Http, source: &Source, kept: Kept, now: Timestamp, means: &Means<'_>) -> Shown {
    let client = source.urls.iter().find(|url| **url == kept.url).and_then(|url| http.log(url).ok());
    let Some(client) = client else { return Shown::Nothing };
    let note = client.checkpoint().ok().and_then(|note| String::from_utf8(note).ok());
    let Some(checkpoint) = note.and_then(|note| shown(&client, &note, source).ok()) else { return Shown::Nothing };
    let same = |view: &LogView| {
        UnverifiedCheckpoint::parse(&view.checkpoint).is_ok_and(|kept| kept.claim().head == checkpoint.head())
    };
    if !kept.views.iter().all(same) {
        return Shown::Another(Moved { client, checkpoint });
    }
    match means.history.admit(&source.log, &checkpoint, |id| client.tile(id)) {
        Ok(_) => {}
        // A fork is proven whoever else answers well.
        Err(error @ HistoryError::Fork { .. }) => return Shown::Same(silent(Silence::Alarm(Box::new(error)))),
        Err(_) => return Shown::Nothing,
    }
    let note = checkpoint.note().to_string().into_bytes();
    let renewed = kept.views.iter().any(|view| view.checkpoint != note);
    let views = kept.views.into_iter().map(|view| LogView { checkpoint: note.clone(), ..view }).collect();
    let kept = Kept { asked_at: now, views, ..kept };
    if renewed && let Err(error) = means.cache.keep(&kept) {
        means.out.detail(format_args!("the answer is not kept: {}", causes(&error)));
    }
    means.out.detail(format_args!("{}: nothing was added since it was asked", client.base()));
    Shown::Same((Ok(Answer { asked: kept.asked(), views: kept.views, held: None, recalled: true }), kept.lists))
}

impl Moved {
    /// As [`with_lists`]; that the log only grew is proven meanwhile, so that the answer need not wait for that.
    pub(super) fn with_lists(
        &self,
        http: &Http,
        source: &Source,
        digests: &[ArtifactDigest],
        means: &Means<'_>,
    ) -> Reply {
        let (proven, (answer, lists)) = std::thread::scope(|scope| {
            let proving = scope.spawn(|| means.history.admit(&source.log, &self.checkpoint, |id| self.client.tile(id)));
            let reply = with_lists(http, source, means.history, digests, means.out);
            (proving.join(), reply)
        });
        match proven {
            Ok(Err(error @ HistoryError::Fork { .. })) => (Err(Silence::Alarm(Box::new(error))), lists),
            // The checkpoint of the answer itself is held to what was seen too.
            _ => (answer, lists),
        }
    }
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
        let owed: Vec<_> =
            owed.into_iter().take(MAX_OWED).map(|(digest, from)| Question::Rest(digest, from.get())).collect();
        let Ok(client) = http.log(url) else { continue };
        let mut pages = Pages::new(&client, source, history, Wanted::Negatives);
        let asked = pages.rest(owed);
        answer.views.append(&mut pages.views);
        match asked {
            Ok(()) => {}
            Err(AskError::History(error @ HistoryError::Fork { .. })) => return Err(Silence::Alarm(Box::new(error))),
            Err(error) => out.detail(format_args!("{url}: what its list of negatives names: {}", causes(&error))),
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
    #[error("{url} has no end of entries about the files asked about")]
    Endless { url: String },
    #[error(
        "{url} has no end of answers: expected at most {} MiB in {} seconds", Allowance::BYTES >> 20, Allowance::TIME.as_secs()
    )]
    Excess { url: String },
}

fn ask_at(
    http: &Http,
    url: &str,
    source: &Source,
    history: &History,
    digests: &[ArtifactDigest],
) -> Result<Answer, AskError> {
    let client = http.log(url)?;
    let newest = || history.last(&source.log).ok().flatten().map(|last| last.head().size);
    let (mut before, mut anew) = (newest(), 0);
    loop {
        let mut pages = Pages::new(&client, source, history, Wanted::All);
        match pages.about(digests) {
            Ok(()) => {
                let (origin, size) = (origin(source), pages.size.get());
                let asked = Asked { origin, size, url: url.to_owned(), stands_in: None };
                return Ok(Answer { asked, views: pages.views, held: None, recalled: false });
            }
            // Another run saw a newer tree while this one waited for its answer: no log went back for that.
            Err(AskError::History(HistoryError::Stale { .. })) if anew < MAX_ANEW && newest() > before => {
                (before, anew) = (newest(), anew + 1);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Signed by the log.
fn shown(client: &LogClient, checkpoint: &str, source: &Source) -> Result<LogCheckpoint, AskError> {
    let shown = UnverifiedCheckpoint::parse(checkpoint.as_bytes()).and_then(|note| note.verify(&source.log));
    shown.map_err(|error| AskError::Checkpoint { url: client.base().to_owned(), origin: origin(source), source: error })
}

#[cfg(test)]
mod tests;
