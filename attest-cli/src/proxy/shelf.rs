//! Files on their way: fetched once for however many ask, hashed while they come, and kept by digest.
//!
//! Whoever asks waits a little for the whole file, and gets nothing of one that is not what the index pins. A file that
//! takes longer is handed on while it comes, for an installer gives up on silence; its end is held back until all of it was
//! hashed, so that one that is not the pinned file never arrives.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use attest_core::artifact::ArtifactDigest;
use sha2::{Digest as _, Sha256};
use tempfile::TempPath;
use tokio::{
    io::AsyncWriteExt as _,
    sync::{Semaphore, watch},
};

use super::{
    listing::{Listed, MAX_FILE},
    upstream::{Upstream, UpstreamError, Upstreams},
};
use crate::{output::causes, wheels};

/// Files that are fetched at the same time.
const MAX_FETCHES: usize = 16;
/// Bytes that are written at once.
const PIECE: usize = 256 << 10;
/// However slowly it comes: 16 GiB at 2 MB/s.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2 * 3600);
/// A file that failed is not fetched again at once: installers retry.
const FAILURE_KEPT: Duration = Duration::from_secs(10);

/// How far a file is.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    /// On its way: so many bytes, of so many where that is known. Not yet known to be the pinned file.
    Coming {
        so_far: u64,
        total: Option<u64>,
    },
    /// All there, and the pinned file.
    Whole {
        size: u64,
    },
    Failed(Arc<FetchError>),
}

/// Why a file cannot be handed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("its bytes have sha256:{found}, and the index pins sha256:{expected}")]
    Mismatch { expected: ArtifactDigest, found: ArtifactDigest },
    #[error("it has not the {expected} bytes that the index says")]
    Size { expected: u64 },
    #[error("it has more than {MAX_FILE} bytes")]
    TooLarge,
    #[error("it takes too long")]
    TooLong,
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("its host broke off: {0}")]
    Broken(String),
    #[error("it cannot be kept")]
    Disk(#[from] io::Error),
}

impl FetchError {
    /// Not an outage: somebody serves other bytes than were judged.
    pub(super) fn is_wrong_file(&self) -> bool {
        matches!(self, Self::Mismatch { .. } | Self::Size { .. } | Self::TooLarge)
    }
}

/// A file that is fetched or was.
#[derive(Debug)]
pub(super) struct Fetch {
    /// While it comes.
    part: TempPath,
    kept: PathBuf,
    progress: watch::Receiver<Progress>,
    failed_at: Mutex<Option<Instant>>,
}

impl Fetch {
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The file, as far as it is. What is open stays readable, whatever becomes of the folder.
    pub(super) fn open(&self) -> io::Result<fs::File> {
        fs::File::open(&self.kept).or_else(|_| fs::File::open(&self.part))
    }

    /// Whether somebody who asks now may have this one.
    fn is_of_use(&self) -> bool {
        match &*self.progress.borrow() {
            Progress::Coming { .. } => true,
            Progress::Whole { size } => self.kept.metadata().is_ok_and(|kept| kept.len() == *size),
            Progress::Failed(_) => {
                let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
                failed_at.is_none_or(|at| at.elapsed() < FAILURE_KEPT)
            }
        }
    }
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Shelf {
    upstreams: Arc<Upstreams>,
    folder: PathBuf,
    /// Bytes that the folder may hold.
    limit: u64,
    fetches: Mutex<HashMap<ArtifactDigest, Arc<Fetch>>>,
    slots: Semaphore,
}

impl Shelf {
    pub(crate) fn new(upstreams: Arc<Upstreams>, folder: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let slots = Semaphore::new(MAX_FETCHES);
        Ok(Self { upstreams, folder: folder.to_owned(), limit, fetches: Mutex::default(), slots })
    }

