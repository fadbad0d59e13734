//! The pages of the record, as a browser and `curl` ask for them.

use crate::{
    client::submit,
    process::{Log, Server, until},
    statement::{Rebuilder, digest_of},
};

/// An answer, with nothing followed.
struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Got {
    let answer = server.raw(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
    Got { status, head: head.to_owned(), body: body.to_owned() }
}

fn get(server: &Server, path: &str) -> Got {
    ask(server, "GET", path, "accept: text/html\r\n")
}

/// A log in which alice and bob reproduced version 1, and alice took her word on version 2 back.
fn filled() -> Log {
    let (alice, bob) = (Rebuilder::new("alice", 1), Rebuilder::new("bob", 2));
    let log = Log::start(&[&alice, &bob], &[]);
    for envelope in [
        alice.reproduced("some_project", 1),
        bob.reproduced("some_project", 1),
        alice.reproduced("some_project", 2),
        alice.withdrawn("some_project", 2),
    ] {
        assert!(submit(log.server.url(), envelope).status.is_success());
    }
    until("all is on the pages", || get(&log.server, "/disagreements/").body.contains("Taken back"));
    log
}

#[test]
fn a_person_finds_from_home_to_a_file_who_could_rebuild_it() {
    let log = filled();
    let home = get(&log.server, "/");
    assert_eq!(home.status, 200, "{}", home.head);
    assert!(home.body.contains("href=\"./entry/3/\""));

    let project = get(&log.server, "/project/some-project/");
    assert!(project.body.contains("href=\"../../project/some-project/1/\""), "{}", project.body);
    let release = get(&log.server, "/project/some-project/1/");
    let file = digest_of("some_project", 1);
    assert!(release.body.contains(&format!("href=\"../../../file/{file}/\"")));
    // The statements of these tests name a recipe that nobody can have, so no policy counts them (docs/TRUST.md 3.3).
    assert!(release.body.contains("0 of 1 file"), "{}", release.body);
    assert!(release.body.contains("the recipe is nowhere to be had"), "{}", release.body);
    let badge = get(&log.server, "/project/some-project/1.0.0/badge.svg");
    assert!(badge.body.contains(">not reproduced</text>"), "{}", badge.body);

    let file = get(&log.server, &format!("/file/{file}/"));
    assert!(file.body.contains("Rebuilt bit for bit, but in no way that counts as a vote"), "{}", file.body);
    assert!(file.body.contains("1 group: refused"), "{}", file.body);
    assert!(file.body.contains("attest rebuild some-project==1"));

    // The only thing that is found is gone to.
    let found = get(&log.server, "/search/?q=some_project-1-py3-none-any.whl");
    assert_eq!(
        (found.status, found.header("location")),
        (303, format!("../file/{}/", digest_of("some_project", 1)).as_str())
    );
}

#[test]
fn curl_gets_text_at_the_root_and_a_browser_a_page_that_may_do_nothing() {
    let log = filled();
    let text = ask(&log.server, "GET", "/", "accept: */*\r\n");
    assert!(text.header("content-type").starts_with("text/plain") && text.body.starts_with("attest log "));
    assert_eq!(text.header("vary"), "accept");
    for path in ["/", "/projects/", "/entries/", "/disagreements/", "/search/", "/log/", "/project/nobody/"] {
        let page = get(&log.server, path);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
    }
    let page = get(&log.server, "/log/");
    let style = page.body.split("rel=\"stylesheet\" href=\"..").nth(1).unwrap().split('"').next().unwrap();
    let style = get(&log.server, style);
    assert!(
        style.header("content-type").starts_with("text/css") && style.header("cache-control").contains("immutable")
    );
}

#[test]
fn a_page_that_did_not_change_is_not_sent_again() {
    let log = filled();
    let first = get(&log.server, "/project/some-project/");
    let tag = first.header("etag");
    assert!(tag.starts_with("W/\""), "{}", first.head);
    let again = ask(&log.server, "GET", "/project/some-project/", &format!("if-none-match: {tag}\r\n"));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(ask(&log.server, "HEAD", "/project/some-project/", "").body, "");
    assert_eq!(ask(&log.server, "POST", "/project/some-project/", "").status, 405);
}

#[test]
fn another_spelling_leads_to_the_one_there_is_and_never_away() {
    let log = filled();
    for (path, location) in [
        ("/project/some-project", "../project/some-project/"),
        ("/project/Some.Project/", "../../project/some-project/"),
        ("/project/some%5Fproject/1/", "../../../project/some-project/1/"),
        ("/project/some-project/1.0/", "../../../project/some-project/1/"),
        ("/log", "./log/"),
        ("/entries/before/07/", "../../../entries/before/7/"),
    ] {
        let got = get(&log.server, path);
        assert_eq!((got.status, got.header("location")), (308, location), "{path}");
    }
}

#[test]
fn what_nobody_should_ask_for_gets_an_answer_without_a_fault() {
    let log = filled();
    let endless = "a".repeat(10_000);
    for path in [
        "/project/%3Cscript%3Ealert(1)%3C%2Fscript%3E/",
        "/project/%E2%80%AEevil/",
        "/project/%00/",
        "/project/%",
        "/project/%zz/1/",
        "/project/%2F%2Fevil.example/",
        "/project/..%2F..%2F/",
        &format!("/project/{endless}/"),
        &format!("/project/six/{endless}/"),
        "/project/six/before/x/",
        "/project/six/not-a-version!/",
        "/file/zz/",
        "/file/%E2%80%AE/",
        "/entries/before/-1/",
        "/entries/before/18446744073709551615/",
        "/disagreements/before/99999999999999999999/",
        "/projects/after/%ff/",
        "/search/?q=%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE",
        "/search/?q=%00%ff",
        &format!("/search/?q={endless}"),
        "/search/?q='%20OR%201=1--%25_*%22",
        "//evil.example/",
        "/nothing/here/",
    ] {
        let got = get(&log.server, path);
        assert!([200, 303, 308, 400, 404].contains(&got.status), "{path}: {}", got.head);
        assert!(!got.body.contains("<script") && !got.body.contains('\u{202e}'), "{path}");
        let location = got.header("location");
        assert!(location.is_empty() || (location.starts_with('.') && !location.contains("//")), "{path}: {location}");
    }
    let near = get(&log.server, "/project/some/");
    assert_eq!(near.status, 404);
    assert!(near.body.contains("Did you mean") && near.body.contains("../../project/some-project/"), "{}", near.body);
}
