//! How much one rebuilder or one address may ask for.
//!
//! A rate is a *token bucket*: it holds `burst` tokens, refills evenly, and each request takes some. It is kept as one
//! number, the time at which the bucket would be full again (the "theoretical arrival time" of GCRA, ITU-T I.371), so that
//! a table of many thousand buckets stays small, and a bucket that nobody uses says so by itself.

pub mod addresses;
pub mod client;
pub mod rebuilder;

use std::{
    num::NonZeroU32,
    sync::LazyLock,
    time::{Duration, Instant},
};

/// A number of tokens in a time, and how many may be taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds until one token is back.
    interval: u64,
    /// Nanoseconds until a bucket that was emptied is full.
    depth: u64,
}

impl Rate {
    /// `count` tokens in each `period`, of which up to `burst` may be taken at once.
    pub fn new(count: NonZeroU32, period: Duration, burst: NonZeroU32) -> Self {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let interval = period / u64::from(count.get());
        Self { interval, depth: interval.saturating_mul(burst.get().into()) }
    }

    /// Takes `cost` tokens from a bucket that is full at `full`: when it is full then, or how long to wait for the tokens.
    fn take(&self, full: Moment, now: Moment, cost: u32) -> Result<Moment, Duration> {
        // What costs more than the bucket holds costs all of it: it must be possible at some time.
        let price = self.interval.saturating_mul(cost.into()).min(self.depth);
        let after = full.0.max(now.0).saturating_add(price);
        match after.checked_sub(now.0.saturating_add(self.depth)) {
            None | Some(0) => Ok(Moment(after)),
            Some(missing) => Err(Duration::from_nanos(missing)),
        }
    }

    /// Gives `cost` tokens back.
    fn give_back(&self, full: Moment, cost: u32) -> Moment {
        Moment(full.0.saturating_sub(self.interval.saturating_mul(cost.into()).min(self.depth)))
    }
}

/// Nanoseconds since the first use of this clock. Never goes back, whatever happens to the time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Of an instant that was taken anyway.
    pub fn of(now: Instant) -> Self {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        Self(u64::try_from(now.saturating_duration_since(*START).as_nanos()).unwrap_or(u64::MAX))
    }

    /// Time since an earlier one.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    #[cfg(test)]
    pub(crate) fn after(self, later: Duration) -> Self {
        Self(self.0 + u64::try_from(later.as_nanos()).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const fn count(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn a_burst_is_had_at_once_and_the_rest_at_the_rate() {
        let rate = Rate::new(count(10), Duration::from_secs(1), count(3));
        let (mut full, now) = (Moment::default(), Moment::default());
        for _ in 0..3 {
            full = rate.take(full, now, 1).unwrap();
        }
        assert_eq!(rate.take(full, now, 1), Err(Duration::from_millis(100)));
        let later = now.after(Duration::from_millis(100));
        full = rate.take(full, later, 1).unwrap();
        assert!(rate.take(full, later, 1).is_err());
        // However long nobody comes, no more than a burst is saved up.
        let much_later = now.after(Duration::from_secs(3600));
        for _ in 0..3 {
            full = rate.take(full, much_later, 1).unwrap();
        }
        assert!(rate.take(full, much_later, 1).is_err());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let rate = Rate::new(count(1), Duration::from_secs(60), count(1));
        let now = Moment::default();
        let full = rate.take(now, now, 1).unwrap();
        assert!(rate.take(full, now, 1).is_err());
        assert_eq!(rate.give_back(full, 1), now);
    }

    #[test]
    fn what_costs_more_than_a_bucket_holds_takes_a_full_bucket() {
        let rate = Rate::new(count(1), Duration::from_secs(1), count(4));
        let now = Moment::default();
        let full = rate.take(now, now, 100).unwrap();
        assert_eq!(rate.take(full, now, 1), Err(Duration::from_secs(1)));
        assert!(rate.take(full, now.after(Duration::from_secs(4)), 100).is_ok());
    }
}
