use std::{fs, os::unix::fs::FileExt};

use attest_core::merkle::LeafIndex;

use super::*;
use crate::{
    fixtures::{NOW, ROOM, TestLog, artifact, clock, copy_dir, options, submission},
    reader::Reader,
    sequencer::{Options, Sequencer},
};

/// Logs the statements of these numbers, waits until what is full is sealed, and ends cleanly.
async fn log(log: &TestLog, numbers: std::ops::Range<u64>) {
    let (sequencer, _) = Sequencer::open(&log.data(), options()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in numbers {
        let sequencer = sequencer.clone();
        tasks.spawn(async move { sequencer.submit(submission(number, 1)).await.unwrap() });
    }
    tasks.join_all().await;
    sequencer.shutdown().await;
}

fn refused(data: &Path) -> OpenError {
    Sequencer::open(data, options()).expect_err("expected the start to be refused")
}

async fn opens(data: &Path, size: u64) {
    let (sequencer, reader): (Sequencer, Reader) = Sequencer::open(data, options()).unwrap();
    assert_eq!(reader.published().head.size, TreeSize::new(size));
    drop(reader);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_log_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Identity(IdentityError::Missing { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(matches!(refused(&dir.path().join("none")), OpenError::Identity(IdentityError::Missing { .. })));
    assert!(!dir.path().join("none").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused() {
    let test = TestLog::new();
    let (sequencer, _reader) = Sequencer::open(&test.data(), options()).unwrap();
    assert!(matches!(refused(&test.data()), OpenError::Lock(LockError::Held { .. })));
    sequencer.submit(submission(0, 1)).await.unwrap();
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_database_is_refused() {
    let test = TestLog::new();
    log(&test, 0..3).await;
    let emptied: [fn(&Path); 3] = [
        |data| {
            fs::File::create(data.join("db/db")).unwrap().set_len(0).unwrap();
        },
        |data| fs::remove_dir_all(data.join("db")).unwrap(),
        |data| {
            fs::remove_dir_all(data.join("db")).unwrap();
            drop(::sled::open(data.join("db")).unwrap());
        },
    ];
    for (number, empty) in emptied.iter().enumerate() {
        let data = test.copy(&format!("emptied{number}"));
        empty(&data);
        assert!(matches!(refused(&data), OpenError::Database(DatabaseError::Empty { .. })), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_snapshot_of_an_interrupted_start_is_no_obstacle() {
    let test = TestLog::new();
    log(&test, 0..3).await;
    fs::write(test.data().join("db/snap.00000000000000FF.generating"), b"torn").unwrap();
    opens(&test.data(), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_blobs_are_refused() {
    let test = TestLog::new();
    log(&test, 0..3).await;
    fs::write(test.data().join("db/blobs/4711"), b"a value that no barrier covers").unwrap();
    assert!(matches!(refused(&test.data()), OpenError::Database(DatabaseError::Blobs { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_ever_reaches_blobs() {
    let test = TestLog::new();
    log(&test, 0..600).await;
    assert_eq!(fs::read_dir(test.data().join("db/blobs")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_older_than_the_highwater_mark_is_refused() {
    let test = TestLog::new();
    log(&test, 0..3).await;
    let old = test.copy("old");
    log(&test, 3..5).await;
    fs::remove_dir_all(test.data().join("db")).unwrap();
    copy_dir(&old.join("db"), &test.data().join("db"));
    let OpenError::RolledBack { signed, stored } = refused(&test.data()) else { panic!("expected a rollback") };
    assert_eq!((signed.get(), stored.get()), (5, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_older_than_its_tiles_is_refused() {
    let test = TestLog::new();
    log(&test, 0..3).await;
    let old = test.copy("old");
    log(&test, 3..300).await;
    fs::remove_dir_all(test.data().join("db")).unwrap();
    copy_dir(&old.join("db"), &test.data().join("db"));
    fs::copy(old.join("highwater"), test.data().join("highwater")).unwrap();
    assert!(matches!(refused(&test.data()), OpenError::TilesAhead { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_highwater_mark_of_another_tree_is_refused() {
    let (test, other) = (TestLog::new(), TestLog::new());
    log(&test, 0..3).await;
    log(&other, 10..13).await;
    fs::copy(other.data().join("highwater"), test.data().join("highwater")).unwrap();
    assert!(matches!(refused(&test.data()), OpenError::Root { what: "the highwater mark", .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_newest_highwater_slot_is_refused() {
    let test = TestLog::new();
    log(&test, 0..3).await;
    for slots in [&[0][..], &[4096], &[0, 4096]] {
        for offset in [0, 9, 20, 31, 40, 70, 80] {
            let data = test.copy("flipped");
            let path = data.join("highwater");
            let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            for slot in slots {
                let mut byte = [0];
                file.read_exact_at(&mut byte, slot + offset).unwrap();
                byte[0] ^= 0x10;
                file.write_all_at(&byte, slot + offset).unwrap();
            }
            match Sequencer::open(&data, options()) {
                // The older slot; or the newest, but the one before it signed the same tree at the last start.
                Ok((sequencer, reader)) => {
                    assert_eq!(slots.len(), 1);
                    assert_eq!(reader.published().head.size, TreeSize::new(3));
                    drop(reader);
                    sequencer.shutdown().await;
                }
                Err(OpenError::HighwaterBehind { marked, published }) => {
                    assert!(marked < published);
                }
                Err(error) => {
                    assert!(matches!(error, OpenError::Highwater(HighwaterError::Damaged { .. })), "{error}");
                    assert_eq!(slots.len(), 2);
                }
            }
            fs::remove_dir_all(data).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_before_the_last_checkpoint_is_refused() {
    let test = TestLog::new();
    log(&test, 0..3).await;
    let early = Options { clock: clock(NOW - 1), ..options() };
    let error = Sequencer::open(&test.data(), early).err().unwrap();
    assert!(matches!(error, OpenError::Clock { .. }));
    opens(&test.data(), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_tile_or_another_logs_key_is_refused() {
    let test = TestLog::new();
    log(&test, 0..300).await;
    let damaged = test.copy("damaged");
    let tile = damaged.join("tile/0/000");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&tile, bytes).unwrap();
    assert!(matches!(refused(&damaged), OpenError::Root { what: "the database's head", .. }));
    fs::remove_file(&tile).unwrap();
    assert!(matches!(refused(&damaged), OpenError::Read(ReadError::Missing { .. })));

    let other = TestLog::new();
    let key = test.data().join("log.key");
    fs::remove_file(&key).unwrap();
    fs::copy(other.data().join("log.key"), &key).unwrap();
    assert!(matches!(refused(&test.data()), OpenError::Identity(IdentityError::OtherKey { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_not_run_as_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("mirror");
    let name = attest_core::note::KeyName::new("example.com/mirror").unwrap();
    crate::init::init_mirror(&data, TestLog::new().vkey, name, Timestamp::from_secs(NOW)).unwrap();
    assert!(matches!(refused(&data), OpenError::Identity(IdentityError::Kind { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_index_equals_the_one_that_grew() {
    let test = TestLog::new();
    log(&test, 0..700).await;
    log(&test, 700..800).await;
    let grown = Index::open(&test.data()).unwrap().dump();
    assert!(grown.len() > 3 * 768 / 2);
    let covered = rebuild_index(&test.data(), Kind::Log, ROOM, Timestamp::from_secs(NOW)).unwrap();
    assert_eq!(covered, TreeSize::new(768));
    assert_eq!(Index::open(&test.data()).unwrap().dump(), grown);
}

type Spoil<'a> = &'a dyn Fn(&Path);

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_damaged_or_foreign_index_is_made_again_by_the_start() {
    let (test, longer) = (TestLog::new(), TestLog::new());
    log(&test, 0..600).await;
    log(&longer, 1_000..2_000).await;
    let spoil: [(&str, Spoil<'_>); 3] = [
        ("lost", &|index| fs::remove_dir_all(index).unwrap()),
        ("foreign", &|index| {
            fs::remove_dir_all(index).unwrap();
            copy_dir(&longer.data().join("index"), index);
        }),
        ("older", &|index| {
            fs::remove_dir_all(index).unwrap();
            let _ = Index::open(index.parent().unwrap()).unwrap();
        }),
    ];
    for (name, spoil) in spoil {
        let data = test.copy(name);
        spoil(&data.join("index"));
        let (sequencer, reader) = Sequencer::open(&data, options()).unwrap();
        for number in [0, 300, 599] {
            let submission = submission(number, 1);
            let digest = artifact(&submission);
            let found = reader.lookup(digest, LeafIndex::new(0), TreeSize::new(600), 10).unwrap();
            assert_eq!(found.len(), 2, "{name} {number}");
            let ack = sequencer.submit(submission.clone()).await.unwrap();
            assert!(ack.duplicate.is_some(), "{name} {number}");
            test.check(&submission, &ack);
        }
        drop(reader);
        sequencer.shutdown().await;
    }
}
