use super::{
    super::samples::{HOSTILE, release},
    *,
};

use Standing::{Abstained, Contradicted, Equivalent, ForeignCode, Other, Reproduced};

fn words(files: &[&[Standing]]) -> String {
    Verdict::of(Some(&release(files))).words()
}

#[test]
fn a_badge_says_no_more_than_what_holds_for_every_file() {
    for (files, expected) in [
        (&[&[Reproduced, Reproduced, Reproduced][..]][..], "reproduced by 3 groups"),
        (&[&[Reproduced, Reproduced, Reproduced], &[Reproduced]], "reproduced by 1 group"),
        (&[&[Reproduced, Abstained]], "reproduced by 1 group"),
        (&[&[Reproduced], &[Abstained]], "1 of 2 files reproduced"),
        (&[&[Equivalent], &[Equivalent, Abstained]], "equivalent"),
        (&[&[Equivalent], &[Abstained]], "not reproduced"),
        (&[&[Abstained]], "not reproduced"),
        // What nobody on the list signed, and nothing at all.
        (&[&[Other]], "not rebuilt"),
        (&[&[]], "not rebuilt"),
        (&[], "not rebuilt"),
    ] {
        assert_eq!(words(files), expected, "{files:?}");
    }
    assert_eq!(Verdict::of(None), Verdict::NotRebuilt);
}

#[test]
fn one_accusation_outweighs_any_number_of_reproductions() {
    for accusation in [Contradicted, ForeignCode] {
        assert_eq!(words(&[&[Reproduced; 9], &[Reproduced, accusation]]), "contradicted");
    }
}

#[test]
fn groups_that_mean_different_sources_are_not_added_up() {
    let mut release = release(&[&[Reproduced, Reproduced]]);
    release.files[0].agreement.agree = false;
    assert_eq!(Verdict::of(Some(&release)).words(), "reproduced, sources differ");
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
