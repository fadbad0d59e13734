//! Holds trees, tiles and proofs to an oracle that is RFC 6962 section 2.1 word for word, and to rs_merkle.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "memory/tiles.rs"]
mod tiles;

use std::collections::BTreeSet;

use attest_core::merkle::{
    Frontier, LeafHash, LeafIndex, NodeHash, ProofError, RootHash, TreeHead, TreeSize, verify_consistency,
    verify_inclusion,
};
use attest_core::tile::{
    Edge, TileError, TileId, edge_tiles, new_tiles, prove_consistency, prove_inclusion, root_from_tiles, tile_root,
    tiles_for_consistency, tiles_for_inclusion, tiles_for_root,
};
use proptest::prelude::*;
use tiles::Tiles;

/// RFC 6962 sections 2.1, 2.1.1 and 2.1.2, with nothing in common with the code it checks but SHA-256.
mod oracle {
    use sha2::{Digest as _, Sha256};
    pub(super) type Hash = [u8; 32];

    fn k(n: usize) -> usize {
        (0..usize::BITS).map(|i| 1 << i).rfind(|k| *k < n).unwrap()
    }
    pub(super) fn mth(d: &[Vec<u8>]) -> Hash {
        match d {
            [] => Sha256::digest([]).into(),
            [d0] => Sha256::digest([&[0], d0.as_slice()].concat()).into(),
            _ => {
                let (left, right) = d.split_at(k(d.len()));
                Sha256::digest([&[1], mth(left).as_slice(), mth(right).as_slice()].concat()).into()
            }
        }
    }
    pub(super) fn path(m: usize, d: &[Vec<u8>]) -> Vec<Hash> {
        match d.len() {
            1 => vec![],
            n if m < k(n) => [path(m, &d[..k(n)]), vec![mth(&d[k(n)..])]].concat(),
            n => [path(m - k(n), &d[k(n)..]), vec![mth(&d[..k(n)])]].concat(),
        }
    }
    pub(super) fn proof(m: usize, d: &[Vec<u8>]) -> Vec<Hash> {
        subproof(m, d, true)
    }
    fn subproof(m: usize, d: &[Vec<u8>], b: bool) -> Vec<Hash> {
        match d.len() {
            n if m == n && b => vec![],
            n if m == n => vec![mth(d)],
            n if m <= k(n) => [subproof(m, &d[..k(n)], b), vec![mth(&d[k(n)..])]].concat(),
            n => [subproof(m - k(n), &d[k(n)..], false), vec![mth(&d[..k(n)])]].concat(),
        }
    }
}

fn entries(n: usize) -> Vec<Vec<u8>> {
    (0..n).map(|i| format!("entry {i}").into_bytes()).collect()
}

fn tiles_of(entries: &[Vec<u8>]) -> (Tiles, TreeHead) {
    let mut tiles = Tiles::default();
    for entry in entries {
        tiles.append(LeafHash::of(entry));
    }
    let head = tiles.publish();
    (tiles, head)
}

fn head_of(entries: &[Vec<u8>]) -> TreeHead {
    TreeHead { size: TreeSize::new(entries.len() as u64), root: RootHash::from_bytes(oracle::mth(entries)) }
}

fn nodes(hashes: Vec<oracle::Hash>) -> Vec<NodeHash> {
    hashes.into_iter().map(NodeHash::from_bytes).collect()
}

fn index(i: usize) -> LeafIndex {
    LeafIndex::new(i as u64)
}

fn flip(hash: &[u8; 32], bit: usize) -> [u8; 32] {
    let mut hash = *hash;
    hash[bit / 8] ^= 1 << (bit % 8);
    hash
}

