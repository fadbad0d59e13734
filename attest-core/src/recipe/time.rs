//! `[time]`: what the build believes about time.

use serde::{Deserialize, Serialize};

use super::RecipeError;
use crate::artifact::excerpt;
use crate::statement::Clock;

/// A build that takes an hour shows 1,800 zip times, but they come in runs. More runs than this are a copy of the
/// published wheel's times and no clock.
const MAX_TICKS: usize = 256;

/// Longer than any POSIX rule with two names and two dates.
const MAX_ZONE: usize = 64;

/// What the build believes about time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Time {
    /// Which of the following holds.
    pub clock: Clock,
    /// With [`Clock::SourceDateEpoch`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_date_epoch: Option<i64>,
    /// With [`Clock::Replayed`]: Python's `time.gmtime` and `time.localtime` show this for every time since the build began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<i64>,
    /// What the replayed clock shows first; after all of these it shows `stamp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<Tick>,
    /// `TZ`: `UTC`, or a POSIX rule, which needs no database of zones.
    pub zone: String,
}

/// How many conversions of a time since the build began show as what second. Text: `[4, 1769948792]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, i64)", into = "(u32, i64)")]
pub struct Tick {
    count: u32,
    second: i64,
}

impl Tick {
    /// `count` conversions show `second`, in seconds since 1970.
    pub fn new(count: u32, second: i64) -> Self {
        Self { count, second }
    }

    /// Runs of equal seconds, and the `stamp` that holds from the last of them on; nothing where there are none, or more
    /// than a recipe may have.
    pub fn runs(seconds: &[i64]) -> Option<(Vec<Self>, i64)> {
        let mut ticks: Vec<Self> = Vec::new();
        for second in seconds {
            match ticks.last_mut() {
                Some(last) if last.second == *second => last.count = last.count.saturating_add(1),
                _ => ticks.push(Self::new(1, *second)),
            }
        }
        let stamp = ticks.pop()?.second;
        (ticks.len() <= MAX_TICKS).then_some((ticks, stamp))
    }
}

impl From<(u32, i64)> for Tick {
    fn from((count, second): (u32, i64)) -> Self {
        Self::new(count, second)
    }
}

impl From<Tick> for (u32, i64) {
    fn from(tick: Tick) -> Self {
        (tick.count, tick.second)
    }
}

impl Time {
    /// Every clock has its own time, and no other one's.
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        let expected = match self.clock {
            Clock::Real => (false, false),
            Clock::SourceDateEpoch => (true, false),
            Clock::Replayed => (false, true),
        };
        let ticks_fit = self.ticks.is_empty() || self.clock == Clock::Replayed;
        if (self.source_date_epoch.is_some(), self.stamp.is_some()) != expected || !ticks_fit {
            return Err(RecipeError::Time);
        }
        if !is_zone(&self.zone) {
            return Err(RecipeError::Zone { found: excerpt(&self.zone) });
        }
        if self.ticks.len() > MAX_TICKS || self.ticks.iter().any(|tick| tick.count == 0) {
            return Err(RecipeError::Ticks { limit: MAX_TICKS, found: self.ticks.len() });
        }
        Ok(())
    }
}

/// A POSIX rule such as `<+0530>-5:30` or `EST5EDT,M3.2.0,M11.1.0/2`, or a plain name. What begins with a colon, a slash or a
/// dot is a file of zones, which the source could have.
fn is_zone(zone: &str) -> bool {
    zone.len() <= MAX_ZONE
        && zone.starts_with(|first: char| first.is_ascii_alphabetic() || first == '<')
        && !zone.contains("..")
        && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"<>+-:,./_".contains(&b))
}
