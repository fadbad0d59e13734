//! A log in a folder, made by the shortest way: tiles, bundles and index, and one checkpoint.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use attest_core::{
    checkpoint::Checkpoint,
    merkle::TreeSize,
    note::{KeyName, KeyType, SignerKey},
    tile::Entry,
    time::Timestamp,
};
use attest_server::{
    clock::Clock,
    freeze,
    http::{Role, Site, health::Progress},
    mirror::MirrorState,
    mirrors::Mirrors,
    negatives::Editions,
    reader::{Published, Reader},
    rebuilders::Rebuilders,
    record::Record,
    store::{
        index::Index,
        record::Record as Stored,
        tiles::TileStore,
        tree::{LogTree, Staged},
    },
};
use tokio::sync::watch;

use crate::entries;

/// Entries between two rounds of sealing.
const AT_ONCE: u64 = 4_096;

/// What is asked about.
pub(crate) struct Log {
    pub(crate) reader: Reader,
    pub(crate) vkey: String,
    pub(crate) rebuilders: watch::Receiver<Arc<Rebuilders>>,
    _published: watch::Sender<Arc<Published>>,
}

impl Log {
    /// Opens the log in `dir`, and fills it up to so many entries.
    pub(crate) fn open(dir: &Path, size: u64) -> Result<Self> {
        if !dir.join("tile").exists() {
            std::fs::create_dir_all(dir)?;
            TileStore::create(dir)?;
        }
        let index = Index::open(dir)?;
        let sealed = index.covered();
        ensure!(sealed.get() <= size, "the folder holds {} entries already", sealed.get());
        let (tree, mut frontier) = LogTree::load(TileStore::open(dir), index, sealed, Vec::new())?;
        let (started, tree) = (Instant::now(), Arc::new(tree));
        let mut next = sealed.get();
        while next < size {
            let end = size.min(next + AT_ONCE);
            let records = signed(next, end)?;
            frontier = tree.extend(&records, Staged::new(&frontier, &records));
            while let Some(sealed) = tree.seal()? {
                tree.forget(sealed);
            }
            next = end;
        }
        if sealed.get() < size {
            println!("made a log in {:.0} s", started.elapsed().as_secs_f64());
        }
        let head = frontier.head();
        ensure!(head.size == TreeSize::new(size), "expected {size} entries, found {}", head.size);
        let name = KeyName::new("record.example")?;
        let key = SignerKey::from_seed(name.clone(), KeyType::Ed25519, [1; 32]);
        let note = Checkpoint { origin: name.as_str().to_owned(), head }.sign(&key)?.note().to_string();
        let published = watch::Sender::new(Arc::new(Published { note, head, time: Clock::system().now() }));
        let reader = Reader::new(tree, published.subscribe());
        let list = (0..entries::REBUILDERS).map(|who| {
            let key = entries::key(who).public();
            format!(
                "[[rebuilder]]\nname = 'r{who}'\nurl = 'https://rebuilder-{who}.example'\ncontact = 'x'\nkey = '{key}'\n"
            )
        });
        let list = Rebuilders::parse(&list.collect::<String>(), Path::new(""))?;
        Ok(Self {
            reader,
            vkey: key.verifier().to_string(),
            rebuilders: watch::channel(Arc::new(list)).1,
            _published: published,
        })
    }

    /// As a mirror serves it.
    pub(crate) fn site(&self, dir: &Path, record: Record) -> Site {
        Site {
            reader: self.reader.clone(),
            record: Some(record),
            mirrors: Mirrors::default(),
            negatives: Arc::new(Editions::new(self.reader.clone())),
            role: Role::Mirror { state: watch::channel(MirrorState::Current).1, max_stale: Duration::from_secs(60) },
            data: dir.to_owned(),
            origin: "record.example".to_owned(),
            public_url: None,
            clock: Clock::new(|| Timestamp::from_secs(1_795_000_000)),
            vkeys: vec![self.vkey.clone()],
            request_timeout: Duration::from_secs(30),
            freeze: freeze::Watch::never(),
            progress: Progress::default(),
        }
    }
}

/// Signing is most of the work: on all cores.
fn signed(first: u64, end: u64) -> Result<Vec<Arc<Stored>>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, made) = (AtomicU64::new(first), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= end {
                    return Ok(());
                }
                let entry = Entry::new(entries::envelope(number)?.to_bytes())?;
                let record = Arc::new(Stored::of_entry(entry));
                made.lock().ok().context("a thread panicked")?.push((number, record));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().ok().context("a thread panicked")?)
    })?;
    let mut made = made.into_inner().ok().context("a thread panicked")?;
    made.sort_unstable_by_key(|(number, _)| *number);
    Ok(made.into_iter().map(|(_, record)| record).collect())
}
