//! `attest log compare`
//!
//! The checkpoints are put in order of size, and each one is proven to be the beginning of the next larger one by tiles of
//! that. So any two of them go together, or a contradiction is proven. Who serves the tiles does not matter: they are held
//! to the root that the log signed.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    thread,
};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    fork::{self, ForkError, ForkEvidence},
    merkle::{NodeHash, RootHash, TreeHead},
    note::VerifierKey,
    tile::{TileError, TileId},
};

use self::answer::Document;
use crate::{
    client::{ClientError, Http, LogClient},
    evidence::{self, Source},
    exit::{Exit, Failure},
    history::as_wide_as_in,
    output::causes,
    run::{self, Run},
};

mod answer;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the log can be asked: base URLs of the log, of mirrors, of witnesses [default: those of the policy].
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// The log's verifier key [default: the log of the policy, where it names one].
    #[arg(long)]
    vkey: Option<VerifierKey>,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A log or a mirror, which has tiles.
    Tiles,
    /// The monitoring endpoint of a witness (C2SP tlog-witness).
    Witness,
}

/// What one URL shows.
struct View {
    url: String,
    shown: Result<(Kind, LogCheckpoint), LookError>,
}

/// Why a URL shows nothing that can be compared.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{url} shows no checkpoint that {origin} signed")]
    Checkpoint { url: String, origin: String, source: CheckpointError },
}

/// How two checkpoints go together, the larger one first.
struct Link {
    larger: TreeHead,
    smaller: TreeHead,
    proof: Proof,
}

enum Proof {
    Holds,
    /// Proven: they are not of one growing tree.
    Fork(PathBuf),
    /// Nothing is proven.
    Open(String),
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let source = source(args, run)?;
    let http = Http::new();
    let task = run.out.task(format!("asking {} URLs", source.urls.len()));
    let views = look(&http, &source);
    let links = links(&http, &source.log, &views, run)?;
    drop(task);
    let document = Document::new(&source.log, &views, &links);
    document.print(run)?;
    Ok(document.exit())
}

/// The log to ask about, and where.
fn source(args: &Args, run: &Run) -> anyhow::Result<Source> {
    if let (Some(log), false) = (&args.vkey, args.urls.is_empty()) {
        return Ok(Source { log: log.clone(), urls: args.urls.clone(), audited: false });
    }
    let mut named = evidence::sources(&run.layers()?);
    named.retain(|source| args.vkey.as_ref().is_none_or(|log| *log == source.log));
    let count = named.len();
    let Some(source) = named.pop().filter(|_| count == 1) else {
        let failure = Failure::usage(format!("expected one log to compare, found {count} in the policy"));
        return Err(failure.hint("say which: --vkey VKEY, and its URLs where no policy names them").into());
    };
    let urls = if args.urls.is_empty() { source.urls.clone() } else { args.urls.clone() };
    Ok(Source { urls, ..source })
}

/// All URLs at once.
fn look(http: &Http, source: &Source) -> Vec<View> {
    thread::scope(|scope| {
        let asking: Vec<_> =
            source.urls.iter().map(|url| scope.spawn(move || look_at(http, url, &source.log))).collect();
        let join = |(url, thread): (&String, thread::ScopedJoinHandle<'_, _>)| {
            let died = || Err(ClientError::Url { url: url.clone(), reason: "asking it broke down".to_owned() }.into());
            View { url: url.clone(), shown: thread.join().unwrap_or_else(|_| died()) }
        };
        source.urls.iter().zip(asking).map(join).collect()
    })
}

fn look_at(http: &Http, url: &str, log: &VerifierKey) -> Result<(Kind, LogCheckpoint), LookError> {
    let client = http.log(url)?;
    let verified = |note: Vec<u8>| {
        let checkpoint = UnverifiedCheckpoint::parse(&note).and_then(|note| note.verify(log));
        checkpoint.map_err(|source| LookError::Checkpoint {
            url: url.to_owned(),
            origin: log.name().as_str().to_owned(),
            source,
        })
    };
    let of_log = client.checkpoint().map_err(LookError::from).and_then(verified);
    match of_log {
        Ok(checkpoint) => Ok((Kind::Tiles, checkpoint)),
        Err(error @ LookError::Client(ClientError::Unreachable { .. } | ClientError::Busy { .. })) => Err(error),
        // A witness has nothing at that place, or something of its own.
        Err(error) => match client.witnessed(log.name().as_str()).map_err(LookError::from).and_then(verified) {
            Ok(checkpoint) => Ok((Kind::Witness, checkpoint)),
            Err(_) => Err(error),
        },
    }
}

