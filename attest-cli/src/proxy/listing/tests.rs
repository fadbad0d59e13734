use attest_core::artifact::{ArtifactDigest, ProjectName};
use reqwest::Url;
use serde_json::{Value, json};

use super::*;

const WHEEL: &str = "good-1.0-py3-none-any.whl";

fn project() -> ProjectName {
    ProjectName::new("good").unwrap()
}

fn base() -> Url {
    Url::parse("https://index.example/simple/good/").unwrap()
}

fn hex(text: &str) -> String {
    ArtifactDigest::of(text.as_bytes()).to_string()
}

fn file(changes: &Value) -> Value {
    let mut file = json!({ "filename": WHEEL, "url": "../../f/x.whl", "hashes": { "sha256": hex("x") } });
    for (key, value) in changes.as_object().unwrap() {
        file[key] = value.clone();
    }
    file
}

fn read(files: &[Value]) -> Listing {
    let page = json!({ "meta": { "api-version": "1.4" }, "name": "Good", "files": files });
    json(page.to_string().as_bytes(), &project(), &base(), |url| url.scheme() == "https").unwrap()
}

fn why(changes: &Value) -> Unlisted {
    let listing = read(&[file(changes)]);
    assert!(listing.files.is_empty(), "{changes}: {:?}", listing.files);
    listing.left_out[0].why.clone()
}

#[test]
fn a_file_keeps_what_installers_decide_by() {
    let listing = read(&[file(&json!({
        "size": 7, "upload-time": "2026-01-01T00:00:00Z", "requires-python": ">=3.8", "yanked": "broken",
        "core-metadata": { "sha256": hex("m") }, "hashes": { "sha256": hex("x"), "sha512": "evil" },
    }))]);
    let [file] = listing.files.as_slice() else { panic!("{listing:?}") };
    assert_eq!((file.size, file.uploaded.as_deref()), (Some(7), Some("2026-01-01T00:00:00Z")));
    assert_eq!((file.requires_python.as_deref(), file.yanked.as_deref()), (Some(">=3.8"), Some("broken")));
    assert_eq!(file.metadata, Some(ArtifactDigest::of(b"m")));
    assert_eq!(file.url.as_str(), "https://index.example/f/x.whl");
}

#[test]
fn metadata_without_a_digest_is_not_named() {
    for metadata in [json!(true), json!(false), json!({ "md5": "x" }), json!({ "sha256": "short" })] {
        assert_eq!(read(&[file(&json!({ "core-metadata": metadata }))]).files[0].metadata, None);
    }
}

#[test]
fn a_file_that_cannot_be_judged_is_left_out_with_the_reason() {
    assert_eq!(why(&json!({ "hashes": {} })), Unlisted::NoSha256);
    assert_eq!(why(&json!({ "hashes": { "md5": "d41d8cd98f00b204e9800998ecf8427e" } })), Unlisted::NoSha256);
    assert_eq!(why(&json!({ "hashes": { "sha256": hex("x").to_uppercase() } })), Unlisted::Digest);
    assert_eq!(why(&json!({ "url": "http://index.example/x.whl" })), Unlisted::LedAway);
    for name in [
        "other-1.0-py3-none-any.whl",
        "../good-1.0-py3-none-any.whl",
        "good-1.0-py3-none-any.whl\n",
        "g/x.tar.gz",
        "good.tar.gz",
        "other-1.0.tar.gz",
        "..-1.0.tar.gz",
        ".good-1.0.tar.gz",
        "good-1.0%2f-py3-none-any.whl",
    ] {
        assert_eq!(why(&json!({ "filename": name })), Unlisted::Name, "{name}");
    }
    for name in ["good-1.0-py3.8.egg", "good-1.0.win32.exe", "good"] {
        assert_eq!(why(&json!({ "filename": name })), Unlisted::NotInstallable, "{name}");
    }
    for changes in [
        json!({ "url": "file:///etc/passwd" }),
        json!({ "url": "javascript:x" }),
        json!({ "size": -1 }),
        json!({ "size": u64::MAX }),
        json!({ "size": "7" }),
        json!({ "hashes": "sha256" }),
        json!({ "filename": 7 }),
        json!({ "requires-python": "x\r\ny" }),
        json!({ "upload-time": "x".repeat(1000) }),
        json!({ "yanked": 1 }),
    ] {
        assert!(matches!(why(&changes), Unlisted::Malformed(_)), "{changes}");
    }
}

