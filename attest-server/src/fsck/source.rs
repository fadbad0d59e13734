//! Where a log is read from: a data folder that no server uses, a copy made by `export` or `backup`, or a URL.
//!
//! Nothing that is read here is believed; [`super::walk`] re-derives it.

use std::{io, sync::Arc};

use attest_core::{
    merkle::{NodeHash, TreeSize},
    tile::{BundleId, Entry, Resource, TILE_WIDTH, TileError, TileId, decode_bundle, decode_tile, tile_root},
};
use reqwest::StatusCode;

use crate::{
    export::copy::CopyFiles,
    fetch::{FetchError, Upstream},
    store::{bundle, tiles::TileStore},
};

/// A log, readable in pieces.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The folder of a log or mirror.
    Data(Arc<DataFiles>),
    /// A copy that `export` or `backup` made.
    Copy(Arc<CopyFiles>),
    /// Anything that serves C2SP tlog-tiles.
    Url(Upstream),
}

/// What a data folder holds of its tree: files, and the entries that are not in files yet.
#[derive(Debug)]
pub(crate) struct DataFiles {
    pub(crate) tiles: TileStore,
    /// Everything below is in files; a multiple of 256.
    pub(crate) sealed: TreeSize,
    /// The entries from `sealed` on.
    pub(crate) pending: Vec<Entry>,
}

/// Why a piece could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file that has to be there.
    #[error("nothing there")]
    Missing,
    /// Bytes that are not of this form.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The system's words.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    /// What came over HTTP.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A task of this process ended early.
    #[error("the read was interrupted")]
    Interrupted,
}

impl SourceError {
    /// Whether this says nothing about the log: it may be there a moment later.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Missing | Self::Tile(_) | Self::Io(_) => false,
            Self::Interrupted => true,
            Self::Fetch(error) => match error {
                FetchError::Status { found, .. } => !matches!(*found, StatusCode::NOT_FOUND | StatusCode::GONE),
                FetchError::TooLarge { .. }
                | FetchError::Encoding { .. }
                | FetchError::Gzip { .. }
                | FetchError::Malformed { .. } => false,
                _ => true,
            },
        }
    }
}

impl Source {
    /// The hashes of a tile; `None` where this source keeps no such file, and derives it from others instead.
    pub(crate) async fn tile(&self, id: TileId) -> Result<Option<Vec<NodeHash>>, SourceError> {
        match self {
            Self::Url(upstream) => Ok(Some(upstream.tile(id).await?)),
            Self::Copy(files) => {
                let files = Arc::clone(files);
                blocking(move || files.tile(id).map(Some)).await
            }
            Self::Data(files) => {
                let files = Arc::clone(files);
                blocking(move || files.tile(id)).await
            }
        }
    }

    /// The entries of a bundle.
    pub(crate) async fn bundle(&self, id: BundleId) -> Result<Vec<Entry>, SourceError> {
        match self {
            Self::Url(upstream) => {
                let sent = upstream.bundle(id).await?;
                blocking(move || Ok(sent.open()?.entries)).await
            }
            Self::Copy(files) => {
                let files = Arc::clone(files);
                blocking(move || files.bundle(id)).await
            }
            Self::Data(files) => {
                let files = Arc::clone(files);
                blocking(move || files.bundle(id)).await
            }
        }
    }
}

impl DataFiles {
    fn tile(&self, id: TileId) -> Result<Option<Vec<NodeHash>>, SourceError> {
        if !id.is_full() {
            return Ok(None);
        }
        match self.tiles.get(Resource::Tile(id)).map_err(SourceError::Io)? {
            Some(bytes) => Ok(Some(decode_tile(id, &bytes)?)),
            None if self.is_sealed(id) => Err(SourceError::Missing),
            None => Ok(None),
        }
    }

    /// The hashes of a tile as wide as asked, from whatever holds it: a file, the entries, or the tiles below.
    pub(crate) fn hashes(&self, id: TileId) -> Result<Vec<NodeHash>, SourceError> {
        let mut hashes = match self.tiles.get(Resource::Tile(id.full())).map_err(SourceError::Io)? {
            Some(bytes) => decode_tile(id.full(), &bytes)?,
            None if id.level() == 0 => {
                let bundle = self.bundle(BundleId::new(id.index(), id.width())?)?;
                bundle.iter().map(|entry| entry.leaf_hash().into()).collect()
            }
            None => {
                let first = id.index() * u64::from(TILE_WIDTH);
                let below = (first..first + u64::from(id.width())).map(|index| {
                    let full = self.hashes(TileId::new(id.level() - 1, index, TILE_WIDTH)?)?;
                    Ok(tile_root(full.as_slice().try_into().map_err(|_| SourceError::Missing)?))
                });
                below.collect::<Result<_, SourceError>>()?
            }
        };
        hashes.truncate(usize::from(id.width()));
        Ok(hashes)
    }

    /// Whether the leaves under a full tile are all below `sealed`.
    fn is_sealed(&self, id: TileId) -> bool {
        let nodes = self.sealed.get().checked_shr(8 * u32::from(id.level())).unwrap_or(0);
        (id.index() + 1).saturating_mul(u64::from(TILE_WIDTH)) <= nodes
    }

    fn bundle(&self, id: BundleId) -> Result<Vec<Entry>, SourceError> {
        if let Some(pending) = self.pending(id) {
            return Ok(pending.to_vec());
        }
        let mut entries = self.file(id.full())?.ok_or(SourceError::Missing)?;
        entries.truncate(usize::from(id.width()));
        Ok(entries)
    }

    /// The entries of a bundle that the database still has.
    fn pending(&self, id: BundleId) -> Option<&[Entry]> {
        let at = (id.index() * u64::from(TILE_WIDTH)).checked_sub(self.sealed.get())?;
        let pending = usize::try_from(at).ok().and_then(|at| self.pending.get(at..)).unwrap_or_default();
        Some(pending.get(..usize::from(id.width())).unwrap_or(pending))
    }

    /// Whether the file of a bundle that the database still has holds the same entries.
    pub(crate) fn uncounted(&self, id: BundleId) -> Result<bool, SourceError> {
        Ok(self.file(id)?.as_deref() == self.pending(id))
    }

    /// The entries of a full bundle's file, where there is one.
    fn file(&self, id: BundleId) -> Result<Option<Vec<Entry>>, SourceError> {
        let Some(stored) = self.tiles.get(Resource::Bundle(id)).map_err(SourceError::Io)? else {
            return Ok(None);
        };
        let raw = bundle::decompress(&stored).map_err(SourceError::Io)?;
        Ok(Some(decode_bundle(id, &raw)?))
    }
}

async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(read).await.unwrap_or(Err(SourceError::Interrupted))
}
