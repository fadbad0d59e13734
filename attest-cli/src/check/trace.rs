//! Traces of a build in what it made. Both builds' paths, names and times are ours to choose, and so to look for.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::{Timestamp, tz::TimeZone};

use super::bench::Built;
use super::cause::Cause;
use super::scratch::{Place, Scratch};
use super::variation::{Plan, Side, Variation};

/// A time that is this many seconds from a build is still its time: a tool may have started before, and may round.
const SLACK: u64 = 3;
/// Digits of a Unix time, from 2001 to 2286.
const DIGITS: usize = 10;
/// Seconds of a build after which any time of day may be in it.
const MAX_MINUTES: u64 = 600;

/// What was found in differing bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// What put it there.
    pub(crate) cause: Cause,
    /// What was found, in words.
    pub(crate) found: String,
}

/// What to look for.
#[derive(Debug)]
pub(crate) struct Traces {
    marks: Vec<Mark>,
    times: [(u64, u64); 2],
}

#[derive(Debug)]
struct Mark {
    cause: Cause,
    what: &'static str,
    texts: [String; 2],
}

impl Traces {
    /// Of two builds, one at either side.
    pub(crate) fn of(scratch: &Scratch, plan: &Plan, sides: [&Side; 2], built: [&Built; 2]) -> Self {
        let places = sides.map(|side| scratch.place(side));
        let path = |of: fn(&Place) -> &Path| [0, 1].map(|at: usize| of(&places[at]).display().to_string());
        let mut marks = vec![
            Mark { cause: Cause::Temporary, what: "a temporary folder of the build", texts: path(|place| &place.tmp) },
            Mark { cause: Cause::Path, what: "the folder that was built in", texts: path(|place| &place.tree) },
            Mark {
                cause: Cause::Environment,
                what: "the folder of the build environment",
                texts: path(|place| &place.environments),
            },
        ];
        for (variation, cause, what) in [
            (Variation::Host, Cause::Host, "the name of the machine"),
            (Variation::User, Cause::User, "the name of the user"),
            (Variation::Home, Cause::Home, "the home directory"),
        ] {
            let texts = sides.map(|side| plan.value(variation, side).unwrap_or_default().to_owned());
            // Equal texts explain no difference.
            if texts[0] != texts[1] {
                marks.push(Mark { cause, what, texts });
            }
        }
        Self { marks, times: built.map(|one| (one.began.saturating_sub(SLACK), one.ended + SLACK)) }
    }

    /// What one of two differing contents gives away that explains the difference. A path comes before a time: a binary
    /// is full of numbers.
    pub(crate) fn find(&self, first: &[u8], second: &[u8]) -> Option<Trace> {
        let sides = [first, second];
        for mark in &self.marks {
            for at in [0, 1] {
                let text = &mark.texts[at];
                let holds = |content| contains(content, text.as_bytes());
                // What both hold is no difference: `/root` is in many files.
                if !text.is_empty() && holds(sides[at]) && !holds(sides[1 - at]) {
                    return Some(Trace { cause: mark.cause, found: format!("{}, {text}", mark.what) });
                }
            }
        }
        for at in [0, 1] {
            if let Some(found) = time_in(sides[at], self.times[at]) {
                // The same time in both is no difference.
                if !contains(sides[1 - at], found.as_bytes()) {
                    return Some(Trace { cause: Cause::Time, found: format!("the time of the build, {found}") });
                }
            }
        }
        None
    }
}

fn contains(content: &[u8], text: &[u8]) -> bool {
    content.windows(text.len()).any(|window| window == text)
}

/// A Unix time in digits or a time of day, within the bounds.
fn time_in(content: &[u8], (from, to): (u64, u64)) -> Option<String> {
    let digits = content.windows(DIGITS).enumerate().filter(|(_, window)| window.iter().all(u8::is_ascii_digit));
    for (at, window) in digits {
        let is_digit = |at: Option<usize>| at.and_then(|at| content.get(at)).is_some_and(u8::is_ascii_digit);
        let text = std::str::from_utf8(window).ok()?;
        let alone = !is_digit(at.checked_sub(1)) && !is_digit(Some(at + DIGITS));
        if alone && text.parse().is_ok_and(|time: u64| (from..=to).contains(&time)) {
            return Some(text.to_owned());
        }
    }
    // Long builds would make this match anything.
    if to - from > MAX_MINUTES {
        return None;
    }
    let times: BTreeSet<String> = (from..=to).filter_map(minutes_and_seconds).collect();
    let looks_like = |window: &[u8]| {
        let digits = [1, 2, 4, 5].iter().all(|at| window[*at].is_ascii_digit());
        window[0] == b':' && window[3] == b':' && digits
    };
    let found = content.windows(6).filter(|window| looks_like(window)).map(String::from_utf8_lossy);
    found.map(std::borrow::Cow::into_owned).find(|text| times.contains(text))
}

/// `:05:09`: the same in nearly every zone.
fn minutes_and_seconds(time: u64) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(time).ok()?).ok()?.to_zoned(TimeZone::UTC);
    Some(time.strftime(":%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14 22:13:20 UTC
    const TIME: u64 = 1_700_000_000;

    #[test]
    fn a_time_within_the_build_is_found_and_one_beside_it_or_inside_a_longer_number_is_not() {
        let bounds = (TIME, TIME + 5);
        for (text, found) in [
            ("BUILD = 1700000003", Some("1700000003")),
            ("built at 22:13:21", Some(":13:21")),
            ("17000000031", None),
            ("1700000006", None),
            ("22:14:20", None),
        ] {
            assert_eq!(time_in(text.as_bytes(), bounds).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn a_long_build_has_no_time_of_day() {
        assert_eq!(time_in(b"22:13:21", (TIME, TIME + MAX_MINUTES + 1)), None);
    }

    #[test]
    fn the_build_path_is_found_before_a_number_that_looks_like_a_time() {
        let mark = |cause, texts: [&str; 2]| Mark { cause, what: "it", texts: texts.map(str::to_owned) };
        let marks = vec![mark(Cause::Path, ["/x/1/demo", "/x/second/tree"])];
        let traces = Traces { marks, times: [(TIME, TIME), (TIME + 9, TIME + 9)] };
        let cause = |first: &str, second: &str| traces.find(first.as_bytes(), second.as_bytes()).map(|one| one.cause);
        assert_eq!(cause("\0/x/1/demo/a.c 1700000000", "\0/x/second/tree/a.c"), Some(Cause::Path));
        assert_eq!(cause("1700000000", "1700000009"), Some(Cause::Time));
        assert_eq!(cause("1700000000", "1700000000, too"), None);
        assert_eq!(cause("a", "b"), None);
        assert_eq!(cause("/x/1/demo a", "/x/1/demo b"), None);
    }
}
