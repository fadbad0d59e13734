//! `attest log proof`: a [C2SP tlog-proof](https://c2sp.org/tlog-proof) of an entry, made from tiles and verified before
//! anybody gets it.

use std::path::{Path, PathBuf};

use attest_core::{
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    envelope::Envelope,
    merkle::{LeafHash, LeafIndex, NodeHash},
    proof::TlogProof,
    tile::{self, BundleId, TILE_WIDTH, TileError},
};
use serde::Serialize;

use super::{Named, of_policies};
use crate::{
    client::{ClientError, Http, LogClient},
    evidence::{Source, folder::read_envelope},
    exit::{Exit, Failure},
    files::{self, Mode},
    history::{History, as_wide_as_in},
    output::causes,
    run::Run,
};

/// Pages of entries about one file that are looked through.
const MAX_PAGES: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The entry: its index in the log, or a file with the signed statement.
    #[arg(value_name = "INDEX|FILE")]
    entry: String,
    #[command(flatten)]
    named: Named,
    /// Where the proof is written [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the entry itself is written: the bytes that the proof is about.
    #[arg(long, value_name = "FILE")]
    save_entry: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema: &'static str,
    origin: String,
    url: String,
    index: u64,
    /// Entries of the tree that it is proven to be in.
    size: u64,
    root: String,
    /// Where the entry is an envelope, as all entries of logs of attest are.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement_id: Option<String>,
    /// The file, byte for byte.
    proof: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

/// What is to be proven.
enum Wanted {
    Index(LeafIndex),
    Statement(Box<Envelope>, ArtifactDigest),
}

/// An entry, and the proof that it is in the tree that the log signed.
struct Proven {
    entry: Vec<u8>,
    proof: TlogProof,
    checkpoint: LogCheckpoint,
}

/// A tile or bundle that gives no proof.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Tile(#[from] TileError),
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let wanted = wanted(&args.entry)?;
    let source = source(args, run)?;
    let (http, history) = (Http::new(), run.history()?);
    let mut failed = None;
    for url in &source.urls {
        let task = run.out.task(format!("asking {url}"));
        let proven =
            http.log(url).map_err(anyhow::Error::from).and_then(|client| prove(&client, &source, &wanted, &history));
        drop(task);
        match proven {
            Ok(proven) => return hand_out(&proven, args, &source, url, run),
            Err(error) => {
                if source.urls.len() > 1 {
                    run.out.warning(causes(error.as_ref()));
                }
                failed.get_or_insert(error);
            }
        }
    }
    Err(failed.unwrap_or_else(|| Failure::usage("no URL is known for the log").into()))
}

fn wanted(entry: &str) -> anyhow::Result<Wanted> {
    // A file may have any name, so a number that is one is meant as `./7`.
    if !entry.is_empty() && entry.bytes().all(|byte| byte.is_ascii_digit()) {
        let index = entry.parse().map_err(|error| Failure::usage(format!("{entry} is no index of a log: {error}")))?;
        return Ok(Wanted::Index(index));
    }
    let (envelope, statement) = read_envelope(Path::new(entry))?;
    Ok(Wanted::Statement(Box::new(envelope), statement.subject().digest))
}

fn source(args: &Args, run: &Run) -> anyhow::Result<Source> {
    if let Some(source) = args.named.source() {
        return Ok(source);
    }
    let mut sources = of_policies(&run.layers()?)?;
    let count = sources.len();
    sources.pop().filter(|_| count == 1).ok_or_else(|| {
        let failure = Failure::usage(format!("expected one log, found {count} in the policy"));
        failure.hint("say which: --log URL --vkey VKEY").into()
    })
}

