//! The one writer of a log, in three threads.
//!
//! - The **committer** takes what waits, leaves out what is logged already, and commits the rest: entries and the new
//!   head in one durable step. It is the only one that decides on an index.
//! - The **publisher** signs the newest durable head and answers everybody below it. It never signs what is not durable.
//! - The **sealer** moves full bundles from the database to files, off the path of the answers.
//!
//! ```text
//! submit -> pool -> committer -- commit (durable) --> publisher -> highwater (durable) -> sign -> publish -> answer
//!                             \-> sealer -> files (durable) -> index -> `sealed` -> forget
//! ```
//!
//! If the process ends before the commit, nothing happened and the client may submit again; after it, the next start
//! finds the head and signs it through the same code. A client that got an answer finds its entry under its index.
//!
//! **Duplicates.** A second signature by the same key over the same statement is another leaf hash, so it must not be
//! logged as another entry: whoever submits a statement again gets the first entry, with its stored bytes. It is looked
//! for in the index (before the pool, so that it costs the committer nothing), then, by the committer and in this order,
//! in the batch that is being put together, in what is not sealed yet, and in the part of the index that is newer than
//! the first look.
//!
//! **Witnesses**, where a policy names some, are asked by the publisher between signing and publishing. Commits do not
//! wait for them; [`crate::witnesses`] and the module `witnessed` say what does.
//!
//! **Idle logs** sign nothing: an Ed25519 checkpoint has no time that could grow old. Cosignatures have, and are renewed.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use attest_core::{
    checkpoint::UnverifiedCheckpoint,
    merkle::{LeafIndex, TreeSize},
    proof::TlogProof,
};
use tokio::sync::{mpsc::unbounded_channel, oneshot, watch};

use self::{
    committer::Committer,
    pool::{Item, Outcome, Pool},
    publisher::Publisher,
    publishing::{Listeners, Publishing},
    sealer::Sealer,
    waiting::Waiting,
};
pub use self::{publisher::PublishError, submission::Submission, witnessed::EVIDENCE};
pub use crate::recover::OpenError;
use crate::{
    clock::Clock,
    freeze,
    reader::{Published, ReadError, Reader},
    recover::{Folder, Recovered, Room},
    store::{identity::Kind, lock::DirectoryLock, space::Space, tree::LogTree},
    witnesses::{Cosigning, Patience, Settings},
};

mod answers;
mod committer;
mod duplicates;
mod pool;
mod proofs;
mod publisher;
mod publishing;
mod sealer;
#[cfg(test)]
mod simulation;
mod submission;
#[cfg(test)]
mod tests;
mod waiting;
mod witnessed;

/// How a sequencer works; nothing here decides what is logged.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long the committer waits for more when there is load. Alone, an entry never waits.
    pub gather: Duration,
    /// Entries that may wait for their answer at once.
    pub max_waiting: usize,
    /// Bytes of entries that may wait for their answer at once.
    pub max_waiting_bytes: usize,
    /// Room that is kept on the disk.
    pub room: Room,
    /// Where the time comes from.
    pub clock: Clock,
    /// Who has to cosign, and what happens as long as they do not.
    pub witnesses: Option<Settings>,
    /// How long to wait for them.
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(10),
            max_waiting: 16_384,
            max_waiting_bytes: 64 << 20,
            room: Room { floor: 1 << 30, reserve: 64 << 20 },
            clock: Clock::system(),
            witnesses: None,
            patience: Patience::default(),
        }
    }
}

/// The answer: the entry is in the published log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Its index.
    pub index: LeafIndex,
    /// The envelope as it was logged first, when the same key had signed the same statement before: the proof is over
    /// that one.
    pub duplicate: Option<Vec<u8>>,
    /// A finished `.tlog-proof`.
    pub proof: String,
}

/// The writer of a log. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Sequencer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pool: Arc<Pool>,
    waiting: Arc<Waiting>,
    space: Arc<Space>,
    tree: Arc<LogTree>,
    reader: Reader,
    published: watch::Receiver<Arc<Published>>,
    cosigning: Option<watch::Receiver<Cosigning>>,
    alarm: watch::Receiver<Option<String>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The lock of a frozen log, which has no threads to hold it.
    _frozen: Option<DirectoryLock>,
}

impl Sequencer {
    /// Opens the log in `data`, carries on with whatever a crash left unfinished, and publishes its newest head.
    pub fn open(data: &Path, options: Options) -> Result<(Self, Reader), OpenError> {
        let folder = Folder::open(data, Kind::Log)?;
        let database = Arc::new(folder.database(options.room)?);
        let recovered = folder.recover(database, options.clock.now())?;
        if freeze::is_frozen(data) {
            return Self::read_only(data, recovered, &options);
        }
        Self::start(data, recovered, options)
    }

