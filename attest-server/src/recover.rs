//! Opening a data folder, after a clean end or any crash: there is one path, and it is always taken.
//!
//! The tree is recomputed from the tile files of the right edge and the pending entries, and compared with everything
//! that was recorded about it. What is merely unfinished (a commit that was not signed yet, files that were not counted
//! as sealed) is carried on with. What was signed and is not there any more is refused: going on would sign a second
//! history, which nobody can take back.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    merkle::{Frontier, TreeHead, TreeSize},
    note::SignerKey,
    tile::{Resource, TILE_WIDTH, TileId, root_from_tiles},
    time::Timestamp,
};

use crate::store::{
    Database, DatabaseError, Head,
    highwater::{Highwater, HighwaterError, Mark},
    identity::{Identity, IdentityError, Kind},
    index::{Index, IndexError},
    lock::{DirectoryLock, LockError},
    sled::SledDatabase,
    space,
    tiles::TileStore,
    tree::{LogTree, ReadError},
};

/// Room that is kept on the disk.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes that stay free: below, new entries are refused.
    pub floor: u64,
    /// Bytes of the reserve file.
    pub reserve: u64,
}

/// Everything that a writer starts from.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) lock: DirectoryLock,
    pub(crate) identity: Identity,
    pub(crate) key: SignerKey,
    pub(crate) highwater: Highwater,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) tree: Arc<LogTree>,
    pub(crate) frontier: Frontier,
    pub(crate) head: Head,
    pub(crate) published: Option<LogCheckpoint>,
}

/// A data folder whose lock is held and whose identity is known.
#[derive(Debug)]
pub(crate) struct Folder {
    data: PathBuf,
    kind: Kind,
    lock: DirectoryLock,
    identity: Identity,
    key: SignerKey,
    highwater: Highwater,
}

impl Folder {
    /// Takes the lock, then reads what the folder is.
    pub(crate) fn open(data: &Path, kind: Kind) -> Result<Self, OpenError> {
        if !data.join("log.id").exists() {
            return Err(IdentityError::Missing { data: data.to_owned() }.into());
        }
        let lock = DirectoryLock::take(data)?;
        let (identity, key) = Identity::read(data, kind)?;
        let highwater = Highwater::open(data)?;
        Ok(Self { data: data.to_owned(), kind, lock, identity, key, highwater })
    }

    /// Opens the database in it, giving the reserve back first if the disk is full.
    pub(crate) fn database(&self, room: Room) -> Result<SledDatabase, OpenError> {
        let reserve = |source| OpenError::Reserve { path: self.data.join("reserve"), source };
        space::release_reserve(&self.data, room.reserve).map_err(reserve)?;
        let database = SledDatabase::open(&self.data)?;
        space::make_reserve(&self.data, room.reserve, room.floor).map_err(reserve)?;
        Ok(database)
    }

    /// Puts the tree together and compares it with everything that was recorded.
    pub(crate) fn recover(self, database: Arc<dyn Database>, now: Timestamp) -> Result<Recovered, OpenError> {
        let stored = database.head()?;
        let mark = self.highwater.mark();
        if mark.tree.size > stored.tree.size {
            return Err(OpenError::RolledBack { signed: mark.tree.size, stored: stored.tree.size });
        }
        let latest = mark.time.max(stored.time);
        if now < latest {
            return Err(OpenError::Clock { now, latest });
        }
        let tiles = TileStore::open(&self.data);
        if self.kind == Kind::Log {
            refuse_newer_tiles(&tiles, stored.tree.size)?;
        }
        let index = open_index(&self.data, stored.tree.size)?;
        let (tree, frontier) = LogTree::load(tiles, index, database.sealed()?, database.pending()?)?;
        if frontier.head() != stored.tree {
            return Err(OpenError::Root { what: "the database's head", recorded: stored.tree, found: frontier.head() });
        }
        check_root(&tree, "the highwater mark", mark.tree)?;
        let published = check_published(&*database, &self.identity, mark)?;
        if let Some(published) = &published {
            check_root(&tree, "the published checkpoint", published.head())?;
        }
        let epoch = database.lease()?;
        let Self { lock, identity, key, highwater, .. } = self;
        let head = Head { epoch, ..stored };
        Ok(Recovered { lock, identity, key, highwater, database, tree: Arc::new(tree), frontier, head, published })
    }
}

/// A tile that the database's tree cannot have filled yet was sealed by a later state of this log.
fn refuse_newer_tiles(tiles: &TileStore, size: TreeSize) -> Result<(), OpenError> {
    let next = TileId::new(0, size.get() / u64::from(TILE_WIDTH), TILE_WIDTH).map_err(ReadError::from)?;
    let path = tiles.path(Resource::Tile(next));
    if path.exists() {
        return Err(OpenError::TilesAhead { path, size });
    }
    Ok(())
}

