//! What every [`Database`] has to do, run on each of them.

use std::path::PathBuf;

use attest_core::{
    merkle::{RootHash, TreeHead, TreeSize},
    time::Timestamp,
};

use super::{Commit, CommitError, Database, Epoch, Head, StoredCheckpoint, memory::MemoryDatabase, sled::SledDatabase};

const TIME: Timestamp = Timestamp::from_secs(1_795_000_000);

/// A database that can be closed and opened again.
trait Subject: Sized {
    type Database: Database;
    fn new() -> Self;
    fn open(&mut self) -> Self::Database;
    /// Ends the process, and opens again what it left.
    fn crash(&mut self, database: Self::Database) -> Self::Database;
}

struct OnSled {
    dir: tempfile::TempDir,
}

impl OnSled {
    fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

impl Subject for OnSled {
    type Database = SledDatabase;

    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        SledDatabase::create(dir.path(), TIME).unwrap();
        Self { dir }
    }

    fn open(&mut self) -> SledDatabase {
        SledDatabase::open(&self.path()).unwrap()
    }

    fn crash(&mut self, database: SledDatabase) -> SledDatabase {
        let copy = tempfile::tempdir().unwrap();
        crate::fixtures::copy_dir(&self.path(), copy.path());
        drop(database);
        self.dir = copy;
        self.open()
    }
}

struct InMemory;

impl Subject for InMemory {
    type Database = MemoryDatabase;

    fn new() -> Self {
        Self
    }

    fn open(&mut self) -> MemoryDatabase {
        MemoryDatabase::new(TIME)
    }

    fn crash(&mut self, database: MemoryDatabase) -> MemoryDatabase {
        database.crash()
    }
}

fn head(epoch: Epoch, size: u64) -> Head {
    let size_byte = u8::try_from(size % 251).unwrap();
    let tree = TreeHead { size: TreeSize::new(size), root: RootHash::from_bytes([size_byte; 32]) };
    Head { epoch, tree, time: TIME }
}

