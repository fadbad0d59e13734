//! What it costs a client to know all negatives of a lock: `cargo bench -p attest-core --bench negatives`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use attest_core::{
    artifact::ArtifactDigest,
    merkle::{LeafIndex, RootHash, TreeHead, TreeSize},
    negatives::{Edition, Listing, Record, ShardDigest, ShardId, Table},
    note::{KeyName, KeyType, SignerKey},
};
use criterion::{Criterion, criterion_group, criterion_main};

const FILES: u64 = 100;

/// The list of `count` negatives about as many files, by one auditor, with the shards of [`FILES`] digests.
fn edition(count: u64, digests: &[ArtifactDigest], key: &SignerKey) -> Edition {
    let mut shards = vec![Vec::new(); ShardId::COUNT];
    let mut records: Vec<_> = (0..count)
        .map(|n| Record { subject: ArtifactDigest::of(&n.to_be_bytes()), index: LeafIndex::new(n) })
        .collect();
    records.sort_unstable();
    for record in &records {
        shards[usize::from(ShardId::of(&record.subject).get())].extend(record.to_bytes());
    }
    let mut table = Table::empty();
    for (shard, bytes) in ShardId::all().zip(&shards) {
        table.set(shard, ShardDigest::of(bytes));
    }
    let head = TreeHead { size: TreeSize::new(count), root: RootHash::from_bytes([7; 32]) };
    let listing = Listing::new(KeyName::new("log.example").unwrap(), head, count, &table).unwrap();
    let note = listing.sign(key).unwrap().to_string().into_bytes();
    let mut needed: Vec<_> = digests.iter().map(ShardId::of).collect();
    needed.sort_unstable();
    needed.dedup();
    let shards = needed.into_iter().map(|shard| (shard, shards[usize::from(shard.get())].clone())).collect();
    Edition { note, table: table.to_bytes(), shards, checkpoints: Vec::new() }
}

fn lock(c: &mut Criterion) {
    let key = SignerKey::from_seed(KeyName::new("auditor.example").unwrap(), KeyType::Ed25519, [1; 32]);
    let digests: Vec<_> = (0..FILES).map(|n| ArtifactDigest::of(&n.to_be_bytes())).collect();
    for count in [1_000, 100_000, 1_000_000] {
        let edition = edition(count, &digests, &key);
        c.bench_function(&format!("a lock of {FILES} files against {count} negatives"), |bencher| {
            bencher.iter(|| {
                let opened = black_box(&edition).open().unwrap();
                assert!(opened.note().is_signed_by(key.verifier()).unwrap());
                opened.complete(&digests).unwrap().records().len()
            });
        });
    }
}

criterion_group!(benches, lock);
criterion_main!(benches);