fn links(http: &Http, log: &VerifierKey, views: &[View], run: &Run) -> anyhow::Result<Vec<Link>> {
    let mut shown: Vec<(&str, &LogCheckpoint)> = Vec::new();
    for view in views {
        if let Ok((_, checkpoint)) = &view.shown
            && shown.iter().all(|(_, known)| known.head() != checkpoint.head())
        {
            shown.push((&view.url, checkpoint));
        }
    }
    shown.sort_by_key(|(_, checkpoint)| std::cmp::Reverse(checkpoint.head().size));
    let with_tiles = views.iter().filter(|view| matches!(view.shown, Ok((Kind::Tiles, _))));
    let clients = with_tiles.map(|view| http.log(&view.url)).collect::<Result<Vec<_>, _>>()?;
    let mut links = Vec::new();
    for pair in shown.windows(2) {
        let [(url, larger), (_, smaller)] = pair else { continue };
        let proof = match prove(&clients, smaller.head(), larger.head()) {
            Ok((root, _)) if root == smaller.head().root => Proof::Holds,
            Ok((root, tiles)) => {
                let tiles = tiles.iter().map(|(tile, hashes)| (*tile, hashes.as_slice()));
                let evidence = ForkEvidence::new((smaller, larger), root, tiles, url, run::now());
                Proof::Fork(keep(run, log, &evidence)?)
            }
            Err(why) => Proof::Open(why),
        };
        links.push(Link { larger: larger.head(), smaller: smaller.head(), proof });
    }
    Ok(links)
}

/// Keeps the evidence. Where that fails, it is in the alarm: a fork is proven whether or not the disk takes it.
fn keep(run: &Run, log: &VerifierKey, evidence: &ForkEvidence) -> Result<PathBuf, Failure> {
    let kept = run.history().map_err(anyhow::Error::from).and_then(|history| Ok(history.keep_evidence(log, evidence)?));
    kept.map_err(|error| {
        let [held, seen] = evidence.notes();
        let (origin, why) = (log.name().as_str(), causes(error.as_ref()));
        let message = format!(
            "{origin} signed two trees that cannot both be of one log, and the evidence cannot be kept ({why}):\n{held}\n{seen}"
        );
        Failure::new(Exit::Alarm, message)
    })
}

type Tiles = BTreeMap<TileId, Vec<NodeHash>>;

/// The root that the larger tree had at the smaller one's size, and the tiles that show it, from the first that has them.
fn prove(clients: &[LogClient], smaller: TreeHead, larger: TreeHead) -> Result<(RootHash, Tiles), String> {
    if smaller.size == larger.size {
        return Ok((larger.root, Tiles::new()));
    }
    let mut why = Vec::new();
    for client in clients {
        let mut tiles = Tiles::new();
        let root = fork::root_at(smaller.size, larger, |id| {
            let id = as_wide_as_in(larger.size, id)?;
            if let Some(known) = tiles.get(&id) {
                return Ok(known.clone());
            }
            let hashes = client.tile(id)?;
            tiles.insert(id, hashes.clone());
            Ok::<_, ReadError>(hashes)
        });
        match root {
            Ok(root) => return Ok((root, tiles)),
            Err(error) => why.push(format!("{}: {}", client.base(), causes(&error))),
        }
    }
    Err(if why.is_empty() { "nobody who answered has tiles".to_owned() } else { why.join("; ") })
}

/// Why one server did not prove it.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Tile(#[from] TileError),
    #[error(transparent)]
    Foreign(#[from] ForkError),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tiles => "log",
            Self::Witness => "witness",
        })
    }
}

impl Proof {
    fn evidence(&self) -> Option<&Path> {
        match self {
            Self::Fork(path) => Some(path),
            Self::Holds | Self::Open(_) => None,
        }
    }
}
