//! What an operator changes, limits and watches while the log runs.

#![expect(clippy::float_cmp, reason = "counts, which are whole numbers")]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, TcpStream, UdpSocket},
    path::PathBuf,
};

use attest_core::api::Problem;
use reqwest::{
    Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE,
        HeaderName, RETRY_AFTER,
    },
};
use rustix::process::Signal;

use crate::{
    client::{Answer, ENVELOPE, get, request, submit},
    process::{Log, Server, attest_server, until, write_list},
    statement::Rebuilder,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn list_of(log: &Log) -> PathBuf {
    log.folder.path().join("rebuilders.toml")
}

/// Every sample of an exposition, by name and labels; an exposition that is not well formed is a failure.
fn scrape(url: &str) -> BTreeMap<String, f64> {
    let answer = get(url);
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header(&CONTENT_TYPE).starts_with("application/openmetrics-text; version=1.0.0"));
    let text = answer.text();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    let mut families = Vec::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            families.push(name);
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = families.last().unwrap();
            assert!(name.starts_with(family), "{line} under {family}");
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "twice: {name}");
        }
    }
    let count = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), count, "a family comes twice");
    samples
}

#[track_caller]
fn quota_refusal(answer: &Answer) -> u64 {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.text());
    assert_eq!(answer.header(&CONTENT_TYPE), "application/problem+json");
    let problem: Problem = answer.json();
    assert_eq!(problem.status, 429);
    assert!(problem.hint.is_some());
    answer.header(&RETRY_AFTER).parse().unwrap()
}

#[test]
fn a_rebuilder_that_joins_or_leaves_needs_no_restart() {
    let (alice, bob) = (Rebuilder::new("alice", 1), Rebuilder::new("bob", 2));
    let log = Log::start(&[&alice], &[]);
    let url = log.server.url();
    assert_eq!(submit(url, bob.reproduced("demo", 1)).status, StatusCode::FORBIDDEN);
    write_list(&list_of(&log), &[&bob]);
    log.server.signal(Signal::HUP);
    until("bob may submit", || submit(url, bob.reproduced("demo", 1)).status == StatusCode::CREATED);
    assert_eq!(submit(url, alice.reproduced("demo", 1)).status, StatusCode::FORBIDDEN);
    assert!(get(&format!("{url}/")).text().contains("bob"));

    // Without a signal, the change of the file is enough.
    write_list(&list_of(&log), &[&alice, &bob]);
    until("alice may submit", || submit(url, alice.reproduced("demo", 1)).status == StatusCode::CREATED);
}

#[test]
fn an_unusable_list_is_loud_and_changes_nothing() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let (url, metrics) = (log.server.url(), format!("{}/metrics", log.server.url()));
    assert_eq!(scrape(&metrics)["attest_rebuilders_file_usable"], 1.0);
    fs::write(list_of(&log), "[[rebuilder]]\nname = 'half'").unwrap();
    log.server.signal(Signal::HUP);
    until("the log says so", || log.server.log().contains("the old list stays"));
    assert_eq!(submit(url, alice.reproduced("demo", 1)).status, StatusCode::CREATED);
    let samples = scrape(&metrics);
    assert_eq!(samples["attest_rebuilders_file_usable"], 0.0);
    assert!(samples["attest_rebuilders_reloads_total{result=\"refused\"}"] >= 1.0);
    write_list(&list_of(&log), &[&alice]);
    until("the list is taken", || scrape(&metrics)["attest_rebuilders_file_usable"] > 0.0);
}

