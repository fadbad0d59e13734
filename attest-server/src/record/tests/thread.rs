//! The thread that follows, and those who ask meanwhile.

#![expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, and any is asked for")]

use std::{
    io::{Seek as _, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use attest_core::merkle::TreeSize;
use tokio::sync::watch;

use super::{
    LISTED, ONE, history,
    world::{Saying, VKEY, World, list},
};
use crate::{
    rebuilders::Rebuilders,
    record::{FILE, Record, Source, TURNS, query::Which},
};

/// Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(world: &World) -> (Record, watch::Sender<Arc<Rebuilders>>) {
    start_in(world.dir.path(), world, 0)
}

fn start_in(folder: &std::path::Path, world: &World, floor: u64) -> (Record, watch::Sender<Arc<Rebuilders>>) {
    let rebuilders = watch::Sender::new(Arc::new(list(&LISTED)));
    let source = Source {
        reader: world.reader(),
        vkey: VKEY.to_owned(),
        rebuilders: rebuilders.subscribe(),
        coverage: None,
        floor,
    };
    (Record::start(folder, source).unwrap(), rebuilders)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn recorded(record: &Record, size: u64) {
    until("the entries", || record.status().recorded == TreeSize::new(size));
}

#[test]
fn it_follows_the_log_and_the_list() {
    let history = history();
    let mut world = World::of(&history[..5]);
    let (record, rebuilders) = start(&world);
    recorded(&record, 5);
    world.log(&history[5..]);
    recorded(&record, history.len() as u64);
    let whole = World::of(&history);
    drop(whole.follow(&list(&LISTED), 100));
    assert_eq!(world.answers(), whole.answers());
    rebuilders.send_replace(Arc::new(list(&[(9, "x")])));
    let listed = || record.read(|moment| moment.rebuilders()).unwrap();
    until("the list", || listed().len() == 1 && listed()[0].row.counts.reproduced == 1);
}

#[test]
fn a_mirror_that_filled_at_once_answers_as_the_log_that_followed_byte_for_byte() {
    let history = history();
    let mut log = World::new();
    let (follows, _list) = start(&log);
    for (number, entry) in history.iter().enumerate() {
        log.log(std::slice::from_ref(entry));
        recorded(&follows, number as u64 + 1);
    }
    let mirror = World::of(&history);
    let (fills, _list) = start(&mirror);
    recorded(&fills, history.len() as u64);
    assert_eq!(log.answers(), mirror.answers());
    assert_eq!(log.dump(), mirror.dump());
}

#[test]
fn a_damaged_file_is_noticed_by_who_asks_and_made_anew() {
    let entries: Vec<_> = (0..600).map(|n| Saying::of(&format!("six-1.{n}-py3-none-any.whl")).reproduced(1)).collect();
    let world = World::of(&entries);
    drop(world.follow(&list(&LISTED), 1_000));
    let mut file = std::fs::File::options().write(true).open(world.path()).unwrap();
    file.seek(std::io::SeekFrom::Start(8_192)).unwrap();
    file.write_all(&vec![0xa5; 200_000]).unwrap();
    drop(file);
    let (record, _list) = start(&world);
    let newest = || record.read(|moment| moment.newest(Which::All, None, 1_000)).map(|rows| rows.len());
    until("all of it again", || newest().is_ok_and(|found| found == 600));
    until("no complaint", || record.status().stopped.is_none());
}

#[test]
fn a_file_that_was_deleted_meanwhile_is_noticed_by_who_asks_and_made_anew() {
    let history = history();
    let world = World::of(&history);
    let (record, _list) = start(&world);
    recorded(&record, history.len() as u64);
    std::fs::remove_file(world.path()).unwrap();
    let newest = || record.read(|moment| moment.newest(Which::All, None, 1_000)).map(|rows| rows.len());
    until("all of it again", || newest().is_ok_and(|found| found == history.len()));
    assert!(world.path().exists());
}

#[tokio::test]
async fn whoever_asks_for_many_views_waits_for_a_turn() {
    let world = World::new();
    let (record, _list) = start(&world);
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        turns.push(record.turn().await.unwrap());
    }
    Arc::clone(&record.shared.turns).try_acquire_owned().unwrap_err();
    turns.pop();
    drop(record.turn().await.unwrap());
}

#[test]
fn where_it_cannot_write_it_stops_and_says_so() {
    let world = World::of(&[Saying::of(ONE).reproduced(1)]);
    for (folder, floor) in [(world.dir.path().join("none"), 0), (world.dir.path().to_owned(), u64::MAX)] {
        let (record, _list) = start_in(&folder, &world, floor);
        until("a reason", || record.status().stopped.is_some());
        assert_eq!(record.status().recorded, TreeSize::ZERO);
        record.read(|moment| moment.counts()).unwrap_err();
        assert!(!folder.join(FILE).exists());
    }
}
