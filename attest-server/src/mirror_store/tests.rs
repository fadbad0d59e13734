use std::path::PathBuf;

use attest_core::{
    checkpoint::Checkpoint,
    envelope::Envelope,
    merkle::{LeafHash, LeafIndex, NodeHash, verify_inclusion},
    note::{KeyName, KeyType},
    statement::Statement,
    tile::{BundleId, TILE_WIDTH, TileId, decode_bundle, edge_tiles, encode_bundle, encode_tile, tile_root},
};

use super::*;
use crate::{
    fixtures::{NOW, ROOM, clock, submission},
    init::init_mirror,
    store::{bundle, index::Keys, tree::whole::WholeBundle},
};

struct TestMirror {
    dir: tempfile::TempDir,
    log: SignerKey,
    entries: Vec<Entry>,
    oracle: Oracle,
}

/// The tree as RFC 6962 and tlog-tiles define it: every hash of every tile level, nothing shared with the store.
#[derive(Default)]
struct Oracle {
    levels: Vec<Vec<NodeHash>>,
    frontier: Frontier,
}

impl Oracle {
    fn push(&mut self, entry: &Entry) {
        let leaf = LeafHash::of(entry.as_bytes());
        self.frontier.append(leaf);
        let mut hash = NodeHash::from(leaf);
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            if !hashes.len().is_multiple_of(256) {
                break;
            }
            hash = tile_root(hashes[hashes.len() - 256..].try_into().unwrap());
        }
    }

    fn tile(&self, tile: TileId) -> Vec<u8> {
        let first = usize::try_from(tile.index() * 256).unwrap();
        encode_tile(&self.levels[usize::from(tile.level())][first..first + usize::from(tile.width())])
    }
}

impl TestMirror {
    /// With entries of a few bytes: no statements, which a mirror stores like anything else.
    fn new(entries: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = SignerKey::from_seed(KeyName::new("example.com/log").unwrap(), KeyType::Ed25519, [3; 32]);
        let name = KeyName::new("example.com/mirror").unwrap();
        init_mirror(&dir.path().join("mirror"), log.verifier().clone(), name, Timestamp::from_secs(NOW)).unwrap();
        let entries = (0..entries).map(|n| Entry::new(format!("entry {n}").into_bytes()).unwrap()).collect();
        Self { dir, log, entries, oracle: Oracle::default() }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("mirror")
    }

    fn open(&self) -> (MirrorStore, Reader) {
        MirrorStore::open(&self.data(), ROOM, clock(NOW)).unwrap()
    }

    /// Entries up to `size`, and the head of the tree with them.
    fn next(&mut self, size: usize) -> (Vec<Entry>, TreeHead) {
        let from = usize::try_from(self.oracle.frontier.size().get()).unwrap();
        let entries = self.entries[from..size].to_vec();
        for entry in &entries {
            self.oracle.push(entry);
        }
        (entries, self.oracle.frontier.head())
    }

    fn sign(&self, head: TreeHead) -> LogCheckpoint {
        Checkpoint { origin: "example.com/log".to_owned(), head }.sign(&self.log).unwrap()
    }

    fn check_tiles(&self, reader: &Reader, size: u64) {
        for tile in edge_tiles(TreeSize::new(size)) {
            assert_eq!(reader.tile(tile).unwrap(), Some(self.oracle.tile(tile).into()), "{tile:?} of {size}");
        }
    }

    fn check_bundle(&self, reader: &Reader, id: BundleId) {
        let raw = bundle::decompress(&reader.bundle(id).unwrap().unwrap()).unwrap();
        let first = usize::try_from(id.index() * 256).unwrap();
        assert_eq!(decode_bundle(id, &raw).unwrap(), self.entries[first..first + usize::from(id.width())]);
    }
}

