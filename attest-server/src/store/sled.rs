//! The database on [sled](https://docs.rs/sled/0.34.7) 0.34.7.
//!
//! sled holds only what changes: a few hundred kilobytes however long the log is. What we know of it, and what follows:
//!
//! - `flush` ends in `sync_file_range`, which survives a killed process and not a power cut. So every barrier is
//!   `flush` and then `fdatasync` of `db/db`, on one descriptor that was opened before the first write: a descriptor
//!   that is opened later would not be told of an earlier write error.
//! - It only logs a failed sync, and a retry after one lies. So **any** error of sled or of the barrier ends the process
//!   without destructors ([`durable::abort`]); from here, [`CommitError::Unknown`] never reaches a caller.
//! - A torn `snap.*.generating`, left by a kill or a full disk during opening, makes every later opening fail. It is
//!   deleted first.
//! - Values of 8 KiB or more move to `blobs/`, which no barrier covers: entries lie in chunks of 3 KiB, and a
//!   file in `blobs/` is fatal.
//! - It repairs while it opens, by overwriting what comes after the first byte that it cannot read, even when the error of
//!   the disk would have passed: its files are copied first (`found.rs`).
//! - It never syncs `conf` or a directory: `init` and every opening do.
//! - A large batch leaves garbage that only an unpinned epoch collects.
//!
//! | key | value |
//! |---|---|
//! | `h` | epoch, size, root, time of the head |
//! | `s` | sealed |
//! | `c`, chunk number but for the first | a chunk of size and note of the signed checkpoint |
//! | `e` first index, chunk number | a chunk of the run of entries of one commit |

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use attest_core::{
    merkle::{RootHash, TreeHead, TreeSize},
    tile::Entry,
    time::Timestamp,
};

use self::{
    codec::{HEAD, SEALED, checkpoint_key, chunk_key, encode_checkpoint, encode_head},
    found::Found,
    writer::{Run, Writer},
};
use super::{
    Commit, CommitError, Database, DatabaseError, Epoch, Head, StoredCheckpoint, durable,
    run::{self, CHUNK},
};
use crate::metrics::instruments;

mod codec;
mod folder;
pub(crate) mod found;
mod writer;

/// Keys in one batch: beyond this, the garbage of one batch grows faster than it is collected.
const MAX_KEYS: usize = 5_000;
/// Batches from this size on are followed by a collection of garbage.
const COLLECT_FROM: usize = 64;
/// The open database.
pub struct SledDatabase {
    tree: sled::Db,
    barrier: File,
    path: PathBuf,
    /// The files as they were found, until the first write.
    found: Mutex<Option<Found>>,
    writer: Mutex<Writer>,
}

impl std::fmt::Debug for SledDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledDatabase").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SledDatabase {
    /// Makes the database of a new log, with an empty tree in it. Durable on return, but for the name `DIR/db`.
    pub(crate) fn create(data: &Path, time: Timestamp) -> Result<(), DatabaseError> {
        let path = data.join("db");
        let tree = folder::open_tree(&path)?;
        let empty = TreeHead { size: TreeSize::ZERO, root: RootHash::of_empty() };
        let head = Head { epoch: Epoch::FIRST, tree: empty, time };
        let sled = |source| DatabaseError::Sled { path: path.display().to_string(), source };
        tree.insert(HEAD, encode_head(&head)).map_err(sled)?;
        tree.flush().map_err(sled)?;
        drop(tree);
        folder::sync_all(&path)
    }

    /// Opens the database that `init` made; never creates one.
    pub(crate) fn open(data: &Path) -> Result<Self, DatabaseError> {
        let path = data.join("db");
        let io = |operation, source| folder::io_error(operation, &path, source);
        Found::put_back(data).map_err(|error| io("putting back what an earlier start found", error))?;
        folder::refuse_empty(&path)?;
        // Opened before sled writes anything, and never again.
        let barrier = File::open(path.join("db")).map_err(|error| io("opening db", error))?;
        folder::delete_torn_snapshots(&path).map_err(|error| io("deleting a torn snapshot", error))?;
        folder::refuse_blobs(&path)?;
        let found = Found::keep(data).map_err(|error| io("copying", error))?;
        let tree = folder::open_tree(&path)?;
        // Opening wrote a snapshot; sled synced neither it nor its name.
        folder::sync_all(&path)?;
        let writer = Writer::load(&tree, &path)?;
        Ok(Self { tree, barrier, path, found: Mutex::new(Some(found)), writer: Mutex::new(writer) })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a batch, or ends the process.
    fn apply(&self, batch: sled::Batch, keys: usize) {
        // Whoever writes has checked what was read. If we crash before the copy is gone, it is put back, and nothing was
        // written since.
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = found.map(Found::release) {
            durable::abort("letting go of the database as it was found", &error);
        }
        if let Err(error) = self.tree.apply_batch(batch) {
            durable::abort("writing to the database", &error);
        }
        if keys >= COLLECT_FROM {
            for _ in 0..32 {
                crossbeam_epoch::pin().flush();
            }
        }
    }

    /// Everything applied before is durable on return, or the process ends.
    fn sync(&self) {
        let start = Instant::now();
        if let Err(error) = self.tree.flush() {
            durable::abort("flushing the database", &error);
        }
        if let Err(error) = self.barrier.sync_data() {
            durable::abort("syncing the database", &error);
        }
        instruments().stages.barrier.since(start);
    }
}

