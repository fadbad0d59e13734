//! What the server does for each submission: read the envelope, verify its signature, read the statement.

use attest_core::envelope::{Envelope, Signature, pae};
use attest_core::key::ed25519::SecretKey;
use attest_core::key::openpgp::packet;
use attest_core::key::{PublicKey, openpgp::Certificate};
use attest_core::statement::Statement;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const PAYLOAD: &[u8] = include_bytes!("../tests/vectors/statements/reproduced.json");
const MESSAGE: &[u8] = include_bytes!("../tests/vectors/openpgp/message.bin");

fn ed25519(c: &mut Criterion) {
    let secret = SecretKey::from_seed([1; 32]);
    let signature = Signature::Ed25519(secret.sign(&pae(PAYLOAD)));
    let key = PublicKey::Ed25519(secret.public());
    let envelope = Envelope::new(PAYLOAD.to_vec(), signature).expect("it is short");
    let bytes = envelope.to_bytes();

    let mut group = c.benchmark_group("envelope");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse", |b| {
        b.iter(|| Envelope::parse(black_box(&bytes)).expect("canonical"));
    });
    group.bench_function("statement_id", |b| b.iter(|| envelope.statement_id()));
    group.bench_function("parse_and_verify_ed25519", |b| {
        b.iter(|| {
            let envelope = Envelope::parse(black_box(&bytes)).expect("canonical");
            envelope.verify(&key).expect("signed")
        });
    });
    let truncated = &bytes[..bytes.len() - 1];
    group.bench_function("refuse", |b| {
        b.iter(|| Envelope::parse(black_box(truncated)).expect_err("truncated"));
    });
    group.finish();
}

fn statement(c: &mut Criterion) {
    let statement = Statement::parse(PAYLOAD).expect("golden");
    let mut group = c.benchmark_group("statement");
    group.throughput(Throughput::Bytes(PAYLOAD.len() as u64));
    group.bench_function("parse", |b| {
        b.iter(|| Statement::parse(black_box(PAYLOAD)).expect("golden"));
    });
    group.bench_function("to_bytes", |b| b.iter(|| statement.to_bytes()));
    group.finish();
}

fn openpgp(c: &mut Criterion) {
    let mut group = c.benchmark_group("openpgp_verify");
    for (name, certificate, signature) in [
        (
            "ed25519",
            include_str!("../tests/vectors/openpgp/ed25519.cert.asc"),
            &include_bytes!("../tests/vectors/openpgp/ed25519.gpg.sig")[..],
        ),
        (
            "rsa3072",
            include_str!("../tests/vectors/openpgp/rsa3072.cert.asc"),
            include_bytes!("../tests/vectors/openpgp/rsa3072.gpg.sig"),
        ),
        (
            "nistp256",
            include_str!("../tests/vectors/openpgp/nistp256.cert.asc"),
            include_bytes!("../tests/vectors/openpgp/nistp256.gpg.sig"),
        ),
    ] {
        let certificate = Certificate::parse(certificate).expect("vector");
        let packet = packet(signature).expect("vector");
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |b| {
            b.iter(|| {
                certificate.verify(black_box(MESSAGE), &packet).expect("vector");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, ed25519, statement, openpgp);
criterion_main!(benches);
