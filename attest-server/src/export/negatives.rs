//! The list of negatives of an exported copy (docs/negatives.md), where a client of a static server looks for it.
//!
//! A client that asks for completeness needs it beside the tiles. What is copied is checked as a client checks it: the log
//! signed it, every part belongs to it, and its tree is the beginning of the copied one. Whether it lists all that it should
//! is what auditors say, and anybody who has the copy can.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use attest_core::{
    api::{FoundNegatives, NEGATIVES, SHARDS},
    merkle::TreeSize,
    negatives::{EditionError, Opened, ShardDigest},
    note::{NoteError, VerifierKey},
    tile::{TILE_WIDTH, TileId, root_from_tiles},
};

use super::copy::{CopyError, CopyFiles};
use crate::{
    clock::Clock,
    fetch::{FetchError, Upstream},
    freeze,
    fsck::SourceError,
    negatives::{Editions, ListError},
    reader::{Published, Reader},
    recover::Folder,
    sequencer::{EVIDENCE, Options},
    store::{
        durable, evidence,
        identity::{Identity, IdentityError, Kind},
    },
};

/// A list and its shards, as files: paths below the copy and bytes, the list last.
pub(crate) struct Negatives {
    size: TreeSize,
    opened: Opened,
    files: Vec<(String, Vec<u8>)>,
}

