use std::{fs, path::Path};

use attest_core::{
    merkle::{LeafHash, TreeHead, TreeSize},
    tile::{BundleId, Edge, Entry, Resource, TileId, encode_bundle, encode_tile},
};

use super::{
    finding::Findings,
    inspect::Inspector,
    source::{DataFiles, Source},
    walk::{Milestone, walk},
};
use crate::store::{bundle, tiles::TileStore};

/// Two full tiles of level 1 would be 131,072 entries; one and a bit shows the same.
const SIZE: u64 = 66_000;

fn entry(n: u64) -> Entry {
    Entry::new(n.to_be_bytes().to_vec()).unwrap()
}

fn head(size: u64) -> TreeHead {
    let mut edge = Edge::new();
    (0..size).for_each(|n| edge.append(LeafHash::of(entry(n).as_bytes()), |_, _| {}));
    edge.head()
}

/// The files of a log of [`SIZE`] entries.
fn sealed(data: &Path) -> DataFiles {
    let tiles = TileStore::open(data);
    let write = |resource: Resource, bytes: Vec<u8>| {
        let path = tiles.path(resource);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let mut edge = Edge::new();
    for n in 0..SIZE {
        edge.append(LeafHash::of(entry(n).as_bytes()), |id, hashes| write(Resource::Tile(id), encode_tile(hashes)));
    }
    let sealed = SIZE - SIZE % 256;
    for number in 0..SIZE / 256 {
        let entries: Vec<Entry> = (number * 256..(number + 1) * 256).map(entry).collect();
        let id = BundleId::new(number, 256).unwrap();
        write(Resource::Bundle(id), bundle::compress(&encode_bundle(&entries)));
    }
    DataFiles { tiles, sealed: TreeSize::new(sealed), pending: (sealed..SIZE).map(entry).collect() }
}

async fn faults(data: &Path, heads: &[TreeHead]) -> Vec<String> {
    let pending = (SIZE - SIZE % 256..SIZE).map(entry).collect();
    let files = DataFiles { tiles: TileStore::open(data), sealed: TreeSize::new(SIZE - SIZE % 256), pending };
    let milestones = heads.iter().map(|head| Milestone { path: "recorded".into(), head: *head }).collect();
    let mut findings = Findings::default();
    let source = Source::Data(files.into());
    let walked = walk(&source, milestones, Inspector::default(), &mut findings).await.unwrap();
    assert_eq!(walked.bundles, SIZE.div_ceil(256));
    findings.faults().iter().map(|fault| fault.path.clone()).collect()
}

#[tokio::test]
async fn each_damaged_file_of_a_large_tree_is_named_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    drop(sealed(dir.path()));
    let heads = [head(0), head(1), head(256), head(40_000), head(65_536), head(65_700), head(SIZE)];
    assert_eq!(faults(dir.path(), &heads).await, Vec::<String>::new());

    let tile = |level, index| Resource::Tile(TileId::new(level, index, 256).unwrap());
    let bundle = |index| Resource::Bundle(BundleId::new(index, 256).unwrap());
    // Below a full tile of level 1, which decides; behind it, where only the roots decide; and that tile itself.
    for resource in [tile(0, 3), bundle(3), tile(0, 255), tile(0, 256), bundle(256), tile(1, 0)] {
        let path = dir.path().join(resource.to_string());
        let whole = fs::read(&path).unwrap();
        let mut damaged = match resource {
            Resource::Tile(_) => whole.clone(),
            _ => bundle::decompress(&whole).unwrap(),
        };
        damaged[40] ^= 1;
        let stored = match resource {
            Resource::Tile(_) => damaged,
            _ => bundle::compress(&damaged),
        };
        fs::write(&path, stored).unwrap();
        assert_eq!(faults(dir.path(), &heads).await, [resource.to_string()]);
        fs::remove_file(&path).unwrap();
        assert_eq!(faults(dir.path(), &heads).await, [resource.to_string()], "deleted");
        fs::write(&path, whole).unwrap();
    }
}

#[tokio::test]
async fn files_that_agree_with_each_other_and_not_with_a_recorded_root_are_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    drop(sealed(dir.path()));
    let mut wrong = head(40_000);
    wrong.root = head(39_999).root;
    assert_eq!(faults(dir.path(), &[wrong, head(SIZE)]).await, ["recorded"]);
}

#[tokio::test]
async fn a_bundle_and_its_tile_lost_together_are_named_and_the_rest_is_still_checked() {
    let dir = tempfile::tempdir().unwrap();
    drop(sealed(dir.path()));
    for path in ["tile/0/005", "tile/entries/005", "tile/entries/256"] {
        fs::remove_file(dir.path().join(path)).unwrap();
    }
    // The tile above holds the root of what is gone, so the rest of the tree is computed all the same.
    assert_eq!(faults(dir.path(), &[head(SIZE)]).await, ["tile/entries/005", "tile/0/005", "tile/entries/256"]);
    fs::remove_file(dir.path().join("tile/0/256")).unwrap();
    let found = faults(dir.path(), &[head(SIZE)]).await;
    assert_eq!(found.last().map(String::as_str), Some("recorded"), "{found:?}");
}
