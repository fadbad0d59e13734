//! The newest checkpoint seen of each log, so that nobody shows this user a second history unnoticed.
//!
//! A log is remembered under its whole verifier key: a new key is a new log (docs/TRUST.md 5.3).

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    fs::{self, File},
    io, panic,
    path::{Path, PathBuf},
    thread,
};

use attest_core::{
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    fork::ForkEvidence,
    merkle::{NodeHash, RootHash, TreeHead, TreeSize, verify_consistency},
    note::VerifierKey,
    tile::{self, TILE_WIDTH, TileError, TileId},
    verify::ProvenFork,
};

mod earlier;

use crate::{
    client::ClientError,
    files::{self, FileError, Mode},
    output::causes,
};

/// As [`crate::client`] bounds a checkpoint.
const MAX_NOTE: u64 = 64 * 1024;

/// What was remembered of a log before the checkpoint at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing: from now on it is held to this checkpoint.
    First,
    /// The same tree.
    Same,
    /// A smaller tree, proven to be the beginning of this one.
    GrewFrom(TreeSize),
}

/// Checkpoints seen, one file for each log.
#[derive(Clone, Debug)]
pub(crate) struct History {
    folder: PathBuf,
}

/// A checkpoint does not continue what was seen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error(
        "{origin} shows two histories: it signed a tree of {seen} entries that is not the beginning of the one of {shown} \
         it signed too; {evidence}"
    )]
    Fork { origin: String, seen: u64, shown: u64, notes: Box<[String; 2]>, evidence: Kept },
    #[error("{origin} shows an old checkpoint: expected at least the {seen} entries seen before, found {shown}")]
    Stale { origin: String, seen: u64, shown: u64 },
    #[error("{origin}: nothing shows that its {shown} entries continue the {seen} seen before, or begin them")]
    Unproven { origin: String, seen: u64, shown: u64, source: UnprovenError },
    #[error("what was seen of {origin} cannot be kept")]
    State { origin: String, source: StateError },
    #[error("{} is no checkpoint of {origin}: look why, and remove it to start anew", .path.display())]
    Remembered { origin: String, path: PathBuf },
}

impl HistoryError {
    /// What it proves, as evidence about every file that the log speaks of.
    pub(crate) fn proven_fork(&self) -> Option<ProvenFork> {
        match self {
            Self::Fork { origin, notes, .. } => Some(ProvenFork { origin: origin.clone(), notes: (**notes).clone() }),
            _ => None,
        }
    }
}

/// Where the evidence is. A fork is proven whether or not the disk takes it.
#[derive(Debug)]
pub(crate) struct Kept(Result<PathBuf, FileError>);

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(path) => write!(f, "both signed notes are kept in {}", path.display()),
            Err(error) => write!(f, "the signed notes could not be kept: {}", causes(error)),
        }
    }
}

/// Why a consistency proof could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnprovenError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Tile(#[from] TileError),
    #[error("its tiles do not belong to the tree it signed")]
    Foreign,
    #[error("nobody may be asked for its tiles")]
    NotAsked,
}

/// The memory itself failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot lock {}", .path.display())]
    Lock { path: PathBuf, source: io::Error },
}

impl History {
    /// In the folder where attest keeps its data.
    pub(crate) fn new(data: &Path) -> Self {
        Self { folder: data.join("logs") }
    }

    /// The newest checkpoint seen of a log.
    pub(crate) fn last(&self, log: &VerifierKey) -> Result<Option<LogCheckpoint>, HistoryError> {
        let path = self.path(log, "checkpoint");
        let bytes = match files::read(&path, MAX_NOTE) {
            Ok(bytes) => bytes,
            Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(state(log, error.into())),
        };
        match UnverifiedCheckpoint::parse(&bytes).and_then(|note| note.verify(log)) {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(_) => Err(HistoryError::Remembered { origin: origin(log), path }),
        }
    }

