use reqwest::Url;
use serde_json::{Value, json};

use super::*;
use crate::{
    index::netrc::Netrc,
    pip::Settings,
    proxy::{listing, upstream::Logins},
};

pub(in crate::proxy) fn offer(files: &[(&str, bool)]) -> Offer {
    let project = ProjectName::new("good").unwrap();
    let said: Vec<Value> = files
        .iter()
        .map(|(name, _)| {
            let digest = attest_core::artifact::ArtifactDigest::of(name.as_bytes()).to_string();
            json!({ "filename": name, "url": format!("/f/{name}"), "hashes": { "sha256": digest, "md5": "x" }, "size": 1,
                "yanked": "<b>", "core-metadata": { "sha256": digest } })
        })
        .collect();
    let page = json!({ "meta": { "api-version": "1.1" }, "name": "good", "files": said }).to_string();
    let base = Url::parse("https://index.example/simple/good/").unwrap();
    let listing = listing::json(page.as_bytes(), &project, &base, |_| true).unwrap();
    assert_eq!(listing.files.len(), files.len());
    let blocked = || Blocked { undecided: false, alarm: false, code: "no-statement", reason: "nobody".to_owned() };
    let decisions =
        files.iter().map(|(_, passed)| if *passed { Decision::Passed } else { Decision::Blocked(blocked()) });
    let logins = Logins { netrc: Netrc::default(), keyring: None };
    let index = Upstream::parse("main=https://index.example/simple", 1, &Settings::none(), &logins).unwrap();
    Offer::new(project, index, listing, decisions.collect())
}

#[test]
fn only_what_passed_is_written_and_only_its_sha256() {
    let offer =
        offer(&[("good-1.0-py3-none-any.whl", true), ("good-2.0-py3-none-any.whl", false), ("good-2.0.tar.gz", false)]);
    let page: Value = serde_json::from_str(&offer.json(Links::Here)).unwrap();
    assert_eq!(page["versions"], json!(["1.0"]));
    let [file] = page["files"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!(file["hashes"].as_object().unwrap().len(), 1);
    assert!(file["url"].as_str().unwrap().starts_with("../../files/good/"));
    assert_eq!(file["core-metadata"], file["dist-info-metadata"]);
    let html = offer.html(Links::Upstream);
    assert!(html.contains("https://index.example/f/good-1.0-py3-none-any.whl#sha256="));
    assert!(html.contains("data-yanked=\"&lt;b&gt;\"") && !html.contains("2.0"));
}

#[test]
fn our_own_html_reads_back_as_the_same_files() {
    let offer = offer(&[("good-1.0-py3-none-any.whl", true), ("good-1.0.tar.gz", true)]);
    let base = Url::parse("http://127.0.0.1/simple/good/").unwrap();
    let read = listing::html(&offer.html(Links::Here), &offer.project, &base, |_| true).unwrap();
    let digests = |files: &mut dyn Iterator<Item = &Listed>| {
        files.map(|file| (file.name.clone(), file.digest)).collect::<Vec<_>>()
    };
    assert_eq!(digests(&mut read.files.iter()), digests(&mut offer.shown()));
}

#[test]
fn a_hidden_newest_release_is_named_with_what_takes_its_place() {
    let (hidden, shown) = ("good-2.0-py3-none-any.whl", "good-1.0-py3-none-any.whl");
    let both = offer(&[(shown, true), (hidden, false)]);
    let (version, blocked, newest) = both.withheld().unwrap();
    assert_eq!(
        (version.as_str(), blocked.reason.as_str(), newest.map(Version::as_str)),
        ("2.0", "nobody", Some("1.0"))
    );
    // An older one that is hidden changes nothing for most.
    assert!(offer(&[(shown, false), (hidden, true)]).withheld().is_none());
    assert!(offer(&[("good-2.0.tar.gz", false), (hidden, true)]).withheld().is_none());
    assert!(offer(&[(shown, false)]).withheld().unwrap().2.is_none());
    assert!(offer(&[]).withheld().is_none());
}
