//! What the log costs per entry and what a verifier costs per proof, in a tree of about a million entries.
#![expect(clippy::unwrap_used, reason = "benchmarks")]

#[path = "../tests/memory/tiles.rs"]
mod tiles;

use std::hint::black_box;

use attest_core::checkpoint::{Checkpoint, LogCheckpoint, UnverifiedCheckpoint};
use attest_core::cosignature::cosign;
use attest_core::merkle::{Frontier, LeafHash, LeafIndex, TreeHead, verify_consistency, verify_inclusion};
use attest_core::note::{KeyName, KeyType, Note, SignerKey};
use attest_core::proof::TlogProof;
use attest_core::tile::{Edge, Prover, TileId, tile_root};
use attest_core::time::Timestamp;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tiles::Tiles;

/// Not a power of two, so that proofs have ragged edges as they have in practice.
const ENTRIES: u64 = (1 << 20) - 3;
const INDEX: LeafIndex = LeafIndex::new(ENTRIES / 3);

fn leaf(i: u64) -> LeafHash {
    LeafHash::of(&i.to_be_bytes())
}

fn signer(name: &str, kind: KeyType) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [7; 32])
}

fn tree() -> (Tiles, TreeHead) {
    let mut tiles = Tiles::default();
    (0..ENTRIES).for_each(|i| tiles.append(leaf(i)));
    let head = tiles.publish();
    (tiles, head)
}

/// A checkpoint with the log's signature and that of one witness.
fn checkpoint(head: TreeHead) -> LogCheckpoint {
    let checkpoint = Checkpoint { origin: "log.example/a".to_owned(), head };
    let checkpoint = checkpoint.sign(&signer("log.example/a", KeyType::Ed25519)).unwrap();
    let witness = signer("witness.example", KeyType::CosignatureV1);
    let line = cosign(&checkpoint, &witness, Timestamp::from_secs(1_790_000_000)).unwrap();
    checkpoint.with_cosignature(line).unwrap()
}

fn proofs(c: &mut Criterion) {
    let (tiles, head) = tree();
    let checkpoint = checkpoint(head);
    let log = checkpoint.log().clone();
    let witness = signer("witness.example", KeyType::CosignatureV1).verifier().clone();
    let mut prover = Prover::new(head.size, |tile| tiles.read(tile));
    let path = prover.inclusion(INDEX).unwrap();
    let proof = TlogProof { extra: None, index: INDEX, path, checkpoint: checkpoint.into() };
    let file = proof.to_string().into_bytes();
    let leaf = leaf(INDEX.get());

    c.bench_function("verify inclusion, hashes only", |b| {
        b.iter(|| verify_inclusion(black_box(leaf), INDEX, head, &proof.path));
    });
    c.bench_function("verify one tlog-proof file: parse, log signature, inclusion", |b| {
        b.iter(|| TlogProof::parse(black_box(&file)).unwrap().verify(leaf, &log).unwrap());
    });
    c.bench_function("verify one tlog-proof file and one cosignature", |b| {
        b.iter(|| {
            let known = TlogProof::parse(black_box(&file)).unwrap().verify(leaf, &log).unwrap();
            known.cosignatures(std::slice::from_ref(&witness)).unwrap()
        });
    });

    let older = Frontier::from_tiles(attest_core::merkle::TreeSize::new(ENTRIES - 1000), |t| tiles.read(t)).unwrap();
    let consistency = prover.consistency(older.size()).unwrap();
    c.bench_function("verify consistency, hashes only", |b| {
        b.iter(|| verify_consistency(black_box(older.head()), head, &consistency));
    });

    let mut group = c.benchmark_group("prove inclusion");
    group.bench_function("one entry", |b| {
        b.iter(|| Prover::new(head.size, |tile| tiles.read(tile)).inclusion(black_box(INDEX)));
    });
    group.throughput(Throughput::Elements(1000));
    group.bench_function("the last 1000 entries", |b| {
        b.iter(|| {
            let mut prover = Prover::new(head.size, |tile| tiles.read(tile));
            for i in ENTRIES - 1000..ENTRIES {
                black_box(prover.inclusion(LeafIndex::new(i)).unwrap());
            }
        });
    });
    group.finish();

    let full = tiles.exact(TileId::new(0, 0, 256).unwrap());
    let full = full.as_slice().try_into().unwrap();
    c.bench_function("tile root", |b| b.iter(|| tile_root(black_box(full))));
}

fn appends(c: &mut Criterion) {
    let leaves: Vec<LeafHash> = (0..4096).map(leaf).collect();
    let mut group = c.benchmark_group("append 4096 leaves");
    group.throughput(Throughput::Elements(4096));
    group.bench_function("frontier", |b| {
        b.iter_batched_ref(Frontier::new, |f| leaves.iter().for_each(|l| f.append(*l)), BatchSize::SmallInput);
    });
    group.bench_function("edge, with its tiles", |b| {
        let append = |edge: &mut Edge| {
            for leaf in &leaves {
                edge.append(*leaf, |tile, hashes| {
                    black_box((tile, hashes));
                });
            }
        };
        b.iter_batched_ref(Edge::new, append, BatchSize::SmallInput);
    });
    group.finish();
}

fn notes(c: &mut Criterion) {
    let checkpoint = checkpoint(Frontier::new().head());
    let log = checkpoint.log().clone();
    let bytes = checkpoint.note().to_string().into_bytes();
    c.bench_function("parse a note", |b| {
        b.iter(|| Note::parse(black_box(&bytes)).unwrap());
    });
    c.bench_function("parse and verify a checkpoint", |b| {
        b.iter(|| UnverifiedCheckpoint::parse(black_box(&bytes)).unwrap().verify(&log).unwrap());
    });
    let key = signer("log.example/a", KeyType::Ed25519);
    c.bench_function("sign a checkpoint", |b| {
        b.iter(|| checkpoint.checkpoint().sign(black_box(&key)).unwrap());
    });
}

criterion_group!(benches, proofs, appends, notes);
criterion_main!(benches);
