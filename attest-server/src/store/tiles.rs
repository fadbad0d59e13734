//! What never changes again, as files: full tiles and entry bundles in the layout of
//! [C2SP tlog-tiles](https://c2sp.org/tlog-tiles), under `DIR/tile`.
//!
//! Tiles are stored as they are served, bundles in their compressed form ([`super::bundle`]). Partial tiles are never
//! stored: they are the beginning of the full tile, or of what the tail in memory holds.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, IoSliceMut, Write},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use attest_core::tile::Resource;
use rustix::io::{ReadWriteFlags, preadv2};

use super::{bundle, durable};

/// The files under `DIR/tile`.
#[derive(Debug)]
pub struct TileStore {
    data: PathBuf,
    /// Directories that are known to exist and to be durable.
    known: Mutex<BTreeSet<PathBuf>>,
}

impl TileStore {
    /// Makes the tile root; `init` syncs it.
    pub fn create(data: &Path) -> io::Result<()> {
        fs::create_dir(data.join("tile"))
    }

    /// The tile store of a data folder.
    pub fn open(data: &Path) -> Self {
        Self { data: data.to_owned(), known: Mutex::new(BTreeSet::new()) }
    }

    /// Where a resource lies.
    pub fn path(&self, resource: Resource) -> PathBuf {
        self.data.join(resource.to_string())
    }

    /// The bytes of a full tile or bundle as stored; `None` where it is not sealed.
    pub fn get(&self, resource: Resource) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(resource)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A full tile or bundle as a file to read from; `None` where it is not sealed.
    ///
    /// A thread that serves many connections may call it: opening can wait for a directory that is not in memory, which is
    /// rare and short, since one directory holds a thousand files.
    pub fn open_file(&self, resource: Resource) -> io::Result<Option<StoredFile>> {
        let file = match File::open(self.path(resource)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        Ok(Some(StoredFile { file, length }))
    }

    /// Stores full tiles and bundles, durably on return. A file that is there already has to decode to the same.
    ///
    /// If we crash in here, some files exist and some do not; nothing points to any of them yet, and the next start
    /// stores the same content again. A failed sync or rename ends the process.
    pub fn put(&self, files: &[(Resource, Vec<u8>)]) -> Result<(), PutError> {
        let mut directories = BTreeSet::new();
        let mut renames = Vec::new();
        for (resource, bytes) in files {
            let path = self.path(*resource);
            let Some(directory) = path.parent() else {
                continue;
            };
            let io = |source| PutError::Io { path: path.clone(), source };
            // An existing name may not be durable yet, so its directory is synced as well.
            directories.insert(directory.to_owned());
            match self.get(*resource).map_err(io)? {
                Some(stored) if same(*resource, &stored, bytes).map_err(io)? => continue,
                Some(_) => return Err(PutError::Different { path }),
                None => {}
            }
            self.make_durable_dir(directory).map_err(io)?;
            let temporary = path.with_extension("tmp");
            let mut file = File::create(&temporary).map_err(io)?;
            file.write_all(bytes).map_err(io)?;
            renames.push((file, temporary, path));
        }
        // The bytes first, the names second: a name never leads to a torn file.
        let written: Vec<&File> = renames.iter().map(|(file, ..)| file).collect();
        if let Err(error) = durable::sync_together(&written) {
            durable::abort("syncing tiles", &error);
        }
        for (_, temporary, path) in &renames {
            if let Err(error) = fs::rename(temporary, path) {
                durable::abort("renaming a tile", &error);
            }
        }
        for directory in directories {
            if let Err(error) = durable::sync_dir(&directory) {
                durable::abort("syncing a tile directory", &error);
            }
        }
        Ok(())
    }

    /// Creates a directory under the data folder, its missing parents first, each durable before it is used.
    fn make_durable_dir(&self, directory: &Path) -> io::Result<()> {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(directory) {
            return Ok(());
        }
        let parent = directory.parent().filter(|parent| parent.starts_with(&self.data) && *parent != self.data);
        if let Some(parent) = parent {
            self.make_durable_dir(parent)?;
        }
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            // Where it exists, a crash may have come before its name was synced: sync it again.
            _ => {}
        }
        for synced in [Some(directory), directory.parent()].into_iter().flatten() {
            if let Err(error) = durable::sync_dir(synced) {
                durable::abort("syncing a new tile directory", &error);
            }
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_owned());
        Ok(())
    }
}

/// A sealed file, open. It never changes.
#[derive(Debug)]
pub struct StoredFile {
    file: File,
    length: u64,
}

impl StoredFile {
    /// Its length in bytes.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// At most `most` bytes from `at` on; none only at the end.
    pub fn read(&self, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = self.buffer(at, most);
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// As [`StoredFile::read`], only where that does not wait for the disk.
    pub fn read_at_once(&self, at: u64, most: usize) -> Option<Vec<u8>> {
        let mut bytes = self.buffer(at, most);
        // Short where only the beginning is in memory; an error where nothing is, or the file system does not know.
        let read = preadv2(&self.file, &mut [IoSliceMut::new(&mut bytes)], at, ReadWriteFlags::NOWAIT);
        (read == Ok(bytes.len())).then_some(bytes)
    }

    fn buffer(&self, at: u64, most: usize) -> Vec<u8> {
        let left = self.length.saturating_sub(at);
        vec![0; usize::try_from(left).map_or(most, |left| left.min(most))]
    }
}

/// Whether two stored forms decode to the same: the compressed bytes change with the compressor.
fn same(resource: Resource, stored: &[u8], new: &[u8]) -> io::Result<bool> {
    if stored == new {
        return Ok(true);
    }
    match resource {
        Resource::Bundle(_) => Ok(bundle::decompress(stored)? == bundle::decompress(new)?),
        Resource::Tile(_) | Resource::Checkpoint => Ok(false),
    }
}

/// Why files were not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// A sealed file holds something else.
    #[error(
        "{} exists and holds other content than the log\nhint: sealed files never change; compare with a mirror, and \
         restore the one that reproduces the signed root",
        path.display()
    )]
    Different {
        /// The file.
        path: PathBuf,
    },
    /// Not written; trying again is safe.
    #[error("{}: cannot be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}
