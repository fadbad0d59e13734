use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::*;
use crate::pip::Interpreter;

/// Status, content type, body.
type Answer = (u16, &'static str, Vec<u8>);

/// Answers every request with what `answer` gives for its path and `Authorization`, until the test ends.
fn serve(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || respond(stream.unwrap(), answer.as_ref()));
        }
    });
    address.to_string()
}

fn respond(mut stream: TcpStream, answer: &dyn Fn(&str, &str) -> Answer) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let headers: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let authorization = headers.iter().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, kind, body) = answer(path, authorization);
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

const JSON: &str = "application/vnd.pypi.simple.v1+json";

fn index(url: &str, cache: &Path) -> anyhow::Result<Index> {
    let settings = Settings {
        index_url: url.to_owned(),
        extra_index_urls: Vec::new(),
        no_index: false,
        find_links: Vec::new(),
        cert: None,
        client_cert: None,
        proxy: None,
        timeout: 10.0,
        keyring_provider: None,
        trusted_hosts: Vec::new(),
        tags: Vec::new().into(),
        interpreter: Interpreter { executable: PathBuf::new(), prefixes: Vec::new(), version: String::new() },
    };
    Index::new(&settings, cache)
}

fn project() -> ProjectName {
    project_named("demo")
}

fn project_named(name: &str) -> ProjectName {
    ProjectName::new(name).unwrap()
}

fn page(url: &str, name: &str, content: &[u8]) -> Vec<u8> {
    let digest = ArtifactDigest::of(content);
    format!(r#"{{"files":[{{"filename":"{name}","url":"{url}","hashes":{{"sha256":"{digest}"}},"upload-time":"2024-02-25T23:20:00Z"}}]}}"#)
        .into_bytes()
}

#[test]
fn a_file_that_is_not_what_the_index_pinned_is_refused_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(|path, _| match path {
        "/simple/demo/" => (200, JSON, page("../../files/demo.whl", "demo.whl", b"good")),
        _ => (200, "application/zip", b"evil".to_vec()),
    });
    let index = index(&format!("http://{address}/simple"), folder.path()).unwrap();
    let file = index.project(&project()).unwrap().remove(0);
    assert_eq!(file.uploaded.as_deref(), Some("2024-02-25T23:20:00Z"));
    let digest = file.digest.unwrap();
    let error = index.fetch(&file, digest, 100).unwrap_err().to_string();
    assert!(error.contains("to have sha256"), "{error}");
    assert!(!index.kept(digest, &file.name).exists());
}

#[test]
fn a_cached_file_that_was_changed_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(|path, _| match path {
        "/simple/demo/" => (200, JSON, page("/demo.whl", "demo.whl", b"good")),
        _ => (200, "application/zip", b"good".to_vec()),
    });
    let index = index(&format!("http://{address}/simple/"), folder.path()).unwrap();
    let file = index.project(&project()).unwrap().remove(0);
    let digest = file.digest.unwrap();
    for _ in 0..2 {
        assert_eq!(index.fetch(&file, digest, 100).unwrap(), b"good");
        fs::write(index.kept(digest, &file.name), "evil").unwrap();
    }
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(|path, _| match path {
        "/demo/" => (200, JSON, page("/demo.whl", "demo.whl", b"good")),
        _ => (200, "application/zip", vec![0; 101]),
    });
    let index = index(&format!("http://{address}"), folder.path()).unwrap();
    let file = index.project(&project()).unwrap().remove(0);
    let error = format!("{:#}", index.fetch(&file, file.digest.unwrap(), 100).unwrap_err());
    assert!(error.contains("at most 100 bytes"), "{error}");
}