    /// A frozen log: what was published is served; nothing is accepted, sealed or signed, not even what a crash left
    /// committed and not published. When it is opened again, the start publishes that as always.
    fn read_only(data: &Path, recovered: Recovered, options: &Options) -> Result<(Self, Reader), OpenError> {
        let Recovered { lock, tree, highwater, published, .. } = recovered;
        let checkpoint = published.ok_or_else(|| OpenError::FrozenUnpublished { data: data.to_owned() })?;
        let time = highwater.mark().time;
        let shown = Published { note: checkpoint.note().to_string(), head: checkpoint.head(), time };
        // Nobody sends: this checkpoint is the last.
        let (_, published) = watch::channel(Arc::new(shown));
        let (_, alarm) = watch::channel(None);
        let reader = Reader::new(Arc::clone(&tree), published.clone());
        let pool = Arc::new(Pool::new(options.gather));
        pool.close();
        let space = Arc::new(Space::new(data, options.room.floor));
        let waiting = Arc::new(Waiting::new(options.max_waiting, options.max_waiting_bytes));
        let shared = Shared {
            pool,
            waiting,
            space,
            tree,
            reader: reader.clone(),
            published,
            cosigning: None,
            alarm,
            threads: Mutex::default(),
            _frozen: Some(lock),
        };
        Ok((Self { shared: Arc::new(shared) }, reader))
    }

    fn start(data: &Path, recovered: Recovered, options: Options) -> Result<(Self, Reader), OpenError> {
        let Recovered { lock, key, highwater, database, tree, frontier, head, published, .. } = recovered;
        let (clock, time) = (options.clock.clone(), highwater.mark().time);
        let size = published.as_ref().map(|published| published.head().size);
        let signing = Publisher::new(Arc::clone(&database), Arc::clone(&tree), highwater, key, size, clock);
        let (publishing, first) = Publishing::begin(data, &options, signing, head, (published, time))?;
        let cosigning = publishing.cosigning();
        let (sender, published) = watch::channel(first);
        let (alarming, alarm) = watch::channel(None);
        let reader = Reader::new(Arc::clone(&tree), published.clone());
        let pool = Arc::new(Pool::new(options.gather));
        let space = Arc::new(Space::new(data, options.room.floor));
        let (committed, to_publish) = unbounded_channel();
        let (grown, to_seal) = mpsc::channel();
        let committing = Committer::new(
            Arc::clone(&pool),
            Arc::clone(&database),
            Arc::clone(&tree),
            (head, frontier),
            options.clock,
            (committed, grown.clone()),
        );
        let sealer = Sealer::new(database, Arc::clone(&tree), head.epoch);
        // What a crash left unsealed; the sealer is not started yet, so it is there to receive.
        let _ = grown.send(());
        drop(grown);

        // The lock goes when the last thread does: until then this process may still write.
        let lock = Arc::new(lock);
        let threads = vec![
            spawn("committer", &lock, &pool, move || committing.run())?,
            spawn("publisher", &lock, &pool, {
                let listeners = Listeners { published: sender, alarm: alarming, pool: Arc::clone(&pool) };
                move || publishing.run(to_publish, &listeners)
            })?,
            spawn("sealer", &lock, &pool, move || sealer.run(&to_seal))?,
        ];
        let waiting = Arc::new(Waiting::new(options.max_waiting, options.max_waiting_bytes));
        let threads = Mutex::new(threads);
        let reader_too = reader.clone();
        let shared = Shared {
            pool,
            waiting,
            space,
            tree,
            reader: reader_too,
            published,
            cosigning,
            alarm,
            threads,
            _frozen: None,
        };
        Ok((Self { shared: Arc::new(shared) }, reader))
    }

