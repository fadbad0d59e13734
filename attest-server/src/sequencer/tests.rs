use std::{
    collections::HashMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use attest_core::{
    checkpoint::UnverifiedCheckpoint,
    merkle::{LeafIndex, TreeSize, verify_consistency},
    tile::{Entry, prove_consistency},
    time::Timestamp,
};

use super::*;
use crate::{
    fixtures::{NOW, TestLog, artifact, copy_dir, options, submission},
    store::{
        Commit, CommitError, Database, DatabaseError, Epoch, Head, StoredCheckpoint,
        memory::{Fault, MemoryDatabase, Operation},
        sled::SledDatabase,
    },
};

/// Opens the log in `data` on a database of the test's own.
fn open_on(data: &Path, database: Arc<dyn Database>) -> Result<(Sequencer, Reader), OpenError> {
    let recovered = Folder::open(data, Kind::Log)?.recover(database, options().clock.now())?;
    Sequencer::start(data, recovered, options())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_logged_published_and_read_again_after_a_restart() {
    let log = TestLog::new();
    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    assert_eq!(reader.published().head.size, TreeSize::ZERO);
    let first = submission(0, 1);
    let ack = sequencer.submit(first.clone()).await.unwrap();
    assert_eq!((ack.index, &ack.duplicate), (LeafIndex::new(0), &None));
    log.check(&first, &ack);
    let second = submission(1, 1);
    log.check(&second, &sequencer.submit(second.clone()).await.unwrap());
    let before = reader.published();
    drop(reader);
    sequencer.shutdown().await;

    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    assert_eq!(reader.published(), before);
    assert_eq!(reader.entry(LeafIndex::new(0)).unwrap(), first.entry().as_bytes());
    let digest = artifact(&first);
    let found = reader.lookup(digest, LeafIndex::new(0), before.head.size, 10).unwrap();
    assert_eq!(found, [LeafIndex::new(0), LeafIndex::new(1)]);
    let again = sequencer.submit(first.clone()).await.unwrap();
    assert_eq!((again.index, again.duplicate.is_some()), (LeafIndex::new(0), true));
    log.check(&first, &again);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_submissions_with_duplicates_each_get_the_right_proof() {
    let log = TestLog::new();
    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1_800_u64 {
        // 600 statements, each by two signers; one of the pairs comes twice.
        let signer = 1 + u8::from(number % 3 == 2);
        let submission = submission(number / 3, signer);
        let sequencer = sequencer.clone();
        tasks.spawn(async move { (submission.clone(), sequencer.submit(submission).await.unwrap()) });
    }
    let mut indexes: HashMap<_, Vec<LeafIndex>> = HashMap::new();
    let mut duplicates = 0;
    while let Some(done) = tasks.join_next().await {
        let (submission, ack) = done.unwrap();
        log.check(&submission, &ack);
        duplicates += u32::from(ack.duplicate.is_some());
        let key = (submission.id(), submission.signer().fingerprint());
        indexes.entry(key).or_default().push(ack.index);
    }
    assert_eq!(duplicates, 600);
    assert_eq!(indexes.len(), 1_200);
    assert!(indexes.values().all(|of| of.iter().all(|index| *index == of[0])));
    assert_eq!(reader.published().head.size, TreeSize::new(1_200));

    // Now sealed for the most part: the same answers come from the index, and after a restart from the files.
    let (index, last) = (indexes.values().map(|of| of[0]).min().unwrap(), submission(599, 2));
    assert_eq!(index, LeafIndex::new(0));
    drop(reader);
    sequencer.shutdown().await;
    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    for number in [0, 1, 255, 256, 400, 599] {
        for signer in [1, 2] {
            let submission = submission(number, signer);
            let ack = sequencer.submit(submission.clone()).await.unwrap();
            log.check(&submission, &ack);
            let key = (submission.id(), submission.signer().fingerprint());
            assert_eq!(indexes[&key][0], ack.index);
            assert!(ack.duplicate.is_some());
        }
    }
    log.check(&last, &sequencer.submit(last.clone()).await.unwrap());
    assert_eq!(reader.published().head.size, TreeSize::new(1_200));
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_not_applied_leaves_the_log_running() {
    let log = TestLog::new();
    let database = Arc::new(MemoryDatabase::new(Timestamp::from_secs(NOW)));
    let (sequencer, _reader) = open_on(&log.data(), Arc::clone(&database) as _).unwrap();
    database.fail(Operation::Commit, Fault::NotApplied);
    assert!(matches!(sequencer.submit(submission(0, 1)).await, Err(SubmitError::NotStored)));
    let ack = sequencer.submit(submission(0, 1)).await.unwrap();
    assert_eq!((ack.index, &ack.duplicate), (LeafIndex::new(0), &None));
    log.check(&submission(0, 1), &ack);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unknown_outcome_the_log_stops_and_the_next_start_knows() {
    let faults = [
        (Operation::Commit, Fault::Lost, false),
        (Operation::Commit, Fault::Applied, true),
        (Operation::Publish, Fault::NotApplied, true),
        (Operation::Publish, Fault::Lost, true),
        (Operation::Publish, Fault::Applied, true),
    ];
    for (operation, fault, logged) in faults {
        let log = TestLog::new();
        let database = Arc::new(MemoryDatabase::new(Timestamp::from_secs(NOW)));
        let (sequencer, reader) = open_on(&log.data(), Arc::clone(&database) as _).unwrap();
        log.check(&submission(0, 1), &sequencer.submit(submission(0, 1)).await.unwrap());
        database.fail(operation, fault);
        let failed = sequencer.submit(submission(1, 1)).await;
        assert!(matches!(failed, Err(SubmitError::Stopped)), "{operation:?} {fault:?}: {failed:?}");
        let later = sequencer.submit(submission(2, 1)).await;
        assert!(matches!(later, Err(SubmitError::Stopped)), "{operation:?} {fault:?}: {later:?}");
        assert!(!sequencer.is_running());
        assert_eq!(reader.published().head.size, TreeSize::new(1), "what was published stays readable");
        drop(reader);
        sequencer.shutdown().await;

        let (sequencer, reader) = open_on(&log.data(), Arc::new(database.crash())).unwrap();
        assert_eq!(reader.published().head.size, TreeSize::new(1 + u64::from(logged)), "{operation:?} {fault:?}");
        let ack = sequencer.submit(submission(1, 1)).await.unwrap();
        assert_eq!((ack.index, ack.duplicate.is_some()), (LeafIndex::new(1), logged), "{operation:?} {fault:?}");
        log.check(&submission(1, 1), &ack);
        drop(reader);
        sequencer.shutdown().await;
    }
}

/// Found as a test that hung: what came into the pool between the failure and its closing was never answered.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_answered_when_the_log_stops_under_load() {
    for operation in [Operation::Commit, Operation::Publish, Operation::Commit, Operation::Publish] {
        let log = TestLog::new();
        let database = Arc::new(MemoryDatabase::new(Timestamp::from_secs(NOW)));
        let (sequencer, _reader) = open_on(&log.data(), Arc::clone(&database) as _).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..400 {
            if number == 100 {
                database.fail(operation, Fault::Lost);
            }
            let (sequencer, submission) = (sequencer.clone(), submission(number, 1));
            tasks.spawn(async move { sequencer.submit(submission).await });
        }
        let answers = tasks.join_all().await;
        assert!(answers.iter().any(|answer| matches!(answer, Err(SubmitError::Stopped))));
        assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(SubmitError::Stopped))));
        assert!(!sequencer.is_running());
        // The sealer still writes what was committed, and the folder goes with `log`.
        sequencer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_seal_stops_the_log_and_is_made_again_by_the_next_start() {
    for fault in [Fault::Lost, Fault::Applied] {
        let log = TestLog::new();
        let database = Arc::new(MemoryDatabase::new(Timestamp::from_secs(NOW)));
        let (sequencer, reader) = open_on(&log.data(), Arc::clone(&database) as _).unwrap();
        database.fail(Operation::Seal, fault);
        // One full bundle: what comes while the log stops may be answered by nothing.
        fill(&sequencer, 0..256).await;
        let published = reader.published();
        drop(reader);
        sequencer.shutdown().await;
        let (sequencer, reader) = open_on(&log.data(), Arc::new(database.crash())).unwrap();
        assert_eq!(reader.published().head, published.head);
        for number in [0, 128, 255] {
            let again = submission(number, 1);
            let ack = sequencer.submit(again.clone()).await.unwrap();
            assert!(ack.duplicate.is_some());
            log.check(&again, &ack);
        }
        drop(reader);
        sequencer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writer_stops_the_log_before_it_signs() {
    let log = TestLog::new();
    let database = Arc::new(MemoryDatabase::new(Timestamp::from_secs(NOW)));
    let (sequencer, reader) = open_on(&log.data(), Arc::clone(&database) as _).unwrap();
    database.lease().unwrap();
    assert!(matches!(sequencer.submit(submission(0, 1)).await, Err(SubmitError::Stopped)));
    assert_eq!(reader.published().head.size, TreeSize::ZERO);
    assert!(!sequencer.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_and_a_full_disk_are_refused_before_anything_is_stored() {
    let log = TestLog::new();
    let busy = Options { max_waiting: 0, ..options() };
    let (sequencer, reader) = Sequencer::open(&log.data(), busy).unwrap();
    assert!(matches!(sequencer.submit(submission(0, 1)).await, Err(SubmitError::Busy)));
    drop(reader);
    sequencer.shutdown().await;
    let full = Options { room: Room { floor: u64::MAX, reserve: 0 }, ..options() };
    let (sequencer, reader) = Sequencer::open(&log.data(), full).unwrap();
    assert!(matches!(sequencer.submit(submission(0, 1)).await, Err(SubmitError::Full)));
    assert!(sequencer.is_running());
    assert_eq!(reader.published().head.size, TreeSize::ZERO);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_cannot_be_written_for_a_moment_is_written_later_and_stops_nothing() {
    let log = TestLog::new();
    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    let (index, away) = (log.data().join("index"), log.data().join("away"));
    std::fs::rename(&index, &away).unwrap();
    for number in 0..300 {
        sequencer.submit(submission(number, 1)).await.unwrap();
    }
    // The bundle is a file, so the index was next.
    while !log.data().join("tile/entries/000").exists() {
        tokio::task::yield_now().await;
    }
    std::fs::rename(&away, &index).unwrap();
    while reader.sealed() < TreeSize::new(256) {
        assert!(sequencer.is_running(), "sealing has stopped");
        tokio::task::yield_now().await;
    }
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_answered_by_a_shutdown() {
    let log = TestLog::new();
    let (sequencer, _reader) = Sequencer::open(&log.data(), options()).unwrap();
    let submitted: Vec<_> = (0..50)
        .map(|number| {
            let sequencer = sequencer.clone();
            tokio::spawn(async move { sequencer.submit(submission(number, 1)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    sequencer.clone().shutdown().await;
    for (number, answer) in (0..).zip(submitted) {
        match answer.await.unwrap() {
            Ok(ack) => log.check(&submission(number, 1), &ack),
            // It came too late.
            Err(error) => assert!(matches!(error, SubmitError::Stopped)),
        }
    }
}

/// A database that copies the whole folder before and after every step.
#[derive(Debug)]
struct Copying {
    inner: SledDatabase,
    data: PathBuf,
    copies: Mutex<Vec<(String, u64, PathBuf)>>,
    active: AtomicBool,
}

impl Copying {
    /// One thread at a time, with both copies: what is in a copy is what the step found or left.
    fn step<T>(&self, name: &str, run: impl FnOnce() -> T) -> T {
        let mut copies = self.copies.lock().unwrap();
        let mut copy = |name: String| {
            if self.active.load(Ordering::SeqCst) {
                let to = self.data.with_file_name(format!("copy{}", copies.len()));
                copy_dir(&self.data, &to);
                copies.push((name, self.inner.head().unwrap().tree.size.get(), to));
            }
        };
        copy(format!("before {name}"));
        let result = run();
        copy(format!("after {name}"));
        result
    }
}

impl Database for Copying {
    fn lease(&self) -> Result<Epoch, DatabaseError> {
        self.inner.lease()
    }
    fn head(&self) -> Result<Head, DatabaseError> {
        self.inner.head()
    }
    fn commit(&self, expected: &Head, commit: &Commit<'_>) -> Result<(), CommitError> {
        self.step("commit", || self.inner.commit(expected, commit))
    }
    fn sealed(&self) -> Result<TreeSize, DatabaseError> {
        self.inner.sealed()
    }
    fn pending(&self) -> Result<Vec<Entry>, DatabaseError> {
        self.inner.pending()
    }
    fn seal(&self, epoch: Epoch, upto: TreeSize) -> Result<(), CommitError> {
        self.step("seal", || self.inner.seal(epoch, upto))
    }
    fn publish(
        &self,
        epoch: Epoch,
        expected: Option<TreeSize>,
        checkpoint: &StoredCheckpoint,
    ) -> Result<(), CommitError> {
        self.step("publish", || self.inner.publish(epoch, expected, checkpoint))
    }
    fn published(&self) -> Result<Option<StoredCheckpoint>, DatabaseError> {
        self.inner.published()
    }
    fn barrier(&self) -> Result<(), DatabaseError> {
        self.inner.barrier()
    }
}

async fn fill(sequencer: &Sequencer, numbers: std::ops::Range<u64>) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in numbers {
        let sequencer = sequencer.clone();
        tasks.spawn(async move { sequencer.submit(submission(number, 1)).await });
    }
    while let Some(done) = tasks.join_next().await {
        // Where a test stops the log, some are not answered.
        let _ = done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_any_two_steps_loses_nothing_and_forks_nothing() {
    let log = TestLog::new();
    let folder = Folder::open(&log.data(), Kind::Log).unwrap();
    let database = Arc::new(Copying {
        inner: folder.database(options().room).unwrap(),
        data: log.data(),
        copies: Mutex::default(),
        active: AtomicBool::new(false),
    });
    let recovered = folder.recover(Arc::clone(&database) as _, options().clock.now()).unwrap();
    let (sequencer, reader) = Sequencer::start(&log.data(), recovered, options()).unwrap();
    fill(&sequencer, 0..253).await;
    let mut acknowledged = vec![reader.published()];
    database.active.store(true, Ordering::SeqCst);
    for number in 253..259 {
        sequencer.submit(submission(number, 1)).await.unwrap();
        acknowledged.push(reader.published());
    }
    drop(reader);
    sequencer.shutdown().await;
    let copies = std::mem::take(&mut *database.copies.lock().unwrap());
    assert!(copies.iter().any(|(name, ..)| name == "after seal"));
    assert!(copies.len() >= 6 * 4 + 2);
    for (name, size, data) in copies {
        let (sequencer, reader) = Sequencer::open(&data, options()).unwrap_or_else(|e| panic!("{name} {size}: {e}"));
        let published = reader.published();
        assert_eq!(published.head.size.get(), size, "{name}: every durable entry is published");
        for earlier in acknowledged.iter().filter(|earlier| earlier.head.size <= published.head.size) {
            let (old, new) = (earlier.head, published.head);
            let proof = prove_consistency(old.size, new.size, |tile| sequencer.shared.tree.hashes(tile)).unwrap();
            verify_consistency(old, new, &proof).unwrap();
        }
        for number in [0, 252, size - 1, size] {
            let submission = submission(number, 1);
            let ack = sequencer.submit(submission.clone()).await.unwrap();
            log.check(&submission, &ack);
            assert_eq!(ack.duplicate.is_some(), number < size, "{name} {size}: {number}");
        }
        drop(reader);
        sequencer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_note_is_the_logs_own_signature_over_its_tree() {
    let log = TestLog::new();
    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    fill(&sequencer, 0..3).await;
    let published = reader.published();
    let checkpoint = UnverifiedCheckpoint::parse(published.note.as_bytes()).unwrap().verify(&log.vkey).unwrap();
    assert_eq!(checkpoint.head(), published.head);
    assert_eq!(published.time, Timestamp::from_secs(NOW));
    sequencer.shutdown().await;
}
