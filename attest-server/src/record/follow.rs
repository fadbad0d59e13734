//! The thread that follows the published tree. It is off every path on which somebody waits, and of low priority.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use attest_core::merkle::{LeafIndex, TreeSize};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};

use super::{RecordError, Shared, book::Book};
use crate::{logging::chain, reader::Published, rebuilders::Rebuilders, store::space};

/// Entries in one transaction: what is written more than once (counts, the inner pages of indexes) is shared by so many.
const AT_ONCE: usize = 4_096;
/// Between two transactions of one that has caught up. People do not see it, and under load it makes them larger.
const PAUSE: Duration = Duration::from_millis(250);
/// Before trying again what failed.
const RETRY: Duration = Duration::from_secs(10);
/// The least time between two fills, so that damage that comes back at once does not keep the machine busy.
const REFILL: Duration = Duration::from_secs(60);
/// Of all threads of this machine the last but a few (nice(1)).
const NICE: i32 = 10;

/// Starts the thread; it ends when `end` has no sender any more.
pub(super) fn start(shared: Arc<Shared>, end: watch::Receiver<()>) -> io::Result<()> {
    // One of its own: the server's may end before this thread sees that it has to.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let (changes, list) = (shared.source.reader.changes(), shared.source.rebuilders.clone());
    let follower = Follower { shared, runtime, end, changes, list, deleted: None };
    thread::Builder::new().name("record".to_owned()).spawn(move || follower.run())?;
    Ok(())
}

struct Follower {
    shared: Arc<Shared>,
    runtime: Runtime,
    end: watch::Receiver<()>,
    changes: watch::Receiver<Arc<Published>>,
    list: watch::Receiver<Arc<Rebuilders>>,
    deleted: Option<Instant>,
}

impl Follower {
    fn run(mut self) {
        // On Linux this is the priority of the calling thread alone; where it is refused, the work is done all the same.
        let _ = rustix::process::setpriority_process(None, NICE);
        while let Err(error) = self.follow() {
            let reason = chain(&error);
            tracing::warn!(path = %self.shared.path.display(), reason, "the public record stops; the log goes on");
            self.shared.status().stopped = Some(reason);
            let again =
                error.is_damage() && self.delete().inspect_err(|error| tracing::warn!("{}", chain(error))).is_ok();
            if self.has_ended() || (!again && self.wait(RETRY)) {
                return;
            }
        }
    }

    /// Until the end.
    fn follow(&mut self) -> Result<(), RecordError> {
        let mut book = self.open()?;
        self.shared.snapshots.open();
        loop {
            let list = Arc::clone(&self.list.borrow_and_update());
            self.check_room()?;
            book.attribute(&self.shared.source.reader, &list)?;
            self.note(&book);
            while book.covered() < self.changes.borrow_and_update().head.size
                && !self.list.has_changed().unwrap_or(false)
            {
                self.add(&mut book)?;
                self.note(&book);
                if self.has_ended() {
                    return Ok(());
                }
                if self.shared.snapshots.are_damaged() {
                    return Err(RecordError::Damaged { what: "a page that was read" });
                }
            }
            if self.wait_for_more() || self.wait(PAUSE) {
                return Ok(());
            }
            if self.shared.snapshots.are_damaged() {
                return Err(RecordError::Damaged { what: "a page that was read" });
            }
        }
    }

    fn open(&mut self) -> Result<Book, RecordError> {
        let Shared { path, source, .. } = &*self.shared;
        self.check_room()?;
        let found = Book::open(path, &source.vkey, &source.reader);
        let reason = match found {
            Ok(Some(book)) => return Ok(book),
            Ok(None) => "it is of another log, of another version, or of entries that are not published".to_owned(),
            Err(error) if error.is_damage() => chain(&error),
            Err(error) => return Err(error),
        };
        tracing::info!(path = %path.display(), reason, "the public record is made anew");
        self.delete()?;
        let Shared { path, source, .. } = &*self.shared;
        Book::open(path, &source.vkey, &source.reader)?.ok_or(RecordError::Damaged { what: "a new file" })
    }

    /// Whole bundles, as long as there are more; what is left then.
    fn add(&self, book: &mut Book) -> Result<(), RecordError> {
        self.check_room()?;
        let reader = &self.shared.source.reader;
        let below = self.changes.borrow().head.size;
        let (mut next, mut entries) = (book.covered().get(), Vec::new());
        while entries.len() < AT_ONCE && next < below.get() {
            entries.extend(reader.entries(LeafIndex::new(next), below)?);
            next = book.covered().get() + entries.len() as u64;
        }
        book.add(reader, &entries)
    }

    fn note(&self, book: &Book) {
        let mut status = self.shared.status();
        status.recorded = book.covered();
        if status.stopped.take().is_some() {
            tracing::info!(recorded = book.covered().get(), "the public record goes on");
        }
    }

    fn check_room(&self) -> Result<(), RecordError> {
        let floor = self.shared.source.floor;
        let folder = self.shared.path.parent().unwrap_or(Path::new(""));
        // A file system that does not answer has no room.
        if space::free(folder).is_ok_and(|free| free >= floor) { Ok(()) } else { Err(RecordError::NoRoom { floor }) }
    }

    /// Deletes the file and what SQLite has beside it.
    fn delete(&mut self) -> Result<(), RecordError> {
        if let Some(wait) = self.deleted.and_then(|last| REFILL.checked_sub(last.elapsed())) {
            self.wait(wait);
        }
        self.deleted = Some(Instant::now());
        self.shared.snapshots.close();
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.shared.path.clone().into_os_string();
            path.push(suffix);
            let path = PathBuf::from(path);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(RecordError::Delete { path, source });
                }
                _ => {}
            }
        }
        self.shared.status().recorded = TreeSize::ZERO;
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.end.has_changed().is_err()
    }

    /// Until there is something to do; whether that is to end.
    fn wait_for_more(&mut self) -> bool {
        let Self { shared, runtime, end, changes, list, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = end.changed() => true,
                // Without its writer a log does not grow any more; what is there is still asked for.
                Ok(()) = changes.changed() => false,
                Ok(()) = list.changed() => false,
                () = shared.snapshots.found_damage.notified() => false,
            }
        })
    }

    /// Whether the end came first.
    fn wait(&mut self, time: Duration) -> bool {
        let end = &mut self.end;
        self.runtime.block_on(async { tokio::time::timeout(time, end.changed()).await.is_ok() })
    }
}