#[test]
fn a_rebuilder_is_held_to_its_quota_and_duplicates_are_free() {
    let (alice, bob) = (Rebuilder::new("alice", 1), Rebuilder::new("bob", 2));
    let log = Log::start(&[&alice, &bob], &["--quota-per-day", "3"]);
    let url = log.server.url();
    assert_eq!(submit(url, alice.reproduced("demo", 0)).status, StatusCode::CREATED);
    for _ in 0..5 {
        assert_eq!(submit(url, alice.reproduced("demo", 0)).status, StatusCode::OK);
    }
    for n in 1..3 {
        assert_eq!(submit(url, alice.reproduced("demo", n)).status, StatusCode::CREATED);
    }
    let wait = quota_refusal(&submit(url, alice.reproduced("demo", 3)));
    assert!((7 * 3600..=8 * 3600).contains(&wait), "a third of a day, not {wait}");
    assert_eq!(submit(url, bob.reproduced("demo", 3)).status, StatusCode::CREATED);
    // What is not a statement is no entry.
    assert_eq!(submit(url, "{}").status, StatusCode::BAD_REQUEST);
    assert_eq!(scrape(&format!("{url}/metrics"))["attest_quota_refusals_total{limit=\"rebuilder_day\"}"], 1.0);

    // One's own quota in the list replaces it.
    let own = format!("{}quota = {{}}\n{}", alice.listed(), bob.listed());
    fs::write(list_of(&log), own).unwrap();
    log.server.signal(Signal::HUP);
    until("alice has no quota any more", || submit(url, alice.reproduced("demo", 3)).status == StatusCode::CREATED);
}

fn forwarded(url: &str, client: &str) -> Answer {
    request(Method::GET, &format!("{url}/checkpoint"), |request| request.header("x-forwarded-for", client))
}

#[test]
fn an_address_is_limited_and_another_one_behind_the_same_proxy_is_not() {
    let alice = Rebuilder::new("alice", 1);
    let flags = ["--trusted-proxy", "127.0.0.0/8", "--address-reads", "1", "--address-submissions", "1"];
    let log = Log::start(&[&alice], &flags);
    let url = log.server.url();
    let first = (0..1_000).map(|_| forwarded(url, "192.0.2.1")).find(|answer| answer.status != StatusCode::OK);
    assert!(quota_refusal(&first.unwrap()) <= 2);
    assert_eq!(forwarded(url, "192.0.2.2").status, StatusCode::OK);
    // What the client writes itself is to the left of what the proxy adds.
    let lied = (0..1_000).map(|n| forwarded(url, &format!("198.51.100.{}, 192.0.2.3", n % 250)));
    assert!(lied.into_iter().any(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS));
    // Reading is no reason to refuse a submission.
    let submitted = request(Method::POST, &format!("{url}/api/v1/statements"), |request| {
        let request = request.header("x-forwarded-for", "192.0.2.1").header(CONTENT_TYPE, ENVELOPE);
        request.body(alice.reproduced("demo", 1))
    });
    assert_eq!(submitted.status, StatusCode::CREATED);
}

#[test]
fn what_costs_more_is_refused_sooner_to_a_browser_by_a_page_and_to_tools_by_a_problem() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &["--trusted-proxy", "127.0.0.0/8", "--address-reads", "10"]);
    let ask = |client: &str, path: &str, accept: &str| {
        request(Method::GET, &format!("{}{path}", log.server.url()), |request| {
            request.header("x-forwarded-for", client).header("accept", accept)
        })
    };
    until("there are pages", || ask("127.0.0.1", "/log/", "text/html").status == StatusCode::OK);
    let until_refused = |client: &str, path: &str, accept: &str| {
        let answers = (0..1_000).map(|_| ask(client, path, accept));
        let mut answered = 0;
        let refused = answers.into_iter().find(|answer| {
            answered += 1;
            answer.status == StatusCode::TOO_MANY_REQUESTS
        });
        (answered, refused.expect("a refusal"))
    };
    let (searches, page) = until_refused("192.0.2.1", "/search/?q=nothing", "text/html");
    let (lists, _) = until_refused("192.0.2.2", "/projects/", "text/html");
    assert!(searches < lists && searches < 20, "{searches} searches and {lists} lists");
    assert_eq!(page.header(&CONTENT_TYPE), "text/html; charset=utf-8");
    assert!(page.text().contains("<h1>Too fast</h1>"), "{}", page.text());
    assert!(page.header(&RETRY_AFTER).parse::<u64>().is_ok());
    let (_, problem) = until_refused("192.0.2.3", "/api/v1/search?q=nothing", "text/html");
    assert_eq!(problem.header(&CONTENT_TYPE), "application/problem+json");
    let (_, problem) = until_refused("192.0.2.4", "/search/?q=nothing", "*/*");
    assert_eq!(problem.header(&CONTENT_TYPE), "application/problem+json");
}

