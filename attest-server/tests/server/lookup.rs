//! Lookups: everything logged about a file, under one checkpoint.

use attest_core::{
    api::{Found, MAX_LOOKUP},
    checkpoint::UnverifiedCheckpoint,
    merkle::{LeafHash, LeafIndex, verify_inclusion},
};
use reqwest::StatusCode;

use crate::{
    client::{Answer, get, post, submit},
    process::Log,
    statement::{Rebuilder, digest_of},
};

/// Checks every proof of an answer, and gives the indexes by artifact.
fn verified(log: &Log, answer: &Answer) -> Vec<Vec<u64>> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let found: Found = answer.json();
    let checkpoint = UnverifiedCheckpoint::parse(found.checkpoint.as_bytes()).unwrap();
    let head = checkpoint.verify(&log.vkey.parse().unwrap()).unwrap().head();
    let indexes = |artifact: &attest_core::api::FoundArtifact| {
        for entry in &artifact.entries {
            let proof: Vec<_> = entry.proof.iter().map(|hash| hash.parse().unwrap()).collect();
            let leaf = LeafHash::of(entry.envelope.as_bytes());
            verify_inclusion(leaf, LeafIndex::new(entry.index), head, &proof).unwrap();
        }
        artifact.entries.iter().map(|entry| entry.index).collect()
    };
    found.artifacts.iter().map(indexes).collect()
}

fn lookup(log: &Log, body: &str) -> Answer {
    post(&format!("{}/api/v1/lookup", log.server.url()), "application/json", body)
}

#[test]
fn a_lookup_gives_each_digest_what_is_logged_about_it() {
    let (alice, bob) = (Rebuilder::new("alice", 1), Rebuilder::new("bob", 2));
    let log = Log::start(&[&alice, &bob], &[]);
    for envelope in [
        alice.reproduced("demo", 1),
        alice.reproduced("demo", 2),
        bob.reproduced("demo", 1),
        alice.withdrawn("demo", 1),
    ] {
        assert_eq!(submit(log.server.url(), envelope).status, StatusCode::CREATED);
    }
    let [one, two, none] = [digest_of("demo", 1), digest_of("demo", 2), digest_of("other", 1)];
    let body = format!("{{\"digests\":[\"{one}\",\"{none}\",\"{two}\"]}}");
    assert_eq!(verified(&log, &lookup(&log, &body)), [vec![0, 2, 3], vec![], vec![1]]);

    let url = format!("{}/api/v1/artifacts/{one}", log.server.url());
    assert_eq!(verified(&log, &get(&url)), [vec![0, 2, 3]]);
    assert_eq!(verified(&log, &get(&format!("{url}?from=1"))), [vec![2, 3]]);
    assert_eq!(verified(&log, &get(&format!("{url}?from=4"))), [Vec::<u64>::new()]);
}

#[test]
fn a_long_answer_says_where_it_goes_on() {
    // Many rebuilders, one file: as the one that everybody rebuilds.
    let many: Vec<Rebuilder> = (0..103).map(|seed| Rebuilder::new("many", seed + 1)).collect();
    let log = Log::start(&many.iter().collect::<Vec<_>>(), &[]);
    for rebuilder in &many {
        let answer = submit(log.server.url(), rebuilder.reproduced("demo", 1));
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    let url = format!("{}/api/v1/artifacts/{}", log.server.url(), digest_of("demo", 1));
    let first: Found = get(&url).json();
    assert_eq!(first.artifacts[0].entries.len(), 100);
    assert_eq!(first.artifacts[0].more_from, Some(100));
    let second = get(&format!("{url}?from=100"));
    assert_eq!(verified(&log, &second), [vec![100, 101, 102]]);
    assert_eq!(second.json::<Found>().artifacts[0].more_from, None);
}

#[test]
fn what_is_no_lookup_is_a_bad_request() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let digest = digest_of("demo", 1).to_string();
    let too_many = vec![format!("\"{digest}\""); MAX_LOOKUP + 1].join(",");
    for body in [
        "",
        "[]",
        "{}",
        "{\"digests\":\"x\"}",
        "{\"digests\":[\"00\"]}",
        &format!("{{\"digests\":[\"{}\"]}}", digest.to_uppercase()),
        &format!("{{\"digests\":[],\"digests\":[\"{digest}\"]}}"),
        &format!("{{\"digests\":[\"{digest}\"],\"below\":3}}"),
        &format!("{{\"digests\":[{too_many}]}}"),
    ] {
        assert_eq!(lookup(&log, body).status, StatusCode::BAD_REQUEST, "{body}");
    }
    let most = vec![format!("\"{digest}\""); MAX_LOOKUP].join(",");
    assert_eq!(lookup(&log, &format!("{{\"digests\":[{most}]}}")).status, StatusCode::OK);
    let too_long = format!("{{\"digests\":[{}]}}", " ".repeat(200_000));
    assert_eq!(lookup(&log, &too_long).status, StatusCode::PAYLOAD_TOO_LARGE);

    let artifacts = format!("{}/api/v1/artifacts", log.server.url());
    for (path, status) in [
        (format!("/{digest}"), StatusCode::OK),
        (format!("/{digest}?from=00"), StatusCode::BAD_REQUEST),
        (format!("/{digest}?before=1"), StatusCode::BAD_REQUEST),
        (format!("/{}", digest.to_uppercase()), StatusCode::BAD_REQUEST),
        (format!("/{}", digest.replacen(|_: char| true, "%30", 1)), StatusCode::BAD_REQUEST),
        ("/00".to_owned(), StatusCode::BAD_REQUEST),
        (String::new(), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(get(&format!("{artifacts}{path}")).status, status, "{path}");
    }
}