/// Why a copy has no list, or an older one than it might.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NegativesError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the answer is no list of negatives")]
    Malformed,
    #[error("the parts of the list do not belong together")]
    Edition(#[from] EditionError),
    #[error("the note of the list cannot be checked")]
    Note(#[from] NoteError),
    #[error("the log did not sign the list")]
    NotSigned,
    #[error("the list is of another tree of {size} entries than the copy's")]
    OtherTree { size: TreeSize },
    #[error("the list is of {found} entries, and the copy has {held}")]
    Newer { found: TreeSize, held: TreeSize },
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Open(#[from] crate::recover::OpenError),
    #[error("it has published nothing yet")]
    Unpublished,
    #[error("the log was restored and is frozen: its key signs nothing until it is thawed")]
    Frozen,
    #[error("{} proves that the log's key signed two histories: it signs nothing more", path.display())]
    Evidence { path: PathBuf },
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
    #[error("it could not be written")]
    Io(#[from] io::Error),
}

impl Negatives {
    /// What the server at `upstream` has; `None` where it has no list.
    pub(crate) async fn fetch(upstream: &Upstream, log: &VerifierKey) -> Result<Option<Self>, NegativesError> {
        let Some(bytes) = upstream.negatives().await? else {
            return Ok(None);
        };
        let found: FoundNegatives = serde_json::from_slice(&bytes).map_err(|_| NegativesError::Malformed)?;
        let edition = found.into_edition().ok_or(NegativesError::Malformed)?;
        let mut opened = edition.open()?;
        // Its parts may be gigabytes, so nobody but the log says what they are.
        if !opened.note().is_signed_by(log)? {
            return Err(NegativesError::NotSigned);
        }
        let mut files = Vec::new();
        let missing: Vec<_> = opened.table().occupied().collect();
        for shard in missing {
            let digest = opened.table().get(shard);
            let bytes = upstream.shard(digest).await?.ok_or(NegativesError::Malformed)?;
            opened.add(shard, &bytes)?;
            files.push((path_of(digest), bytes));
        }
        files.push((NEGATIVES.trim_start_matches('/').to_owned(), bytes));
        Ok(Some(Self { size: opened.note().listing().head().size, opened, files }))
    }

    /// The list of what the log in `data`, which no server uses, has published, made and signed as its server does. A mirror's
    /// key of another role signs its own, while it runs.
    pub(crate) async fn make(data: &Path) -> Result<Option<Self>, NegativesError> {
        let data = data.to_owned();
        tokio::task::spawn_blocking(move || made(&data)).await?
    }

    /// Writes it into the copy in `to`, whose tree has `held` entries.
    pub(crate) fn write(self, to: &Path, log: &VerifierKey, held: TreeSize) -> Result<(), NegativesError> {
        if self.size > held {
            return Err(NegativesError::Newer { found: self.size, held });
        }
        if !self.opened.note().is_signed_by(log)? {
            return Err(NegativesError::NotSigned);
        }
        let copy = CopyFiles::open(to)?;
        // Its tiles are of the larger tree, of which this one is the beginning.
        let root = root_from_tiles(self.size, |tile| {
            let (first, full) = (tile.index() * u64::from(TILE_WIDTH), u64::from(TILE_WIDTH));
            let nodes = held.get().checked_shr(8 * u32::from(tile.level())).unwrap_or(0).saturating_sub(first);
            let width = u16::try_from(nodes.min(full)).unwrap_or(tile.width());
            let mut hashes = copy.tile(TileId::new(tile.level(), tile.index(), width).unwrap_or(tile))?;
            hashes.truncate(usize::from(tile.width()));
            Ok::<_, SourceError>(hashes)
        });
        if root.is_ok_and(|root| root == self.opened.note().listing().head().root) {
            // The list after its shards: whoever reads it finds all that it names.
            for (path, bytes) in self.files {
                let path = to.join(path);
                fs::create_dir_all(path.parent().unwrap_or(to))?;
                durable::replace(&path, &bytes, 0o644)?;
            }
            return Ok(());
        }
        Err(NegativesError::OtherTree { size: self.size })
    }
}

fn made(data: &Path) -> Result<Option<Negatives>, NegativesError> {
    let kind = Identity::load(data)?.kind();
    if kind != Kind::Log {
        return Ok(None);
    }
    // Where its server would sign nothing, neither does this (docs/TRUST.md 5.4).
    if let Some(path) = evidence::found(data, EVIDENCE)? {
        return Err(NegativesError::Evidence { path });
    }
    if freeze::may_be_old(data) {
        return Err(NegativesError::Frozen);
    }
    let (_, key) = Identity::read(data, kind)?;
    let folder = Folder::open(data, kind)?;
    let database = Arc::new(folder.database(Options::default().room)?);
    let recovered = folder.recover(database, Clock::system().now())?;
    let checkpoint = recovered.published.as_ref().ok_or(NegativesError::Unpublished)?;
    let published =
        Published { note: checkpoint.note().to_string(), head: checkpoint.head(), time: recovered.head.time };
    let reader = Reader::new(Arc::clone(&recovered.tree), tokio::sync::watch::channel(Arc::new(published)).1);
    let editions = Editions::new(reader.clone());
    editions.publish(&reader.published(), &key)?;
    let files = editions.files()?;
    let made = editions.find(None).ok_or(NegativesError::Unpublished)?;
    let opened = editions.edition(&made, &[], 0)?.open()?;
    Ok(Some(Negatives { size: opened.note().listing().head().size, opened, files }))
}

fn path_of(digest: ShardDigest) -> String {
    format!("{SHARDS}/{digest}").trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{Mutex, PoisonError},
    };

    use attest_core::time::Timestamp;
    use axum::{
        Router,
        http::{StatusCode, Uri},
    };

    use super::*;
    use crate::{
        fixtures::{NOW, TestLog, options, submission},
        freeze::{Cause, Frozen},
        sequencer::Sequencer,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn no_part_of_a_list_is_fetched_that_the_log_did_not_sign() {
        let log = TestLog::new();
        let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
        for number in 0..3 {
            sequencer.submit(submission(number, 1)).await.unwrap();
        }
        let (_, key) = Identity::read(&log.data(), Kind::Log).unwrap();
        let editions = Editions::new(reader.clone());
        editions.publish(&reader.published(), &key).unwrap();
        let files: BTreeMap<String, Vec<u8>> =
            editions.files().unwrap().into_iter().map(|(path, bytes)| (format!("/{path}"), bytes)).collect();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        let router = Router::new().fallback(move |uri: Uri| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(uri.path().to_owned());
            let found = files.get(uri.path()).cloned();
            async move { found.ok_or(StatusCode::NOT_FOUND) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream::new(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let another = Negatives::fetch(&upstream, &TestLog::new().vkey).await;
        assert!(matches!(another, Err(NegativesError::NotSigned)));
        assert_eq!(*asked.lock().unwrap(), [NEGATIVES]);
        assert!(matches!(Negatives::fetch(&upstream, &log.vkey).await, Ok(Some(_))));
    }

    #[test]
    fn a_log_that_may_be_older_than_what_it_signed_signs_no_list() {
        let (log, now) = (TestLog::new(), Timestamp::from_secs(NOW));
        Frozen::new(now, Cause::Restore, "restored".to_owned(), None).write(&log.data()).unwrap();
        assert!(matches!(made(&log.data()), Err(NegativesError::Frozen)));
        evidence::keep(&log.data(), EVIDENCE, now, b"{}").unwrap();
        assert!(matches!(made(&log.data()), Err(NegativesError::Evidence { .. })));
    }
}
