//! Limits: slow clients, many clients, and the end of the server.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use reqwest::StatusCode;

use crate::{
    client::{ENVELOPE, get, submit},
    process::{Log, Server, run_command, until, write_list},
    statement::Rebuilder,
};

fn head(envelope: &[u8]) -> String {
    let length = envelope.len();
    format!(
        "POST /api/v1/statements HTTP/1.1\r\nhost: x\r\ncontent-type: {ENVELOPE}\r\ncontent-length: {length}\r\n\r\n"
    )
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_client_that_does_not_finish_its_head_is_closed_on() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &["--header-timeout", "1"]);
    for begun in ["", "GET /checkpoint HTTP/1.1\r\nhost: x\r\n", "GET"] {
        let mut stream = log.server.connect();
        stream.write_all(begun.as_bytes()).unwrap();
        let answer = read_all(&mut stream);
        assert!(!answer.contains("200 OK"), "{begun:?}: {answer}");
    }
    // A connection that is kept alive and then idle ends too, after its answer.
    let mut stream = log.server.connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(read_all(&mut stream).contains("200 OK"));
}

#[test]
fn a_client_that_does_not_finish_its_body_gets_an_answer() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &["--request-timeout", "1"]);
    let envelope = alice.reproduced("demo", 1);
    let mut stream = log.server.connect();
    stream.write_all(head(&envelope).as_bytes()).unwrap();
    stream.write_all(&envelope[..10]).unwrap();
    let answer = read_all(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("1 seconds"), "{answer}");

    let mut stream = log.server.connect();
    stream.write_all(head(&envelope).as_bytes()).unwrap();
    stream.write_all(&envelope[..10]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = read_all(&mut stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(submit(log.server.url(), envelope).status, StatusCode::CREATED);
}

#[test]
fn a_head_that_is_too_long_or_malformed_is_refused() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let too_long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(20_000));
    for (request, status) in [
        (&*too_long, "431"),
        ("GET /healthz\r\n\r\n", "400"),
        ("\u{0}\u{1}\r\n\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "400"),
    ] {
        let answer = log.server.raw(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.30?}: {answer}");
    }
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &["--max-connections", "2", "--header-timeout", "2"]);
    let held = [log.server.connect(), log.server.connect()];
    let mut waiting = log.server.connect();
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut byte = [0];
    assert!(waiting.read(&mut byte).is_err(), "answered beyond the limit");
    drop(held);
    waiting.set_read_timeout(Some(crate::process::PATIENCE)).unwrap();
    assert!(read_all(&mut waiting).contains("200 OK"));
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_takes_nothing_new() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let envelope = alice.reproduced("demo", 1);
    let mut idle = log.server.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).unwrap();

    let mut in_flight = log.server.connect();
    in_flight.write_all(head(&envelope).as_bytes()).unwrap();
    in_flight.write_all(&envelope[..10]).unwrap();
    // Answered only after the request above was taken up, which came before it.
    assert_eq!(get(&format!("{}/healthz", log.server.url())).status, StatusCode::OK);
    thread::sleep(Duration::from_millis(200));
    log.server.terminate();
    until("nothing new is accepted", || TcpStream::connect(log.server.address()).is_err());
    in_flight.write_all(&envelope[10..]).unwrap();
    let answer = read_all(&mut in_flight);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let Log { folder, server, .. } = log;
    assert!(server.wait().success());

    // What was answered is there after the restart.
    let list = folder.path().join("rebuilders.toml");
    write_list(&list, &[&alice]);
    let server = Server::spawn(&mut run_command(&folder.path().join("log"), &list, &[]));
    assert_eq!(submit(server.url(), envelope).status, StatusCode::OK);
}

#[test]
fn a_client_that_never_finishes_does_not_keep_the_server_from_ending() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &["--shutdown-grace", "1"]);
    let envelope = alice.reproduced("demo", 1);
    let mut stream = log.server.connect();
    stream.write_all(head(&envelope).as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(100));
    log.server.terminate();
    let start = Instant::now();
    assert!(log.server.wait().success());
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_cannot_run_ends_with_2_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("rebuilders.toml");
    let missing = run_command(&folder.path().join("none"), &list, &[]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("rebuilders.toml"), "{missing:?}");
    write_list(&list, &[&Rebuilder::new("alice", 1)]);
    let no_log = run_command(&folder.path().join("none"), &list, &[]).output().unwrap();
    assert_eq!(no_log.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&no_log.stderr).contains("hint:"), "{no_log:?}");
}
