//! The API and its description of itself.

use std::collections::BTreeSet;

use reqwest::{
    Method, StatusCode,
    header::{
        ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    },
};
use serde_json::Value;

use crate::{
    client::{Answer, get, post, request, submit},
    process::{Log, until},
    statement::Rebuilder,
};

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];

fn log() -> Log {
    let alice = Rebuilder::new("alice", 1);
    let log = Log::start(&[&alice], &[]);
    assert_eq!(submit(log.server.url(), alice.reproduced("demo", 1)).status, StatusCode::CREATED);
    // Views follow a moment later, and change what is asked for meanwhile.
    let url = format!("{}/api/v1/log", log.server.url());
    until("it is recorded", || get(&url).json::<Value>()["recorded"] == 1);
    log
}

fn document(log: &Log) -> Value {
    get(&format!("{}/api/v1/openapi.json", log.server.url())).json()
}

/// Path of an endpoint with the examples of its parameters.
fn example(path: &str, operation: &Value) -> String {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let example = parameter["schema"]["examples"][0].to_string().trim_matches('"').to_owned();
        match parameter["in"].as_str().unwrap() {
            "path" => path = path.replace(&format!("{{{name}}}"), &example),
            "query" if parameter["required"] == true => query.push(format!("{name}={example}")),
            _ => {}
        }
    }
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

fn ask(method: Method, url: &str) -> Answer {
    request(method, url, |request| request)
}

#[test]
fn the_server_has_what_its_description_has_and_no_other_method() {
    let log = log();
    let document = document(&log);
    assert_eq!(document["openapi"], "3.1.1");
    for (path, operations) in document["paths"].as_object().unwrap() {
        let operations = operations.as_object().unwrap();
        let (_, operation) = operations.iter().next().unwrap();
        let url = format!("{}{}", log.server.url(), example(path, operation));
        let described: BTreeSet<&str> = operations.keys().map(String::as_str).collect();
        for method in METHODS {
            let answer = ask(method.clone(), &url);
            let is_described = described.contains(method.as_str().to_lowercase().as_str());
            assert_eq!(answer.status != StatusCode::METHOD_NOT_ALLOWED, is_described, "{method} {path}");
            if !is_described {
                let allowed: BTreeSet<String> = answer.header(&ALLOW).split(", ").map(str::to_lowercase).collect();
                let mut expected: BTreeSet<String> = described.iter().map(|&method| method.to_owned()).collect();
                expected.insert("options".to_owned());
                if described.contains("get") {
                    expected.insert("head".to_owned());
                }
                assert_eq!(allowed, expected, "{path}");
                continue;
            }
            let status = answer.status.as_u16().to_string();
            let response = &operation["responses"][&status];
            assert!(response.is_object(), "{method} {path}: {status} is not described");
            let text = String::from_utf8_lossy(&answer.body);
            assert!(!text.contains("no endpoint has this path"), "{path}");
            let media = answer.header(&CONTENT_TYPE).split(';').next().unwrap();
            assert!(response["content"][media].is_object(), "{method} {path}: {status} {media}");
        }
        assert_eq!(ask(Method::OPTIONS, &url).status, StatusCode::NO_CONTENT, "{path}");
    }
}

#[test]
fn a_head_is_answered_as_a_get_without_its_body() {
    let log = log();
    for (path, operations) in document(&log)["paths"].as_object().unwrap() {
        let Some(operation) = operations.get("get") else { continue };
        // Their bodies change from one moment to the next.
        if ["/readyz", "/metrics"].contains(&path.as_str()) {
            continue;
        }
        let url = format!("{}{}", log.server.url(), example(path, operation));
        let (whole, head) = (ask(Method::GET, &url), ask(Method::HEAD, &url));
        assert_eq!(head.status, whole.status, "{path}");
        assert!(head.body.is_empty());
        if whole.status.is_success() {
            assert_eq!(head.header(&CONTENT_LENGTH), whole.body.len().to_string(), "{path}");
            assert_eq!(head.header(&ETAG), whole.header(&ETAG), "{path}");
        }
    }
}

#[test]
fn what_is_not_described_is_refused() {
    let log = log();
    let url = log.server.url();
    for (path, status) in [
        ("/api/v1/openapi.json?", 400),
        ("/api/v1/openapi.json?x=1", 400),
        ("/api/v1/log?before=1", 400),
        ("/api/v1/entries?before=", 400),
        ("/api/v1/entries?before", 400),
        ("/api/v1/entries?before=1&before=2", 400),
        ("/api/v1/entries?before=01", 400),
        ("/api/v1/entries?Before=1", 400),
        ("/api/v1/entries?before=%31", 400),
        ("/api/v1/entries?before=9007199254740992", 400),
        ("/api/v1/entries/00", 400),
        ("/api/v1/entries/-1", 400),
        ("/api/v1/entries/", 404),
        ("/api/v1/projects?after=Six", 400),
        ("/api/v1/projects/%73ix", 400),
        ("/api/v1/projects/-six", 400),
        ("/api/v1/projects/six/releases/1%2F0", 400),
        ("/api/v1/projects/six/releases", 404),
        ("/api/v1/files/00", 400),
        ("/api/v1/rebuilders/0123456789ABCDEF", 400),
        ("/api/v1/search", 400),
        ("/api/v1/search?q=%ff", 400),
        ("/api/v1/search?q=a&q=b", 400),
        ("/api/v1/artifacts/00?from=1", 400),
    ] {
        let answer = get(&format!("{url}{path}"));
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        let problem: attest_core::api::Problem = answer.json();
        assert_eq!(problem.status, status, "{path}");
        assert!(!problem.detail.is_empty() && problem.request_id.is_some(), "{path}");
        assert_eq!(answer.header(&CONTENT_TYPE), "application/problem+json");
        assert_eq!(answer.header(&ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    }
    let answer = post(&format!("{url}/api/v1/lookup?x=1"), "application/json", r#"{"digests":[]}"#);
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[test]
fn whoever_takes_no_json_is_told() {
    let log = log();
    for path in ["api/v1/openapi.json", "api/v1/artifacts/00"] {
        let url = format!("{}/{path}", log.server.url());
        let answer = request(Method::GET, &url, |request| request.header(ACCEPT, "text/html"));
        assert_eq!(answer.status, StatusCode::NOT_ACCEPTABLE);
        assert_eq!(answer.header(&CONTENT_TYPE), "application/problem+json");
    }
    // What every client of tlog-tiles may ask stays as it is.
    let url = format!("{}/checkpoint", log.server.url());
    assert_eq!(request(Method::GET, &url, |request| request.header(ACCEPT, "text/html")).status, StatusCode::OK);
}

#[test]
fn a_view_that_a_client_has_is_not_sent_again() {
    let log = log();
    let url = format!("{}/api/v1/openapi.json", log.server.url());
    let whole = get(&url);
    assert_eq!(whole.header(&CACHE_CONTROL), "public, max-age=10");
    let tag = whole.header(&ETAG).to_owned();
    let answer = request(Method::GET, &url, |request| request.header(IF_NONE_MATCH, &tag));
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header(&ETAG), tag);
    let answer = request(Method::GET, &url, |request| request.header(IF_NONE_MATCH, "\"other\""));
    assert_eq!(answer.status, StatusCode::OK);
}
