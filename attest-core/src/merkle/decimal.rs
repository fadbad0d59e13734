//! Decimal numbers as the C2SP formats write them: ASCII digits, no sign, no leading zero.

/// Why a decimal was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Something other than ASCII digits, or nothing.
    #[error("expected a decimal number, found {found:?}")]
    NotDigits {
        /// The text.
        found: String,
    },
    /// A second spelling of a number.
    #[error("expected a decimal number without leading zeros, found {found:?}")]
    LeadingZero {
        /// The text.
        found: String,
    },
    /// Larger than the format allows.
    #[error("expected a decimal number of at most {max}, found {found:?}")]
    TooLarge {
        /// The text.
        found: String,
        /// The largest number allowed here.
        max: u64,
    },
}

/// The number that `s` spells. `u64::from_str` is not enough: it takes `+5` and `007`.
pub(crate) fn parse_decimal(s: &str, max: u64) -> Result<u64, DecimalError> {
    // An error quotes at most this much of what may be megabytes of somebody else's text.
    let found = || s.chars().take(32).collect::<String>();
    if s.is_empty() || !s.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::NotDigits { found: found() });
    }
    if s.len() > 1 && s.starts_with('0') {
        return Err(DecimalError::LeadingZero { found: found() });
    }
    match s.parse() {
        Ok(n) if n <= max => Ok(n),
        _ => Err(DecimalError::TooLarge { found: found(), max }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        let digits = |s: &str| DecimalError::NotDigits { found: s.to_owned() };
        let zero = |s: &str| DecimalError::LeadingZero { found: s.to_owned() };
        for s in ["", "+5", "-0", "-1", " 1", "1 ", "1_0", "0x1", "1e3", "٢"] {
            assert_eq!(parse_decimal(s, u64::MAX), Err(digits(s)));
        }
        for s in ["00", "007"] {
            assert_eq!(parse_decimal(s, u64::MAX), Err(zero(s)));
        }
        for (s, n) in [("0", 0), ("7", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(parse_decimal(s, u64::MAX), Ok(n));
        }
    }

    #[test]
    fn a_number_above_the_limit_is_refused() {
        for s in ["11", "18446744073709551616", "99999999999999999999999999"] {
            assert_eq!(parse_decimal(s, 10), Err(DecimalError::TooLarge { found: s.to_owned(), max: 10 }));
        }
        assert_eq!(parse_decimal("10", 10), Ok(10));
    }
}
