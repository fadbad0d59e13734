//! The time zone a wheel was built in.
//!
//! flit without `SOURCE_DATE_EPOCH` writes a file's modification time into the zip as *local* time. The sdist has the
//! same times in UTC, so the difference is the zone's offset, and the offsets in summer and winter tell zones apart.

use jiff::{Timestamp, tz::TimeZone};

/// Where most packages are released from. POSIX rules: they need no database of zones, neither here nor in the build,
/// and hold since 2007 (United States) and 1996 (European Union).
const CANDIDATES: [(&str, &str); 14] = [
    ("UTC", "UTC"),
    ("America/Los_Angeles", "PST8PDT,M3.2.0,M11.1.0"),
    ("America/Denver", "MST7MDT,M3.2.0,M11.1.0"),
    ("America/Chicago", "CST6CDT,M3.2.0,M11.1.0"),
    ("America/New_York", "EST5EDT,M3.2.0,M11.1.0"),
    ("America/Sao_Paulo", "<-03>3"),
    ("Europe/London", "GMT0BST,M3.5.0/1,M10.5.0"),
    ("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"),
    ("Europe/Helsinki", "EET-2EEST,M3.5.0/3,M10.5.0/4"),
    ("Europe/Moscow", "MSK-3"),
    ("Asia/Kolkata", "IST-5:30"),
    ("Asia/Shanghai", "CST-8"),
    ("Asia/Tokyo", "JST-9"),
    ("Australia/Sydney", "AEST-10AEDT,M10.1.0,M4.1.0/3"),
];

/// A file's time in UTC (sdist) and as local time (wheel), both in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Modification time.
    pub(crate) utc: i64,
    /// The zip time read as if it were UTC.
    pub(crate) local: i64,
}

/// The first zone that explains every sample, as a value of `TZ`.
pub(crate) fn infer(samples: &[Sample]) -> Option<&'static str> {
    CANDIDATES.iter().map(|(_, rule)| *rule).find(|rule| samples.iter().all(|sample| explains(rule, *sample)))
}

/// By how many seconds a zone's clocks were ahead of UTC; nothing where the rule or the time is none.
pub(crate) fn offset(rule: &str, utc: i64) -> Option<i64> {
    let zone = if rule == "UTC" { TimeZone::UTC } else { TimeZone::posix(rule).ok()? };
    Some(zone.to_offset(Timestamp::from_second(utc).ok()?).seconds().into())
}

fn explains(rule: &str, sample: Sample) -> bool {
    // Zip times are even: the odd second was cut off.
    offset(rule, sample.utc).is_some_and(|offset| (sample.utc + offset).div_euclid(2) == sample.local.div_euclid(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_is_a_rule_that_reads() {
        for (name, rule) in &CANDIDATES[1..] {
            assert!(TimeZone::posix(rule).is_ok(), "{name}");
        }
    }

    #[test]
    fn summer_and_winter_tell_berlin_from_a_fixed_offset() {
        let winter = Sample { utc: 1_700_000_000, local: 1_700_000_000 + 3600 };
        let summer = Sample { utc: 1_690_000_001, local: 1_690_000_000 + 7200 };
        assert_eq!(infer(&[winter, summer]), Some("CET-1CEST,M3.5.0,M10.5.0/3"));
    }

    #[test]
    fn no_samples_mean_utc() {
        assert_eq!(infer(&[]), Some("UTC"));
    }

    #[test]
    fn one_sample_out_of_line_means_no_zone() {
        let good = Sample { utc: 1_700_000_000, local: 1_700_000_000 };
        let odd = Sample { utc: 1_700_000_000, local: 1_700_001_000 };
        assert_eq!(infer(&[good, odd]), None);
    }
}