impl Database for SledDatabase {
    fn lease(&self) -> Result<Epoch, DatabaseError> {
        let mut writer = self.writer();
        let head = Head { epoch: writer.head.epoch.next(), ..writer.head };
        let mut batch = sled::Batch::default();
        batch.insert(HEAD, encode_head(&head));
        self.apply(batch, 1);
        self.sync();
        writer.head = head;
        Ok(head.epoch)
    }

    fn head(&self) -> Result<Head, DatabaseError> {
        Ok(self.writer().head)
    }

    fn commit(&self, expected: &Head, commit: &Commit<'_>) -> Result<(), CommitError> {
        let run = run::encode(commit.entries);
        let chunks = run.chunks(CHUNK).count();
        if chunks > MAX_KEYS - 2 {
            let error = DatabaseError::TooLarge { found: chunks + 2, limit: MAX_KEYS };
            return Err(CommitError::NotApplied(error));
        }
        let mut batch = sled::Batch::default();
        let first = commit.first(expected);
        let mut count = 0;
        for chunk in run.chunks(CHUNK) {
            batch.insert(&chunk_key(first, count), chunk);
            count += 1;
        }
        batch.insert(HEAD, encode_head(&commit.head));

        let mut writer = self.writer();
        if writer.head != *expected {
            return Err(CommitError::other_head(expected, &writer.head));
        }
        if commit.sealed.get() > writer.sealed {
            batch.insert(SEALED, &commit.sealed.get().to_be_bytes());
        }
        // If we crash before the batch is in sled's log, nothing happened; after it and before the sync, either; after
        // the sync, the next start finds this head and publishes it.
        self.apply(batch, chunks + 2);
        self.sync();
        writer.head = commit.head;
        writer.sealed = writer.sealed.max(commit.sealed.get());
        if count > 0 {
            writer.runs.push_back(Run { first, chunks: count });
        }
        Ok(())
    }

    fn sealed(&self) -> Result<TreeSize, DatabaseError> {
        Ok(TreeSize::new(self.writer().sealed))
    }

    fn pending(&self) -> Result<Vec<Entry>, DatabaseError> {
        let (runs, sealed, size) = {
            let writer = self.writer();
            (writer.runs.clone(), writer.sealed, writer.head.tree.size.get())
        };
        let mut pending: Vec<Entry> = Vec::new();
        let mut next = sealed;
        for Run { first, chunks } in runs {
            let mut bytes = Vec::new();
            for chunk in 0..chunks {
                let stored = self.tree.get(chunk_key(first, chunk)).map_err(|source| self.sled(source))?;
                bytes.extend_from_slice(&stored.ok_or(DatabaseError::Gap { expected: next, found: first })?);
            }
            for (index, entry) in (first..).zip(run::decode(&bytes)?) {
                // The beginning of a run may be sealed already.
                if index < sealed {
                    continue;
                }
                if index != next || index >= size {
                    return Err(DatabaseError::Gap { expected: next, found: index });
                }
                pending.push(entry);
                next += 1;
            }
        }
        if next == size { Ok(pending) } else { Err(DatabaseError::Gap { expected: next, found: size }) }
    }

    fn seal(&self, epoch: Epoch, upto: TreeSize) -> Result<(), CommitError> {
        let mut writer = self.writer();
        if writer.head.epoch != epoch {
            return Err(CommitError::fenced(epoch, writer.head.epoch));
        }
        writer.sealed = writer.sealed.max(upto.get());
        let sealed = writer.sealed;
        let mut batch = sled::Batch::default();
        batch.insert(SEALED, &sealed.to_be_bytes());
        let mut keys = 1;
        while let Some(run) = writer.take_sealed_run() {
            let chunks = run.chunks as usize;
            // A run goes as a whole: half a run would look like a gap to the next start.
            if keys + chunks > MAX_KEYS {
                self.apply(std::mem::take(&mut batch), keys);
                keys = 0;
            }
            for chunk in 0..run.chunks {
                batch.remove(&chunk_key(run.first, chunk));
            }
            keys += chunks;
        }
        self.apply(batch, keys);
        Ok(())
    }

    fn publish(
        &self,
        epoch: Epoch,
        expected: Option<TreeSize>,
        checkpoint: &StoredCheckpoint,
    ) -> Result<(), CommitError> {
        let mut writer = self.writer();
        if writer.head.epoch != epoch {
            return Err(CommitError::fenced(epoch, writer.head.epoch));
        }
        checkpoint.check_follows(writer.published.as_ref(), expected)?;
        let value = encode_checkpoint(checkpoint);
        let chunks = value.chunks(CHUNK);
        let count = u8::try_from(chunks.len()).map_err(|_| {
            CommitError::NotApplied(DatabaseError::TooLarge { found: chunks.len(), limit: usize::from(u8::MAX) })
        })?;
        let mut batch = sled::Batch::default();
        for (number, chunk) in (0..count).zip(chunks) {
            batch.insert(checkpoint_key(number), chunk);
        }
        for surplus in count..writer.checkpoint_chunks {
            batch.remove(checkpoint_key(surplus));
        }
        self.apply(batch, usize::from(count.max(writer.checkpoint_chunks)));
        writer.published = Some(checkpoint.clone());
        writer.checkpoint_chunks = count;
        Ok(())
    }

    fn published(&self) -> Result<Option<StoredCheckpoint>, DatabaseError> {
        Ok(self.writer().published.clone())
    }

    fn barrier(&self) -> Result<(), DatabaseError> {
        self.sync();
        Ok(())
    }
}

impl SledDatabase {
    fn sled(&self, source: sled::Error) -> DatabaseError {
        DatabaseError::Sled { path: self.path.display().to_string(), source }
    }
}
