//! The decision about a whole lock: 100 files, three votes each, under one checkpoint that two witnesses cosigned.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "what is measured is made here")]

#[path = "../tests/support/world.rs"]
mod world;

use attest_core::{
    policy::Policy,
    verify::{Evidence, Session, Wanted, WantedName},
};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use world::{Log, Rules, asking, evidence, log_of, reproduced_of, signer, subject, wanted};

const FILES: usize = 100;
const REBUILDERS: [&str; 3] = ["deb-1", "nix-1", "acme-1"];

fn lock() -> (Policy, Vec<Wanted>, Evidence) {
    let mut log = Log::new(world::LOG);
    let mut files = Vec::with_capacity(FILES);
    for number in 0..FILES {
        let name = format!("project_{number}-1.0-py3-none-any.whl");
        let subject = subject(&name, &name);
        files.push(Wanted { digest: subject.digest, name: WantedName::File(name) });
        for rebuilder in REBUILDERS {
            let statement = reproduced_of(subject.clone(), |build| {
                build.rebuilder.id = format!("https://{rebuilder}.example/v1");
            });
            log.append(&signer(rebuilder).sign(&statement));
        }
    }
    let policy = Rules::new().set("threshold", "3").policy();
    (policy, files, evidence(vec![log.view()]))
}

fn whole_lock(c: &mut Criterion) {
    let (policy, files, evidence) = lock();
    c.bench_function("verify a lock of 100 files, 3 votes each", |b| {
        b.iter(|| {
            let session = Session::open(black_box(&policy), black_box(&evidence), asking());
            for file in &files {
                assert!(session.verify(black_box(file)).is_accepted());
            }
        });
    });
    let session = Session::open(&policy, &evidence, asking());
    c.bench_function("weigh one file of an opened lock", |b| {
        b.iter(|| assert!(session.verify(black_box(&files[0])).is_accepted()));
    });
}

fn one_file(c: &mut Criterion) {
    let policy = Rules::new().policy();
    let statement = reproduced_of(world::published(), |_| {});
    let votes = ["deb-1", "nix-1"].map(|name| signer(name).sign(&statement));
    let evidence = evidence(vec![log_of(&[&votes[0], &votes[1]]).view()]);
    c.bench_function("verify one file, 2 votes", |b| {
        b.iter(|| {
            let session = Session::open(black_box(&policy), black_box(&evidence), asking());
            assert!(session.verify(black_box(&wanted())).is_accepted());
        });
    });
    let text = Rules::new().text();
    c.bench_function("parse a policy", |b| {
        b.iter(|| Policy::parse(black_box(&text)).unwrap());
    });
}

criterion_group!(benches, whole_lock, one_file);
criterion_main!(benches);
