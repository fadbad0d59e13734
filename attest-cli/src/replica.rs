//! A whole log on this machine: who asks it tells nobody what is about to be installed, and hears everything that the log
//! holds about a file (docs/TRUST.md 4.4).
//!
//! ```text
//! state              the checkpoint that all of it was proven against, and the length and SHA-256 of every index shard
//! tile/...           hash tiles and entry bundles by their C2SP tlog-tiles names, not compressed
//! index/00..ff       by first byte of the digest: digest, log index, place of the entry in its bundle
//! ```
//!
//! `state` is replaced last, so it alone says what is there. Entries that were downloaded and not yet proven are hashed
//! again by the next run ([`sync`]). Nothing of it is believed when it is used: one entry that is not proven to be
//! under the checkpoint, or one shard that is not the one that `state` names, and there is no answer.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::{LeafHash, LeafIndex, NodeHash, TreeHead, verify_inclusion},
    note::VerifierKey,
    tile::{self, BundleId, Prover, Resource, TILE_WIDTH, TileError, TileId},
    time::Timestamp,
    verify::{LogView, LoggedEntry},
};

use crate::{
    client::ClientError,
    fields::{Reader, Writer},
    files::{self, FileError, Mode},
    history::{self, HistoryError},
};

use index::{Index, Record, Shard};

mod index;
mod read;
pub(crate) mod sync;

const HEADER: &str = "attest replica 1\n";
/// A note, and 256 shards.
const MAX_STATE: u64 = 128 * 1024;
const MAX_TILE: u64 = TILE_WIDTH as u64 * 32;

/// Where a log is kept whole.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    folder: PathBuf,
    log: VerifierKey,
}

/// What a replica holds.
#[derive(Clone, Debug)]
struct State {
    /// When the log showed this checkpoint.
    shown_at: Timestamp,
    checkpoint: LogCheckpoint,
    index: Index,
}

/// A replica gives no answer, or could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicaError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is damaged: expected {expected}", .path.display())]
    Damaged { path: PathBuf, expected: &'static str },
    #[error("{url} shows no checkpoint that {origin} signed")]
    Checkpoint { url: String, origin: String, source: attest_core::checkpoint::CheckpointError },
    #[error(
        "{url} handed out entries that are not those of the tree that {origin} signed: none of them is kept (expected \
         root {expected} of {size} entries, found {found})"
    )]
    OtherEntries { url: String, origin: String, size: u64, expected: String, found: String },
    #[error("{url} shows a tree of {shown} entries, fewer than the {held} that are kept")]
    Smaller { url: String, held: u64, shown: u64 },
    #[error(transparent)]
    Tile(#[from] TileError),
}

impl ReplicaError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Client(error) => error.hint(),
            Self::Damaged { .. } => Some("`attest log sync --anew` removes it and begins again".to_owned()),
            Self::OtherEntries { .. } | Self::Smaller { .. } => Some("ask another server of the log".to_owned()),
            _ => None,
        }
    }
}

/// What a replica says about some files.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) view: LogView,
    /// The tree that was searched.
    pub(crate) head: TreeHead,
}

/// One run at a time.
#[derive(Debug)]
pub(crate) struct Locked<'r> {
    replica: &'r Replica,
    _lock: File,
}

impl Replica {
    /// The place of a log's replica in the folder where attest keeps its data.
    pub(crate) fn new(data: &Path, log: &VerifierKey) -> Self {
        Self { folder: data.join("replicas").join(history::file_name(log)), log: log.clone() }
    }

    /// Whether the user wants this log to be kept here: a synchronisation was at least begun.
    pub(crate) fn is_kept(&self) -> bool {
        self.folder.exists()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits for the runs that are at it.
    pub(crate) fn lock(&self) -> Result<Locked<'_>, ReplicaError> {
        let path = self.folder.join("lock");
        let failed = |source| FileError::Write { path: path.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Locked { replica: self, _lock: file })
    }

    fn path(&self, resource: Resource) -> PathBuf {
        self.folder.join(resource.to_string())
    }

    fn damaged(&self, name: impl AsRef<Path>, expected: &'static str) -> ReplicaError {
        ReplicaError::Damaged { path: self.folder.join(name), expected }
    }