/// Opens the index, or starts a new one where it is of another tree: it is derived, so no operator is needed.
fn open_index(data: &Path, size: TreeSize) -> Result<Index, OpenError> {
    let index = Index::open(data)?;
    let covered = index.reaches();
    if covered <= size {
        return Ok(index);
    }
    tracing::warn!(covered = covered.get(), size = size.get(), "the index is of another tree: rebuilding it");
    drop(index);
    delete_index(data)?;
    Ok(Index::open(data)?)
}

fn delete_index(data: &Path) -> Result<(), OpenError> {
    for path in [data.join("index"), data.join("negatives")] {
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::DeleteIndex { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_root(tree: &LogTree, what: &'static str, recorded: TreeHead) -> Result<(), OpenError> {
    let root = root_from_tiles(recorded.size, |tile| tree.hashes(tile))?;
    if root != recorded.root {
        let found = TreeHead { root, ..recorded };
        return Err(OpenError::Root { what, recorded, found });
    }
    Ok(())
}

fn check_published(
    database: &dyn Database,
    identity: &Identity,
    mark: Mark,
) -> Result<Option<LogCheckpoint>, OpenError> {
    let Some(stored) = database.published()? else {
        return Ok(None);
    };
    let checkpoint = UnverifiedCheckpoint::parse(stored.note.as_bytes())?.verify(identity.log())?;
    if checkpoint.head().size > mark.tree.size {
        return Err(OpenError::HighwaterBehind { marked: mark.tree.size, published: checkpoint.head().size });
    }
    Ok(Some(checkpoint))
}

/// Deletes the index of a data folder that no process uses and makes it again from the entry bundles.
pub fn rebuild_index(data: &Path, kind: Kind, room: Room, now: Timestamp) -> Result<TreeSize, OpenError> {
    let folder = Folder::open(data, kind)?;
    delete_index(data)?;
    let database = Arc::new(folder.database(room)?);
    let recovered = folder.recover(database, now)?;
    Ok(recovered.tree.index().covered())
}

/// Why a log or mirror did not open. Nothing was signed, and nothing was changed that matters.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Not a log, or not this kind.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The highwater file is damaged.
    #[error(transparent)]
    Highwater(#[from] HighwaterError),
    /// The database is damaged, emptied, or does not open.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The right edge of the tree, or what the index is made of, cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index does not open.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The stored checkpoint is not one of this log.
    #[error("the stored checkpoint is not one of this log")]
    Checkpoint(#[from] CheckpointError),
    /// The database is older than what was signed.
    #[error(
        "the database holds {} entries, but a tree of {} was signed: it is older than the log\nhint: restore the newest \
         state, and delete db.found/ with this one; signing from this one would fork the log. If that state is lost, start a new log under a new name, and \
         publish the final size and root of this one",
        stored.get(), signed.get()
    )]
    RolledBack {
        /// Size in the highwater file.
        signed: TreeSize,
        /// Size in the database.
        stored: TreeSize,
    },
    /// The highwater file is older than what was published.
    #[error(
        "a checkpoint of size {} was published, but the highwater file only knows of {}: it is damaged or restored from \
         an older backup\nhint: restore the newest state of the whole folder",
        published.get(), marked.get()
    )]
    HighwaterBehind {
        /// Size in the highwater file.
        marked: TreeSize,
        /// Size of the stored checkpoint.
        published: TreeSize,
    },
    /// Sealed tiles that the database does not know of.
    #[error(
        "{} is sealed, but the database holds only {} entries: it is older than the tiles\nhint: restore db/ and tile/ \
         from the same, newest state, and delete db.found/",
        path.display(), size.get()
    )]
    TilesAhead {
        /// The tile.
        path: PathBuf,
        /// Size in the database.
        size: TreeSize,
    },
    /// The tree on disk is not the recorded one.
    #[error(
        "the tree of size {} on disk has the root {}, but {what} has {}\nhint: tiles or pending entries are damaged; \
         restore the files of the right edge from a mirror or backup",
        recorded.size.get(), found.root, recorded.root
    )]
    Root {
        /// Where the root was recorded.
        what: &'static str,
        /// What was recorded.
        recorded: TreeHead,
        /// What the files give.
        found: TreeHead,
    },
    /// The clock is behind.
    #[error(
        "this machine's clock says {now}, but a tree was written at {latest}\nhint: set the clock; a log does not sign \
         before its own past"
    )]
    Clock {
        /// This machine's clock.
        now: Timestamp,
        /// The latest time that is recorded.
        latest: Timestamp,
    },
    /// The reserve file could not be made or given back.
    #[error("{}: the reserve could not be made or given back", path.display())]
    Reserve {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// The index could not be deleted.
    #[error("{}: the index could not be deleted", path.display())]
    DeleteIndex {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A frozen log that never signed anything.
    #[error(
        "{} is frozen and has published nothing: there is nothing to serve\nhint: open it with `attest-server freeze --off`",
        data.display()
    )]
    FrozenUnpublished {
        /// The data folder.
        data: PathBuf,
    },
    /// The first checkpoint could not be published.
    #[error(transparent)]
    Publish(#[from] crate::sequencer::PublishError),
    /// A thread could not be started.
    #[error("a thread could not be started")]
    Thread(#[source] io::Error),
}

#[cfg(test)]
mod tests;