    /// Holds a checkpoint to what was seen before, and remembers it when it is newer. `read` fetches tiles of the tree
    /// that `shown` commits to.
    pub(crate) fn admit<E: Into<UnprovenError> + Send>(
        &self,
        log: &VerifierKey,
        shown: &LogCheckpoint,
        read: impl Fn(TileId) -> Result<Vec<NodeHash>, E> + Sync,
    ) -> Result<Seen, HistoryError> {
        let _lock = self.lock(log)?;
        self.admit_locked(log, shown, |tiles| at_once(tiles, read))
    }

    fn admit_locked(
        &self,
        log: &VerifierKey,
        shown: &LogCheckpoint,
        read: impl FnOnce(&BTreeSet<TileId>) -> Result<Vec<Vec<NodeHash>>, UnprovenError>,
    ) -> Result<Seen, HistoryError> {
        let Some(last) = self.last(log)? else {
            // What was proven of another history says nothing about this one.
            self.forget_earlier(log)?;
            self.remember(log, shown)?;
            return Ok(Seen::First);
        };
        let (old, new) = (last.head(), shown.head());
        if new.size < old.size {
            return Err(HistoryError::Stale { origin: origin(log), seen: old.size.get(), shown: new.size.get() });
        }
        let continues = if new.size == old.size {
            new.root == old.root
        } else {
            root_at(old.size, new, read).map_err(|source| HistoryError::Unproven {
                origin: origin(log),
                seen: old.size.get(),
                shown: new.size.get(),
                source,
            })? == old.root
        };
        if !continues {
            return Err(self.keep_fork(log, &last, shown));
        }
        if new.size == old.size {
            return Ok(Seen::Same);
        }
        self.remember(log, shown)?;
        self.remember_earlier(log, old)?;
        Ok(Seen::GrewFrom(old.size))
    }

    fn remember(&self, log: &VerifierKey, shown: &LogCheckpoint) -> Result<(), HistoryError> {
        files::replace(&self.path(log, "checkpoint"), shown.note().to_string().as_bytes(), Mode::Shared)
            .map_err(|error| state(log, error.into()))
    }

    /// The two notes are the proof: they are never overwritten (docs/TRUST.md 5.4).
    fn keep_fork(&self, log: &VerifierKey, last: &LogCheckpoint, shown: &LogCheckpoint) -> HistoryError {
        let notes = format!("{}\n{}", last.note(), shown.note());
        let name = ArtifactDigest::of(notes.as_bytes()).to_string();
        let evidence = self.path(log, &format!("fork-{}", &name[..16]));
        let kept = match files::create(&evidence, notes.as_bytes(), Mode::Shared) {
            Ok(()) | Err(FileError::Exists { .. }) => Kept(Ok(evidence)),
            Err(error) => Kept(Err(error)),
        };
        HistoryError::Fork {
            origin: origin(log),
            seen: last.head().size.get(),
            shown: shown.head().size.get(),
            notes: Box::new([last.note().to_string(), shown.note().to_string()]),
            evidence: kept,
        }
    }

    /// Keeps evidence of a fork, found elsewhere than in what was seen before, and gives its path. The same two notes are
    /// kept once.
    pub(crate) fn keep_evidence(&self, log: &VerifierKey, evidence: &ForkEvidence) -> Result<PathBuf, HistoryError> {
        let name = ArtifactDigest::of(evidence.notes().concat().as_bytes()).to_string();
        let path = self.path(log, &format!("fork-{}.json", &name[..16]));
        fs::create_dir_all(&self.folder)
            .map_err(|source| state(log, StateError::Lock { path: self.folder.clone(), source }))?;
        match files::create(&path, evidence.to_json().as_bytes(), Mode::Shared) {
            Ok(()) | Err(FileError::Exists { .. }) => Ok(path),
            Err(error) => Err(state(log, error.into())),
        }
    }

