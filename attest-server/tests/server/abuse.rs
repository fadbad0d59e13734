//! HTTP as nobody should speak it. Whatever comes: an answer that blames the client or a closed connection, nothing of it in
//! the log, and a server that serves the next one.

use std::io::{Read as _, Write as _};

use flate2::{Compression, write::GzEncoder};
use reqwest::{Method, StatusCode, header::CONTENT_ENCODING};

use crate::{
    client::{ENVELOPE, get, post, request, submit},
    process::Log,
    statement::Rebuilder,
};

struct Scene {
    alice: Rebuilder,
    log: Log,
}

impl Scene {
    fn new() -> Self {
        let alice = Rebuilder::new("alice", 1);
        let log = Log::start(&[&alice], &["--header-timeout", "2", "--request-timeout", "5"]);
        assert_eq!(submit(log.server.url(), alice.reproduced("demo", 0)).status, StatusCode::CREATED);
        Self { alice, log }
    }

    /// The statuses of all answers to these bytes, in order; the client closes its side after sending.
    fn statuses(&self, bytes: &[u8]) -> Vec<u16> {
        let mut stream = self.log.server.connect();
        // A server that has answered and closed resets what is sent after that.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let starts = answer.split("HTTP/1.").skip(1);
        starts.filter_map(|rest| rest.get(2..5)?.parse().ok()).collect()
    }

    #[track_caller]
    fn still_works(&self, what: &str) {
        let ready = get(&format!("{}/readyz", self.log.server.url()));
        assert_eq!(ready.status, StatusCode::OK, "after {what}: {}", ready.text());
        assert_eq!(ready.json::<serde_json::Value>()["size"], 1, "{what} was logged");
    }
}