#[test]
fn every_published_size_keeps_its_partial_tiles_and_bundles() {
    let mut test = TestMirror::new(520);
    let (store, reader) = test.open();
    let mut served = None;
    for size in 1..=520 {
        let (entries, head) = test.next(size);
        assert_eq!(store.append(entries).unwrap(), head);
        served = Some(store.advance(served, test.sign(head)).unwrap().head());
        let size = u64::try_from(size).unwrap();
        test.check_tiles(&reader, size);
        // One more is not published.
        let width = u16::try_from(size % 256).unwrap() + 1;
        let (tile, bundle) = (TileId::new(0, size / 256, width).unwrap(), BundleId::new(size / 256, width).unwrap());
        assert_eq!(reader.tile(tile).unwrap(), None);
        assert_eq!(reader.bundle(bundle).unwrap(), None);
        assert!(reader.entry(LeafIndex::new(size)).is_err());
    }
    for size in 1..=520 {
        test.check_tiles(&reader, size);
        let width = u16::try_from(size % 256).unwrap();
        if width > 0 {
            test.check_bundle(&reader, BundleId::new(size / 256, width).unwrap());
        }
    }
    test.check_bundle(&reader, BundleId::new(1, TILE_WIDTH).unwrap());
}

#[test]
fn trees_across_65536_are_those_of_the_oracle_also_after_reopening() {
    let mut test = TestMirror::new(66_100);
    let mut served = None;
    for (number, sizes) in
        [&[255, 256, 257, 511][..], &[40_000, 65_535], &[65_536], &[65_537, 65_800, 66_100]].iter().enumerate()
    {
        let (store, reader) = test.open();
        assert_eq!(store.head(), test.oracle.frontier.head(), "start {number}");
        assert_eq!(store.checkpoint().map(|checkpoint| checkpoint.head()), served);
        for size in *sizes {
            let (entries, head) = test.next(*size);
            assert_eq!(store.append(entries).unwrap(), head);
            served = Some(store.advance(served, test.sign(head)).unwrap().head());
            test.check_tiles(&reader, u64::try_from(*size).unwrap());
            for index in [0, size / 2, size - 1] {
                let entry = &test.entries[index];
                let index = LeafIndex::new(u64::try_from(index).unwrap());
                assert_eq!(reader.entry(index).unwrap(), entry.as_bytes());
                let path = reader.prove(index, head.size).unwrap();
                verify_inclusion(LeafHash::of(entry.as_bytes()), index, head, &path).unwrap();
            }
        }
    }
    let (store, reader) = test.open();
    assert_eq!(store.root_at(TreeSize::new(40_000)).unwrap(), root(&test, 40_000));
    test.check_tiles(&reader, 66_100);
    test.check_tiles(&reader, 257);
    test.check_bundle(&reader, BundleId::new(255, TILE_WIDTH).unwrap());
    assert_eq!(std::fs::read_dir(test.data().join("db/blobs")).unwrap().count(), 0);
}

fn root(test: &TestMirror, size: usize) -> RootHash {
    let mut frontier = Frontier::new();
    test.entries[..size].iter().for_each(|entry| frontier.append(LeafHash::of(entry.as_bytes())));
    frontier.head().root
}

#[test]
fn large_entries_are_stored_in_steps() {
    let mut test = TestMirror::new(0);
    test.entries = (0..255).map(|n| Entry::new(vec![n; Entry::MAX_LEN]).unwrap()).collect();
    let (store, reader) = test.open();
    let (entries, head) = test.next(255);
    assert_eq!(store.append(entries).unwrap(), head);
    drop((store, reader));
    let (store, reader) = test.open();
    assert_eq!(store.head(), head);
    store.advance(None, test.sign(head)).unwrap();
    test.check_bundle(&reader, BundleId::new(0, 255).unwrap());
}

#[test]
fn a_mirror_shows_nothing_before_it_has_advanced_and_carries_on_where_it_was() {
    let mut test = TestMirror::new(300);
    let (store, reader) = test.open();
    assert_eq!((reader.published().note.as_str(), reader.published().head.size), ("", TreeSize::ZERO));
    let (entries, first) = test.next(280);
    store.append(entries).unwrap();
    assert_eq!(reader.entry(LeafIndex::new(0)).ok(), None);
    drop((store, reader));

    let (store, reader) = test.open();
    assert_eq!(store.head(), first);
    let (entries, head) = test.next(300);
    store.append(entries).unwrap();
    // A checkpoint that is older than what is stored is served all the same.
    let cosigned = store.advance(None, test.sign(first)).unwrap();
    let cosigners = cosigned.cosignatures(&[store.cosigner().clone()]).unwrap();
    assert_eq!(cosigners, [(store.cosigner().clone(), Timestamp::from_secs(NOW))]);
    assert_eq!(reader.published().note, cosigned.note().to_string());
    assert!(reader.entry(LeafIndex::new(280)).is_err());
    store.advance(Some(first), test.sign(head)).unwrap();
    assert_eq!(reader.entry(LeafIndex::new(280)).unwrap(), b"entry 280");
}

