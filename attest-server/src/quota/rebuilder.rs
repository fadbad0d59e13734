//! What one rebuilder may add to the log.
//!
//! Charged when a new entry is submitted, given back when it turns out to be logged already or is not stored: a duplicate
//! costs nothing. Kept in memory; a restart begins with full buckets.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;

use super::{Moment, Rate};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Entries in a time. What is not given is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Quota {
    /// Entries per minute, on average.
    pub per_minute: Option<NonZeroU32>,
    /// Entries at once, above which `per_minute` holds. As many as in a minute where not given.
    pub burst: Option<NonZeroU32>,
    /// Entries per day, on average; at once as many.
    pub per_day: Option<NonZeroU32>,
}

/// Which part of a quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// `per-minute` and `burst`.
    Minute,
    /// `per-day`.
    Day,
}

/// Too much in too short a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Of which part.
    pub period: Period,
    /// How long until one more entry fits.
    pub wait: Duration,
}

/// What a rebuilder used of its quota.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Buckets>);

#[derive(Clone, Copy, Debug, Default)]
struct Buckets {
    minute: Moment,
    day: Moment,
}

impl Quota {
    fn minute(&self) -> Option<Rate> {
        self.per_minute.map(|count| Rate::new(count, MINUTE, self.burst.unwrap_or(count)))
    }

    fn day(&self) -> Option<Rate> {
        self.per_day.map(|count| Rate::new(count, DAY, count))
    }
}

impl Meter {
    /// Charges one entry.
    ///
    /// # Errors
    /// The quota is used up; then nothing is charged.
    pub fn charge(&self, quota: &Quota, now: Moment) -> Result<(), Exhausted> {
        let (minute, day) = (quota.minute(), quota.day());
        if minute.is_none() && day.is_none() {
            return Ok(());
        }
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after = *buckets;
        if let Some(rate) = minute {
            let exhausted = |wait| Exhausted { period: Period::Minute, wait };
            after.minute = rate.take(buckets.minute, now, 1).map_err(exhausted)?;
        }
        if let Some(rate) = day {
            let exhausted = |wait| Exhausted { period: Period::Day, wait };
            after.day = rate.take(buckets.day, now, 1).map_err(exhausted)?;
        }
        *buckets = after;
        Ok(())
    }

    /// Takes the charge for one entry back.
    pub fn give_back(&self, quota: &Quota) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rate) = quota.minute() {
            buckets.minute = rate.give_back(buckets.minute, 1);
        }
        if let Some(rate) = quota.day() {
            buckets.day = rate.give_back(buckets.day, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::count, *};

    #[test]
    fn the_day_is_not_charged_for_what_the_minute_refuses() {
        let quota = Quota { per_minute: Some(count(1)), burst: None, per_day: Some(count(2)) };
        let (meter, now) = (Meter::default(), Moment::default());
        meter.charge(&quota, now).unwrap();
        for _ in 0..10 {
            assert_eq!(meter.charge(&quota, now).unwrap_err().period, Period::Minute);
        }
        let later = now.after(MINUTE);
        meter.charge(&quota, later).unwrap();
        let error = meter.charge(&quota, later.after(MINUTE)).unwrap_err();
        assert_eq!(error.period, Period::Day);
        assert!(error.wait > Duration::from_secs(11 * 60 * 60), "{error:?}");
    }

    #[test]
    fn what_was_no_new_entry_costs_nothing() {
        let quota = Quota { per_minute: Some(count(1)), burst: None, per_day: Some(count(1)) };
        let (meter, now) = (Meter::default(), Moment::default());
        for _ in 0..10 {
            meter.charge(&quota, now).unwrap();
            meter.give_back(&quota);
        }
        meter.charge(&quota, now).unwrap();
        meter.charge(&quota, now).unwrap_err();
    }

    #[test]
    fn without_a_quota_there_is_no_limit() {
        let meter = Meter::default();
        for _ in 0..10_000 {
            meter.charge(&Quota::default(), Moment::default()).unwrap();
        }
    }
}
