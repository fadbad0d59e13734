//! A log that lives through a random history: submissions, faults, crashes, restarts, clocks that go wrong, a twin, an
//! older database; every second one with three witnesses, one of which may be out of its mind, and with an older copy of
//! everything, which only witnesses can tell from the log. After every step: whatever was acknowledged is under its index,
//! and all that was ever published is one tree that only grew.
//!
//! A seed chooses the history; what the threads make of it may differ between runs. `ATTEST_SIMULATION=FROM..TO` runs
//! those seeds. What it finds becomes a named test beside this file.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use attest_core::{
    envelope::{Envelope, StatementId},
    merkle::{LeafIndex, TreeHead, verify_consistency},
    tile::prove_consistency,
    time::Timestamp,
};

use super::*;
use crate::{
    fixtures::{NOW, TestLog, copy_dir, options, submission},
    sequencer::witnessed::tests::{Fake, Mood, of_fakes, patience},
    store::{
        Database,
        memory::{Fault, MemoryDatabase, Operation},
    },
};

const STEPS: usize = 60;

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

struct World {
    log: TestLog,
    data: PathBuf,
    database: Arc<MemoryDatabase>,
    running: Option<(Sequencer, Reader)>,
    clock: Arc<AtomicU64>,
    random: Random,
    /// What clients were promised: statement and signer, where it is, and what it is.
    acknowledged: BTreeMap<(u64, u8), (LeafIndex, StatementId)>,
    /// Every tree that anybody was shown.
    shown: Vec<TreeHead>,
    /// A database of some earlier moment.
    backup: Option<MemoryDatabase>,
    /// The whole log of some earlier moment.
    older: Option<(PathBuf, MemoryDatabase)>,
    /// Two of these must cosign, when there are any.
    witnesses: Vec<Fake>,
    next: u64,
    lives: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let log = TestLog::new();
        let witnesses = [1, 2, 3].map(|n| Fake::new(&format!("w{n}.example"), n, &log.vkey));
        let mut world = Self {
            witnesses: if seed % 2 == 1 { witnesses.into() } else { Vec::new() },
            older: None,
            data: log.data(),
            log,
            database: Arc::new(MemoryDatabase::new(Timestamp::from_secs(NOW))),
            running: None,
            clock: Arc::new(AtomicU64::new(NOW)),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            acknowledged: BTreeMap::new(),
            shown: Vec::new(),
            backup: None,
            next: 0,
            lives: 0,
        };
        world.running = Some(world.open(&world.data, Arc::clone(&world.database) as _).unwrap());
        world
    }

    fn open(&self, data: &Path, database: Arc<dyn Database>) -> Result<(Sequencer, Reader), OpenError> {
        let clock = Arc::clone(&self.clock);
        let clock = Clock::new(move || Timestamp::from_secs(clock.load(Ordering::SeqCst)));
        let witnesses = (!self.witnesses.is_empty())
            .then(|| of_fakes(&self.witnesses, "2", crate::witnesses::Fail::Closed, &self.log.vkey));
        let patience = patience();
        let options = Options { gather: Duration::from_millis(1), clock, witnesses, patience, ..options() };
        let recovered = Folder::open(data, Kind::Log)?.recover(database, options.clock.now())?;
        Sequencer::start(data, recovered, options)
    }

    fn sequencer(&self) -> &Sequencer {
        &self.running.as_ref().unwrap().0
    }

    async fn step(&mut self) -> &'static str {
        match self.random.below(if self.witnesses.is_empty() { 16 } else { 20 }) {
            0..8 => {
                self.submit().await;
                "submit"
            }
            8 | 9 => {
                let operation = self.random.one_of(&[Operation::Commit, Operation::Publish, Operation::Seal]);
                let fault = self.random.one_of(&[Fault::NotApplied, Fault::Lost, Fault::Applied]);
                self.database.fail(operation, fault);
                self.submit().await;
                "fault"
            }
            10 | 11 => {
                self.crash();
                "crash"
            }
            12 => {
                self.restart().await;
                "restart"
            }
            13 => {
                self.clock_goes_wrong().await;
                "clock"
            }
            14 => {
                self.database.lease().unwrap();
                self.submit().await;
                assert!(!self.sequencer().is_running(), "a log goes on beside its twin");
                "twin"
            }
            15 => {
                self.older_database().await;
                "older database"
            }
            16..19 => {
                self.witness_changes();
                "witness"
            }
            _ => {
                self.older_everything().await;
                "older everything"
            }
        }
    }

    /// Some new statements and some that were submitted before, all at once.
    async fn submit(&mut self) {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..=self.random.below(50) {
            let (old, signer) = (self.random.below(4) == 0, 1 + u8::from(self.random.below(3) == 0));
            let number = if old { self.random.below(self.next + 1) } else { self.next };
            self.next = self.next.max(number + 1);
            let (sequencer, submission) = (self.sequencer().clone(), submission(number, signer));
            tasks.spawn(async move { ((number, signer), submission.clone(), sequencer.submit(submission).await) });
        }
        while let Some(done) = tasks.join_next().await {
            let (key, submission, answer) = done.unwrap();
            match answer {
                Ok(ack) => {
                    self.log.check(&submission, &ack);
                    let promise = (ack.index, submission.id());
                    let first = *self.acknowledged.entry(key).or_insert(promise);
                    assert_eq!(first, promise, "{key:?} was acknowledged under two indexes");
                }
                Err(SubmitError::Stopped | SubmitError::NotStored) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The process is gone in the middle of whatever it does; what was not durable is lost.
    fn crash(&mut self) {
        self.lives += 1;
        let copy = self.data.with_file_name(format!("life{}", self.lives));
        let survived = self.database.crash_after(|| copy_dir(&self.data, &copy));
        // Whatever the old threads still do, they do to the old folder, whose lock they may hold for a moment.
        drop(self.running.take());
        self.data = copy;
        self.start_again(survived);
    }

    async fn restart(&mut self) {
        let (sequencer, reader) = self.running.take().unwrap();
        self.shown.push(reader.published().head);
        drop(reader);
        sequencer.shutdown().await;
        self.start_again(self.database.crash());
    }

    fn start_again(&mut self, database: MemoryDatabase) {
        self.database = Arc::new(database);
        self.running = Some(self.open(&self.data, Arc::clone(&self.database) as _).unwrap());
    }

    /// It goes forward by any amount, or back across a restart, which is refused as soon as something was written later.
    async fn clock_goes_wrong(&mut self) {
        if self.random.below(2) == 0 {
            let on = self.random.below(100_000);
            let now = self.clock.fetch_add(on, Ordering::SeqCst) + on;
            self.witnesses.iter().for_each(|witness| witness.set_time(now));
            return;
        }
        let (sequencer, reader) = self.running.take().unwrap();
        drop(reader);
        sequencer.shutdown().await;
        self.database = Arc::new(self.database.crash());
        let back = 1 + self.random.below(1_000);
        let latest = self.database.head().unwrap().time.secs();
        let wrong = self.clock.fetch_sub(back, Ordering::SeqCst) - back;
        let opened = self.open(&self.data, Arc::new(self.database.crash())).map(drop);
        match opened {
            Ok(()) => assert!(wrong >= latest, "signed at {wrong}, before {latest}"),
            Err(error) => assert!(matches!(error, OpenError::Clock { .. }), "{error}"),
        }
        self.clock.fetch_add(back, Ordering::SeqCst);
        self.crash();
    }

    /// Somebody puts an older database back under newer files.
    async fn older_database(&mut self) {
        self.settle().await;
        let published = self.running.as_ref().unwrap().1.published().head;
        if let Some(backup) = self.backup.replace(self.database.crash())
            && backup.head().unwrap().tree.size < published.size
        {
            let copy = self.data.with_file_name(format!("restored{}", self.shown.len()));
            let size = backup.head().unwrap().tree.size;
            copy_dir(&self.data, &copy);
            let opened = self.open(&copy, Arc::new(backup)).map(drop);
            let refused = opened.expect_err("an older database was signed from");
            assert!(
                matches!(refused, OpenError::RolledBack { .. } | OpenError::TilesAhead { .. }),
                "{size:?}, published {published:?}: {refused}"
            );
        }
    }

    /// One witness at most is not honest, so that there is always a quorum.
    fn witness_changes(&mut self) {
        let one = self.random.below(self.witnesses.len() as u64);
        let moods = [Mood::Honest, Mood::Silent, Mood::Status(500), Mood::EmptyConflict, Mood::OtherKey, Mood::Replays];
        let mood = self.random.one_of(&moods);
        for (number, witness) in (0..).zip(&self.witnesses) {
            witness.is(if number == one { mood } else { Mood::Honest });
        }
    }

    /// Somebody starts a copy of the whole log from some time ago. Nothing in it contradicts anything in it; but the
    /// witnesses have seen more.
    async fn older_everything(&mut self) {
        self.settle().await;
        let size = self.sequencer().size();
        let copy = self.data.with_file_name(format!("older{}", self.shown.len()));
        let database = self.database.crash_after(|| copy_dir(&self.data, &copy));
        if let Some((data, database)) = self.older.replace((copy, database))
            && database.head().unwrap().tree.size < size
        {
            let mark = || std::fs::read(data.join("highwater")).unwrap();
            let before = mark();
            let (sequencer, reader) = self.open(&data, Arc::new(database)).unwrap();
            let alarm = tokio::time::timeout(Duration::from_secs(60), sequencer.alarmed()).await;
            alarm.expect("an older copy of the log was started and nobody noticed");
            drop(reader);
            sequencer.shutdown().await;
            assert_eq!(mark(), before, "an older copy of the log signed something");
        }
    }

    /// Until everything durable is published: with witnesses that takes a moment.
    async fn settle(&self) {
        let (sequencer, reader) = self.running.as_ref().unwrap();
        for _ in 0..6_000 {
            if reader.published().head.size == sequencer.size() || !sequencer.is_running() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?} of {:?} entries were published", reader.published().head.size, sequencer.size());
    }

    /// What must hold after every step.
    async fn check(&mut self) {
        self.settle().await;
        if !self.sequencer().is_running() {
            self.crash();
            self.settle().await;
        }
        let (sequencer, reader) = self.running.as_ref().unwrap();
        let published = reader.published().head;
        self.shown.push(published);
        for earlier in &self.shown {
            let proof = prove_consistency(earlier.size, published.size, |tile| sequencer.shared.tree.hashes(tile));
            verify_consistency(*earlier, published, &proof.unwrap()).unwrap();
        }
        for (index, statement) in self.acknowledged.values() {
            let logged = Envelope::parse(&reader.entry(*index).unwrap()).unwrap();
            assert_eq!(logged.statement_id(), *statement, "{index:?}");
        }
    }
}

fn seeds() -> Range<u64> {
    let Ok(range) = std::env::var("ATTEST_SIMULATION") else {
        return 0..6;
    };
    let (from, to) = range.split_once("..").expect("ATTEST_SIMULATION=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_history_loses_what_was_acknowledged_or_forks_what_was_published() {
    for seed in seeds() {
        let mut world = World::new(seed);
        let mut history = Vec::new();
        let mut counts: BTreeMap<_, u32> = BTreeMap::new();
        for _ in 0..STEPS {
            let step = world.step().await;
            history.push(step);
            *counts.entry(step).or_default() += 1;
            // Shown when a check fails.
            let last = Failed { seed, history: &history };
            world.check().await;
            std::mem::forget(last);
        }
        println!("seed {seed}: {} acknowledged, {counts:?}", world.acknowledged.len());
    }
}

/// Tells how it came to a failure.
struct Failed<'a> {
    seed: u64,
    history: &'a [&'static str],
}

impl Drop for Failed<'_> {
    fn drop(&mut self) {
        println!("seed {}: {}", self.seed, self.history.join(", "));
    }
}
