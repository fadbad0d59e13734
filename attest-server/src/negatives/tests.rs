use std::path::Path;

use attest_core::{
    artifact::ArtifactDigest,
    merkle::LeafIndex,
    negatives::{Listing, ListingNote, Record, Shard, Table, subject_of_entry},
    note::SignerKey,
};

use super::*;
use crate::{
    fixtures::{TestLog, options, submission},
    sequencer::Sequencer,
    store::identity::{Identity, Kind},
};

/// A log with as many withdrawals, its reader and its key.
async fn log_of(count: u64) -> (TestLog, Sequencer, Reader, SignerKey) {
    let log = TestLog::new();
    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    grow(&sequencer, 0, count).await;
    let (_, key) = Identity::read(&log.data(), Kind::Log).unwrap();
    (log, sequencer, reader, key)
}

async fn grow(sequencer: &Sequencer, from: u64, below: u64) {
    let submitting: Vec<_> = (from..below)
        .map(|n| {
            let sequencer = sequencer.clone();
            tokio::spawn(async move { sequencer.submit(submission(n, 1)).await })
        })
        .collect();
    for one in submitting {
        one.await.unwrap().unwrap();
    }
}

/// The records of the first entries, by the one rule.
fn expected(reader: &Reader, size: u64) -> Vec<Record> {
    let of = |index| Some(Record { subject: subject_of_entry(&reader.entry(index).unwrap())?, index });
    let mut records: Vec<_> = (0..size).map(LeafIndex::new).filter_map(of).collect();
    records.sort_unstable();
    records
}

fn records(editions: &Editions, made: &Made) -> Vec<Record> {
    let all: Vec<_> = ShardId::all().collect();
    let edition = editions.edition(made, &all, usize::MAX).unwrap();
    let subjects: Vec<ArtifactDigest> = edition
        .shards
        .iter()
        .flat_map(|(id, bytes)| Shard::parse(*id, bytes).unwrap().records().to_vec())
        .map(|record| record.subject)
        .collect();
    edition.open().unwrap().complete(&subjects).unwrap().records().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edition_is_the_list_of_its_size_and_stays_so_while_the_log_grows_and_seals() {
    let (log, sequencer, reader, key) = log_of(300).await;
    let editions = Editions::new(reader.clone());
    editions.publish(&reader.published(), &key).unwrap();
    let first = editions.find(None).unwrap();
    assert_eq!(first.note().listing().count(), 300);
    assert!(first.note().is_signed_by(&log.vkey).unwrap());
    assert_eq!(records(&editions, &first), expected(&reader, 300));

    grow(&sequencer, 300, 1_400).await;
    editions.publish(&reader.published(), &key).unwrap();
    let second = editions.find(None).unwrap();
    let size = second.note().listing().head().size;
    assert_eq!((size.get(), second.note().listing().count()), (1_400, 1_400));
    assert_eq!(records(&editions, &second), expected(&reader, 1_400));
    // What was made stays what it is.
    assert_eq!(records(&editions, &first), expected(&reader, 300));
    let kept = editions.find(Some(TreeSize::new(300))).unwrap();
    for shard in ShardId::all() {
        let digest = kept.list.table().get(shard);
        let bytes = editions.shard(digest).unwrap().unwrap();
        assert_eq!(ShardDigest::of(&bytes), digest);
    }
    assert_eq!(editions.shard(ShardDigest::of(b"nothing")).unwrap(), None);
    // Made anew, from the entries alone, and after a restart: the same.
    let listing = second.note().listing().clone();
    let fresh = Editions::new(reader.clone());
    fresh.publish(&reader.published(), &key).unwrap();
    assert_eq!(*fresh.find(None).unwrap().note().listing(), listing);
    assert_eq!(editions.lister.recount(size).unwrap().table(), second.list.table());
    drop((editions, fresh, reader));
    sequencer.shutdown().await;
    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    let fresh = Editions::new(reader.clone());
    fresh.publish(&reader.published(), &key).unwrap();
    assert_eq!(*fresh.find(None).unwrap().note().listing(), listing);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_left_out_and_had_by_its_digest() {
    let (_log, sequencer, reader, key) = log_of(40).await;
    let editions = Editions::new(reader.clone());
    editions.publish(&reader.published(), &key).unwrap();
    let made = editions.find(None).unwrap();
    let all: Vec<_> = ShardId::all().collect();
    let edition = editions.edition(&made, &all, 5 * Record::LEN).unwrap();
    let sent: usize = edition.shards.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!((1..=5 * Record::LEN).contains(&sent));
    let mut opened = edition.open().unwrap();
    for shard in made.list.table().occupied() {
        opened.add(shard, &editions.shard(made.list.table().get(shard)).unwrap().unwrap()).unwrap();
    }
    assert_eq!(records(&editions, &made), expected(&reader, 40));
    // As files: the shards first, the answer that names them last, and it opens without them.
    let files = editions.files().unwrap();
    let (path, answer) = files.last().unwrap();
    assert_eq!(path, "api/v1/negatives");
    let found: attest_core::api::FoundNegatives = serde_json::from_slice(answer).unwrap();
    let opened = found.into_edition().unwrap().open().unwrap();
    assert_eq!(files.len() - 1, opened.table().occupied().count());
    for (path, bytes) in &files[..files.len() - 1] {
        assert_eq!(*path, format!("negatives/{}", ShardDigest::of(bytes)));
    }
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_accuses_on_the_word_of_damaged_records() {
    let (log, sequencer, reader, key) = log_of(300).await;
    let lister = list::Lister::new(Arc::clone(reader.tree()));
    let size = reader.published().head.size;
    assert_eq!(lister.list(size).unwrap().table(), lister.recount(size).unwrap().table());
    drop((lister, reader));
    sequencer.shutdown().await;
    // A journal whose checksums hold and whose content is another log's.
    forge_journal(&log.data());
    let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
    let lister = list::Lister::new(Arc::clone(reader.tree()));
    assert_ne!(lister.list(size).unwrap().table(), lister.recount(size).unwrap().table());
    drop(key);
    sequencer.shutdown().await;
}

fn forge_journal(data: &Path) {
    let other = tempfile::tempdir().unwrap();
    let forged = crate::store::negatives::Negatives::open(other.path()).unwrap();
    forged.add(LeafIndex::new(0), (0..256_u64).map(|n| Some(ArtifactDigest::of(&n.to_be_bytes()))));
    drop(forged);
    std::fs::copy(other.path().join("negatives/journal-0"), data.join("negatives/journal-0")).unwrap();
}

#[test]
fn the_log_signs_what_its_key_can_be_held_to() {
    // The same key signs checkpoints; the two kinds of text are never confused.
    let origin = attest_core::note::KeyName::new("example.com/log").unwrap();
    let key = SignerKey::from_seed(origin.clone(), attest_core::note::KeyType::Ed25519, [1; 32]);
    let head = attest_core::merkle::Frontier::new().head();
    let note: ListingNote = Listing::new(origin, head, 0, &Table::empty()).unwrap().sign(&key).unwrap();
    assert!(UnverifiedCheckpoint::parse(note.to_string().as_bytes()).is_err());
}
