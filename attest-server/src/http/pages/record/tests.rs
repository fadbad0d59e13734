//! Every page, with texts as people write them and as attackers do.

use askama::Template as _;

use super::{
    file::{FilePage, Place},
    home::HomePage,
    lists::{DisagreementsPage, EntriesPage, ProjectPage, ProjectsPage},
    log::LogPage,
    release::ReleasePage,
    samples::{self, Texts},
    search::SearchPage,
};
use crate::http::pages::wrong::Wrong;

const NOW: u64 = 1_795_000_060;

fn pages(texts: Texts) -> Vec<(&'static str, String)> {
    let log = samples::log(texts);
    let groups = samples::groups(texts);
    let place = || Place { is_first: false, json: "api/v1/x?before=7".to_owned() };
    let near = vec![samples::project_row("six")];
    let home = HomePage::new(&samples::frame(0), &log, NOW).render().unwrap();
    let (one, two, three) = (&samples::frame(1), &samples::frame(2), &samples::frame(3));
    vec![
        ("home", home),
        (
            "projects",
            ProjectsPage {
                frame: one,
                view: &samples::page(vec![samples::project_row("six")]),
                is_first: true,
                json: "api/v1/x?before=7".to_owned(),
            }
            .render()
            .unwrap(),
        ),
        (
            "project",
            ProjectPage {
                frame: two,
                view: &samples::project(texts),
                is_first: true,
                json: "api/v1/x?before=7".to_owned(),
            }
            .render()
            .unwrap(),
        ),
        (
            "older",
            ProjectPage {
                frame: three,
                view: &samples::project(texts),
                is_first: false,
                json: "api/v1/x?before=7".to_owned(),
            }
            .render()
            .unwrap(),
        ),
        ("release", ReleasePage { frame: three, view: &samples::release(texts), after: None }.render().unwrap()),
        ("file", FilePage::new(two, &samples::file(texts), &groups, place()).render().unwrap()),
        (
            "entries",
            EntriesPage {
                frame: one,
                view: &samples::page(samples::rows(texts)),
                is_first: false,
                json: "api/v1/x?before=7".to_owned(),
            }
            .render()
            .unwrap(),
        ),
        (
            "disagreements",
            DisagreementsPage {
                frame: one,
                view: &samples::disagreements(texts),
                is_first: true,
                json: "api/v1/x?before=7".to_owned(),
            }
            .render()
            .unwrap(),
        ),
        ("search", SearchPage { frame: one, found: Some(&samples::search(texts)) }.render().unwrap()),
        ("searching", SearchPage { frame: one, found: None }.render().unwrap()),
        ("log", LogPage { frame: one, view: &log, now: NOW }.render().unwrap()),
        ("wrong", Wrong::NotFound { what: "Nothing.", near }.page(two)),
    ]
}

/// Values of an attribute, wherever it is.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Names of the tags, `/name` for an end.
fn tags(page: &str) -> Vec<&str> {
    let tags = page.split('<').skip(1);
    tags.map(|tag| tag.split([' ', '>', '\n']).next().unwrap()).filter(|tag| !tag.starts_with('!')).collect()
}

#[test]
fn where_no_thresholds_are_worked_out_the_page_says_so() {
    let (frame, mut view) = (samples::frame(2), samples::file(Texts::Plain));
    let place = || Place { is_first: true, json: String::new() };
    let page = |view: &_| FilePage::new(&frame, view, &samples::groups(Texts::Plain), place()).render().unwrap();
    assert!(!page(&view).contains("Not worked out here"));
    view.thresholds.clear();
    assert!(page(&view).contains("Not worked out here"));
}

