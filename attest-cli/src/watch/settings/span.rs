//! Times as people write them.

use std::time::Duration;

use serde::Deserialize;

/// `30s`, `10m`, `2h`, `7d`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(Duration);

impl Span {
    pub(super) const fn new(time: Duration) -> Self {
        Self(time)
    }

    pub(crate) const fn get(self) -> Duration {
        self.0
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a time from 1s to 90d, such as 30s, 10m, 2h, 7d, found {text:?}");
        let each = |unit: char, each: u64| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(each);
        let seconds =
            [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)].into_iter().find_map(|(unit, secs)| each(unit, secs));
        let seconds = seconds.filter(|seconds| (1..=90 * 86_400).contains(seconds)).ok_or_else(expected)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_bounds() {
        for (text, seconds) in [("1s", 1), ("10m", 600), ("2h", 7_200), ("90d", 7_776_000)] {
            assert_eq!(text.parse::<Span>().unwrap().get().as_secs(), seconds);
        }
        for text in ["", "0s", "91d", "1", "-1s", "1.5h", "1w", "99999999999999999999s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
