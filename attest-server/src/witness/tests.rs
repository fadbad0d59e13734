use std::{
    fs,
    num::{NonZeroU32, NonZeroUsize},
    sync::Barrier,
    thread,
    time::Duration,
};

use attest_core::{
    checkpoint::{Checkpoint, LogCheckpoint, UnverifiedCheckpoint},
    merkle::{Frontier, LeafHash, NodeHash, TreeHead},
    note::{KeyName, KeyType},
    time::Timestamp,
    witness::parse_cosignatures,
};

use super::*;
use crate::{
    config::Limits,
    fixtures::{NOW, clock},
    quota::{Rate, addresses::AddressLimits, client::TrustedProxies},
};

const ORIGIN: &str = "example.com/log";

fn signer(name: &str, kind: KeyType, seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32])
}

fn log() -> SignerKey {
    signer(ORIGIN, KeyType::Ed25519, 1)
}

fn own() -> SignerKey {
    signer("witness.example", KeyType::CosignatureV1, 2)
}

fn head(history: u8, size: u8) -> TreeHead {
    let mut tree = Frontier::new();
    (0..size).for_each(|index| tree.append(LeafHash::of(&[history, index])));
    tree.head()
}

fn checkpoint(history: u8, size: u8) -> LogCheckpoint {
    Checkpoint { origin: ORIGIN.to_owned(), head: head(history, size) }.sign(&log()).unwrap()
}

fn request(old: u64, proof: &[NodeHash], checkpoint: &LogCheckpoint) -> Vec<u8> {
    AddCheckpoint::new(TreeSize::new(old), proof.to_vec(), checkpoint).unwrap().to_string().into_bytes()
}

/// From 1 to 2 leaves, the proof is the second leaf.
fn second(history: u8) -> Vec<NodeHash> {
    vec![LeafHash::of(&[history, 1]).into()]
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    store::create_registry(dir.path()).unwrap();
    dir
}

fn open(data: &Path) -> anyhow::Result<Witness> {
    open_at(data, NOW)
}

fn open_at(data: &Path, now: u64) -> anyhow::Result<Witness> {
    Witness::open(data, own(), vec![log().verifier().clone()], clock(now))
}

fn hash() -> String {
    origin_hash(ORIGIN)
}

#[test]
fn what_was_answered_is_there_after_a_restart_and_served_with_two_lines() {
    let dir = folder();
    let witness = open(dir.path()).unwrap();
    assert_eq!(witness.checkpoint(&hash()), None);
    let one = checkpoint(0, 1);
    let answer = witness.add(&request(0, &[], &one)).unwrap();
    let line = parse_cosignatures(answer.as_bytes(), one.note().text(), own().verifier()).unwrap();
    assert_eq!(line.time(), Timestamp::from_secs(NOW));
    drop(witness);

    let witness = open(dir.path()).unwrap();
    let served = witness.checkpoint(&hash()).unwrap();
    let served = UnverifiedCheckpoint::parse(served.as_bytes()).unwrap().verify(log().verifier()).unwrap();
    assert_eq!(served.note().signatures().len(), 2);
    assert_eq!(served.cosignatures(&[own().verifier().clone()]).unwrap()[0].1.secs(), NOW);
    let again = witness.add(&request(0, &[], &one)).unwrap_err();
    assert_eq!(again.conflict(), Some(TreeSize::new(1)));
    witness.add(&request(1, &second(0), &checkpoint(0, 2))).unwrap();
    assert_eq!(witness.checkpoint("00"), None);
}