fn submission(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /api/v1/statements HTTP/1.1\r\nhost: x\r\ncontent-type: {ENVELOPE}\r\n{headers}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn a_body_whose_length_is_in_doubt_is_not_read() {
    let scene = Scene::new();
    let envelope = scene.alice.reproduced("demo", 1);
    let length = envelope.len();
    let chunked = [format!("{length:x}\r\n").as_bytes(), &envelope[..], b"\r\n0\r\n\r\n"].concat();
    // RFC 9112 section 6.3: what two parties could read differently (request smuggling).
    for (what, headers, body) in [
        ("two lengths", format!("content-length: {length}\r\ncontent-length: 1"), &envelope),
        ("a signed length", format!("content-length: +{length}"), &envelope),
        ("a negative length", "content-length: -1".to_owned(), &envelope),
        ("a hexadecimal length", "content-length: 0x10".to_owned(), &envelope),
        ("a length that overflows", "content-length: 99999999999999999999".to_owned(), &envelope),
        ("chunks, but not last", "transfer-encoding: chunked, gzip".to_owned(), &chunked),
        ("an unknown coding", "transfer-encoding: xchunked".to_owned(), &chunked),
        ("a space before the colon", "transfer-encoding : chunked".to_owned(), &chunked),
    ] {
        let statuses = scene.statuses(&submission(&headers, body));
        assert!(matches!(statuses[..], [] | [400 | 411 | 413 | 415 | 501]), "{what}: {statuses:?}");
        scene.still_works(what);
    }
}

#[test]
fn chunks_are_counted_not_believed() {
    let scene = Scene::new();
    let endless = [b"ffff\r\n".as_slice(), &vec![b'a'; 0xffff], b"\r\n"].concat().repeat(40);
    let crumbs = [b"1\r\na\r\n".repeat(70_000), b"0\r\n\r\n".to_vec()].concat();
    let extension = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(100_000));
    let trailers = format!("0\r\n{}\r\n", "x-more: y\r\n".repeat(5_000));
    for (what, body) in [
        ("not a size", b"zz\r\n{}\r\n0\r\n\r\n".to_vec()),
        ("a negative size", b"-1\r\n{}\r\n0\r\n\r\n".to_vec()),
        ("a size that overflows", b"ffffffffffffffffff\r\n{}\r\n".to_vec()),
        ("more than its size", b"1\r\n{}\r\n0\r\n\r\n".to_vec()),
        ("no end of a chunk", b"2\r\n{}0\r\n\r\n".to_vec()),
        ("chunks without end", endless),
        ("a byte in each chunk", crumbs),
        ("an extension without end", extension.into_bytes()),
        ("trailers without end", trailers.into_bytes()),
    ] {
        let statuses = scene.statuses(&submission("transfer-encoding: chunked", &body));
        assert!(matches!(statuses[..], [] | [400 | 413 | 431]), "{what}: {statuses:?}");
        scene.still_works(what);
    }
    // The same body in one chunk or in many is the same submission.
    let envelope = scene.alice.reproduced("demo", 0);
    let chunks: Vec<u8> = envelope
        .chunks(7)
        .flat_map(|chunk| [format!("{:X};e=1\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .chain(*b"0\r\nx-trailer: 1\r\n\r\n")
        .collect();
    assert_eq!(scene.statuses(&submission("transfer-encoding: chunked\r\nconnection: close", &chunks)), [200]);
}

#[test]
fn what_is_compressed_is_never_unpacked() {
    let scene = Scene::new();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    // 64 MiB in some 64 KB.
    let bomb = bomb.finish().unwrap();
    let base = scene.log.server.url();
    for (path, kind) in [("api/v1/statements", ENVELOPE), ("api/v1/lookup", "application/json")] {
        let url = format!("{base}/{path}");
        for coding in ["gzip", "br", "identity, gzip", "GZIP"] {
            let answer = request(Method::POST, &url, |request| {
                request.header("content-type", kind).header(CONTENT_ENCODING, coding).body(bomb.clone())
            });
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {coding}");
        }
        let undeclared = post(&url, kind, bomb.clone());
        assert!(undeclared.status.is_client_error(), "{path}: {}", undeclared.status);
    }
    scene.still_works("a bomb");
}

#[test]
fn a_flood_of_headers_is_cut_off() {
    let scene = Scene::new();
    let many = "a: b\r\n".repeat(2_000);
    let long = format!("{}: b\r\n", "n".repeat(60_000));
    let path = "a".repeat(100_000);
    for (what, head) in [
        ("many headers", format!("GET /checkpoint HTTP/1.1\r\nhost: x\r\n{many}\r\n")),
        ("a long name", format!("GET /checkpoint HTTP/1.1\r\nhost: x\r\n{long}\r\n")),
        ("a long path", format!("GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n")),
        ("a folded header", "GET /checkpoint HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n".to_owned()),
        ("a bare CR", "GET /checkpoint HTTP/1.1\r\nhost: x\rx: y\r\n\r\n".to_owned()),
        ("a NUL", "GET /checkpoint HTTP/1.1\r\nhost: x\0\r\n\r\n".to_owned()),
        ("another protocol", "GET /checkpoint SPDY/3\r\nhost: x\r\n\r\n".to_owned()),
        ("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("a TLS hello", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}".to_owned()),
    ] {
        let statuses = scene.statuses(head.as_bytes());
        assert!(matches!(statuses[..], [] | [400 | 414 | 431 | 505]), "{what}: {statuses:?}");
        scene.still_works(what);
    }
}

#[test]
fn old_and_odd_forms_of_a_request_mean_the_same_thing() {
    let scene = Scene::new();
    for (request, expected) in [
        // RFC 9112 section 3.2.2: a server must accept the absolute form; the path is still taken as it was sent.
        ("GET http://other.example/checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 200),
        ("GET http://other.example/%63heckpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 404),
        ("GET http://other.example/tile/../checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 400),
        ("GET /checkpoint HTTP/1.0\r\n\r\n", 200),
        ("GET /checkpoint?x=1 HTTP/1.0\r\n\r\n", 200),
        ("HEAD /tile/0/000.p/1 HTTP/1.0\r\n\r\n", 200),
        ("OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 204),
        ("CONNECT other.example:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 404),
        ("TRACE /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 405),
        ("PROPFIND /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 405),
        ("get /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 405),
        ("GET /checkpoint HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n", 200),
        ("GET /checkpoint HTTP/1.1\r\nhost: x\r\nexpect: 200-maybe\r\nconnection: close\r\n\r\n", 200),
        ("GET /checkpoint HTTP/1.1\r\nhost: x\r\nrange: bytes=0-0\r\nconnection: close\r\n\r\n", 200),
    ] {
        assert_eq!(scene.statuses(request.as_bytes()), [expected], "{request:?}");
    }
    scene.still_works("odd forms");
}

#[test]
fn requests_that_come_at_once_are_answered_in_order() {
    let scene = Scene::new();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut pipeline = [get("/checkpoint"), get("/tile/0/000.p/1"), get("/nothing"), get("/tile/64/000")].concat();
    pipeline.push_str("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(scene.statuses(pipeline.as_bytes()), [200, 200, 404, 400, 200]);
    // A refused body does not become the next request.
    let hidden = get("/checkpoint").repeat(3);
    let first = format!(
        "POST /api/v1/lookup HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{hidden}",
        hidden.len()
    );
    let last = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let statuses = scene.statuses(format!("{first}{last}").as_bytes());
    assert!(matches!(statuses[..], [415] | [415, 200]), "{statuses:?}");
    scene.still_works("a pipeline");
}

#[test]
fn a_lookup_is_held_to_its_form() {
    let scene = Scene::new();
    let url = format!("{}/api/v1/lookup", scene.log.server.url());
    let digest = "ab".repeat(32);
    let many = format!("{{\"digests\":[{}]}}", vec![format!("\"{digest}\""); 1_001].join(","));
    let deep = format!("{{\"digests\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for (what, body) in [
        ("nothing", String::new()),
        ("another form", "[]".to_owned()),
        ("an unknown member", format!("{{\"digests\":[\"{digest}\"],\"x\":1}}")),
        ("a member twice", format!("{{\"digests\":[],\"digests\":[\"{digest}\"]}}")),
        ("capitals", format!("{{\"digests\":[\"{}\"]}}", digest.to_uppercase())),
        ("a short digest", "{\"digests\":[\"abcd\"]}".to_owned()),
        ("too many", many),
        ("too deep", deep),
    ] {
        let answer = post(&url, "application/json", body);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}: {}", answer.text());
    }
    let long = post(&url, "application/json", " ".repeat(200_000));
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    scene.still_works("bad lookups");
}
