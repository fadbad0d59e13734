//! A folder that holds a published copy of a log: what `export` writes, what a static server serves, and what `backup`
//! keeps and `restore` reads.
//!
//! | file | what |
//! |---|---|
//! | `checkpoint` | the signed checkpoint that everything else is complete for; written last |
//! | `tile/` | full and partial tiles and bundles, as tlog-tiles names them |
//! | `.attest-export` | whose copy this is, and how its bundles lie; written first, and the lock of whoever writes |

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    merkle::{NodeHash, RootHash, TreeSize},
    note::VerifierKey,
    tile::{BundleId, Edge, Entry, MAX_BUNDLE_LEN, Resource, TileId, decode_bundle, decode_tile, edge_tiles},
};
use serde::{Deserialize, Serialize};

use super::files::Form;
use crate::{
    fsck::SourceError,
    store::{bundle, durable},
};

const MARKER: &str = ".attest-export";
const FORMAT: u32 = 1;

/// What `.attest-export` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    format: u32,
    vkey: String,
    bundles: Form,
}

/// A copy, to read from.
#[derive(Clone, Debug)]
pub(crate) struct CopyFiles {
    root: PathBuf,
    form: Form,
}

/// A copy, to write to. There is one writer.
#[derive(Debug)]
pub(crate) struct Copy {
    files: CopyFiles,
    log: VerifierKey,
    _lock: File,
}