fn prove(client: &LogClient, source: &Source, wanted: &Wanted, history: &History) -> anyhow::Result<Proven> {
    let undecided = |message: String| Failure::new(Exit::Undecided, message);
    let origin = source.log.name().as_str();
    // Where the log has it is asked before the checkpoint, which is of this or of a larger tree.
    let index = match wanted {
        Wanted::Index(index) => *index,
        Wanted::Statement(envelope, digest) => find(client, envelope, *digest)?,
    };
    let checkpoint = UnverifiedCheckpoint::parse(&client.checkpoint()?)
        .and_then(|note| note.verify(&source.log))
        .map_err(|error| undecided(format!("{} shows no checkpoint that {origin} signed: {error}", client.base())))?;
    history.admit(&source.log, &checkpoint, |id| client.tile(id))?;
    let size = checkpoint.head().size;
    if !size.contains(index) {
        let message = format!("{origin} has {size} entries, and none with index {index}");
        return Err(Failure::new(Exit::Refused, message).into());
    }
    let entry = match wanted {
        Wanted::Statement(envelope, _) => envelope.to_bytes(),
        Wanted::Index(_) => entry(client, index, size.get())?,
    };
    let path = tile::prove_inclusion(index, size, |id| -> Result<Vec<NodeHash>, ReadError> {
        Ok(client.tile(as_wide_as_in(size, id)?)?)
    })?;
    let note = checkpoint.note().to_string();
    let proof = TlogProof { extra: None, index, path, checkpoint: UnverifiedCheckpoint::parse(note.as_bytes())? };
    // As whoever gets the file will: from its bytes.
    let checkpoint = TlogProof::parse(proof.to_string().as_bytes())
        .and_then(|proof| proof.verify(LeafHash::of(&entry), &source.log))
        .map_err(|error| undecided(format!("{} proves nothing about entry {index}: {error}", client.base())))?;
    Ok(Proven { entry, proof, checkpoint })
}

/// Where the log says that it has an envelope. The proof shows whether that is so.
fn find(client: &LogClient, envelope: &Envelope, digest: ArtifactDigest) -> anyhow::Result<LeafIndex> {
    let (bytes, id) = (envelope.to_bytes(), envelope.statement_id());
    let (mut from, mut other) = (0, None);
    for _ in 0..MAX_PAGES {
        let found = client.artifact(digest, from)?;
        let Some(about) = found.artifacts.into_iter().find(|artifact| artifact.sha256 == digest) else { break };
        for entry in about.entries {
            if entry.envelope.as_bytes() == bytes {
                return Ok(LeafIndex::new(entry.index));
            }
            let same = Envelope::parse(entry.envelope.as_bytes()).is_ok_and(|theirs| theirs.statement_id() == id);
            other = other.or(same.then_some(entry.index));
        }
        match about.more_from {
            Some(next) => from = next,
            None => break,
        }
    }
    let failure = Failure::new(Exit::Refused, format!("{} does not have this statement ({id})", client.base()));
    Err(match other {
        Some(index) => failure.hint(format!("it has the statement in another envelope: `attest log proof {index}`")),
        None => failure.hint("`attest submit` sends it, and writes the proof beside it"),
    }
    .into())
}

/// The bytes of an entry, by the bundle that holds it.
fn entry(client: &LogClient, index: LeafIndex, size: u64) -> anyhow::Result<Vec<u8>> {
    let width = u64::from(TILE_WIDTH);
    let bundle = index.get() / width;
    let held = u16::try_from((size - bundle * width).min(width)).unwrap_or(TILE_WIDTH);
    let mut entries = client.entries(BundleId::new(bundle, held)?)?;
    let at = usize::try_from(index.get() % width)?;
    if at >= entries.len() {
        let message = format!("{} has a bundle without entry {index}, which it signed for", client.base());
        return Err(Failure::new(Exit::Undecided, message).into());
    }
    Ok(entries.swap_remove(at).into_bytes())
}

fn hand_out(proven: &Proven, args: &Args, source: &Source, url: &str, run: &Run) -> anyhow::Result<Exit> {
    let Proven { entry, proof, checkpoint } = proven;
    let text = proof.to_string();
    if let Some(path) = &args.save_entry {
        files::replace(path, entry, Mode::Shared)?;
    }
    if let Some(path) = &args.output {
        files::replace(path, text.as_bytes(), Mode::Shared)?;
    }
    let (origin, head) = (source.log.name().as_str(), checkpoint.head());
    if run.out.is_json() {
        run.out.json(&Document {
            schema: "attest.log-proof/v1",
            origin: origin.to_owned(),
            url: url.to_owned(),
            index: proof.index.get(),
            size: head.size.get(),
            root: head.root.to_string(),
            statement_id: Envelope::parse(entry).ok().map(|envelope| envelope.statement_id().to_string()),
            proof: text,
            file: args.output.clone(),
        })?;
        return Ok(Exit::Pass);
    }
    match &args.output {
        Some(path) => run.out.line(path.display())?,
        None => run.out.line(text.trim_end_matches('\n'))?,
    }
    run.out.note(format_args!("entry {} of the {} that {origin} signed, verified", proof.index, head.size));
    Ok(Exit::Pass)
}
