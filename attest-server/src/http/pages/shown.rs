//! How values are shown. Templates call these; what they return is escaped there.

#![expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references to references")]

use attest_core::{
    api::record::{EntryRow, NoVote, Standing},
    escape::Escaped,
    statement::{Method, Origin, Outcome},
    time::Timestamp,
};

/// Letters of a stranger's text that one line has.
const LINE: usize = 120;
/// Hexadecimal digits of a commit; a SHA-256 has more.
const SHORTEST_DIGEST: usize = 40;
/// As many digits tell one from another.
const SHOWN_DIGITS: usize = 12;

/// Text of strangers on one line: cut, and with nothing hidden in it.
pub(super) fn told(text: &str) -> String {
    cut(text, LINE)
}

/// As [`told`], for text that may be long.
pub(super) fn cut(text: &str, letters: usize) -> String {
    let mut shown = Escaped(text.get(..limit(text, letters)).unwrap_or_default()).to_string();
    if text.chars().nth(letters).is_some() {
        shown.push('…');
    }
    shown
}

/// Text of strangers that has lines.
pub(super) fn lines(text: &str, letters: usize) -> String {
    let shown: Vec<String> = text.split('\n').map(|line| cut(line, LINE)).collect();
    let shown = shown.join("\n");
    match shown.get(..limit(&shown, letters)) {
        Some(start) if start.len() < shown.len() => format!("{start}…"),
        _ => shown,
    }
}

/// A sentence with the beginnings of the digests in it.
pub(super) fn abbreviated(text: &str) -> String {
    let abbreviated = |word: &str| {
        let digits = word.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(word.len());
        if digits < SHORTEST_DIGEST {
            word.to_owned()
        } else {
            format!("{}…{}", &word[..SHOWN_DIGITS], &word[digits..])
        }
    };
    text.split(' ').map(abbreviated).collect::<Vec<_>>().join(" ")
}

fn limit(text: &str, letters: usize) -> usize {
    text.char_indices().nth(letters).map_or(text.len(), |(at, _)| at)
}

/// `2026-11-21T21:00:00Z`
pub(super) fn rfc3339(secs: &u64) -> String {
    Timestamp::from_secs(*secs).to_string()
}

/// `2026-11-21`
pub(super) fn day(secs: &u64) -> String {
    let text = rfc3339(secs);
    text.split('T').next().unwrap_or_default().to_owned()
}

/// `2026-11-21 21:00 UTC`
pub(super) fn minute(secs: &u64) -> String {
    let text = rfc3339(secs);
    match text.split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", time.get(..5).unwrap_or(time)),
        None => text,
    }
}

/// Between `then` and `now`, in its largest unit.
pub(super) fn age(now: &u64, then: &u64) -> String {
    let secs = now.saturating_sub(*then);
    let (number, unit) = match secs {
        0..60 => (secs, "second"),
        60..3_600 => (secs / 60, "minute"),
        3_600..86_400 => (secs / 3_600, "hour"),
        _ => (secs / 86_400, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}

/// `12,345`
pub(super) fn count(number: &u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 file`, `2 files`
pub(super) fn plural(number: &u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if *number == 1 { "" } else { "s" })
}

/// What was built.
pub(super) const fn origin(origin: &Origin) -> &'static str {
    match origin {
        Origin::Git => "git",
        Origin::Sdist => "sdist",
    }
}

/// Why it was not reproduced, in a few words.
pub(super) const fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Different => "came out different",
        Outcome::Nondeterministic => "two builds of one rebuilder differ",
        Outcome::BuildFailed => "the build failed",
        Outcome::SourceNotFound => "no source was found",
        Outcome::EnvironmentUnknown => "the environment is not known",
    }
}

/// Why a claim is no vote, in a few words.
pub(super) fn no_vote(row: &EntryRow) -> Option<String> {
    let why = lacking(row.no_vote?);
    // Where the badge says it already, it is not said twice.
    Some(if row.standing == Standing::NoVote { why.to_owned() } else { format!("no vote: {why}") })
}

/// What a claim lacks, in a few words.
pub(super) const fn lacking(why: NoVote) -> &'static str {
    match why {
        NoVote::Network => "the network was open",
        NoVote::Repeat => "it was not built twice",
        NoVote::CustomRecipe => "the recipe has commands of its own",
        NoVote::HiddenRecipe => "the recipe is nowhere to be had",
        NoVote::RecipeNotInline => "the recipe's text is not in it",
        NoVote::RecipeNotKnobs => "the recipe is more than knobs",
        NoVote::RecipeImage => "it was built in an image",
        NoVote::RecipeEnvironment => "the build was not as the recipe says",
        NoVote::Sources => "it does not name one source",
    }
}

/// How the bytes came about, in a few words.
pub(super) const fn method(method: &Method) -> &'static str {
    match method {
        Method::Exact => "as the build emitted it",
        Method::Replayed => "with the zip's times, modes and order set afterwards",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_strangers_is_cut_at_a_letter_and_hides_nothing() {
        assert_eq!(told("plain"), "plain");
        assert_eq!(told("a\u{202e}b\u{0}c\nd"), "a\\u{202e}b\\u{0}c\\u{a}d");
        let long = told(&"ä".repeat(10_000));
        assert_eq!(long.chars().count(), LINE + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn digests_in_a_sentence_are_shortened_and_nothing_else_is() {
        let (commit, sha256) = ("ab".repeat(20), "cd".repeat(32));
        let sentence = format!("found 2 (a, b) from commit {commit}, 1 from sdist {sha256}: deadbeef {commit}é");
        let shown = "found 2 (a, b) from commit abababababab…, 1 from sdist cdcdcdcdcdcd…: deadbeef abababababab…é";
        assert_eq!(abbreviated(&sentence), shown);
    }

    #[test]
    fn numbers_and_times_read_well() {
        for (number, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(&number), shown);
        }
        assert_eq!((plural(&1, "file"), plural(&0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
        assert_eq!(minute(&1_795_000_000), "2026-11-18 11:06 UTC");
        assert_eq!(day(&1_795_000_000), "2026-11-18");
        // Later than any calendar: still something.
        assert_eq!(minute(&u64::MAX), "@18446744073709551615");
        for (secs, shown) in
            [(1, "1 second ago"), (119, "1 minute ago"), (7_200, "2 hours ago"), (172_800, "2 days ago")]
        {
            assert_eq!(age(&1_000_000, &(1_000_000 - secs)), shown);
        }
        assert_eq!(age(&5, &10), "0 seconds ago");
    }
}