    /// Two runs at once do not lose the newer of their checkpoints.
    fn lock(&self, log: &VerifierKey) -> Result<File, HistoryError> {
        let path = self.path(log, "lock");
        let failed = |source| state(log, StateError::Lock { path: path.clone(), source });
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn path(&self, log: &VerifierKey, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", file_name(log)))
    }
}

/// What files about a log are called: readable, and another for every key.
pub(crate) fn file_name(log: &VerifierKey) -> String {
    let name: String = origin(log)
        .chars()
        .take(60)
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' })
        .collect();
    let id = ArtifactDigest::of(log.to_string().as_bytes()).to_string();
    format!("{name}-{}", &id[..16])
}

fn origin(log: &VerifierKey) -> String {
    log.name().as_str().to_owned()
}

fn state(log: &VerifierKey, source: StateError) -> HistoryError {
    HistoryError::State { origin: origin(log), source }
}

/// The root that the tree of `new` had at an earlier size, from tiles that are checked against `new`.
///
/// It is first computed from what was fetched and then proven to lie under `new`'s root. So tiles that do not belong to
/// the tree are an error of whoever served them, and only a proven root can differ from one that the log signed.
fn root_at(
    old: TreeSize,
    new: TreeHead,
    read: impl FnOnce(&BTreeSet<TileId>) -> Result<Vec<Vec<NodeHash>>, UnprovenError>,
) -> Result<RootHash, UnprovenError> {
    if old == TreeSize::ZERO {
        return Ok(RootHash::of_empty());
    }
    let needed = tile::tiles_for_root(old).into_iter().chain(tile::tiles_for_consistency(old, new.size));
    let needed: BTreeSet<TileId> = needed.map(|id| as_wide_as_in(new.size, id)).collect::<Result<_, _>>()?;
    let tiles: HashMap<_, _> = needed.iter().map(|id| (id.level(), id.index())).zip(read(&needed)?).collect();
    let mut fetched = |id: TileId| tiles.get(&(id.level(), id.index())).cloned().ok_or(UnprovenError::Foreign);
    let root = tile::root_from_tiles(old, &mut fetched)?;
    let proof = tile::prove_consistency(old, new.size, &mut fetched)?;
    verify_consistency(TreeHead { size: old, root }, new, &proof).map_err(|_| UnprovenError::Foreign)?;
    Ok(root)
}

/// All of them in one round trip. They are few: a tile covers eight levels of the tree.
fn at_once<E: Into<UnprovenError> + Send>(
    tiles: &BTreeSet<TileId>,
    read: impl Fn(TileId) -> Result<Vec<NodeHash>, E> + Sync,
) -> Result<Vec<Vec<NodeHash>>, UnprovenError> {
    thread::scope(|scope| {
        let asking: Vec<_> = tiles.iter().map(|id| scope.spawn(|| read(*id))).collect();
        let read = asking.into_iter().map(|thread| thread.join().unwrap_or_else(|reason| panic::resume_unwind(reason)));
        read.map(|hashes| hashes.map_err(Into::into)).collect()
    })
}

/// Partial tiles of earlier sizes may be gone once the tile has grown (tlog-tiles, "Pruning").
pub(crate) fn as_wide_as_in(size: TreeSize, id: TileId) -> Result<TileId, TileError> {
    let hashes = size.get() >> (8 * u32::from(id.level()));
    let left = hashes.saturating_sub(id.index().saturating_mul(u64::from(TILE_WIDTH)));
    let width = u16::try_from(left).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
    TileId::new(id.level(), id.index(), width)
}

#[cfg(test)]
mod tests {
    use attest_core::{
        checkpoint::Checkpoint,
        note::{KeyName, KeyType, SignerKey},
    };

    use super::*;

    #[test]
    fn a_fork_is_one_though_its_evidence_cannot_be_kept() {
        let key = SignerKey::from_seed(KeyName::new("log.test").unwrap(), KeyType::Ed25519, [7; 32]);
        let signed = |root| {
            let head = TreeHead { size: TreeSize::new(2), root: RootHash::from_bytes([root; 32]) };
            Checkpoint { origin: "log.test".to_owned(), head }.sign(&key).unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        // Where a folder should be.
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let nowhere = History::new(&file);
        let fork = nowhere.keep_fork(key.verifier(), &signed(1), &signed(2));
        assert!(fork.proven_fork().is_some(), "{fork:?}");
        assert!(fork.to_string().contains("could not be kept"), "{fork}");
    }
}
