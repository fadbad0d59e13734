use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn tree(entries: u64, length: usize) -> (tempfile::TempDir, LogTree) {
    let dir = tempfile::tempdir().unwrap();
    TileStore::create(dir.path()).unwrap();
    let index = Index::open(dir.path()).unwrap();
    let pending = (0..entries).map(|n| Entry::new([&n.to_be_bytes()[..], &vec![7; length]].concat()).unwrap());
    let (tree, _) = LogTree::load(TileStore::open(dir.path()), index, TreeSize::ZERO, pending.collect()).unwrap();
    (dir, tree)
}

fn bundle(width: u16) -> BundleId {
    BundleId::new(0, width).unwrap()
}

#[test]
fn a_writer_waits_while_the_sealer_is_behind() {
    let (_dir, tree) = tree(1_000, 60_000);
    let waited = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            tree.wait_for_room(|| {
                waited.store(true, Ordering::Relaxed);
                true
            });
        });
        while !waited.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        assert!(!writer.is_finished());
        let sealed = tree.seal().unwrap().unwrap();
        tree.forget(sealed);
        writer.join().unwrap();
    });
    // With room there is nothing to wait for.
    tree.wait_for_room(|| panic!("nothing was in the way"));
}

#[test]
fn a_writer_does_not_wait_for_a_sealer_that_has_stopped() {
    let (_dir, tree) = tree(1_000, 60_000);
    tree.wait_for_room(|| false);
}

#[test]
fn a_bundle_that_is_no_file_is_compressed_once() {
    let (_dir, tree) = tree(300, 10);
    for id in [bundle(100), bundle(256)] {
        assert!(tree.bundle_at_once(id).unwrap().is_none());
        let first = tree.bundle(id).unwrap();
        assert_eq!(first.as_ptr(), tree.bundle(id).unwrap().as_ptr());
        let Some(Content::Bytes(again)) = tree.bundle_at_once(id).unwrap() else { panic!("not kept") };
        assert_eq!(first.as_ptr(), again.as_ptr());
    }
    let sealed = tree.seal().unwrap().unwrap();
    tree.forget(sealed);
    assert!(matches!(tree.bundle_at_once(bundle(256)).unwrap(), Some(Content::File(_))));
    let few = crate::store::bundle::decompress(&tree.bundle(bundle(7)).unwrap()).unwrap();
    let all = crate::store::bundle::decompress(&tree.bundle(bundle(256)).unwrap()).unwrap();
    assert_eq!(few, all[..few.len()]);
}

#[test]
fn a_tile_is_the_same_from_memory_and_from_its_file_at_every_width() {
    let (_dir, tree) = tree(300, 10);
    let tiles: Vec<_> = (1..=256).map(|width| TileId::new(0, 0, width).unwrap()).collect();
    let before: Vec<_> = tiles.iter().map(|tile| tree.tile(*tile).unwrap()).collect();
    let sealed = tree.seal().unwrap().unwrap();
    tree.forget(sealed);
    for (tile, before) in tiles.into_iter().zip(before) {
        assert_eq!(tree.tile(tile).unwrap(), before, "{tile:?}");
        assert_eq!(tree.tile_at_once(tile).unwrap(), Some(before), "{tile:?}");
    }
}
