//! Statements over time: a bar for each day, of a part for each standing.

use attest_core::api::record::{Counts, Day};

/// Of a bar and the gap behind it.
const STEP: u64 = 8;
/// Of the highest bar.
const HEIGHT: u64 = 120;

/// Drawn in a box of `width` by [`HEIGHT`] units, which the page stretches.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) parts: Vec<Part>,
    pub(super) width: u64,
    pub(super) height: u64,
    /// Statements of the day with most.
    pub(super) most: u64,
    /// Of all days.
    pub(super) counts: Counts,
    /// Beginning of the first and of the last day.
    pub(super) ends: Option<(u64, u64)>,
}

/// A part of a bar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) height: u64,
}

impl Chart {
    pub(super) fn of(days: &[Day]) -> Self {
        let most = days.iter().map(|day| sum(&day.counts)).max().unwrap_or(0);
        let mut parts = Vec::new();
        for (x, day) in (0..).map(|day| day * STEP).zip(days) {
            let mut below = 0;
            for (class, count) in kinds(&day.counts) {
                if count == 0 {
                    continue;
                }
                // From the sums, so that rounding does not add up.
                let (from, to) = (scaled(below, most), scaled(below + count, most));
                below += count;
                // What there is can be seen.
                let height = (to - from).max(1);
                parts.push(Part { class, x, y: HEIGHT.saturating_sub(from + height), height });
            }
        }
        let ends = days.first().zip(days.last()).map(|(first, last)| (first.start, last.start));
        Self {
            parts,
            width: STEP * days.len() as u64,
            height: HEIGHT,
            most,
            counts: days.iter().fold(Counts::default(), together),
            ends,
        }
    }

    /// Statements of all days.
    pub(super) fn total(&self) -> u64 {
        sum(&self.counts)
    }
}

/// What is shown of a day, from below.
fn kinds(counts: &Counts) -> [(&'static str, u64); 6] {
    [
        ("reproduced", counts.reproduced),
        ("no-vote", counts.no_votes),
        ("equivalent", counts.equivalent),
        ("abstained", counts.abstained),
        ("contradicted", counts.contradicted),
        ("other", counts.withdrawn.saturating_add(counts.withdrawals).saturating_add(counts.others)),
    ]
}

fn sum(counts: &Counts) -> u64 {
    kinds(counts).iter().map(|(_, count)| count).sum()
}

fn together(sum: Counts, day: &Day) -> Counts {
    Counts {
        reproduced: sum.reproduced + day.counts.reproduced,
        no_votes: sum.no_votes + day.counts.no_votes,
        equivalent: sum.equivalent + day.counts.equivalent,
        abstained: sum.abstained + day.counts.abstained,
        contradicted: sum.contradicted + day.counts.contradicted,
        withdrawn: sum.withdrawn + day.counts.withdrawn,
        withdrawals: sum.withdrawals + day.counts.withdrawals,
        others: sum.others + day.counts.others,
    }
}

fn scaled(count: u64, most: u64) -> u64 {
    let scaled = u128::from(count) * u128::from(HEIGHT) / u128::from(most.max(1));
    u64::try_from(scaled).unwrap_or(HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_the_ground_and_none_is_higher_than_the_picture() {
        let day = |start, reproduced, contradicted| Day {
            start,
            counts: Counts { reproduced, contradicted, ..Counts::default() },
        };
        let chart = Chart::of(&[day(0, 300, 0), day(86_400, 0, 0), day(172_800, 299, 1)]);
        assert_eq!((chart.most, chart.total(), chart.width), (300, 600, 24));
        assert_eq!(chart.ends, Some((0, 172_800)));
        assert_eq!(chart.parts[0], Part { class: "reproduced", x: 0, y: 0, height: HEIGHT });
        // One of 300 is less than a unit, and is drawn.
        assert_eq!(chart.parts[2].class, "contradicted");
        assert!(chart.parts[2].height >= 1 && chart.parts[2].x == 16);
        for part in &chart.parts {
            assert!(part.y + part.height <= HEIGHT, "{part:?}");
        }
    }

    #[test]
    fn no_days_and_empty_days_have_no_bars() {
        assert!(Chart::of(&[]).parts.is_empty());
        assert!(Chart::of(&[Day { start: 0, counts: Counts::default() }]).parts.is_empty());
    }
}