#[test]
fn nobody_but_a_trusted_proxy_is_believed_about_addresses() {
    let alice = Rebuilder::new("alice", 1);
    // This machine itself is not limited, whatever it claims.
    let log = Log::start(&[&alice], &["--address-reads", "1"]);
    for _ in 0..30 {
        assert_eq!(forwarded(log.server.url(), "192.0.2.1").status, StatusCode::OK);
    }
}

/// An address of this machine that others could reach it by; asking for it sends nothing.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn an_address_with_too_many_connections_is_closed_on_and_this_machine_is_not() {
    let Some(outer) = outer_address() else {
        println!("skipped: this machine has no address but its own");
        return;
    };
    // Stopped at once: only its folder is used.
    let log = Log::start(&[&Rebuilder::new("alice", 1)], &[]);
    log.server.terminate();
    until("it has let go of its folder", || log.server.log().contains("ended"));
    let mut run = attest_server();
    run.args(["run", "--listen", "0.0.0.0:0", "--address-connections", "2", "--data"])
        .arg(log.folder.path().join("log"));
    let server = Server::spawn(run.arg("--rebuilders").arg(list_of(&log)));
    let port = server.address().rsplit_once(':').unwrap().1.to_owned();
    let connect = || TcpStream::connect(format!("{outer}:{port}")).unwrap();
    let is_served = |stream: &mut TcpStream| {
        let mut answer = [0; 15];
        let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        asked.and_then(|()| stream.read_exact(&mut answer)).is_ok() && answer == *b"HTTP/1.1 200 OK"
    };
    let mut held = [connect(), connect()];
    assert!(held.iter_mut().all(is_served));
    assert!(!is_served(&mut connect()), "served beyond the limit");
    let local = format!("http://127.0.0.1:{port}");
    assert!(scrape(&format!("{local}/metrics"))["attest_http_connections_refused_total"] >= 1.0);
    drop(held);
    until("there is room again", || is_served(&mut connect()));
}

#[test]
fn metrics_are_well_formed_and_move() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    let url = log.server.url();
    let metrics = format!("{url}/metrics");
    let before = scrape(&metrics);
    for n in 0..3 {
        assert_eq!(submit(url, alice.reproduced("demo", n)).status, StatusCode::CREATED);
    }
    assert_eq!(submit(url, alice.reproduced("demo", 0)).status, StatusCode::OK);
    assert_eq!(submit(url, "nonsense").status, StatusCode::BAD_REQUEST);
    assert_eq!(get(&format!("{url}/tile/0/000.p/3")).status, StatusCode::OK);
    let after = scrape(&metrics);
    let grown = |name: &str| after[name] - before.get(name).copied().unwrap_or(0.0);
    for (name, by) in [
        ("attest_tree_size", 3.0),
        ("attest_published_size", 3.0),
        ("attest_unsealed_entries", 3.0),
        ("attest_submissions_total{outcome=\"logged\"}", 3.0),
        ("attest_submissions_total{outcome=\"duplicate\"}", 1.0),
        ("attest_http_problems_total{reason=\"envelope\"}", 1.0),
        ("attest_http_requests_total{endpoint=\"statements\",code=\"201\"}", 3.0),
        ("attest_http_requests_total{endpoint=\"tile\",code=\"200\"}", 1.0),
        ("attest_http_request_seconds_count{endpoint=\"tile\"}", 1.0),
        ("attest_http_request_seconds_bucket{le=\"+Inf\",endpoint=\"tile\"}", 1.0),
    ] {
        assert!((grown(name) - by).abs() < 0.5, "{name} grew by {}, expected {by}", grown(name));
    }
    for stage in ["verify", "queue", "commit", "barrier", "publish", "total"] {
        let name = |part| format!("attest_submission_stage_seconds_{part}{{stage=\"{stage}\"}}");
        let times = grown(&name("count"));
        assert!((3.0..20.0).contains(&times) && grown(&name("sum")) > 0.0, "{stage}: {times}");
    }
    assert!((grown("attest_batch_entries_sum") - 3.0).abs() < 0.5);
    for name in ["attest_disk_free_bytes", "attest_http_connections", "attest_ready", "attest_rebuilders"] {
        assert!(after[name] >= 1.0, "{name} is {}", after[name]);
    }
    for name in ["resident_memory_bytes", "open_fds", "max_fds"] {
        assert!(after[&format!("process_{name}")] >= 1.0, "{name}");
    }
    assert!(after["process_cpu_seconds_total"] > 0.0);
    assert!(after["attest_checkpoint_age_seconds"] < 60.0);
    until("the store is measured", || {
        let samples = scrape(&metrics);
        samples.get("attest_store_bytes{part=\"db\"}").is_some_and(|bytes| *bytes > 0.0)
    });
}