#[test]
fn of_many_requests_with_one_old_size_exactly_one_wins_and_nothing_goes_back() {
    let dir = folder();
    let witness = open(dir.path()).unwrap();
    let requests: Vec<_> = (1..=16).map(|size| request(0, &[], &checkpoint(0, size))).collect();
    let start = Barrier::new(requests.len());
    let answers: Vec<_> = thread::scope(|scope| {
        let add = |request| {
            let (witness, start) = (&witness, &start);
            scope.spawn(move || {
                start.wait();
                witness.add(request)
            })
        };
        let threads: Vec<_> = requests.iter().map(|request| add(request)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won = answers.iter().position(Result::is_ok).unwrap();
    let size = TreeSize::new(won as u64 + 1);
    for (i, answer) in answers.iter().enumerate() {
        assert!(i == won || answer.as_ref().unwrap_err().conflict() == Some(size), "{i}: {answer:?}");
    }
    drop(witness);
    let witness = open(dir.path()).unwrap();
    assert_eq!(witness.add(&requests[15]).unwrap_err().conflict(), Some(size));
}

#[test]
fn one_size_with_two_roots_is_kept_as_evidence_and_stops_that_log_for_good() {
    let dir = folder();
    let witness = open(dir.path()).unwrap();
    witness.add(&request(0, &[], &checkpoint(0, 1))).unwrap();
    // By the order of the specification the old size is looked at first; the two notes are proof all the same.
    let refused = witness.add(&request(0, &[], &checkpoint(1, 1))).unwrap_err();
    assert_eq!(refused.conflict(), Some(TreeSize::new(1)));
    let evidence = evidence::found(dir.path(), "fork-").unwrap().unwrap();
    let text = fs::read_to_string(evidence).unwrap();
    for history in [0, 1] {
        assert!(text.contains(&head(history, 1).root.to_string()), "{text}");
    }
    let next = request(1, &second(0), &checkpoint(0, 2));
    assert!(matches!(witness.add(&next), Err(AddError::Forked { .. })));
    assert_eq!(witness.forked(), [ORIGIN]);
    drop(witness);
    let witness = open(dir.path()).unwrap();
    assert!(matches!(witness.add(&next), Err(AddError::Forked { .. })));
    // One file, however often it is shown.
    witness.add(&request(1, &[], &checkpoint(1, 1))).unwrap_err();
    assert_eq!(fs::read_dir(dir.path().join("evidence")).unwrap().count(), 1);
    drop(witness);
    fs::remove_dir_all(dir.path().join("evidence")).unwrap();
    open(dir.path()).unwrap().add(&next).unwrap();
}

#[test]
fn one_damaged_copy_is_repaired_and_two_are_refused() {
    for copy in ["a", "b"] {
        let dir = folder();
        open(dir.path()).unwrap().add(&request(0, &[], &checkpoint(0, 1))).unwrap();
        let state = dir.path().join("log").join(hash());
        let whole = fs::read(state.join(copy)).unwrap();
        for damage in [vec![], whole[..4095].to_vec(), vec![0; 4096], {
            let mut flipped = whole.clone();
            flipped[30] ^= 1;
            flipped
        }] {
            fs::write(state.join(copy), damage).unwrap();
            let refused = open(dir.path()).unwrap().add(&request(0, &[], &checkpoint(0, 1))).unwrap_err();
            assert_eq!(refused.conflict(), Some(TreeSize::new(1)));
            assert_eq!(fs::read(state.join(copy)).unwrap(), whole, "repaired");
        }
        fs::remove_file(state.join(copy)).unwrap();
        open(dir.path()).unwrap();
        for copy in ["a", "b"] {
            let mut bytes = fs::read(state.join(copy)).unwrap();
            bytes[4000] ^= 1;
            fs::write(state.join(copy), bytes).unwrap();
        }
        assert!(open(dir.path()).is_err());
    }
}

#[test]
fn a_write_torn_at_any_byte_leaves_the_record_before_or_the_new_one() {
    let dir = folder();
    let witness = open(dir.path()).unwrap();
    witness.add(&request(0, &[], &checkpoint(0, 1))).unwrap();
    let state = dir.path().join("log").join(hash());
    let before = fs::read(state.join("a")).unwrap();
    witness.add(&request(1, &second(0), &checkpoint(0, 2))).unwrap();
    drop(witness);
    let after = fs::read(state.join("a")).unwrap();
    let torn = |end: usize| [&after[..end], &before[end..]].concat();
    for end in (0..=4096).step_by(64) {
        // The first copy is being written, then the second.
        for (a, b) in [(torn(end), before.clone()), (after.clone(), torn(end))] {
            fs::write(state.join("a"), &a).unwrap();
            fs::write(state.join("b"), &b).unwrap();
            let size = if a == after { 2 } else { 1 };
            let found = open(dir.path()).unwrap().add(&request(0, &[], &checkpoint(0, 1))).unwrap_err();
            assert_eq!(found.conflict(), Some(TreeSize::new(size)), "{end}");
        }
    }
}

#[test]
fn a_state_that_is_gone_is_not_a_log_that_is_new() {
    let dir = folder();
    open(dir.path()).unwrap().add(&request(0, &[], &checkpoint(0, 1))).unwrap();
    fs::remove_dir_all(dir.path().join("log").join(hash())).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(format!("{error:#}").contains("is missing"), "{error:#}");
}

#[test]
fn a_state_restored_from_another_history_or_key_does_not_open() {
    let dir = folder();
    open(dir.path()).unwrap().add(&request(0, &[], &checkpoint(0, 1))).unwrap();
    let other = signer("witness.example", KeyType::CosignatureV1, 9);
    assert!(Witness::open(dir.path(), other, vec![log().verifier().clone()], clock(NOW)).is_err());
    let state = dir.path().join("log").join(hash());
    let copies = folder();
    open(copies.path()).unwrap().add(&request(0, &[], &checkpoint(1, 1))).unwrap();
    fs::copy(copies.path().join("log").join(hash()).join("b"), state.join("b")).unwrap();
    assert!(open(dir.path()).is_err(), "two records of one number");
}

#[test]
fn the_clock_may_not_be_before_the_last_cosignature_at_start_and_never_takes_it_back_later() {
    let dir = folder();
    open(dir.path()).unwrap().add(&request(0, &[], &checkpoint(0, 1))).unwrap();
    assert!(open_at(dir.path(), NOW - 1).is_err());
    let mut witness = open(dir.path()).unwrap();
    witness.clock = clock(NOW - 1000);
    let two = checkpoint(0, 2);
    let answer = witness.add(&request(1, &second(0), &two)).unwrap();
    let line = parse_cosignatures(answer.as_bytes(), two.note().text(), own().verifier()).unwrap();
    assert_eq!(line.time().secs(), NOW);
}

#[test]
fn a_log_with_the_witnesss_own_name_or_key_is_refused() {
    let open = |log: &SignerKey| {
        let dir = folder();
        Witness::open(dir.path(), own(), vec![log.verifier().clone()], clock(NOW)).map(drop)
    };
    assert!(open(&signer("witness.example", KeyType::Ed25519, 7)).is_err());
    assert!(open(&signer("other.example", KeyType::Ed25519, 2)).is_err());
    assert!(open(&signer("other.example", KeyType::Ed25519, 7)).is_ok());
}

#[test]
fn the_list_of_logs_has_one_key_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logs");
    let (a, b) = (log().verifier().to_string(), signer(ORIGIN, KeyType::Ed25519, 3).verifier().to_string());
    let witness = own().verifier().to_string();
    let read = |text: String| {
        fs::write(&path, text).unwrap();
        read_logs(&path).map(|logs| logs.len())
    };
    assert_eq!(read(format!("# ours\nlog {a} https://log.example\n")).unwrap(), 1);
    for refused in [
        String::new(),
        format!("log {a}\nlog {b}\n"),
        format!("log {a}"),
        format!("log {witness}\n"),
        format!("log {a}\nwitness w {witness}\n"),
        format!("log {a}\nquorum none\n"),
    ] {
        assert!(read(refused.clone()).is_err(), "{refused}");
    }
}

#[test]
fn the_key_is_the_owners_and_made_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("w");
    assert!(identity::create(&data, None).is_err(), "a name is chosen, not made up");
    identity::create(&data, Some("witness.example")).unwrap();
    assert_eq!(fs::metadata(data.join("witness.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let key = identity::read(&data).unwrap();
    assert!(identity::create(&data, Some("other.example")).is_err());
    assert_eq!(identity::read(&data).unwrap().verifier(), key.verifier());
    let other = dir.path().join("x");
    identity::create(&other, Some("witness.example")).unwrap();
    fs::copy(other.join("witness.key"), data.join("witness.key")).unwrap();
    assert!(identity::read(&data).is_err(), "another witness's key");
}

#[tokio::test]
async fn one_address_gets_no_more_requests_than_it_may_have() {
    let dir = folder();
    let one = NonZeroU32::MIN;
    let rate = Rate::new(one, Duration::from_secs(3600), one);
    let minute = Duration::from_secs(60);
    let limits = Limits {
        connections: NonZeroUsize::MIN,
        header: minute,
        request: minute,
        write: minute,
        grace: minute,
        address: AddressLimits { connections: one, in_flight: one, reads: rate, submissions: rate },
        // This machine itself is counted only as a proxy.
        trusted_proxies: TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()]),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/healthz", listener.local_addr().unwrap());
    let router = http::router(Arc::new(open(dir.path()).unwrap()), limits.request);
    let server = tokio::spawn(crate::http::serve::serve(listener, router, limits, std::future::pending()));
    // The process may have chosen a provider before; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(client.get(&url).send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 429]);
    server.abort();
}