#[test]
fn every_tag_that_is_opened_is_closed_in_order() {
    const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "hr"];
    for (name, page) in pages(Texts::Plain).into_iter().chain(pages(Texts::Hostile)) {
        let mut open = Vec::new();
        for tag in tags(&page) {
            // Of pictures: `<path d="..."/>`.
            if VOID.contains(&tag) || ["path", "rect", "line"].contains(&tag) {
                continue;
            }
            match tag.strip_prefix('/') {
                None => open.push(tag),
                Some(tag) => assert_eq!(open.pop(), Some(tag), "{name}: {open:?}"),
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[test]
fn nothing_that_a_stranger_wrote_becomes_markup_or_hides() {
    for (name, page) in pages(Texts::Hostile) {
        for bad in ["<script", "<img src=x", " style=", " onerror=\"", "</textarea", "javascript:"] {
            assert!(!page.contains(bad), "{name}: {bad}");
        }
        let hidden = page.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}'));
        assert_eq!(hidden, None, "{name}");
        assert!(page.len() < 200_000, "{name} has {} bytes", page.len());
    }
    let tags_of = |texts| pages(texts).iter().map(|(name, page)| (*name, tags(page).len())).collect::<Vec<_>>();
    // An unlisted signer has no link to a page: that is all that may differ.
    for ((name, plain), (_, hostile)) in tags_of(Texts::Plain).into_iter().zip(tags_of(Texts::Hostile)) {
        assert!(hostile <= plain, "{name}: {plain} tags, and {hostile} with hostile texts");
    }
}

#[test]
fn a_page_loads_nothing_from_elsewhere_and_every_link_is_relative() {
    for (name, page) in pages(Texts::Plain).into_iter().chain(pages(Texts::Hostile)) {
        for attribute in ["src", "action"] {
            for value in values(&page, attribute) {
                assert!(value.starts_with('.'), "{name}: {attribute}={value}");
            }
        }
        for href in values(&page, "href") {
            let is_known = href.starts_with("https://c2sp.org/") || href == "#main";
            assert!(is_known || href.starts_with("./") || href.starts_with("../"), "{name}: {href}");
            assert!(!href.contains("//") || is_known, "{name}: {href}");
            let is_file = href.rsplit('/').next().unwrap().contains('.')
                || href.contains("/api/v1/")
                || href.ends_with("checkpoint");
            assert!(is_known || is_file || href.ends_with('/'), "{name}: every page is a folder: {href}");
        }
    }
}

#[test]
fn a_page_can_be_read_without_seeing_it() {
    for (name, page) in pages(Texts::Plain) {
        assert_eq!(page.matches("<h1").count(), 1, "{name}");
        assert_eq!(page.matches("<main ").count(), 1, "{name}");
        assert!(page.contains("<html lang=\"en\">") && page.contains("class=\"skip\" href=\"#main\""), "{name}");
        assert_eq!(page.matches("<table").count(), page.matches("<caption").count(), "{name}: a table says what it is");
        assert!(!page.contains("<th>"), "{name}: a heading says what it heads");
        assert_eq!(page.matches("<input").count(), page.matches("<label").count(), "{name}");
        let ids = values(&page, "id");
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{name}: {ids:?}");
        for target in values(&page, "aria-labelledby").into_iter().chain(values(&page, "for")) {
            assert!(ids.contains(&target), "{name}: {target}");
        }
    }
}

#[test]
fn every_standing_has_a_word_and_not_only_a_colour() {
    let (_, page) = pages(Texts::Plain).swap_remove(6);
    for word in [
        "reproduced",
        "reproduced, no vote",
        "equivalent",
        "abstained",
        "contradicted",
        "foreign code",
        "withdrawal",
        "not counted",
    ] {
        assert!(page.contains(&format!("</svg>{word}")), "{word}");
    }
    assert!(page.contains("the build failed") && page.contains("the network was open"));
    assert!(page.contains("taken back"));
}

#[test]
fn the_sentence_about_a_file_says_the_worst_that_is_proven() {
    let groups = samples::groups(Texts::Plain);
    let place = Place { is_first: true, json: String::new() };
    let page = FilePage::new(&samples::frame(2), &samples::file(Texts::Plain), &groups, place).render().unwrap();
    assert!(page.contains("Reproduced by some, and something speaks against it"));
    assert!(page.contains("do not name the same source"));
    assert!(page.contains("nothing yet</span> <bdi>Silent</bdi>"));
    assert!(page.contains("attest rebuild six==1.16.0"));
}
