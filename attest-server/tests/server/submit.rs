//! Submitting: what enters the log, and the words for what does not.

use attest_core::{
    api::{Problem, Submitted},
    merkle::LeafHash,
    proof::TlogProof,
};
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

use crate::{
    client::{ENVELOPE, post, request, submit},
    process::Log,
    statement::Rebuilder,
};

#[track_caller]
fn refused(answer: &crate::client::Answer, status: StatusCode) -> Problem {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header(&CONTENT_TYPE), "application/problem+json");
    let problem: Problem = answer.json();
    assert_eq!(problem.status, status.as_u16());
    assert!(!problem.detail.is_empty() && !problem.title.is_empty());
    problem
}

#[test]
fn a_statement_is_answered_with_a_proof_that_holds() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    for n in 0..3 {
        let envelope = alice.reproduced("demo", n);
        let answer = submit(log.server.url(), envelope.clone());
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let submitted: Submitted = answer.json();
        assert_eq!(submitted.index, u64::from(n));
        assert_eq!(submitted.envelope, None);
        let proof = TlogProof::parse(submitted.proof.as_bytes()).unwrap();
        assert_eq!(proof.index.get(), u64::from(n));
        proof.verify(LeafHash::of(&envelope), &log.vkey.parse().unwrap()).unwrap();
    }
}

#[test]
fn a_duplicate_is_answered_with_the_first_index_and_the_stored_bytes() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let envelope = alice.reproduced("demo", 1);
    let first: Submitted = submit(log.server.url(), envelope.clone()).json();
    submit(log.server.url(), alice.reproduced("demo", 2));
    let answer = submit(log.server.url(), envelope.clone());
    assert_eq!(answer.status, StatusCode::OK);
    let again: Submitted = answer.json();
    assert_eq!(again.index, first.index);
    let stored = again.envelope.unwrap();
    assert_eq!(stored.as_bytes(), envelope);
    let proof = TlogProof::parse(again.proof.as_bytes()).unwrap();
    proof.verify(LeafHash::of(stored.as_bytes()), &log.vkey.parse().unwrap()).unwrap();
}

#[test]
fn a_withdrawal_is_a_statement_like_any_other() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    submit(log.server.url(), alice.reproduced("demo", 1));
    let answer = submit(log.server.url(), alice.withdrawn("demo", 1));
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

#[test]
fn an_unlisted_rebuilder_is_told_whom_to_ask() {
    let (alice, mallory) = (Rebuilder::new("alice", 1), Rebuilder::new("mallory", 2));
    let log = Log::start(&[&alice], &[]);
    let problem = refused(&submit(log.server.url(), mallory.reproduced("demo", 1)), StatusCode::FORBIDDEN);
    let hint = problem.hint.unwrap();
    for part in ["log.example/test", "Test Operators", "https://log.example/join", "listed"] {
        assert!(hint.contains(part), "{part} is not in {hint}");
    }

    // Somebody else's key under a listed name is told apart from a stranger.
    let impostor = Rebuilder::new("alice", 3);
    let problem = refused(&submit(log.server.url(), impostor.reproduced("demo", 1)), StatusCode::FORBIDDEN);
    assert!(problem.detail.contains("\"alice\"") && problem.detail.contains(&alice.key()), "{}", problem.detail);
}

#[test]
fn a_lying_hint_costs_a_try_and_nothing_else() {
    // bob signs what names alice: listed is listed, and whose vote it is the policy of each user says.
    let (alice, bob) = (Rebuilder::new("alice", 1), Rebuilder::new("bob", 2));
    let posing = Rebuilder::new("alice", 2);
    let log = Log::start(&[&alice, &bob], &[]);
    let answer = submit(log.server.url(), posing.reproduced("demo", 1));
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

#[test]
fn what_is_not_a_canonical_envelope_of_a_statement_is_a_bad_request() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let good = String::from_utf8(alice.reproduced("demo", 1)).unwrap();
    let signature = good.split("\"sig\":\"").nth(1).unwrap().split('"').next().unwrap();
    let two = format!("{{\"sig\":\"{signature}\"}},{{\"sig\":\"{signature}\"}}");
    let cases = [
        ("nothing", String::new()),
        ("not JSON", "hello".to_owned()),
        ("the first half", good[..good.len() / 2].to_owned()),
        ("a newline at the end", format!("{good}\n")),
        ("a space", good.replacen(',', ", ", 1)),
        ("another payload type", good.replace("in-toto", "intoto")),
        ("a key id", good.replace("{\"sig\"", "{\"keyid\":\"x\",\"sig\"")),
        ("two signatures", good.replace(&format!("{{\"sig\":\"{signature}\"}}"), &two)),
        ("the same key twice", good.replacen('{', "{\"payloadType\":\"application/vnd.in-toto+json\",", 1)),
    ];
    for (what, envelope) in cases {
        let problem = refused(&submit(log.server.url(), envelope), StatusCode::BAD_REQUEST);
        assert!(!problem.detail.contains("internal"), "{what}: {}", problem.detail);
    }
    // Signed by a listed key, and still no statement.
    for payload in ["{}", "[]", "{\"_type\":\"https://in-toto.io/Statement/v1\"}"] {
        refused(&submit(log.server.url(), alice.sign_payload(payload.into())), StatusCode::BAD_REQUEST);
    }
    assert_eq!(submit(log.server.url(), good).status, StatusCode::CREATED);
}

#[test]
fn a_body_over_the_limit_is_answered_and_not_cut_off() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    for size in [65_536, 100_000, 900_000] {
        let problem = refused(&submit(log.server.url(), vec![b'a'; size]), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(problem.detail.contains("65535"), "{}", problem.detail);
    }
    refused(&submit(log.server.url(), vec![b'a'; 65_535]), StatusCode::BAD_REQUEST);
}

#[test]
fn another_media_type_is_told_the_right_one() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let url = format!("{}/api/v1/statements", log.server.url());
    let envelope = alice.reproduced("demo", 1);
    for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
        let problem = refused(&post(&url, kind, envelope.clone()), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(problem.detail.contains(ENVELOPE) && problem.detail.contains(kind), "{}", problem.detail);
    }
    let without = request(Method::POST, &url, |request| request.body(envelope.clone()));
    refused(&without, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let encoded = request(Method::POST, &url, |request| {
        request.header(CONTENT_TYPE, ENVELOPE).header(CONTENT_ENCODING, "gzip").body(envelope.clone())
    });
    refused(&encoded, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let with_parameter = post(&url, "Application/VND.dsse.envelope.v1+json; charset=utf-8", envelope);
    assert_eq!(with_parameter.status, StatusCode::CREATED, "{}", with_parameter.text());
}