#[test]
fn every_small_tree_and_every_proof_in_it_is_as_rfc_6962_says() {
    let all = entries(70);
    let mut frontier = Frontier::new();
    for n in 0..=all.len() {
        let d = &all[..n];
        let (tiles, head) = tiles_of(d);
        assert_eq!(head, head_of(d));
        assert_eq!(frontier.head(), head);
        assert_eq!(root_from_tiles(head.size, |t| tiles.read(t)), Ok(head.root));
        assert_eq!(Frontier::from_tiles(head.size, |t| tiles.read(t)), Ok(frontier.clone()));
        for (i, entry) in d.iter().enumerate() {
            let proof = prove_inclusion(index(i), head.size, |t| tiles.read(t)).unwrap();
            assert_eq!(proof, nodes(oracle::path(i, d)));
            assert_eq!(verify_inclusion(LeafHash::of(entry), index(i), head, &proof), Ok(()));
        }
        for m in 1..=n {
            let proof = prove_consistency(TreeSize::new(m as u64), head.size, |t| tiles.read(t)).unwrap();
            assert_eq!(proof, nodes(oracle::proof(m, d)));
            assert_eq!(verify_consistency(head_of(&d[..m]), head, &proof), Ok(()));
        }
        if n < all.len() {
            frontier.append(LeafHash::of(&all[n]));
        }
    }
}

#[test]
fn what_is_not_in_the_tree_cannot_be_proved() {
    let (tiles, head) = tiles_of(&entries(5));
    let size = head.size;
    assert_eq!(
        prove_inclusion(LeafIndex::new(5), size, |t| tiles.read(t)),
        Err(TileError::IndexNotInTree { index: LeafIndex::new(5), size })
    );
    assert_eq!(
        prove_consistency(TreeSize::new(6), size, |t| tiles.read(t)),
        Err(TileError::Shrunk { old: TreeSize::new(6), new: size })
    );
    let tile = TileId::new(0, 0, 5).unwrap();
    assert_eq!(
        prove_inclusion(LeafIndex::new(0), size, |t| tiles.read(t).map(|mut hashes| hashes.split_off(1))),
        Err(TileError::TileNarrow { tile, found: 4 })
    );
    assert_eq!(prove_consistency::<TileError>(TreeSize::ZERO, size, |_| panic!("no tile needed")), Ok(Vec::new()));
    assert_eq!(root_from_tiles::<TileError>(TreeSize::ZERO, |_| panic!("no tile")), Ok(RootHash::of_empty()));
}

/// SHA-256 with RFC 6962's prefixes, for rs_merkle.
#[derive(Clone)]
struct Rfc6962;

impl rs_merkle::Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        oracle::mth(&[data.to_vec()])
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        let node =
            |right: &[u8; 32]| NodeHash::of_children(&NodeHash::from_bytes(*left), &NodeHash::from_bytes(*right));
        right.map_or(*left, |right| *node(right).as_bytes())
    }
}

#[test]
fn rs_merkle_builds_the_same_roots_and_paths() {
    use rs_merkle::Hasher as _;
    let all = entries(300);
    let leaves: Vec<_> = all.iter().map(|e| Rfc6962::hash(e)).collect();
    for n in 1..=all.len() {
        let tree = rs_merkle::MerkleTree::<Rfc6962>::from_leaves(&leaves[..n]);
        let (tiles, head) = tiles_of(&all[..n]);
        assert_eq!(head.root.as_bytes(), &tree.root().unwrap());
        for i in (0..n).step_by(7).chain([n - 1]) {
            let proof = prove_inclusion(index(i), head.size, |t| tiles.read(t)).unwrap();
            assert_eq!(proof, nodes(tree.proof(&[i]).proof_hashes().to_vec()));
        }
    }
}

#[test]
fn the_root_of_a_full_tile_is_the_root_of_its_leaves() {
    let d = entries(256);
    let (tiles, head) = tiles_of(&d);
    let hashes = tiles.exact(TileId::new(0, 0, 256).unwrap());
    let root = tile_root(hashes.as_slice().try_into().unwrap());
    assert_eq!(root.as_bytes(), head.root.as_bytes());
    assert_eq!(tiles.exact(TileId::new(1, 0, 1).unwrap()), [root]);
}

