//! The coordinator: one process that holds the queue and the key, gives work to workers and takes their results.
//!
//! Threads, and what each does: the server answers workers and readers; the clock carries out requests of commands and
//! takes jobs back from silent workers; the notary signs and submits; one thread reads the feeds; one keeps our own workers
//! running. All of them change the queue under one lock, and any of them ends the process when the journal fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use attest_core::artifact::ArtifactDigest;

use super::doors::Doors;
use super::feed::{self, Reader};
use super::folder::Folder;
use super::inbox::{self, InboxError};
use super::intake;
use super::notary::Notary;
use super::queue::{Queue, QueueError};
use super::server::Shelf;
use super::settings::Settings;
use crate::files;
use crate::interrupt;

pub(crate) mod staff;

/// Between two rounds of the clock and of the notary.
const TICK: Duration = Duration::from_millis(500);
/// With so many jobs nothing more is taken from feeds, which others may fill: memory and journal have an end. What was not
/// read is read later.
const MAX_WAITING: usize = 100_000;
/// SHA-256 in hexadecimal, and a line end.
const MAX_TOKEN_FILE: u64 = 128;

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) folder: Folder,
    pub(crate) settings: Settings,
    queue: Mutex<Queue>,
    /// Tokens of our own workers, by their SHA-256: they live as long as this process.
    own_tokens: Mutex<BTreeMap<ArtifactDigest, String>>,
    /// When each worker was heard last.
    heard: Mutex<BTreeMap<String, u64>>,
    pub(crate) counts: Counts,
    /// Attempts of which something is coming in or being looked at.
    pub(crate) doors: Doors,
    /// What is served by digest.
    pub(crate) shelf: Mutex<Shelf>,
    /// Why the process has to end.
    fatal: Mutex<Option<String>>,
}

/// For the metrics; since this process started.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) results: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) feed_errors: AtomicU64,
}

impl Coordinator {
    /// The caller holds the folder's lock.
    pub(crate) fn open(folder: Folder, settings: Settings, now: u64, say: &dyn Fn(&str)) -> anyhow::Result<Self> {
        let mut queue = Queue::open(&folder.journal(), now)?;
        match inbox::drain(&folder, &mut queue, now, say) {
            // Looked at again by the clock: it is no reason to build nothing.
            Err(error @ InboxError::File(_)) => say(&crate::output::causes(&error)),
            drained => drained?,
        }
        intake::sweep(&folder, queue.state())?;
        Ok(Self {
            folder,
            settings,
            queue: Mutex::new(queue),
            own_tokens: Mutex::default(),
            heard: Mutex::default(),
            counts: Counts::default(),
            doors: Doors::default(),
            shelf: Mutex::default(),
            fatal: Mutex::default(),
        })
    }

    /// Poison only says that a thread panicked: what is in memory follows from the journal either way.
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes an error on, and ends the process for one after which nothing may be changed.
    pub(crate) fn judged<T>(&self, done: Result<T, QueueError>) -> Result<T, QueueError> {
        if let Err(error) = &done
            && error.is_fatal()
        {
            let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
            fatal.get_or_insert_with(|| crate::output::causes(error));
            interrupt::request();
        }
        done
    }

    /// Why the process ended, unless somebody asked it to.
    pub(crate) fn take_fatal(&self) -> Option<String> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The worker that a token names.
    pub(crate) fn worker(&self, token: &str) -> Option<String> {
        // Digests are compared: the time it takes tells nothing about a token.
        let digest = ArtifactDigest::of(token.as_bytes());
        let own = self.own_tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        let worker = own.or_else(|| self.other_worker(digest))?;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert(worker.clone(), crate::run::now().secs());
        Some(worker)
    }

    /// Read each time: a token that was taken away is worth nothing from then on.
    fn other_worker(&self, digest: ArtifactDigest) -> Option<String> {
        let names = std::fs::read_dir(self.folder.workers()).ok()?;
        names.filter_map(Result::ok).find_map(|entry| {
            let text = files::read(&entry.path(), MAX_TOKEN_FILE).ok()?;
            let known: ArtifactDigest = std::str::from_utf8(&text).ok()?.trim_end().parse().ok()?;
            (known == digest).then(|| entry.file_name().to_string_lossy().into_owned())
        })
    }

    /// Lets one of our own workers in.
    fn admit(&self, token: &str, name: &str) {
        let mut tokens = self.own_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, known| known != name);
        tokens.insert(ArtifactDigest::of(token.as_bytes()), name.to_owned());
    }

    /// Workers, and when they were heard last.
    pub(crate) fn heard(&self) -> BTreeMap<String, u64> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is room for another result.
    pub(crate) fn has_room(&self) -> bool {
        // A disk that does not say how full it is counts as full.
        self.folder.free().is_ok_and(|free| free >= self.settings.limits.free_disk_mb.saturating_mul(1 << 20))
    }

    /// Requests of commands, and silent workers.
    pub(crate) fn clock(&self, say: &dyn Fn(&str)) {
        while !interrupt::requested() {
            let now = crate::run::now().secs();
            match inbox::drain(&self.folder, &mut self.queue(), now, say) {
                Err(InboxError::Queue(error)) => drop(self.judged::<()>(Err(error))),
                Err(error) => say(&crate::output::causes(&error)),
                Ok(()) => {}
            }
            let expired = self.queue().expire(&self.settings.limits, now);
            if let Err(error) = self.judged(expired) {
                say(&crate::output::causes(&error));
            }
            rest(TICK);
        }
    }

    /// Signs and submits, round after round.
    pub(crate) fn publish(&self, notary: &mut Notary, say: &dyn Fn(&str)) {
        while !interrupt::requested() {
            let round = notary.round(&self.queue, say);
            if let Err(error) = self.judged(round) {
                say(&crate::output::causes(&error));
            }
            rest(TICK);
        }
    }

    /// Looks at each feed when it is time to.
    pub(crate) fn follow(&self, reader: &Reader, say: &dyn Fn(&str)) {
        let mut due: Vec<Instant> = vec![Instant::now(); self.settings.feeds.len()];
        while !interrupt::requested() {
            for (feed, due) in self.settings.feeds.iter().zip(&mut due).filter(|(_, due)| **due <= Instant::now()) {
                *due = Instant::now() + feed::interval(feed);
                if self.queue().state().waiting() >= MAX_WAITING {
                    say(&format!("{:?} is not read: {MAX_WAITING} jobs wait already", feed.source));
                    continue;
                }
                let positions = self.queue().state().positions().clone();
                let added = reader.read(feed, &positions).map(|read| {
                    let added = self.queue().add(read.asks, read.position, crate::run::now().secs());
                    self.judged(added)
                });
                match added {
                    Ok(Ok(0)) => {}
                    Ok(Ok(added)) => say(&format!("{added} new jobs from {:?}", feed.source)),
                    Ok(Err(error)) => say(&crate::output::causes(&error)),
                    Err(error) => {
                        self.counts.feed_errors.fetch_add(1, Ordering::Relaxed);
                        say(&format!("a feed cannot be read: {error:#}"));
                    }
                }
            }
            rest(TICK);
        }
    }
}

/// Where our own workers' options go.
#[derive(Clone, Debug)]
pub(crate) struct OwnWorkers {
    pub(crate) count: u16,
    /// This program.
    pub(crate) program: PathBuf,
    /// How they rebuild.
    pub(crate) options: Vec<std::ffi::OsString>,
}

fn rest(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end && !interrupt::requested() {
        thread::sleep(Duration::from_millis(50));
    }
}