#[test]
fn answers_that_are_no_project_page_are_errors_and_never_an_empty_page() {
    const ANSWERS: [(u16, &str, &str); 7] = [
        (500, JSON, "{}"),
        (404, JSON, "{}"),
        (200, "text/plain", "hello"),
        (200, JSON, "{"),
        (200, JSON, r#"{"files":[{"filename":"../x","url":"/x","hashes":{}}]}"#),
        (200, JSON, r#"{"files":[{"filename":"x","url":"/x","hashes":{"sha256":"AB"}}]}"#),
        (200, "text/html", r#"<a href="/x#sha256=00">x</a>"#),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (status, kind, body) in ANSWERS {
        let address = serve(move |_, _| (status, kind, body.as_bytes().to_vec()));
        let index = index(&format!("http://{address}"), folder.path()).unwrap();
        assert!(index.project(&project()).is_err(), "{status} {kind} {body}");
    }
}

#[test]
fn attestations_are_fetched_where_the_index_names_them_up_to_a_limit() {
    let address = serve(|path, _| match path {
        "/demo/" => {
            let file =
                |name: &str, more: &str| format!(r#"{{"filename":"{name}","url":"/{name}","hashes":{{}}{more}}}"#);
            let files = [
                file("a.whl", r#","provenance":"/a.provenance""#),
                file("b.whl", r#","provenance":null"#),
                file("c.whl", ""),
            ];
            (200, JSON, format!(r#"{{"files":[{}]}}"#, files.join(",")).into_bytes())
        }
        "/a.provenance" => (200, "application/json", b"{}".to_vec()),
        _ => (404, "text/plain", Vec::new()),
    });
    let cache = tempfile::tempdir().unwrap();
    let index = index(&format!("http://{address}/"), cache.path()).unwrap();
    let files = index.project(&project()).unwrap();
    assert_eq!(index.provenance(&files[0], 2).unwrap().as_deref(), Some(&b"{}"[..]));
    assert!(index.provenance(&files[0], 1).is_err());
    assert_eq!(index.provenance(&files[1], 2).unwrap(), None);
    assert_eq!(index.provenance(&files[2], 2).unwrap(), None);
}

#[test]
fn html_pages_give_names_addresses_and_digests() {
    let digest = ArtifactDigest::of(b"good");
    let page = format!(
        "<html><a href=\"../../a/demo-1.0.tar.gz?x=1&amp;y=2#sha256={digest}\" data-requires-python=\"&gt;3\">demo-1.0.tar.gz</a><br/>\n\
         <a href='/b.whl'>b.whl</a></html>"
    );
    let files = parse_html(&page, &Url::parse("https://index.example/simple/demo/").unwrap()).unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].name, "demo-1.0.tar.gz");
    assert_eq!(files[0].url.as_str(), "https://index.example/a/demo-1.0.tar.gz?x=1&y=2");
    assert_eq!((files[0].digest, files[1].digest), (Some(digest), None));
}

#[test]
fn what_was_yanked_is_told_from_what_was_not_in_both_forms() {
    let base = Url::parse("https://index.example/simple/demo/").unwrap();
    let yanked = |files: anyhow::Result<Vec<IndexFile>>| files.unwrap()[0].yanked;
    for (json, is_yanked) in [
        ("", false),
        (",\"yanked\":false", false),
        (",\"yanked\":null", false),
        (",\"yanked\":true", true),
        (",\"yanked\":\"broken\"", true),
        (",\"yanked\":\"\"", true),
    ] {
        let page = format!("{{\"files\":[{{\"filename\":\"a.whl\",\"url\":\"a.whl\",\"hashes\":{{}}{json}}}]}}");
        assert_eq!(yanked(parse_json(page.as_bytes(), &base)), is_yanked, "{json}");
    }
    for (html, is_yanked) in
        [("", false), (" data-yanked", true), (" data-yanked=\"broken\"", true), (" DATA-YANKED=''", true)]
    {
        let page = format!("<a href=\"a.whl\"{html}>a.whl</a>");
        assert_eq!(yanked(parse_html(&page, &base)), is_yanked, "{html}");
    }
}

#[test]
fn what_a_keyring_has_is_the_only_login_that_is_sent_where_the_address_names_a_user() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(|_, authorization| {
        // The first of them, as many servers have it: ann:s3cret
        let status = if authorization == "Basic YW5uOnMzY3JldA==" { 200 } else { 401 };
        (status, JSON, b"{\"files\":[]}".to_vec())
    });
    let mut index = index(&format!("http://ann@{address}/simple/"), folder.path()).unwrap();
    let login = Login { user: "ann".to_owned(), password: "s3cret".to_owned() };
    index.sought = index.roots.iter().map(|root| Sought::holding(root, login.clone())).collect();
    assert!(index.project(&project()).unwrap().is_empty());
}

#[test]
fn credentials_of_the_index_go_to_its_own_host_and_into_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let other = serve(|_, authorization| {
        assert_eq!(authorization, "", "credentials went to another host");
        (200, "application/zip", b"good".to_vec())
    });
    let elsewhere = format!("http://{other}/demo.whl");
    // "ann:s3cret"
    let expected = "Basic YW5uOnMzY3JldA==";
    let address = serve(move |path, authorization| match path {
        _ if authorization != expected => (401, "text/plain", Vec::new()),
        "/demo/" => (200, JSON, page(&elsewhere, "demo.whl", b"good")),
        _ => (500, "text/plain", Vec::new()),
    });
    let index = index(&format!("http://ann:s3cret@{address}"), folder.path()).unwrap();
    let file = index.project(&project()).unwrap().remove(0);
    assert_eq!(index.fetch(&file, file.digest.unwrap(), 100).unwrap(), b"good");
    let error = format!("{:#}", index.project(&ProjectName::new("broken").unwrap()).unwrap_err());
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn an_index_over_plain_http_is_refused_unless_it_is_here() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["http://index.example/simple", "ftp://index.example/", "file:///srv/index", "nonsense"] {
        assert!(index(url, folder.path()).is_err(), "{url}");
    }
    for url in ["https://index.example/simple", "http://localhost:3141/root", "http://[::1]:80/", "http://127.0.0.1/"] {
        assert!(index(url, folder.path()).is_ok(), "{url}");
    }
}

#[test]
fn a_page_over_https_may_not_come_from_where_somebody_can_sit_in_between() {
    let url = |text: &str| Url::parse(text).unwrap();
    for (from, to, away) in [
        ("https://index.example/simple/", "http://index.example/simple/a/", true),
        ("http://127.0.0.1:1/simple/", "http://index.example/simple/a/", true),
        ("https://index.example/simple/", "https://mirror.example/simple/a/", false),
        ("http://trusted.example/simple/", "http://trusted.example/simple/a/", false),
    ] {
        assert_eq!(is_led_away(&url(from), &url(to)), away, "{from} {to}");
    }
}

#[test]
fn the_last_changes_of_all_projects_come_in_one_answer_and_an_index_without_them_is_an_error() {
    let cache = tempfile::tempdir().unwrap();
    let serials = |kind: &'static str, body: &'static str| {
        let address = serve(move |path, authorization| {
            let known = path == "/simple/" && authorization.starts_with("Basic ");
            (if known { 200 } else { 403 }, kind, body.as_bytes().to_vec())
        });
        index(&format!("http://user:word@{address}/simple"), cache.path()).unwrap().serials()
    };
    let found =
        serials(JSON, r#"{"projects":[{"name":"De_mo","_last-serial":7},{"name":"/","_last-serial":9}]}"#).unwrap();
    assert_eq!(found.projects, [(project_named("de-mo"), 7)]);
    assert!(found.index.starts_with("http://127.0.0.1:") && !found.index.contains("word"), "{}", found.index);
    for (kind, body) in [
        (JSON, r#"{"projects":[{"name":"demo"}]}"#),
        (JSON, r#"{"projects":[{"name":"demo","_last-serial":-1}]}"#),
        (JSON, r#"{"files":[]}"#),
        ("text/html", "<a href=demo>demo</a>"),
    ] {
        assert!(serials(kind, body).is_err(), "{body}");
    }
}
