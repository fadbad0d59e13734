//! What a data folder says about itself, before its tree is computed: identity, mark, database, index, stray files.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use attest_core::{
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::TreeSize,
    time::Timestamp,
};

use super::{
    files,
    finding::{Fault, Findings},
    scratch::Scratch,
    source::DataFiles,
    walk::Milestone,
};
use crate::{
    logging::chain,
    store::{
        Database as _, DatabaseError, Head,
        highwater::{Highwater, Mark},
        identity::{Identity, IdentityError, Kind},
        index::audit::Audit,
        lock::{DirectoryLock, LockError},
        sled::SledDatabase,
        tiles::TileStore,
    },
};

/// A folder that holds a log or a mirror, ready for the walk over its tree.
#[derive(Debug)]
pub(crate) struct DataFolder {
    pub(crate) identity: Identity,
    pub(crate) head: Head,
    pub(crate) published: Option<LogCheckpoint>,
    pub(crate) files: DataFiles,
    pub(crate) milestones: Vec<Milestone>,
    pub(crate) index: Option<(Arc<Audit>, TreeSize)>,
    /// Nobody else writes, and the copy of the database stays, for as long as these are held.
    pub(crate) held: (DirectoryLock, Scratch),
}

/// Why a folder cannot be looked at. Says nothing about what is in it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// No log.
    #[error(transparent)]
    NotALog(IdentityError),
    /// In use.
    #[error(
        "{source}\nhint: a log that runs is checked over HTTP, with `fsck --url URL --vkey VKEY`; its folder when it is \
         stopped"
    )]
    Lock {
        /// By whom.
        source: LockError,
    },
    /// The copy of the database could not be made.
    #[error("the database could not be copied to a temporary folder")]
    Copy(#[source] io::Error),
}

impl DataFolder {
    /// Looks at everything that is not the tree. Blocks. `None` when what is broken keeps the tree from being looked at.
    pub(crate) fn examine(data: &Path, now: Timestamp, findings: &mut Findings) -> Result<Option<Self>, DataError> {
        if !data.join("log.id").exists() {
            return Err(DataError::NotALog(IdentityError::Missing { data: data.to_owned() }));
        }
        let lock = DirectoryLock::take(data).map_err(|source| DataError::Lock { source })?;
        let identity = match Identity::load(data) {
            Ok(identity) => identity,
            Err(error) => {
                findings.fault(Fault::new("log.id", "the identity of a log or mirror", chain(&error)));
                return Ok(None);
            }
        };
        if let Err(error) = Identity::read(data, identity.kind()) {
            findings.fault(Fault::new("log.key", "the secret key that belongs to log.id", chain(&error)));
        }
        let mark = examine_mark(data, now, findings);
        let scratch = Scratch::of_database(data).map_err(DataError::Copy)?;
        // sled panics on some of what it finds in damaged files.
        let stored = match catch_unwind(AssertUnwindSafe(|| Stored::read(scratch.path()))) {
            Ok(Ok(stored)) => stored,
            read => {
                let found = read.map_or_else(
                    |_| "files that it cannot read".to_owned(),
                    |read| read.err().map(|error| chain(&error)).unwrap_or_default(),
                );
                findings.fault(Fault::new("db", "the database of this log", found));
                return Ok(None);
            }
        };
        let published = examine_checkpoint(&stored, &identity, findings);
        let milestones = examine_sizes(&stored, mark, published.as_ref(), findings);
        let head = stored.head;
        let index = examine_index(data, &stored, findings);
        let files = DataFiles { tiles: TileStore::open(data), sealed: stored.sealed, pending: stored.pending };
        files::examine(data, identity.kind(), head.tree.size, &files, findings);
        Ok(Some(Self { identity, head, published, files, milestones, index, held: (lock, scratch) }))
    }
}

/// What the database holds.
struct Stored {
    head: Head,
    sealed: TreeSize,
    pending: Vec<attest_core::tile::Entry>,
    note: Option<String>,
}

impl Stored {
    fn read(scratch: &Path) -> Result<Self, DatabaseError> {
        let database = SledDatabase::open(scratch)?;
        Ok(Self {
            head: database.head()?,
            sealed: database.sealed()?,
            pending: database.pending()?,
            note: database.published()?.map(|stored| stored.note),
        })
    }
}