#[test]
fn a_mirror_never_advances_to_what_it_does_not_hold() {
    let mut test = TestMirror::new(40);
    let (store, reader) = test.open();
    let (entries, older) = test.next(10);
    store.append(entries).unwrap();
    let (entries, head) = test.next(20);
    store.append(entries).unwrap();
    let (_, unknown) = test.next(30);
    let fork = TreeHead { root: RootHash::from_bytes([9; 32]), ..head };
    let other = SignerKey::from_seed(KeyName::new("example.com/log").unwrap(), KeyType::Ed25519, [4; 32]);
    let other = Checkpoint { origin: "example.com/log".to_owned(), head }.sign(&other).unwrap();
    assert!(matches!(store.advance(None, test.sign(unknown)), Err(MirrorError::NotStored { .. })));
    assert!(matches!(store.advance(None, test.sign(fork)), Err(MirrorError::Root { .. })));
    assert!(matches!(store.advance(None, other), Err(MirrorError::OtherLog { .. })));
    assert!(matches!(store.advance(Some(head), test.sign(head)), Err(MirrorError::Conflict { .. })));
    assert_eq!(reader.published().note, "");
    store.advance(None, test.sign(head)).unwrap();
    assert!(matches!(store.advance(Some(head), test.sign(older)), Err(MirrorError::Smaller { .. })));
    assert_eq!(store.root_at(older.size).unwrap(), older.root);
    assert!(matches!(store.root_at(unknown.size), Err(MirrorError::NotStored { .. })));
}

#[test]
fn a_crash_before_the_cosignature_is_made_good_by_the_next_start() {
    let mut test = TestMirror::new(5);
    let (store, reader) = test.open();
    let (entries, head) = test.next(5);
    store.append(entries).unwrap();
    {
        // What `advance` does, up to where the process ends.
        let mut state = store.state();
        let epoch = state.head.epoch;
        state.highwater.raise(Mark { epoch, tree: head, time: Timestamp::from_secs(NOW) });
        store.persist(&mut state, &test.sign(head)).unwrap();
    }
    drop((store, reader));
    let (store, reader) = test.open();
    let checkpoint = store.checkpoint().unwrap();
    assert_eq!(checkpoint.cosignatures(&[store.cosigner().clone()]).unwrap().len(), 1);
    assert_eq!(reader.published().note, checkpoint.note().to_string());
}

/// The entries of full bundles, as a mirror has them when they are verified.
fn whole(first: u64, entries: &[Entry]) -> Vec<WholeBundle> {
    let bundles = (first / 256..).zip(entries.as_chunks::<256>().0);
    let bundle = |(index, entries): (u64, &[Entry; 256])| {
        let leaves = Box::new(entries.each_ref().map(Entry::leaf_hash));
        let keys = entries.iter().map(|entry| Keys::of_entry(entry.as_bytes())).collect();
        WholeBundle::new(index, bundle::compress(&encode_bundle(entries)), leaves, keys)
    };
    bundles.map(bundle).collect()
}

