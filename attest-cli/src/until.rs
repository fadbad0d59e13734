//! Ends of exceptions, as people write them on a command line.

use std::str::FromStr;

use attest_core::time::Timestamp;

const DAY: u64 = 24 * 60 * 60;
/// An exception that lasts longer is none.
const MAX_DAYS: u64 = 3 * 366;

/// `30d`, `2027-03-31` or `2027-03-31T12:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Days(u64),
    Moment(Timestamp),
}

impl Until {
    /// # Errors
    /// When it is past.
    pub(crate) fn after(self, now: Timestamp) -> Result<Timestamp, UntilError> {
        match self {
            Self::Days(days) => Ok(Timestamp::from_secs(now.secs() + days * DAY)),
            Self::Moment(moment) if moment <= now => Err(UntilError::Past { found: moment }),
            Self::Moment(moment) if moment.secs() - now.secs() > MAX_DAYS * DAY => Err(UntilError::Far),
            Self::Moment(moment) => Ok(moment),
        }
    }
}

/// Not the end of anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UntilError {
    #[error("expected a number of days such as 30d, or a date such as 2027-03-31, found {found:?}")]
    Form { found: String },
    #[error("expected a time to come, found {found}")]
    Past { found: Timestamp },
    #[error("expected at most {MAX_DAYS} days")]
    Far,
}

impl FromStr for Until {
    type Err = UntilError;

    fn from_str(text: &str) -> Result<Self, UntilError> {
        let form = || UntilError::Form { found: text.to_owned() };
        if let Some(days) = text.strip_suffix('d') {
            return match days.parse() {
                Ok(days) if (1..=MAX_DAYS).contains(&days) => Ok(Self::Days(days)),
                Ok(0) | Err(_) => Err(form()),
                Ok(_) => Err(UntilError::Far),
            };
        }
        let time = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
        time.parse().map(Self::Moment).map_err(|_| form())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_number_of_days_or_a_date_to_come() {
        let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        let end = |text: &str| text.parse::<Until>().and_then(|until| until.after(now)).map(|end| end.to_string());
        assert_eq!(end("30d").unwrap(), "2026-12-22T09:00:00Z");
        assert_eq!(end("2027-03-31").unwrap(), "2027-03-31T00:00:00Z");
        assert_eq!(end("2027-03-31T12:00:00Z").unwrap(), "2027-03-31T12:00:00Z");
        for text in ["", "d", "0d", "-1d", "30", "soon", "2027-13-01", "2026-11-22", "99999d", "2099-01-01"] {
            assert!(end(text).is_err(), "{text}");
        }
    }
}