#[test]
fn metrics_can_be_had_on_a_listener_of_their_own() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &["--metrics-listen", "127.0.0.1:0"]);
    let own = log.server.next_line();
    let own = own.strip_prefix("metrics on ").unwrap();
    assert!(scrape(own).contains_key("attest_tree_size"));
    assert_eq!(get(&format!("{}/metrics", log.server.url())).status, StatusCode::NOT_FOUND);
    assert_eq!(get(&own.replace("/metrics", "/readyz")).status, StatusCode::OK);
    assert_eq!(get(&own.replace("/metrics", "/checkpoint")).status, StatusCode::NOT_FOUND);
    log.server.terminate();
    assert!(log.server.wait().success());
}

#[test]
fn a_request_is_found_again_by_its_id() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &["--log-filter", "debug"]);
    let url = format!("{}/tile/0/000", log.server.url());
    let with = |id: &str| request(Method::GET, &url, |request| request.header(REQUEST_ID, id));
    let answer = with("Probe_7.a-b");
    assert_eq!(answer.header(&REQUEST_ID), "Probe_7.a-b");
    assert_eq!(answer.json::<Problem>().request_id.unwrap(), "Probe_7.a-b");
    until("the log names it", || {
        log.server.log().lines().any(|line| line.contains("Probe_7.a-b") && line.contains("404"))
    });

    // What could be taken for something else in a log gets an id of ours.
    let overlong = "a".repeat(65);
    for id in ["", "a b", "a\"b", "<b>", "a=b", "a\tb", "\u{e9}", &overlong] {
        let answer = with(id);
        let ours = answer.header(&REQUEST_ID).to_owned();
        assert!(ours != id && ours.len() > 16, "{id:?} became {ours:?}");
        assert_eq!(answer.json::<Problem>().request_id.unwrap(), ours);
    }
}

#[test]
fn a_page_in_a_browser_may_read_and_submit() {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    for (path, wanted) in [
        ("checkpoint", "GET"),
        ("tile/0/000.p/1", "GET"),
        ("api/v1/artifacts/00", "GET"),
        ("api/v1/lookup", "POST"),
        ("api/v1/statements", "POST"),
    ] {
        let answer = request(Method::OPTIONS, &format!("{}/{path}", log.server.url()), |request| {
            let request = request.header("origin", "https://page.example");
            let request = request.header("access-control-request-method", wanted);
            request.header("access-control-request-headers", "content-type")
        });
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.header(&ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        assert!(answer.header(&ACCESS_CONTROL_ALLOW_METHODS).split(", ").any(|method| method == wanted), "{path}");
        assert!(answer.header(&ACCESS_CONTROL_ALLOW_HEADERS).contains("content-type"));
    }
    // A refusal can be read by the page too.
    let refused = submit(log.server.url(), "x");
    assert_eq!(refused.header(&ACCESS_CONTROL_ALLOW_ORIGIN), "*");
}
