//! Points in time, as POSIX seconds. The clock itself is always the caller's.
//!
//! ```
//! use attest_core::time::Timestamp;
//!
//! let cosigned: Timestamp = "2023-03-20T12:25:47Z".parse()?;
//! assert_eq!(cosigned, Timestamp::from_secs(1_679_315_147));
//! assert_eq!(cosigned.to_string(), "2023-03-20T12:25:47Z");
//! # Ok::<(), attest_core::time::TimestampError>(())
//! ```

use std::fmt;

/// `2026-11-21T21:00:00Z`
const RFC3339_LEN: usize = 20;

/// Seconds since 1970-01-01T00:00:00Z. Display and FromStr are RFC 3339 in UTC (`2026-11-21T21:00:00Z`).
///
/// FromStr takes that one spelling only: no fractions, no offset other than `Z`, no leap second. Later times than the
/// year 9999 exist in cosignatures (up to 2^63 - 1 seconds) but not in RFC 3339; they print as `@` and the seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time `s` seconds after the epoch.
    pub const fn from_secs(s: u64) -> Self {
        Self(s)
    }

    /// Seconds since the epoch.
    pub const fn secs(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
        match time {
            Some(time) => time.fmt(f),
            None => write!(f, "@{}", self.0),
        }
    }
}

impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(s: &str) -> Result<Self, TimestampError> {
        let refused = || TimestampError { found: s.chars().take(2 * RFC3339_LEN).collect() };
        if s.len() != RFC3339_LEN {
            return Err(refused());
        }
        let time: jiff::Timestamp = s.parse().map_err(|_| refused())?;
        let time = u64::try_from(time.as_second()).map(Self).map_err(|_| refused())?;
        // jiff reads more than it writes: lower case, a space for the T, second 60.
        if time.to_string() == s { Ok(time) } else { Err(refused()) }
    }
}

/// Not a time in the one spelling that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time in UTC such as 2026-11-21T21:00:00Z, found {found:?}")]
pub struct TimestampError {
    found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_spelling() {
        for s in [
            "",
            "2026-11-21",
            "2026-11-21t21:00:00z",
            "2026-11-21 21:00:00Z",
            "2026-11-21T21:00:00z",
            "2026-11-21T21:00:60Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T21:00:0.Z",
            "2026-11-21T21:00+00Z",
            "20261121T210000.000Z",
            "1969-12-31T23:59:59Z",
            "2026-11-21T21:00:00.000Z",
            "2026-11-21T21:00:00+00:00",
        ] {
            assert_eq!(s.parse::<Timestamp>(), Err(TimestampError { found: s.to_owned() }));
        }
        for s in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-30T00:00:00Z"] {
            assert_eq!(s.parse::<Timestamp>().unwrap().to_string(), s);
        }
    }

    #[test]
    fn times_past_the_year_9999_print_without_panic() {
        assert_eq!(Timestamp::from_secs(u64::MAX).to_string(), "@18446744073709551615");
        assert_eq!(Timestamp::from_secs(i64::MAX as u64).to_string(), "@9223372036854775807");
    }
}