    fn state(&self) -> Result<Option<State>, ReplicaError> {
        let path = self.folder.join("state");
        let bytes = match files::read(&path, MAX_STATE) {
            Ok(bytes) => bytes,
            Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let state = State::parse(&bytes, &self.log);
        state.map(Some).ok_or_else(|| self.damaged("state", "what was written there last"))
    }

    /// The hashes of a tile that is kept.
    fn tile(&self, id: TileId) -> Result<Vec<NodeHash>, ReplicaError> {
        let bytes = files::read(&self.path(Resource::Tile(id)), MAX_TILE)?;
        Ok(tile::decode_tile(id, &bytes)?)
    }
}

impl Locked<'_> {
    /// When the log last showed what is held here; `None` where nothing is.
    pub(crate) fn shown_at(&self) -> Result<Option<Timestamp>, ReplicaError> {
        Ok(self.replica.state()?.map(|state| state.shown_at))
    }

    /// Everything that the log holds about these files; `None` where no synchronisation was ever finished.
    pub(crate) fn lookup(&self, digests: &[ArtifactDigest]) -> Result<Option<Found>, ReplicaError> {
        let replica = self.replica;
        let Some(state) = replica.state()? else { return Ok(None) };
        let head = state.checkpoint.head();
        let mut entries = Vec::new();
        self.each(&state, digests, |entry| {
            entries.push(entry);
            Ok(())
        })?;
        let checkpoint = state.checkpoint.note().to_string().into_bytes();
        Ok(Some(Found { view: LogView { checkpoint, entries }, head }))
    }

    /// Hands out everything about these digests in log order, each entry proven: one at a time is in memory.
    fn each(
        &self,
        state: &State,
        digests: &[ArtifactDigest],
        mut visit: impl FnMut(LoggedEntry) -> Result<(), ReplicaError>,
    ) -> Result<(), ReplicaError> {
        let (replica, head) = (self.replica, state.checkpoint.head());
        let mut records = state.index.about(&replica.folder, digests)?;
        records.sort_unstable_by_key(|record| record.index);
        let mut prover = Prover::new(head.size, |id| replica.tile(id));
        let mut bundle: Option<(u64, File)> = None;
        for record in records {
            let index = LeafIndex::new(record.index);
            let number = record.index / u64::from(TILE_WIDTH);
            let file = match bundle.take().filter(|(open, _)| *open == number) {
                Some((_, file)) => file,
                None => replica.bundle(number, head)?,
            };
            let damaged = || replica.damaged("tile", "the entries and hashes that were proven");
            let envelope = record.read(&file).map_err(|_| damaged())?;
            let path = prover.inclusion(index)?;
            // Here already: a contradiction that no longer reads as one would be missed by nobody.
            verify_inclusion(LeafHash::of(&envelope), index, head, &path).map_err(|_| damaged())?;
            visit(LoggedEntry { index, envelope, path })?;
            bundle = Some((number, file));
        }
        Ok(())
    }
}

impl Replica {
    /// A bundle, as wide as it is in the tree that is held.
    fn bundle(&self, number: u64, head: TreeHead) -> Result<File, ReplicaError> {
        let path = self.path(Resource::Bundle(bundle_id(number, head)?));
        Ok(File::open(&path).map_err(|source| FileError::Read { path, source })?)
    }
}

/// A bundle, as wide as it is in a tree.
fn bundle_id(number: u64, head: TreeHead) -> Result<BundleId, TileError> {
    let left = head.size.get().saturating_sub(number.saturating_mul(u64::from(TILE_WIDTH)));
    BundleId::new(number, u16::try_from(left).unwrap_or(TILE_WIDTH).min(TILE_WIDTH))
}

impl State {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new(HEADER);
        out.number(self.shown_at.secs());
        out.bytes(self.checkpoint.note().to_string().as_bytes());
        out.each(self.index.shards(), |out, shard| {
            out.number(shard.len);
            out.hash(shard.digest.as_bytes());
        });
        out.finish()
    }

    /// Signed by the log: what is held of one log is not that of another.
    fn parse(bytes: &[u8], log: &VerifierKey) -> Option<Self> {
        let mut rest = Reader::open(HEADER, bytes)?;
        let shown_at = Timestamp::from_secs(rest.number()?);
        let checkpoint = UnverifiedCheckpoint::parse(rest.bytes()?).and_then(|note| note.verify(log)).ok()?;
        let shards =
            rest.each(|rest| Some(Shard { len: rest.number()?, digest: ArtifactDigest::from_bytes(rest.hash()?) }))?;
        let index = Index::new(shards)?;
        rest.is_empty().then_some(Self { shown_at, checkpoint, index })
    }

    fn write(&self, folder: &Path) -> Result<(), FileError> {
        files::replace(&folder.join("state"), &self.to_bytes(), Mode::Private)
    }
}
