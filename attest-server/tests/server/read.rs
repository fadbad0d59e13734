//! The read API: C2SP tlog-tiles, headers, and paths that are none.

use std::io::Read as _;

use attest_core::{
    checkpoint::UnverifiedCheckpoint,
    merkle::{LeafIndex, TreeHead, verify_inclusion},
    tile::{BundleId, TileError, TileId, decode_bundle, decode_tile, prove_inclusion},
};
use flate2::read::GzDecoder;
use reqwest::{
    Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
        IF_NONE_MATCH,
    },
};

use crate::{
    client::{get, request, submit},
    process::Log,
    statement::Rebuilder,
};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

fn log_of(entries: u32) -> Log {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    for n in 0..entries {
        let answer = submit(log.server.url(), alice.reproduced("demo", n));
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    log
}

fn head_of(log: &Log) -> TreeHead {
    let answer = get(&format!("{}/checkpoint", log.server.url()));
    let checkpoint = UnverifiedCheckpoint::parse(&answer.body).unwrap();
    checkpoint.verify(&log.vkey.parse().unwrap()).unwrap().head()
}

#[test]
fn an_empty_log_has_a_checkpoint_and_nothing_else() {
    let log = log_of(0);
    assert_eq!(head_of(&log).size.get(), 0);
    for path in ["tile/0/000", "tile/0/000.p/1", "tile/entries/000", "tile/entries/000.p/1"] {
        let answer = get(&format!("{}/{path}", log.server.url()));
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn what_is_read_proves_every_entry_under_the_checkpoint() {
    let log = log_of(3);
    let (url, head) = (log.server.url(), head_of(&log));
    assert_eq!(head.size.get(), 3);
    let tile = TileId::new(0, 0, 3).unwrap();
    let answer = get(&format!("{url}/tile/0/000.p/3"));
    let hashes = decode_tile(tile, &answer.body).unwrap();

    let answer = get(&format!("{url}/tile/entries/000.p/3"));
    assert_eq!(answer.header(&CONTENT_ENCODING), "gzip");
    let mut plain = Vec::new();
    GzDecoder::new(&*answer.body).read_to_end(&mut plain).unwrap();
    let entries = decode_bundle(BundleId::new(0, 3).unwrap(), &plain).unwrap();
    for (n, entry) in (0..).zip(&entries) {
        let index = LeafIndex::new(n);
        let proof = prove_inclusion::<TileError>(index, head.size, |_| Ok(hashes.clone())).unwrap();
        verify_inclusion(entry.leaf_hash(), index, head, &proof).unwrap();
    }
}

#[test]
fn headers_say_what_may_be_cached_and_for_how_long() {
    let log = log_of(2);
    for (path, kind, cache) in [
        ("checkpoint", "text/plain; charset=utf-8", "no-store"),
        ("tile/0/000.p/1", "application/octet-stream", IMMUTABLE),
        ("tile/0/000.p/2", "application/octet-stream", IMMUTABLE),
        ("tile/entries/000.p/2", "application/octet-stream", IMMUTABLE),
    ] {
        let url = format!("{}/{path}", log.server.url());
        let answer = get(&url);
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header(&CONTENT_TYPE), kind, "{path}");
        assert_eq!(answer.header(&CACHE_CONTROL), cache, "{path}");
        assert_eq!(answer.header(&ACCESS_CONTROL_ALLOW_ORIGIN), "*", "{path}");
        assert!(answer.headers.contains_key("x-request-id"), "{path}");

        let head = request(Method::HEAD, &url, |request| request);
        assert_eq!(head.status, StatusCode::OK, "{path}");
        assert_eq!(head.header(&CONTENT_LENGTH), answer.body.len().to_string(), "{path}");
        assert!(head.body.is_empty());
    }
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let log = log_of(1);
    for path in ["tile/0/000.p/1", "tile/entries/000.p/1"] {
        let url = format!("{}/{path}", log.server.url());
        let tag = get(&url).header(&ETAG).to_owned();
        assert!(tag.ends_with('"'), "{tag}");
        let answer = request(Method::GET, &url, |request| request.header(IF_NONE_MATCH, &tag));
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
        assert_eq!(answer.header(&ETAG), tag);
        assert_eq!(answer.header(&CACHE_CONTROL), IMMUTABLE);
        assert!(answer.body.is_empty());
        let answer = request(Method::GET, &url, |request| request.header(IF_NONE_MATCH, "\"other\""));
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[test]
fn another_log_of_the_same_name_has_other_tags() {
    let (one, other) = (log_of(1), log_of(1));
    for path in ["tile/0/000.p/1", "tile/entries/000.p/1"] {
        let tag = get(&format!("{}/{path}", one.server.url())).header(&ETAG).to_owned();
        let answer =
            request(Method::GET, &format!("{}/{path}", other.server.url()), |ask| ask.header(IF_NONE_MATCH, &tag));
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
}

#[test]
fn a_tag_does_not_make_something_out_of_what_is_not_published() {
    let log = log_of(1);
    for path in ["tile/0/000.p/2", "tile/entries/000", "tile/1/000.p/1"] {
        let url = format!("{}/{path}", log.server.url());
        let answer = request(Method::GET, &url, |request| request.header(IF_NONE_MATCH, "*"));
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn full_tiles_and_bundles_are_sent_as_they_lie_on_the_disk_and_partial_ones_are_their_beginning() {
    let log = log_of(257);
    let url = log.server.url();
    for path in ["tile/0/000", "tile/entries/000"] {
        let file = log.folder.path().join("log").join(path);
        // Sealing follows the answers.
        while !file.exists() {
            std::thread::yield_now();
        }
        let answer = get(&format!("{url}/{path}"));
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header(&CONTENT_TYPE), "application/octet-stream");
        assert_eq!(answer.body, std::fs::read(&file).unwrap(), "{path}");
    }
    let full = get(&format!("{url}/tile/0/000")).body;
    assert_eq!(get(&format!("{url}/tile/0/000.p/100")).body, full[..3_200]);
    let entries = |path: &str, width| {
        let mut plain = Vec::new();
        GzDecoder::new(&*get(&format!("{url}/{path}")).body).read_to_end(&mut plain).unwrap();
        decode_bundle(BundleId::new(0, width).unwrap(), &plain).unwrap()
    };
    let full = entries("tile/entries/000", 256);
    for _ in 0..2 {
        assert_eq!(entries("tile/entries/000.p/100", 100), full[..100]);
    }
}

#[test]
fn there_is_one_spelling_of_every_path() {
    let log = log_of(1);
    // Sent as they are: a client library would tidy some of them up.
    for (path, status) in [
        ("/tile/0/000.p/1", 200),
        ("/tile/0/000", 404),
        ("/tile/0/000.p/2", 404),
        ("/tile/1/000.p/1", 404),
        ("/tile/0/001.p/1", 404),
        ("/tile/0/x999/x999/x999/x999/x999/999", 404),
        ("/tile/63/000", 404),
        ("/tile/0/000.p/0", 400),
        ("/tile/0/000.p/256", 400),
        ("/tile/0/000.p/01", 400),
        ("/tile/0/000.p/+1", 400),
        ("/tile/0/0", 400),
        ("/tile/0/0000", 400),
        ("/tile/0/x000/000.p/1", 400),
        ("/tile/00/000.p/1", 400),
        ("/tile/64/000.p/1", 400),
        ("/tile/-1/000.p/1", 400),
        ("/tile/0/000.p/1/", 400),
        ("/tile/0//000.p/1", 400),
        ("/tile/0/../0/000.p/1", 400),
        ("/tile/../checkpoint", 400),
        ("/tile/%30/000.p/1", 400),
        ("/tile/0/000%2Ep/1", 400),
        ("/tile/0/%2e%2e/%2e%2e/log.key", 400),
        ("//checkpoint", 404),
        ("/checkpoint/", 404),
        ("/Checkpoint", 404),
        ("/%63heckpoint", 404),
        ("/../log.key", 404),
        ("/log.key", 404),
        ("/api/v1/", 404),
        ("/api/v1/statements/", 404),
    ] {
        let answer = log.server.raw(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{path}: expected {status}, found {answer}");
        assert!(!answer.contains("PRIVATE"), "{path}");
    }
}

#[test]
fn another_method_is_answered_with_those_that_there_are() {
    let log = log_of(1);
    for (method, path, allow) in [
        (Method::POST, "checkpoint", "GET, HEAD, OPTIONS"),
        (Method::PUT, "tile/0/000.p/1", "GET, HEAD, OPTIONS"),
        (Method::DELETE, "tile/entries/000.p/1", "GET, HEAD, OPTIONS"),
        (Method::POST, "", "GET, HEAD, OPTIONS"),
        (Method::POST, "readyz", "GET, HEAD, OPTIONS"),
        (Method::GET, "api/v1/statements", "POST, OPTIONS"),
        (Method::GET, "api/v1/lookup", "POST, OPTIONS"),
        (Method::POST, "api/v1/artifacts/00", "GET, HEAD, OPTIONS"),
    ] {
        let answer = request(method.clone(), &format!("{}/{path}", log.server.url()), |request| request);
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} /{path}");
        assert_eq!(answer.header(&ALLOW), allow, "{method} /{path}");
        assert_eq!(answer.header(&CONTENT_TYPE), "application/problem+json");
    }
}

#[test]
fn a_person_who_opens_the_url_learns_what_it_is() {
    let log = log_of(1);
    let answer = get(&format!("{}/", log.server.url()));
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header(&CONTENT_TYPE).starts_with("text/plain"));
    for part in ["log.example/test", &log.vkey, "/api/v1/statements", "alice", "Test Operators"] {
        assert!(answer.text().contains(part), "{part} is not in {}", answer.text());
    }
}

#[test]
fn a_log_that_works_is_ready_and_says_how_large_it_is() {
    let log = log_of(2);
    assert_eq!(get(&format!("{}/healthz", log.server.url())).text(), "ok\n");
    let answer = get(&format!("{}/readyz", log.server.url()));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let ready: serde_json::Value = answer.json();
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["role"], "log");
    assert_eq!(ready["size"], 2);
}