impl Copy {
    /// Opens the copy in `root`, or starts one in a new or empty folder. `form` is the one it is to have; without it,
    /// the one it has.
    pub(crate) fn open(root: &Path, log: &VerifierKey, form: Option<Form>) -> Result<Self, CopyError> {
        let io = |source| CopyError::Io { path: root.to_owned(), source };
        fs::create_dir_all(root).map_err(io)?;
        let marker = match Marker::read(root)? {
            Some(marker) => marker,
            None => Marker::create(root, log, form.unwrap_or(Form::Plain))?,
        };
        if marker.vkey != log.to_string() {
            return Err(CopyError::OtherLog { root: root.to_owned(), expected: log.to_string(), found: marker.vkey });
        }
        if let Some(expected) = form.filter(|form| *form != marker.bundles) {
            return Err(CopyError::OtherForm { root: root.to_owned(), expected, found: marker.bundles });
        }
        let lock = OpenOptions::new().write(true).open(root.join(MARKER)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CopyError::Held { root: root.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let files = CopyFiles { root: root.to_owned(), form: marker.bundles };
        Ok(Self { files, log: log.clone(), _lock: lock })
    }

    pub(crate) const fn files(&self) -> &CopyFiles {
        &self.files
    }

    /// The checkpoint that it is complete for, and the edge of that tree.
    pub(crate) fn published(&self) -> Result<Option<(LogCheckpoint, Edge)>, CopyError> {
        let Some(checkpoint) = self.files.checkpoint(&self.log)? else {
            return Ok(None);
        };
        let head = checkpoint.head();
        let edge = Edge::from_tiles(head.size, |tile| self.files.tile(tile))?;
        if edge.head() != head {
            let root = self.files.root.clone();
            return Err(CopyError::Damaged { root, size: head.size, signed: head.root, found: edge.head().root });
        }
        Ok(Some((checkpoint, edge)))
    }

    /// Replaces the checkpoint, durably on return. Everything that it signs is durable already: if we crash before this,
    /// the copy is what it was, with some files that nobody asks for.
    pub(crate) fn publish(&self, checkpoint: &LogCheckpoint) -> Result<(), CopyError> {
        let path = self.files.root.join("checkpoint");
        let note = checkpoint.note().to_string();
        durable::replace(&path, note.as_bytes(), 0o644).map_err(|source| CopyError::Io { path, source })
    }

    /// Deletes the partial tiles of the tree of size `old` that are full in that of `new`: "MAY delete any partial tile
    /// once the corresponding full tile is available" (tlog-tiles, "Partial Tiles"). If we crash in here, some stay.
    pub(crate) fn prune(&self, old: TreeSize, new: TreeSize) -> Result<(), CopyError> {
        for tile in edge_tiles(old).into_iter().filter(|tile| !tile.is_full()) {
            let nodes = new.get().checked_shr(8 * u32::from(tile.level())).unwrap_or(0);
            if (tile.index() + 1) * 256 > nodes {
                continue;
            }
            let mut full = vec![Resource::Tile(tile.full()).to_string()];
            if tile.level() == 0
                && let Ok(bundle) = BundleId::new(tile.index(), 256)
            {
                full.push(Resource::Bundle(bundle).to_string());
            }
            for full in full {
                let path = self.files.root.join(format!("{full}.p"));
                match fs::remove_dir_all(&path) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        return Err(CopyError::Io { path, source });
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl CopyFiles {
    /// The copy in `root`, which has to be there.
    pub(crate) fn open(root: &Path) -> Result<Self, CopyError> {
        let marker = Marker::read(root)?.ok_or_else(|| CopyError::NotACopy { root: root.to_owned() })?;
        Ok(Self { root: root.to_owned(), form: marker.bundles })
    }

    pub(crate) const fn form(&self) -> Form {
        self.form
    }

    /// The checkpoint, if it got that far.
    pub(crate) fn checkpoint(&self, log: &VerifierKey) -> Result<Option<LogCheckpoint>, CopyError> {
        let path = self.root.join("checkpoint");
        let note = match fs::read(&path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CopyError::Io { path, source }),
        };
        let checkpoint = UnverifiedCheckpoint::parse(&note).and_then(|note| note.verify(log));
        checkpoint.map(Some).map_err(|source| CopyError::Checkpoint { path, source })
    }

    /// The hashes of a tile, cut from the full one where the partial one is gone.
    pub(crate) fn tile(&self, id: TileId) -> Result<Vec<NodeHash>, SourceError> {
        let (found, bytes) = match self.read(Resource::Tile(id)) {
            Err(SourceError::Missing) => (id.full(), self.read(Resource::Tile(id.full()))?),
            other => (id, other?),
        };
        let mut hashes = decode_tile(found, &bytes)?;
        hashes.truncate(usize::from(id.width()));
        Ok(hashes)
    }

    /// The entries of a bundle, as [`CopyFiles::tile`].
    pub(crate) fn bundle(&self, id: BundleId) -> Result<Vec<Entry>, SourceError> {
        let (found, bytes) = match self.read(Resource::Bundle(id)) {
            Err(SourceError::Missing) => (id.full(), self.read(Resource::Bundle(id.full()))?),
            other => (id, other?),
        };
        let plain = match self.form {
            Form::Plain => bytes,
            Form::Gzip => bundle::decompress(&bytes).map_err(SourceError::Io)?,
        };
        let mut entries = decode_bundle(found, &plain)?;
        entries.truncate(usize::from(id.width()));
        Ok(entries)
    }

    fn read(&self, resource: Resource) -> Result<Vec<u8>, SourceError> {
        let path = self.root.join(resource.to_string());
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SourceError::Missing),
            Err(error) => return Err(SourceError::Io(error)),
        };
        if length > MAX_BUNDLE_LEN as u64 {
            let message = format!("it has {length} bytes, and no file of a log has more than {MAX_BUNDLE_LEN}");
            return Err(SourceError::Io(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        fs::read(&path).map_err(SourceError::Io)
    }
}

impl Marker {
    fn read(root: &Path) -> Result<Option<Self>, CopyError> {
        let path = root.join(MARKER);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CopyError::Io { path, source }),
        };
        let marker: Self = toml::from_str(&text).map_err(|source| CopyError::Marker { path: path.clone(), source })?;
        if marker.format == FORMAT {
            Ok(Some(marker))
        } else {
            Err(CopyError::Format { path, expected: FORMAT, found: marker.format })
        }
    }

    /// Only in an empty folder: what else is there is not ours to write beside.
    fn create(root: &Path, log: &VerifierKey, bundles: Form) -> Result<Self, CopyError> {
        let path = root.join(MARKER);
        let io = |source| CopyError::Io { path: path.clone(), source };
        if let Some(found) = fs::read_dir(root).map_err(io)?.next() {
            let found = found.map_err(io)?.file_name().to_string_lossy().into_owned();
            // Left by a start that was killed before the name was there.
            if found != ".attest-export.tmp" {
                return Err(CopyError::NotEmpty { root: root.to_owned(), found });
            }
        }
        let marker = Self { format: FORMAT, vkey: log.to_string(), bundles };
        let text = toml::to_string(&marker).map_err(io::Error::other).map_err(io)?;
        durable::replace(&path, text.as_bytes(), 0o644).map_err(io)?;
        Ok(marker)
    }
}

/// What is wrong with a copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// Something else is there.
    #[error("{} is not empty and holds no copy of a log: expected a new or empty folder, found {found}", root.display())]
    NotEmpty {
        /// The folder.
        root: PathBuf,
        /// A file in it.
        found: String,
    },
    /// Nothing of this kind.
    #[error("{} holds no copy of a log: expected the file {MARKER} in it", root.display())]
    NotACopy {
        /// The folder.
        root: PathBuf,
    },
    /// Somebody else writes.
    #[error("{} is being written by another process", root.display())]
    Held {
        /// The folder.
        root: PathBuf,
    },
    /// The copy of another log.
    #[error("{}: expected a copy of {expected}, found one of {found}", root.display())]
    OtherLog {
        /// The folder.
        root: PathBuf,
        /// The log that was named.
        expected: String,
        /// The log that it is of.
        found: String,
    },
    /// The other form of bundles.
    #[error("{}: expected {expected:?} bundles, found {found:?}\nhint: export into another folder", root.display())]
    OtherForm {
        /// The folder.
        root: PathBuf,
        /// As asked for.
        expected: Form,
        /// As they are.
        found: Form,
    },
    /// Its tiles are not what its checkpoint signs.
    #[error(
        "{}: the tiles of the right edge give the root {found}, the checkpoint of size {size} signs {signed}\nhint: the \
         copy is damaged; delete the folder and make it anew",
        root.display()
    )]
    Damaged {
        /// The folder.
        root: PathBuf,
        /// Size of its tree.
        size: TreeSize,
        /// The signed root.
        signed: RootHash,
        /// What the tiles give.
        found: RootHash,
    },
    /// A tile of its edge cannot be read.
    #[error("a tile of the copy cannot be read\nhint: delete the folder and make it anew")]
    Tile(#[from] SourceError),
    /// Not a checkpoint of the log.
    #[error("{}: expected a checkpoint of the log", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CheckpointError,
    },
    /// Not the TOML that this program writes.
    #[error("{}: not what this program writes", path.display())]
    Marker {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: toml::de::Error,
    },
    /// Of another version of this program.
    #[error("{}: expected format {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What this program reads.
        expected: u32,
        /// What the file says.
        found: u32,
    },
    /// A file operation failed.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}