#[test]
fn a_file_that_is_listed_twice_with_different_contents_is_left_out() {
    let other = json!({ "hashes": { "sha256": hex("y") } });
    for page in [
        vec![file(&json!({})), file(&other)],
        vec![file(&other), file(&json!({})), file(&json!({}))],
        vec![file(&json!({})), file(&json!({ "hashes": {} }))],
    ] {
        let listing = read(&page);
        assert!(listing.files.is_empty(), "{:?}", listing.files);
        assert_eq!(listing.left_out.iter().map(|left| left.why.clone()).collect::<Vec<_>>(), [Unlisted::Twice]);
    }
    assert_eq!(read(&[file(&json!({})), file(&json!({}))]).files.len(), 1);
}

#[test]
fn credentials_that_a_page_puts_into_a_url_are_not_used() {
    let listing = read(&[file(&json!({ "url": "https://user:secret@index.example/x.whl" }))]);
    assert_eq!(listing.files[0].url.as_str(), "https://index.example/x.whl");
}

#[test]
fn a_page_that_is_none_is_an_error() {
    let read = |page: &str| json(page.as_bytes(), &project(), &base(), |_| true);
    for page in [
        "",
        "[]",
        "{}",
        r#"{"meta":{},"name":"good","files":[]}"#,
        r#"{"meta":{"api-version":"1.0"},"files":[]}"#,
        r#"{"meta":{"api-version":"2.0"},"name":"good","files":[]}"#,
        r#"{"meta":{"api-version":"1.0"},"name":"other","files":[]}"#,
        r#"{"meta":{"api-version":"1.0"},"name":"good","files":[]} trailing"#,
    ] {
        assert!(read(page).is_err(), "{page}");
    }
    assert!(read(r#"{"meta":{"api-version":"1.7"},"name":"good","files":[]}"#).is_ok());
}

#[test]
fn html_is_held_to_the_same_rules_as_json() {
    let digest = hex("x");
    let page = format!(
        "<meta name=\"pypi:repository-version\" content=\"1.0\">\
         <a href=\"../../f/x.whl?a=1&amp;b=2#sha256={digest}\" data-requires-python=\"&gt;=3.8\" data-yanked=\"\" \
         data-dist-info-metadata=\"sha256={digest}\">{WHEEL}</a>\
         <a href=\"md5.whl#md5=d41d8cd98f00b204e9800998ecf8427e\">good-2.0-py3-none-any.whl</a>\
         <a href=\"none.whl\">good-3.0-py3-none-any.whl</a>\
         <a href=\"two.whl#sha256={digest}&sha256={}\">good-4.0-py3-none-any.whl</a>\
         <a>good-5.0-py3-none-any.whl</a>",
        hex("y")
    );
    let listing = html(&page, &project(), &base(), |_| true).unwrap();
    let [file] = listing.files.as_slice() else { panic!("{listing:?}") };
    assert_eq!(file.url.as_str(), "https://index.example/f/x.whl?a=1&b=2");
    assert_eq!((file.requires_python.as_deref(), file.yanked.as_deref()), (Some(">=3.8"), Some("")));
    assert_eq!(file.metadata.map(|digest| digest.to_string()), Some(digest));
    assert_eq!(listing.left_out.len(), 4);
    let newer = "<meta name='pypi:repository-version' content='2.0'>";
    assert!(matches!(html(newer, &project(), &base(), |_| true), Err(ListingError::ApiVersion { .. })));
}

#[test]
fn a_base_element_moves_relative_urls_and_no_credentials() {
    let page = format!("<base href=\"https://u:p@cdn.example/f/\"><a href=\"x.whl#sha256={}\">{WHEEL}</a>", hex("x"));
    let listing = html(&page, &project(), &base(), |_| true).unwrap();
    assert_eq!(listing.files[0].url.as_str(), "https://cdn.example/f/x.whl");
}
