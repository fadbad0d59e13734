//! Collects what logs, their mirrors and local folders say about the files asked for. Nothing here is believed:
//! [`attest_core::verify`] judges it.
//!
//! One lookup for each log, all logs at once; a mirror is asked only where the log gives no usable answer.

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use attest_core::{
    api::{self, FoundEntry},
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::{LeafIndex, NodeHash},
    negatives::{Edition, subject_of_entry},
    note::VerifierKey,
    verify::{Evidence, LogView, LoggedEntry},
};

use crate::{
    client::{ClientError, Http, LogClient},
    history::{History, HistoryError},
    layers::Layers,
    negatives,
    output::{Output, causes, plural},
};

pub(crate) mod folder;

/// Files whose missing entries are asked for at one address.
const MAX_OWED: usize = 32;
/// Pages of entries about one file. More is no log that answers.
const MAX_PAGES: usize = 64;

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
    out: &Output,
) -> io::Result<Gathered> {
    let unlogged = folder::unlogged(folders, digests, out)?;
    let evidence =
        Evidence { logs: Vec::new(), unlogged, unreachable: Vec::new(), forks: Vec::new(), negatives: Vec::new() };
    let mut gathered = Gathered { evidence, alarms: Vec::new(), asked: Vec::new() };
    if sources.is_empty() || digests.is_empty() {
        return Ok(gathered);
    }
    let task = out.task(format!("asking {} about {}", plural(sources.len(), "log"), plural(digests.len(), "file")));
    let answers: Vec<(Result<Answer, Silence>, Vec<Edition>)> = match Http::new() {
        Ok(http) => std::thread::scope(|scope| {
            let asking: Vec<_> = sources
                .iter()
                .map(|source| (source, scope.spawn(|| ask_with_lists(&http, source, history, digests, out))))
                .collect();
            asking.into_iter().map(|(source, thread)| thread.join().unwrap_or_else(|_| silent(died(source)))).collect()
        }),
        Err(error) => {
            let why = causes(&error);
            sources.iter().map(|source| silent(Silence::Unreachable(origin(source), why.clone()))).collect()
        }
    };
    drop(task);
    for (answer, lists) in answers {
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

fn silent(silence: Silence) -> (Result<Answer, Silence>, Vec<Edition>) {
    (Err(silence), Vec::new())
}

/// The answer of a log, and beside it the lists of its negatives; what they name and the answer does not have is asked for
/// at every address.
fn ask_with_lists(
    http: &Http,
    source: &Source,
    history: &History,
    digests: &[ArtifactDigest],
    out: &Output,
) -> (Result<Answer, Silence>, Vec<Edition>) {
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
    Ok(Answer { asked, views })
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
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::TcpListener,
        sync::{Arc, Mutex},
        thread,
    };

    use attest_core::{
        checkpoint::Checkpoint,
        merkle::Frontier,
        negatives::{Listing, Table},
        note::{KeyName, KeyType, SignerKey},
    };

    use super::*;
    use crate::output::Manner;

    fn key() -> SignerKey {
        SignerKey::from_seed(KeyName::new("log.test").unwrap(), KeyType::Ed25519, [7; 32])
    }

    /// A log without entries that answers so, and what it was asked.
    fn liar(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> (Source, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let paths = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
                reader.read_line(&mut first).unwrap();
                while reader.read_line(&mut line).unwrap() > 2 {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let (status, body) = answer(&path).map_or((503, Vec::new()), |body| (200, body));
                paths.lock().unwrap().push(path);
                write!(stream, "HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())
                    .and_then(|()| stream.write_all(&body))
                    .unwrap();
            }
        });
        (Source { log: key().verifier().clone(), urls: vec![url], audited: true }, asked)
    }

    fn ask_it(source: Source, digest: ArtifactDigest) -> Gathered {
        let folder = tempfile::tempdir().unwrap();
        let out = Output::new(Manner::default());
        gather(&[source], &[], &History::new(folder.path()), &[digest], &out).unwrap()
    }

    fn checkpoint() -> String {
        let head = Frontier::new().head();
        Checkpoint { origin: "log.test".to_owned(), head }.sign(&key()).unwrap().note().to_string()
    }

    /// What is signed twice is proven whatever else the signer withholds.
    #[test]
    fn the_lists_of_a_log_that_answers_nothing_else_are_judged_too() {
        let listing = Listing::new(KeyName::new("log.test").unwrap(), Frontier::new().head(), 0, &Table::empty());
        let note = listing.unwrap().sign(&key()).unwrap().to_string().into_bytes();
        let edition = Edition { note, table: Table::empty().to_bytes(), shards: Vec::new(), checkpoints: Vec::new() };
        let list = serde_json::to_vec(&api::FoundNegatives::of(&edition)).unwrap();
        let (source, _) = liar(move |path| path.starts_with(api::NEGATIVES).then(|| list.clone()));
        let gathered = ask_it(source, ArtifactDigest::of(b"file"));
        assert_eq!(gathered.evidence.unreachable.len(), 1);
        assert_eq!(gathered.evidence.negatives, [edition]);
    }

    #[test]
    fn a_file_has_one_next_page_however_often_the_answer_names_it() {
        let digest = ArtifactDigest::of(b"file");
        let found = move |count, more_from| {
            let artifact = api::FoundArtifact { sha256: digest, entries: Vec::new(), more_from };
            serde_json::to_vec(&api::Found { checkpoint: checkpoint(), artifacts: vec![artifact; count] }).ok()
        };
        let (source, asked) = liar(move |path| match path {
            api::LOOKUP => found(1_000, Some(0)),
            path if path.starts_with(api::ARTIFACTS) => found(1, None),
            _ => None,
        });
        assert_eq!(ask_it(source, digest).asked.len(), 1);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.iter().filter(|path| path.starts_with(api::ARTIFACTS)).count(), 1, "{asked:?}");
    }

    #[test]
    fn what_one_address_answers_has_an_end() {
        let http = Http::new().unwrap();
        let client = http.log("http://log.test").unwrap();
        let entry = LoggedEntry { index: LeafIndex::new(0), path: Vec::new(), envelope: vec![0; 1 << 20] };
        let page = LogView { checkpoint: Vec::new(), entries: vec![entry] };
        let mut allowance = Allowance { bytes: 3 << 20, ..Allowance::new() };
        assert!((0..2).all(|_| allowance.take(&client, &page).is_ok()));
        assert!(matches!(allowance.take(&client, &page), Err(AskError::Excess { .. })));
        let mut late = Allowance { until: Instant::now(), ..Allowance::new() };
        assert!(matches!(late.take(&client, &page), Err(AskError::Excess { .. })));
    }
}