fn examine_mark(data: &Path, now: Timestamp, findings: &mut Findings) -> Option<Mark> {
    let mark = match Highwater::open(data) {
        Ok(highwater) => highwater.mark(),
        Err(error) => {
            findings.fault(Fault::new("highwater", "a record of the largest signed tree", chain(&error)));
            return None;
        }
    };
    if mark.time > now {
        let (mark, now) = (mark.time, now);
        findings.note(format!("highwater is of {mark}, and this machine's clock says {now}: a start is refused"));
    }
    Some(mark)
}

fn examine_checkpoint(stored: &Stored, identity: &Identity, findings: &mut Findings) -> Option<LogCheckpoint> {
    let Some(note) = &stored.note else {
        findings.note("no checkpoint was published yet".to_owned());
        return None;
    };
    let verified = UnverifiedCheckpoint::parse(note.as_bytes()).and_then(|note| note.verify(identity.log()));
    let checkpoint = match verified {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            let expected = format!("a checkpoint signed by {}", identity.log());
            findings.fault(Fault::new("db: checkpoint", expected, chain(&error)));
            return None;
        }
    };
    if identity.kind() == Kind::Mirror {
        let own = identity.own();
        match checkpoint.cosignatures(std::slice::from_ref(own)) {
            Ok(lines) if lines.is_empty() => {
                findings.note("the checkpoint is not cosigned yet: the next start does it".to_owned());
            }
            Ok(_) => {}
            Err(error) => {
                findings.fault(Fault::new("db: checkpoint", format!("a cosignature of {own}"), chain(&error)));
            }
        }
    }
    Some(checkpoint)
}

/// Published <= marked <= stored: what is ahead of what it rests on was lost.
fn examine_sizes(
    stored: &Stored,
    mark: Option<Mark>,
    published: Option<&LogCheckpoint>,
    findings: &mut Findings,
) -> Vec<Milestone> {
    let head = stored.head.tree;
    let mut milestones = vec![Milestone { path: PathBuf::from("db: head"), head }];
    let mut below = |path: &str, tree: attest_core::merkle::TreeHead| {
        if tree.size > head.size {
            let expected = format!("at most the {} entries of the database", head.size);
            findings.fault(Fault::new(path, expected, format!("{} entries, signed", tree.size)));
        } else {
            milestones.push(Milestone { path: PathBuf::from(path), head: tree });
        }
    };
    if let Some(mark) = mark {
        below("highwater", mark.tree);
    }
    if let Some(published) = published {
        below("db: checkpoint", published.head());
    }
    if let (Some(mark), Some(published)) = (mark, published)
        && published.head().size > mark.tree.size
    {
        let expected = format!("the published size {} or more", published.head().size);
        findings.fault(Fault::new("highwater", expected, mark.tree.size.to_string()));
    }
    if !stored.sealed.get().is_multiple_of(256) || stored.sealed > head.size {
        let expected = format!("a multiple of 256 up to {}", head.size);
        findings.fault(Fault::new("db: sealed size", expected, stored.sealed.to_string()));
    }
    milestones
}

/// The index may be behind what is sealed (the next start adds the rest), never ahead of the log.
fn examine_index(data: &Path, stored: &Stored, findings: &mut Findings) -> Option<(Arc<Audit>, TreeSize)> {
    if !data.join("index").exists() {
        if stored.sealed > TreeSize::ZERO {
            findings.note("there is no index: the next start makes it".to_owned());
        }
        return None;
    }
    let index = match Audit::open(data) {
        Ok(index) => index,
        Err(error) => {
            findings.fault(Fault::new("index", "the index of this log", chain(&error)));
            return None;
        }
    };
    for file in index.damaged() {
        findings.fault(Fault::new(file, "a part of the index", "something else, or another version of it"));
    }
    for file in index.useless() {
        findings.note(format!("{file}: left by an interrupted write; the next start deletes it"));
    }
    let covered = index.covered();
    if covered > stored.head.tree.size {
        let expected = format!("at most the {} entries of the log", stored.head.tree.size);
        findings.fault(Fault::new("index", expected, covered.to_string()));
    } else if covered < stored.sealed {
        let sealed = stored.sealed;
        findings.note(format!("the index has {covered} of {sealed} sealed entries: the next start adds the rest"));
    }
    Some((Arc::new(index), covered.min(stored.head.tree.size)))
}

/// Whether something is there, whatever it is.
pub(super) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