#[test]
fn whole_bundles_and_single_entries_give_the_tree_of_the_oracle_also_after_reopening() {
    let mut test = TestMirror::new(70_000);
    let mut served = None;
    // Sizes, and how they are reached: by entries to the next full bundle, whole bundles, entries again.
    for sizes in [&[256, 1_024, 1_030, 1_280][..], &[65_536], &[66_048, 66_050], &[66_304, 69_888, 70_000]] {
        let (store, reader) = test.open();
        for size in sizes {
            let from = store.head().size.get();
            let (entries, head) = test.next(*size);
            if from.is_multiple_of(256) && size.is_multiple_of(256) {
                store.append_whole(whole(from, &entries)).unwrap();
            } else {
                store.append(entries).unwrap();
            }
            assert_eq!(store.head(), head, "{size}");
            served = Some(store.advance(served, test.sign(head)).unwrap().head());
            test.check_tiles(&reader, u64::try_from(*size).unwrap());
            for index in [0, size / 2, size - 1] {
                let (entry, index) = (&test.entries[index], LeafIndex::new(u64::try_from(index).unwrap()));
                assert_eq!(reader.entry(index).unwrap(), entry.as_bytes());
                let path = reader.prove(index, head.size).unwrap();
                verify_inclusion(entry.leaf_hash(), index, head, &path).unwrap();
            }
        }
    }
    let (store, reader) = test.open();
    assert_eq!(store.root_at(TreeSize::new(65_536)).unwrap(), root(&test, 65_536));
    test.check_bundle(&reader, BundleId::new(255, TILE_WIDTH).unwrap());
    test.check_bundle(&reader, BundleId::new(272, TILE_WIDTH).unwrap());
}

#[test]
fn bundles_that_do_not_follow_are_refused() {
    let mut test = TestMirror::new(1_000);
    let (store, _reader) = test.open();
    let entries = test.entries.clone();
    let refused = |bundles| assert!(matches!(store.append_whole(bundles), Err(MirrorError::OutOfOrder { .. })));
    refused(whole(256, &entries[256..512]));
    refused(whole(0, &entries[..512]).into_iter().rev().collect());
    let (some, head) = test.next(10);
    store.append(some).unwrap();
    refused(whole(0, &entries[..256]));
    assert_eq!(store.head(), head);
    let (rest, _) = test.next(256);
    store.append(rest).unwrap();
    refused(whole(0, &entries[..256]));
    let (next, head) = test.next(512);
    store.append_whole(whole(256, &next)).unwrap();
    assert_eq!(store.head(), head);
}

#[test]
fn what_is_served_is_indexed_even_where_the_index_fell_behind() {
    let mut test = TestMirror::new(0);
    test.entries = (0..768).map(|n| submission(2 * n, 1).entry().clone()).collect();
    let (store, reader) = test.open();
    let (entries, _) = test.next(256);
    store.append_whole(whole(0, &entries)).unwrap();
    // The index of the second step failed: its entries are stored all the same.
    let (entries, head) = test.next(512);
    {
        let mut state = store.state();
        let bundles = whole(256, &entries);
        let staged = Staged::whole(&state.frontier, &bundles);
        store.tree.put_whole(state.head.tree.size, bundles, &staged).unwrap();
        let new = Head { tree: head, ..state.head };
        store.database.commit(&state.head, &Commit { head: new, sealed: head.size, entries: &[] }).unwrap();
        state.head = new;
        state.frontier = store.tree.skip(1, staged);
    }
    store.advance(None, test.sign(head)).unwrap();
    assert_eq!(store.tree.index().covered(), head.size);
    let (entries, head) = test.next(768);
    store.append_whole(whole(512, &entries)).unwrap();
    store.advance(store.checkpoint().map(|served| served.head()), test.sign(head)).unwrap();
    for index in [0, 255, 256, 511, 512, 767] {
        let entry = Envelope::parse(test.entries[index].as_bytes()).unwrap();
        let subject = Statement::parse(entry.payload()).unwrap().subject().digest;
        let found = reader.lookup(subject, LeafIndex::new(0), head.size, 10).unwrap();
        assert_eq!(found, [LeafIndex::new(u64::try_from(index).unwrap())]);
    }
}

#[test]
fn a_mirror_with_the_key_of_its_log_is_refused() {
    let test = TestMirror::new(0);
    let path = test.data().join("log.key");
    let name = KeyName::new("example.com/mirror").unwrap();
    let twin = SignerKey::from_seed(name, KeyType::CosignatureV1, [3; 32]);
    std::fs::write(path, twin.to_secret_string() + "\n").unwrap();
    let id = test.data().join("log.id");
    let written = std::fs::read_to_string(&id).unwrap();
    let own = written.lines().find_map(|line| line.strip_prefix("cosigner = ")).unwrap().to_owned();
    std::fs::write(&id, written.replace(&own, &format!("\"{}\"", twin.verifier()))).unwrap();
    assert!(matches!(MirrorStore::open(&test.data(), ROOM, clock(NOW)), Err(MirrorError::SharedKey { .. })));
}