    /// Logs a statement and resolves when it is published. Dropping the future does not take it back.
    pub async fn submit(&self, submission: Submission) -> Result<Ack, SubmitError> {
        let shared = &self.shared;
        let Submission { record, id, signer, signer_id } = submission;
        // Before the look itself: what is sealed in between counts as not looked at.
        let looked_below = shared.tree.index().covered();
        let same = shared.tree.index().statement(id).map_err(ReadError::from)?;
        if !same.is_empty() {
            let (tree, signer) = (Arc::clone(&shared.tree), signer.clone());
            let find = move || Ok(duplicates::find(&tree, &same, id, &signer)?);
            if let Some(index) = blocking(find).await? {
                return self.duplicate(index).await;
            }
        }
        if !shared.space.has_room() {
            return Err(SubmitError::Full);
        }
        let permit = Waiting::enter(&shared.waiting, record.entry().as_bytes().len()).ok_or(SubmitError::Busy)?;
        let (reply, answer) = oneshot::channel();
        let item = Item { record, id, signer: signer_id, key: signer, looked_below, reply, permit };
        shared.pool.push(item).map_err(|_| SubmitError::Stopped)?;
        match answer.await {
            Ok(Outcome::Logged(ack)) => Ok(ack),
            Ok(Outcome::Duplicate(index)) => self.duplicate(index).await,
            Ok(Outcome::NotStored) => Err(SubmitError::NotStored),
            // The writer stopped, and does not know or may not say what became of it.
            Err(_) => Err(SubmitError::Stopped),
        }
    }

    /// The answer for an entry that is logged already, once it is published.
    async fn duplicate(&self, index: LeafIndex) -> Result<Ack, SubmitError> {
        let mut published = self.shared.published.clone();
        let seen = published.wait_for(|published| published.head.size.contains(index)).await;
        let seen = Arc::clone(&*seen.map_err(|_| SubmitError::Stopped)?);
        let reader = self.shared.reader.clone();
        blocking(move || {
            let stored = reader.entry(index)?;
            let path = reader.prove(index, seen.head.size)?;
            let checkpoint = UnverifiedCheckpoint::parse(seen.note.as_bytes()).map_err(|_| SubmitError::Stopped)?;
            let proof = TlogProof { extra: None, index, path, checkpoint }.to_string();
            Ok(Ack { index, duplicate: Some(stored), proof })
        })
        .await
    }

    /// Whether it still accepts. It stops for good when another writer was here or the outcome of a commit is unknown.
    pub fn is_running(&self) -> bool {
        self.shared.pool.is_open()
    }

    /// Whether there is room on the disk for new entries.
    pub fn has_room(&self) -> bool {
        self.shared.space.has_room()
    }

    /// Number of committed entries, published or not.
    pub fn size(&self) -> TreeSize {
        self.shared.tree.size()
    }

    /// How the witnesses do; `None` without a witness policy.
    pub fn cosigning(&self) -> Option<Cosigning> {
        self.shared.cosigning.as_ref().map(|cosigning| cosigning.borrow().clone())
    }

    /// Resolves when the log must not go on because its key signed two histories, with what is known of it.
    pub async fn alarmed(&self) -> String {
        let mut alarm = self.shared.alarm.clone();
        let alarmed = alarm.wait_for(Option::is_some).await.ok().and_then(|alarm| (*alarm).clone());
        match alarmed {
            Some(alarm) => alarm,
            // The publisher ended, and nothing of the kind happened.
            None => std::future::pending().await,
        }
    }

    /// Accepts nothing more, publishes what was accepted, answers everybody, and lets go of the folder.
    pub async fn shutdown(self) {
        self.shared.pool.close();
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let join = move || threads.into_iter().for_each(|thread| drop(thread.join()));
        let _ = tokio::task::spawn_blocking(join).await;
    }
}

impl Drop for Shared {
    /// Without [`Sequencer::shutdown`] the threads finish on their own, a little later.
    fn drop(&mut self) {
        self.pool.close();
    }
}

/// Starts a thread that holds the folder's lock and, however it ends, stops the others.
fn spawn(
    name: &str,
    lock: &Arc<DirectoryLock>,
    pool: &Arc<Pool>,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let (lock, pool) = (Arc::clone(lock), Arc::clone(pool));
    let body = move || {
        let _lock = lock;
        let _close = StopOthers(pool);
        body();
    };
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(OpenError::Thread)
}

/// Stops the others even when a thread panics: nobody would be answered any more.
struct StopOthers(Arc<Pool>);

impl Drop for StopOthers {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Runs what may block outside of the async workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SubmitError> + Send + 'static,
) -> Result<T, SubmitError> {
    // A panic in there or a runtime that ends: either way nobody can say more.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(SubmitError::Stopped))
}

/// Why a statement was not logged, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Too many wait already.
    #[error("too many submissions wait for their answer: try again in a second")]
    Busy,
    /// The disk is full.
    #[error("the log has no disk space left and accepts nothing new")]
    Full,
    /// It was not stored, for a reason that may pass.
    #[error("the statement was not stored: try again")]
    NotStored,
    /// The log has stopped. The statement may or may not be in it; submitting it again later is safe.
    #[error("the log has stopped; submit the statement again when it is back, it is never logged twice")]
    Stopped,
    /// The log cannot read what it holds.
    #[error(transparent)]
    Read(#[from] ReadError),
}