    /// The file, fetched unless it is here already.
    pub(super) fn fetch(self: &Arc<Self>, index: &Upstream, file: &Listed) -> io::Result<Arc<Fetch>> {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fetch) = fetches.get(&file.digest).filter(|fetch| fetch.is_of_use()) {
            return Ok(Arc::clone(fetch));
        }
        let part = tempfile::Builder::new().prefix(".part-").tempfile_in(&self.folder)?.into_temp_path();
        let (progress, watched) = watch::channel(Progress::Coming { so_far: 0, total: None });
        let kept = self.folder.join(file.digest.to_string());
        let fetch = Arc::new(Fetch { part, kept, progress: watched, failed_at: Mutex::default() });
        fetches.insert(file.digest, Arc::clone(&fetch));
        let (this, index, file, ours) = (Arc::clone(self), index.clone(), file.clone(), Arc::clone(&fetch));
        tokio::spawn(async move {
            let bring = tokio::time::timeout(FETCH_TIMEOUT, this.bring(&index, &file, &ours, &progress));
            let end = match bring.await.unwrap_or(Err(FetchError::TooLong)) {
                Ok(size) => Progress::Whole { size },
                Err(error) => {
                    *ours.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                    Progress::Failed(Arc::new(error))
                }
            };
            progress.send_replace(end);
        });
        Ok(fetch)
    }

    async fn bring(
        &self,
        index: &Upstream,
        file: &Listed,
        fetch: &Fetch,
        progress: &watch::Sender<Progress>,
    ) -> Result<u64, FetchError> {
        if let Some(size) = kept_before(fetch.kept.clone(), file.digest).await {
            return Ok(size);
        }
        // Never closed.
        let _slot = self.slots.acquire().await;
        let mut response = self.upstreams.file(index, &file.url).await?;
        let total = response.content_length();
        let wrong = |size: u64| file.size.is_some_and(|expected| expected != size);
        let size_error = || file.size.map_or(FetchError::TooLarge, |expected| FetchError::Size { expected });
        if total.is_some_and(|total| wrong(total) || total > MAX_FILE) {
            return Err(size_error());
        }
        let mut part = tokio::fs::OpenOptions::new().write(true).open(&fetch.part).await?;
        let (mut hash, mut so_far, mut piece) = (Sha256::new(), 0, Vec::with_capacity(PIECE));
        loop {
            let chunk = response.chunk().await.map_err(|error| FetchError::Broken(causes(&error.without_url())))?;
            piece.extend_from_slice(chunk.as_deref().unwrap_or_default());
            if piece.len() >= PIECE || chunk.is_none() {
                so_far += piece.len() as u64;
                if so_far > file.size.unwrap_or(MAX_FILE) {
                    return Err(size_error());
                }
                hash.update(&piece);
                part.write_all(&piece).await?;
                part.flush().await?;
                piece.clear();
                progress.send_replace(Progress::Coming { so_far, total });
            }
            if chunk.is_none() {
                break;
            }
        }
        let found = ArtifactDigest::from_bytes(hash.finalize().into());
        if found != file.digest {
            return Err(FetchError::Mismatch { expected: file.digest, found });
        }
        if wrong(so_far) {
            return Err(size_error());
        }
        // Whoever has it open goes on reading it. Where another run was first, it is the same file.
        fs::rename(&fetch.part, &fetch.kept)?;
        self.make_room(&fetch.kept);
        Ok(so_far)
    }

    /// Removes the oldest files while the folder holds more than it may. One that is being read stays until it was read.
    fn make_room(&self, newest: &Path) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .filter(|(_, _, path)| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')))
            .collect();
        files.sort();
        let mut held: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files.iter().filter(|(_, _, path)| path != newest) {
            if held <= self.limit {
                return;
            }
            if fs::remove_file(path).is_ok() {
                held -= size;
            }
        }
    }
}

/// The size of a file of an earlier run, if it still is what its name says: a cache is never believed.
async fn kept_before(path: PathBuf, digest: ArtifactDigest) -> Option<u64> {
    let checked = tokio::task::spawn_blocking(move || {
        let size = path.metadata().ok()?.len();
        if wheels::digest(&path).ok()? == digest {
            return Some(size);
        }
        // What is broken is fetched again.
        let _ = fs::remove_file(&path);
        None
    });
    checked.await.ok().flatten()
}