fn commit<'a>(head: Head, entries: &'a [&'a [u8]]) -> Commit<'a> {
    Commit { head, sealed: TreeSize::ZERO, entries }
}

fn note(size: u64) -> StoredCheckpoint {
    StoredCheckpoint { size: TreeSize::new(size), note: format!("note {size}") }
}

fn pending(database: &impl Database) -> Vec<Vec<u8>> {
    database.pending().unwrap().into_iter().map(attest_core::tile::Entry::into_bytes).collect()
}

fn a_new_database_is_an_empty_tree<S: Subject>() {
    let mut subject = S::new();
    let database = subject.open();
    let found = database.head().unwrap();
    assert_eq!((found.epoch, found.tree.size, found.time), (Epoch::FIRST, TreeSize::ZERO, TIME));
    assert_eq!(found.tree.root, RootHash::of_empty());
    assert_eq!(database.sealed().unwrap(), TreeSize::ZERO);
    assert!(pending(&database).is_empty());
    assert_eq!(database.published().unwrap(), None);
}

fn a_commit_is_there_after_a_crash<S: Subject>() {
    let mut subject = S::new();
    let database = subject.open();
    let epoch = database.lease().unwrap();
    let large = [vec![1; 65_535], vec![2; 3_072], vec![3; 3_070], Vec::new(), vec![4; 9_000]];
    let entries: Vec<&[u8]> = large.iter().map(Vec::as_slice).collect();
    database.commit(&database.head().unwrap(), &commit(head(epoch, 5), &entries)).unwrap();
    let small: Vec<Vec<u8>> = (0..2_000_u32).map(|n| n.to_be_bytes().to_vec()).collect();
    let entries: Vec<&[u8]> = small.iter().map(Vec::as_slice).collect();
    database.commit(&head(epoch, 5), &commit(head(epoch, 2_005), &entries)).unwrap();
    let database = subject.crash(database);
    assert_eq!(database.head().unwrap(), head(epoch, 2_005));
    assert_eq!(pending(&database), [large.as_slice(), small.as_slice()].concat());
}

fn a_commit_on_another_head_is_a_conflict_and_changes_nothing<S: Subject>() {
    let mut subject = S::new();
    let database = subject.open();
    let epoch = database.lease().unwrap();
    let start = database.head().unwrap();
    database.commit(&start, &commit(head(epoch, 1), &[b"a"])).unwrap();
    let refused = database.commit(&start, &commit(head(epoch, 1), &[b"b"]));
    assert!(matches!(refused, Err(CommitError::Conflict { .. })));
    assert_eq!(pending(&database), [b"a"]);
    assert_eq!(database.head().unwrap(), head(epoch, 1));
}

fn a_newer_lease_fences_the_older_writer<S: Subject>() {
    let mut subject = S::new();
    let database = subject.open();
    let old = database.lease().unwrap();
    let expected = database.head().unwrap();
    let new = database.lease().unwrap();
    assert!(new > old);
    let refused = [
        database.commit(&expected, &commit(head(old, 1), &[b"a"])),
        database.seal(old, TreeSize::new(256)),
        database.publish(old, None, &note(0)),
    ];
    assert!(refused.iter().all(|refused| matches!(refused, Err(CommitError::Conflict { .. }))), "{refused:?}");
    let database = subject.crash(database);
    assert_eq!(database.head().unwrap().epoch, new);
    assert!(pending(&database).is_empty());
}

fn sealed_entries_are_not_pending<S: Subject>() {
    let mut subject = S::new();
    let database = subject.open();
    let epoch = database.lease().unwrap();
    let entries: Vec<Vec<u8>> = (0..600_u32).map(|n| n.to_be_bytes().to_vec()).collect();
    let slices: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let mut expected = database.head().unwrap();
    for (end, part) in (1_u64..).map(|n| n * 100).zip(slices.chunks(100)) {
        database.commit(&expected, &commit(head(epoch, end), part)).unwrap();
        expected = head(epoch, end);
    }
    for upto in [256, 256, 0, 512] {
        database.seal(epoch, TreeSize::new(upto)).unwrap();
        let sealed = database.sealed().unwrap().get();
        assert!(sealed >= upto);
        assert_eq!(pending(&database), entries[usize::try_from(sealed).unwrap()..]);
    }
    database.barrier().unwrap();
    let database = subject.crash(database);
    assert_eq!(database.sealed().unwrap(), TreeSize::new(512));
    assert_eq!(pending(&database), entries[512..]);
}

fn a_commit_may_start_in_the_sealed_part<S: Subject>() {
    let mut subject = S::new();
    let database = subject.open();
    let epoch = database.lease().unwrap();
    database.commit(&database.head().unwrap(), &commit(head(epoch, 3), &[b"a", b"b", b"c"])).unwrap();
    let sealed = Commit { head: head(epoch, 258), sealed: TreeSize::new(256), entries: &[b"x", b"y"] };
    database.commit(&head(epoch, 3), &sealed).unwrap();
    database.seal(epoch, TreeSize::new(256)).unwrap();
    assert_eq!(pending(&database), [b"x", b"y"]);
    let whole = Commit { head: head(epoch, 512), sealed: TreeSize::new(512), entries: &[] };
    database.commit(&head(epoch, 258), &whole).unwrap();
    let database = subject.crash(database);
    assert_eq!(database.sealed().unwrap(), TreeSize::new(512));
    assert!(pending(&database).is_empty());
}

fn checkpoints_follow_each_other_and_never_shrink<S: Subject>() {
    let mut subject = S::new();
    let database = subject.open();
    let epoch = database.lease().unwrap();
    database.publish(epoch, None, &note(0)).unwrap();
    database.publish(epoch, Some(TreeSize::ZERO), &note(7)).unwrap();
    database.publish(epoch, Some(TreeSize::new(7)), &note(7)).unwrap();
    for (expected, new) in [(None, 9), (Some(0), 9), (Some(8), 9), (Some(7), 6)] {
        let refused = database.publish(epoch, expected.map(TreeSize::new), &note(new));
        assert!(matches!(refused, Err(CommitError::Conflict { .. })), "{expected:?} {new}");
    }
    database.barrier().unwrap();
    let database = subject.crash(database);
    assert_eq!(database.published().unwrap(), Some(note(7)));
}

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod sled {
            $(#[test] fn $case() { super::$case::<super::OnSled>(); })*
        }
        mod memory {
            $(#[test] fn $case() { super::$case::<super::InMemory>(); })*
        }
    };
}

suite!(
    a_new_database_is_an_empty_tree,
    a_commit_is_there_after_a_crash,
    a_commit_on_another_head_is_a_conflict_and_changes_nothing,
    a_newer_lease_fences_the_older_writer,
    sealed_entries_are_not_pending,
    a_commit_may_start_in_the_sealed_part,
    checkpoints_follow_each_other_and_never_shrink,
);
