use super::{
    super::samples::{hostile_row, row},
    *,
};

/// After everything that is stated in these tests, but for what is of the year 9999.
const NOW: u64 = 1_900_000_000;

fn channel<'a>(page: &'a str, public: Option<&'a PublicUrl>) -> Channel<'a> {
    Channel { origin: "log.example.org/attest", public, page, title: "six in log.example.org/attest", now: NOW }
}

/// The text of every element of a name, from top to bottom.
fn texts<'a>(feed: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    feed.split(open.as_str()).skip(1).filter_map(|rest| rest.split(close.as_str()).next()).collect()
}

#[test]
fn ids_are_tags_of_the_log_and_not_of_the_place_that_serves_it() {
    for (origin, id) in [
        ("log.example.org/attest", "tag:log.example.org,2026:attest/entry/5"),
        ("log.example.org", "tag:log.example.org,2026:entry/5"),
        ("Log Of Ours", "tag:log.invalid,2026:Log%20Of%20Ours/entry/5"),
        ("-bad.example/x y", "tag:log.invalid,2026:-bad.example/x%20y/entry/5"),
        ("lög.example/a", "tag:log.invalid,2026:l%C3%B6g.example/a/entry/5"),
    ] {
        assert_eq!(tag(origin, "entry/5"), id);
    }
    let public = "https://mirror.example/attest".parse().unwrap();
    let rows = [row(5, Standing::Reproduced)];
    let here = channel("project/six/", None).entries(&rows).unwrap();
    let there = channel("project/six/", Some(&public)).entries(&rows).unwrap();
    assert_eq!(texts(&here, "id"), texts(&there, "id"));
}

#[test]
fn links_are_absolute_where_the_place_is_known_and_relative_to_the_feed_otherwise() {
    let public = "https://log.example.org/".parse().unwrap();
    let rows = [row(5, Standing::Reproduced)];
    for (page, public, own, alternate, entry) in [
        ("", None, "feed.atom", "./", "entry/5/"),
        ("disagreements/", None, "../disagreements/feed.atom", "../disagreements/", "../entry/5/"),
        ("project/six/", None, "../../project/six/feed.atom", "../../project/six/", "../../entry/5/"),
        (
            "",
            Some(&public),
            "https://log.example.org/feed.atom",
            "https://log.example.org/",
            "https://log.example.org/entry/5/",
        ),
        (
            "project/six/",
            Some(&public),
            "https://log.example.org/project/six/feed.atom",
            "https://log.example.org/project/six/",
            "https://log.example.org/entry/5/",
        ),
    ] {
        let feed = channel(page, public).entries(&rows).unwrap();
        let links: Vec<_> = feed.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(links, [own, alternate, entry]);
    }
}

#[test]
fn an_entry_without_a_time_has_that_of_the_newest_one_below_it() {
    let mut rows = [9, 8, 7, 6].map(|index| row(index, Standing::Reproduced));
    rows[1].stated_time = None;
    // Later than any calendar has.
    rows[0].stated_time = Some(u64::MAX);
    rows[3].stated_time = None;
    let feed = channel("", None).entries(&rows).unwrap();
    let stated = "2026-11-18T11:06:47Z";
    assert_eq!(texts(&feed, "updated"), [stated, stated, stated, stated, "1970-01-01T00:00:00Z"]);
    let empty = channel("", None).entries(&[]).unwrap();
    assert_eq!(texts(&empty, "updated"), ["1970-01-01T00:00:00Z"]);
}

#[test]
fn a_stated_time_that_has_not_come_is_nobodys_newest() {
    let mut rows = [8, 7].map(|index| row(index, Standing::Reproduced));
    // 9999-01-01
    rows[0].stated_time = Some(253_370_764_800);
    let feed = channel("", None).entries(&rows).unwrap();
    assert_eq!(texts(&feed, "updated"), ["2026-11-18T11:06:47Z"; 3]);
}

#[test]
fn two_disagreements_of_one_entry_have_two_ids() {
    let with = |kind, other: Option<u64>| Disagreement {
        kind,
        entry: row(5, Standing::ForeignCode),
        other: other.map(|index| row(index, Standing::Reproduced)),
    };
    let found = [
        with(DisagreementKind::ForeignCode, None),
        with(DisagreementKind::SameInputs, Some(3)),
        with(DisagreementKind::Withdrawn, Some(3)),
        with(DisagreementKind::Withdrawn, Some(2)),
    ];
    let feed = channel("disagreements/", None).disagreements(&found).unwrap();
    let ids: std::collections::BTreeSet<_> = texts(&feed, "id").into_iter().collect();
    assert_eq!(ids.len(), 1 + found.len());
}

#[test]
fn what_strangers_wrote_cannot_break_out_of_a_feed_and_is_cut() {
    let rows = [hostile_row(3)];
    let disagreement =
        Disagreement { kind: DisagreementKind::SameInputs, entry: hostile_row(3), other: Some(hostile_row(2)) };
    for feed in [channel("", None).entries(&rows).unwrap(), channel("", None).disagreements(&[disagreement]).unwrap()] {
        assert!(!feed.contains("<script") && !feed.contains("]]>") && !feed.contains("<!--"));
        // XML 1.0 section 2.2: none of these may be in a document at all.
        assert!(!feed.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{fffe}' || c == '\u{202e}'));
        assert_eq!(feed.matches("<entry>").count(), 1);
        assert!(texts(&feed, "title").iter().all(|title| title.len() < 6 * MAX_TITLE));
        assert!(feed.len() < 20 * MAX_TITLE * 6, "{}", feed.len());
    }
}
