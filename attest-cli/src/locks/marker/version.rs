//! Versions of Pythons in markers and in `requires-python`: releases only. Whatever PEP 440 has beside them (pre-releases,
//! epochs, local parts) is unknown unless the release alone decides, and so is what installers read differently.

use std::cmp::Ordering;

use attest_core::artifact::Version;

use super::Truth;

/// More parts or digits than any version has.
const MAX_PARTS: usize = 8;

/// `VARIABLE OPERATOR LITERAL`, or the other way round.
pub(super) fn compare(variable: &str, value: &str, operator: &str, literal: &str, reversed: bool) -> Truth {
    match operator {
        "in" | "not in" if !reversed => contained(value, operator, literal),
        "in" | "not in" => Truth::Unknown,
        _ if reversed => match mirrored(operator) {
            // A wildcard is no version of a Python.
            Some(operator) if !literal.contains('*') => holds(variable, value, operator, literal),
            _ => Truth::Unknown,
        },
        _ => holds(variable, value, operator, literal),
    }
}

/// Whether a Python is surely none of those that `requires-python` names: `>=3.9, <4`.
pub(crate) fn excludes(specifiers: &str, version: &str) -> bool {
    specifiers.split(',').any(|specifier| {
        let specifier = specifier.trim();
        let end = specifier.find(|c| !"<>=!~".contains(c)).unwrap_or(specifier.len());
        let (operator, literal) = specifier.split_at(end);
        holds("python_full_version", version, operator, literal.trim()) == Truth::No
    })
}

/// `python_version in "2.7 3.11"`: for some installers a list, for others text in text.
fn contained(value: &str, operator: &str, literal: &str) -> Truth {
    let listed = literal.split([' ', ',', '|']).any(|one| one.trim() == value);
    if listed != literal.contains(value) {
        return Truth::Unknown;
    }
    Truth::of(listed == (operator == "in"))
}

fn mirrored(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "==" => "==",
        "!=" => "!=",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => return None,
    })
}

fn holds(variable: &str, value: &str, operator: &str, literal: &str) -> Truth {
    let (prefix, wildcard) = literal.strip_suffix(".*").map_or((literal, false), |prefix| (prefix, true));
    let (Some(value), Some(pattern)) = (Release::parse(value), Release::parse(prefix)) else {
        return Truth::Unknown;
    };
    // `python_version < "3.11.4"` is about two numbers for pip and about three for uv.
    if variable == "python_version" && pattern.numbers.len() > 2 {
        return Truth::Unknown;
    }
    if wildcard {
        // PEP 440: a prefix, of pre-releases too.
        let within = Truth::of(value.padded(pattern.numbers.len()).starts_with(&pattern.numbers));
        return match operator {
            "==" if pattern.whole => within,
            "!=" if pattern.whole => within.negated(),
            _ => Truth::Unknown,
        };
    }
    let order = value.cmp(&pattern);
    if order == Ordering::Equal && !(value.whole && pattern.whole) {
        return Truth::Unknown;
    }
    match operator {
        "==" => Truth::of(order.is_eq()),
        "!=" => Truth::of(order.is_ne()),
        "<" => Truth::of(order.is_lt()),
        "<=" => Truth::of(order.is_le()),
        ">" => Truth::of(order.is_gt()),
        ">=" => Truth::of(order.is_ge()),
        // PEP 440: at least this, and the same up to the last number but one.
        "~=" if pattern.numbers.len() > 1 => {
            let series = &pattern.numbers[..pattern.numbers.len() - 1];
            Truth::of(order.is_ge() && value.padded(series.len()).starts_with(series))
        }
        _ => Truth::Unknown,
    }
}

/// The numbers of a version.
#[derive(Debug)]
struct Release {
    numbers: Vec<u32>,
    /// Nothing comes behind them.
    whole: bool,
}

impl Release {
    fn parse(text: &str) -> Option<Self> {
        Version::new(text).ok()?;
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (release, rest) = text.split_at(end);
        // `3.15.0.dev1` is cut behind a point.
        let release = release.strip_suffix('.').filter(|_| !rest.is_empty()).unwrap_or(release);
        let numbers: Vec<u32> = release.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        (numbers.len() <= MAX_PARTS && !rest.starts_with('!')).then_some(Self { numbers, whole: rest.is_empty() })
    }

    fn padded(&self, length: usize) -> Vec<u32> {
        let mut numbers = self.numbers.clone();
        numbers.resize(numbers.len().max(length), 0);
        numbers
    }

    /// `3.11` is `3.11.0`.
    fn cmp(&self, other: &Self) -> Ordering {
        self.padded(MAX_PARTS).cmp(&other.padded(MAX_PARTS))
    }
}
