use super::{super::samples::HOSTILE, *};

/// A release of two files.
fn release(change: impl FnOnce(&mut ReleaseRow)) -> ReleaseRow {
    let counts = Counts { reproduced: 4, ..Counts::default() };
    let (version, agree, accused) = ("1.16.0".to_owned(), true, false);
    let mut row = ReleaseRow { version, files: 2, reproduced: 2, equivalent: 0, groups: 3, agree, accused, counts };
    change(&mut row);
    row
}

fn words(change: impl FnOnce(&mut ReleaseRow)) -> String {
    Verdict::of(Some(&release(change))).words()
}

#[test]
fn a_badge_says_no_more_than_what_holds_for_every_file() {
    assert_eq!(words(|_| {}), "reproduced by 3 groups");
    assert_eq!(words(|row| row.groups = 1), "reproduced by 1 group");
    assert_eq!(words(|row| (row.reproduced, row.groups) = (1, 0)), "1 of 2 files reproduced");
    let none = |row: &mut ReleaseRow| (row.reproduced, row.groups) = (0, 0);
    assert_eq!(words(none), "not reproduced");
    assert_eq!(words(|row| (row.reproduced, row.groups, row.equivalent) = (0, 0, 2)), "equivalent");
    assert_eq!(words(|row| (row.reproduced, row.groups, row.equivalent) = (0, 0, 1)), "not reproduced");
    // What is no vote is not reproduced, however many say it.
    let no_votes = Counts { no_votes: 9, ..Counts::default() };
    assert_eq!(words(|row| (row.reproduced, row.groups, row.counts) = (0, 0, no_votes)), "not reproduced");
    // What nobody on the list signed, and nothing at all.
    let others = Counts { others: 3, ..Counts::default() };
    assert_eq!(words(|row| (row.reproduced, row.groups, row.counts) = (0, 0, others)), "not rebuilt");
    assert_eq!(Verdict::of(None), Verdict::NotRebuilt);
}

#[test]
fn one_accusation_outweighs_any_number_of_reproductions() {
    assert_eq!(words(|row| (row.groups, row.accused) = (9, true)), "contradicted");
}

#[test]
fn groups_that_mean_different_sources_are_not_added_up() {
    assert_eq!(words(|row| row.agree = false), "reproduced, sources differ");
}

#[test]
fn a_badge_is_as_wide_as_its_words_by_the_table() {
    assert_eq!(width(""), 0);
    // (613 + 392 + 392 + 615 + 521 + 392) * 11 / 1000
    assert_eq!(width("attest"), 33);
    assert!(width("reproduced by 3 groups") > width("not rebuilt"));
    assert_eq!(width("\u{202e}"), 11);
    let drawn = of_project("six", Some("1.16.0"), &Verdict::Reproduced { groups: 3 }).unwrap();
    assert!(drawn.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\""));
    assert!(drawn.contains("<title id=\"title\">attest: six 1.16.0: reproduced by 3 groups</title>"), "{drawn}");
    assert!(drawn.contains(">1.16.0 reproduced by 3 groups</text>"));
    assert!(!drawn.contains("style=") && !drawn.contains("@font-face") && !drawn.contains("href"));
}

#[test]
fn names_and_versions_cannot_break_out_of_a_badge() {
    let drawn = of_project(HOSTILE, Some(HOSTILE), &Verdict::NotRebuilt).unwrap();
    assert!(!drawn.contains("<script") && drawn.matches("</title>").count() == 1, "{drawn}");
    assert!(!drawn.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{fffe}'));
    // A version that is too long for the image is in its title alone.
    assert!(!drawn.contains("alert(1)&#60;/script&#62;\\u{202e} not rebuilt"));
}
