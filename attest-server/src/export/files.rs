//! Writes tiles and bundles as files in the layout of tlog-tiles, each whole or not there.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use attest_core::{
    merkle::NodeHash,
    tile::{Entry, Resource, TileId, encode_bundle, encode_tile},
};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::store::{bundle, durable};

/// How bundles lie in a folder. Never guessed from the bytes: a plain bundle may begin like a compressed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As tlog-tiles has them: any static server serves them, without configuration.
    Plain,
    /// Compressed with gzip: a third of the size, for servers that send `Content-Encoding: gzip` with them.
    Gzip,
}

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be written", path.display())]
pub(crate) struct WriteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A folder that is written to from several threads.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    form: Form,
    /// Directories with names that are not durable yet.
    unsynced: Mutex<BTreeSet<PathBuf>>,
}

impl Files {
    pub(crate) fn new(root: &Path, form: Form) -> Self {
        Self { root: root.to_owned(), form, unsynced: Mutex::default() }
    }

    pub(crate) fn bundle(&self, resource: Resource, entries: &[Entry]) -> Result<(), WriteError> {
        let plain = encode_bundle(entries);
        let bytes = match self.form {
            Form::Plain => plain,
            Form::Gzip => bundle::compress(&plain),
        };
        self.write(resource, &bytes)
    }

    pub(crate) fn tile(&self, id: TileId, hashes: &[NodeHash]) -> Result<(), WriteError> {
        self.write(Resource::Tile(id), &encode_tile(hashes))
    }

    /// The bytes first, the name second. What is there already is replaced: it was left by a run that did not get as far
    /// as its checkpoint, so nobody relies on it.
    fn write(&self, resource: Resource, bytes: &[u8]) -> Result<(), WriteError> {
        let path = self.root.join(resource.to_string());
        let mut temporary = path.clone().into_os_string();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let write = || -> io::Result<()> {
            let directory = path.parent().unwrap_or(&self.root);
            fs::create_dir_all(directory)?;
            self.named(directory);
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|source| {
            // A full disk needs the room; what was not renamed is nothing to anybody.
            let _ = fs::remove_file(&temporary);
            WriteError { path: path.clone(), source }
        })
    }

    /// Remembers a directory and those above it for [`Files::sync`].
    fn named(&self, directory: &Path) {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        for directory in directory.ancestors().take_while(|directory| directory.starts_with(&self.root)) {
            if !unsynced.insert(directory.to_owned()) {
                break;
            }
        }
    }

    /// Makes every name written so far durable.
    pub(crate) fn sync(&self) -> Result<(), WriteError> {
        let unsynced = std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        for path in unsynced.into_iter().rev() {
            durable::sync_dir(&path).map_err(|source| WriteError { path, source })?;
        }
        Ok(())
    }
}