/// Which way the path to leaf `i` turns at each level, from the root (RFC 6962's k). Two proofs with the same turns put
/// the same hashes in the same places, whatever the sizes they are said to be for.
fn turns(i: u64, n: u64) -> Vec<bool> {
    if n == 1 {
        return Vec::new();
    }
    let k = n.next_power_of_two() / 2;
    let (right, rest) = if i < k { (false, turns(i, k)) } else { (true, turns(i - k, n - k)) };
    [vec![right], rest].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn proofs_in_larger_trees_are_as_rfc_6962_says_and_need_exactly_the_tiles_announced(
        (n, i, m) in (1_usize..1400).prop_flat_map(|n| (Just(n), 0..n, 1..=n)),
    ) {
        let d = entries(n);
        let (tiles, head) = tiles_of(&d);
        prop_assert_eq!(head, head_of(&d));
        let old = head_of(&d[..m]);

        let mut read = BTreeSet::new();
        let proof = prove_inclusion(index(i), head.size, |t| { read.insert(t); tiles.read(t) }).unwrap();
        prop_assert_eq!(&proof, &nodes(oracle::path(i, &d)));
        prop_assert_eq!(verify_inclusion(LeafHash::of(&d[i]), index(i), head, &proof), Ok(()));
        prop_assert_eq!(read.into_iter().collect::<Vec<_>>(), tiles_for_inclusion(index(i), head.size));

        let mut read = BTreeSet::new();
        let proof = prove_consistency(old.size, head.size, |t| { read.insert(t); tiles.read(t) }).unwrap();
        prop_assert_eq!(&proof, &nodes(oracle::proof(m, &d)));
        prop_assert_eq!(verify_consistency(old, head, &proof), Ok(()));
        prop_assert_eq!(read.into_iter().collect::<Vec<_>>(), tiles_for_consistency(old.size, head.size));

        // The older tree, from the newer one's wider tiles.
        let mut read = BTreeSet::new();
        prop_assert_eq!(root_from_tiles(old.size, |t| { read.insert(t); tiles.read(t) }), Ok(old.root));
        prop_assert_eq!(read.into_iter().collect::<Vec<_>>(), tiles_for_root(old.size));
    }

    #[test]
    fn appends_in_any_batching_give_the_same_tiles(batches in prop::collection::vec(0_usize..400, 0..8)) {
        let d = entries(batches.iter().sum());
        let (whole, head) = tiles_of(&d);
        let mut stored: std::collections::HashMap<TileId, Vec<NodeHash>> = std::collections::HashMap::new();
        let mut rest = d.as_slice();
        let mut size = TreeSize::ZERO;
        for batch in batches {
            // Every batch begins with a restart: what is known is what was published.
            let read = |tile| stored.get(&tile).cloned().ok_or(TileError::TileNarrow { tile, found: 0 });
            let mut edge = Edge::from_tiles(size, read).unwrap();
            let mut written = Vec::new();
            let (now, later) = rest.split_at(batch);
            for entry in now {
                edge.append(LeafHash::of(entry), |tile, hashes| written.push((tile, hashes.to_vec())));
            }
            written.extend(edge.partial_tiles().map(|(tile, hashes)| (tile, hashes.to_vec())));
            let announced: BTreeSet<TileId> = new_tiles(size, edge.size()).collect();
            for tile in &announced {
                prop_assert!(written.iter().any(|(t, _)| t == tile));
            }
            for (tile, hashes) in written {
                prop_assert!(announced.contains(&tile) || stored.contains_key(&tile));
                prop_assert_eq!(&hashes, &whole.read(tile).unwrap()[..usize::from(tile.width())]);
                stored.insert(tile, hashes);
            }
            (rest, size) = (later, edge.size());
            for tile in edge_tiles(size) {
                prop_assert!(stored.contains_key(&tile));
            }
        }
        prop_assert_eq!(size, head.size);
        for tile in new_tiles(TreeSize::ZERO, size) {
            prop_assert_eq!(&stored[&tile], &whole.exact(tile));
        }
    }

    #[test]
    fn every_changed_bit_of_an_inclusion_proof_fails((n, i) in (1_usize..600).prop_flat_map(|n| (Just(n), 0..n))) {
        let d = entries(n);
        let head = head_of(&d);
        let (leaf, i, proof) = (LeafHash::of(&d[i]), index(i), nodes(oracle::path(i, &d)));
        prop_assert_eq!(verify_inclusion(leaf, i, head, &proof), Ok(()));
        for bit in 0..256 {
            for h in 0..proof.len() {
                let mut proof = proof.clone();
                proof[h] = NodeHash::from_bytes(flip(proof[h].as_bytes(), bit));
                let refused = verify_inclusion(leaf, i, head, &proof);
                let wrong_root = matches!(refused, Err(ProofError::InclusionRoot { .. }));
                prop_assert!(wrong_root);
            }
            let other = LeafHash::from_bytes(flip(leaf.as_bytes(), bit));
            prop_assert!(verify_inclusion(other, i, head, &proof).is_err());
            let other = TreeHead { root: RootHash::from_bytes(flip(head.root.as_bytes(), bit)), ..head };
            prop_assert!(verify_inclusion(leaf, i, other, &proof).is_err());
        }
        for bit in 0..64 {
            let other = LeafIndex::new(i.get() ^ (1 << bit));
            prop_assert!(verify_inclusion(leaf, other, head, &proof).is_err());
            // A size is bound to its root by the checkpoint's signature. By itself a proof only fails for a size in whose
            // tree the path turns differently.
            let size = head.size.get() ^ (1 << bit);
            let other = TreeHead { size: TreeSize::new(size), ..head };
            let same_turns = size > i.get() && size < 1 << 63 && turns(i.get(), size) == turns(i.get(), n as u64);
            prop_assert_eq!(verify_inclusion(leaf, i, other, &proof).is_ok(), same_turns);
        }
        let mut shorter = proof.clone();
        if shorter.pop().is_some() {
            prop_assert!(verify_inclusion(leaf, i, head, &shorter).is_err());
        }
        let longer = [proof.clone(), vec![NodeHash::from(leaf)]].concat();
        prop_assert!(verify_inclusion(leaf, i, head, &longer).is_err());
    }

    #[test]
    fn every_changed_bit_of_a_consistency_proof_fails((n, m) in (2_usize..600).prop_flat_map(|n| (Just(n), 1..n))) {
        let d = entries(n);
        let (old, new, proof) = (head_of(&d[..m]), head_of(&d), nodes(oracle::proof(m, &d)));
        prop_assert_eq!(verify_consistency(old, new, &proof), Ok(()));
        for bit in 0..256 {
            for h in 0..proof.len() {
                let mut proof = proof.clone();
                proof[h] = NodeHash::from_bytes(flip(proof[h].as_bytes(), bit));
                prop_assert!(verify_consistency(old, new, &proof).is_err());
            }
            let other = TreeHead { root: RootHash::from_bytes(flip(old.root.as_bytes(), bit)), ..old };
            prop_assert!(verify_consistency(other, new, &proof).is_err());
            let other = TreeHead { root: RootHash::from_bytes(flip(new.root.as_bytes(), bit)), ..new };
            prop_assert!(verify_consistency(old, other, &proof).is_err());
        }
        for bit in 0..64 {
            let other = TreeHead { size: TreeSize::new(old.size.get() ^ (1 << bit)), ..old };
            prop_assert!(verify_consistency(other, new, &proof).is_err());
        }
        let mut shorter = proof.clone();
        if shorter.pop().is_some() {
            prop_assert!(verify_consistency(old, new, &shorter).is_err());
        }
        let longer = [proof.clone(), vec![NodeHash::from_bytes(*new.root.as_bytes())]].concat();
        prop_assert!(verify_consistency(old, new, &longer).is_err());
    }
}
