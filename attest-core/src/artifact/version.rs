//! PEP 440 versions: equality, ranges of releases, and the order in which people are shown them.

use std::cmp::Ordering;

use super::{ArtifactError, excerpt};

/// A version, compared as PEP 440 equality (local part included); `Display` is the text as given.
///
/// `==` with wildcards is a question of a resolver; nothing here asks it.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    normal: Normal,
}

impl Version {
    /// Parses any spelling that [PEP 440](https://peps.python.org/pep-0440/#appendix-b-parsing-version-strings-with-regular-expressions)
    /// accepts, without white space around it.
    ///
    /// # Errors
    /// When the text is no such version.
    pub fn new(text: &str) -> Result<Self, ArtifactError> {
        let refused = || ArtifactError::Version { found: excerpt(text) };
        if text.len() > super::MAX_NAME || !text.is_ascii() {
            return Err(refused());
        }
        let lower = text.to_ascii_lowercase();
        let normal = Normal::parse(&lower).ok_or_else(refused)?;
        Ok(Self { text: text.to_owned(), normal })
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// PEP 440 equality: `1.0` is `1.0.0` and `v1`, and `1.0+cpu` is not `1.0`.
    pub fn same_as(&self, other: &Self) -> bool {
        self.normal == other.normal
    }

    /// The order of [PEP 440](https://peps.python.org/pep-0440/#summary-of-permitted-suffixes-and-relative-ordering):
    /// `.devN`, `aN`, `bN`, `rcN`, nothing, `.postN`; a local part after the version that it is of. Nothing is decided by
    /// it, lists are sorted.
    pub fn compare(&self, other: &Self) -> Ordering {
        let (left, right) = (&self.normal, &other.normal);
        self.compare_release(other)
            .then_with(|| left.phase().cmp(&right.phase()))
            .then_with(|| optional(left.post.as_deref(), right.post.as_deref(), Ordering::Less))
            .then_with(|| optional(left.dev.as_deref(), right.dev.as_deref(), Ordering::Greater))
            .then_with(|| left.compare_local(right))
    }

    /// Compares epochs and numbers alone: `1.8rc1`, `1.8` and `1.8.post1` are the same release.
    pub fn compare_release(&self, other: &Self) -> Ordering {
        let (left, right) = (&self.normal, &other.normal);
        number(&left.epoch, &right.epoch).then_with(|| {
            let pairs = left.release.iter().zip(&right.release).map(|(left, right)| number(left, right));
            // Trailing zeros are cut off, so what is left over is more than nothing.
            let longer = left.release.len().cmp(&right.release.len());
            pairs.chain([longer]).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Of two numbers as digits: without leading zeros, more digits are a larger number.
fn number(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Two numbers of which each may be missing; `none` is how nothing compares to any.
fn optional(left: Option<&str>, right: Option<&str>, none: Ordering) -> Ordering {
    match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => none,
        (Some(_), None) => none.reverse(),
        (Some(left), Some(right)) => number(left, right),
    }
}

/// What two spellings of one version have in common. Numbers are their digits without leading zeros, so that no
/// length overflows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Normal {
    epoch: String,
    /// Without trailing zeros.
    release: Vec<String>,
    pre: Option<(Phase, String)>,
    post: Option<String>,
    dev: Option<String>,
    local: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Alpha,
    Beta,
    Candidate,
}

/// Longer spellings first: `a` is a prefix of `alpha`.
const PHASES: [(&str, Phase); 8] = [
    ("alpha", Phase::Alpha),
    ("beta", Phase::Beta),
    ("preview", Phase::Candidate),
    ("pre", Phase::Candidate),
    ("rc", Phase::Candidate),
    ("a", Phase::Alpha),
    ("b", Phase::Beta),
    ("c", Phase::Candidate),
];

impl Normal {
    fn parse(lower: &str) -> Option<Self> {
        let (public, local) = match lower.split_once('+') {
            Some((public, local)) => (public, parse_local(local)?),
            None => (lower, Vec::new()),
        };
        let mut rest = Rest(public.strip_prefix('v').unwrap_or(public));
        let mut first = rest.number()?;
        let mut epoch = String::from("0");
        if rest.literal("!") {
            epoch = std::mem::replace(&mut first, rest.number()?);
        }
        let mut release = vec![first];
        while let Some(next) = rest.release_component() {
            release.push(next);
        }
        while release.last().is_some_and(|n| n == "0") {
            release.pop();
        }
        let normal = Self { epoch, release, pre: rest.pre(), post: rest.post(), dev: rest.labelled(&["dev"]), local };
        rest.0.is_empty().then_some(normal)
    }

    /// Where it stands among those of one release: a development version of no pre-release is before all of those.
    fn phase(&self) -> (u8, usize, &str) {
        match &self.pre {
            None if self.dev.is_some() && self.post.is_none() => (0, 0, ""),
            None => (4, 0, ""),
            Some((phase, number)) => (1 + *phase as u8, number.len(), number),
        }
    }

    /// Segment by segment; numbers are after words, and more segments after fewer.
    fn compare_local(&self, other: &Self) -> Ordering {
        let is_number = |segment: &str| segment.bytes().all(|b| b.is_ascii_digit());
        let segment = |left: &str, right: &str| match (is_number(left), is_number(right)) {
            (true, true) => number(left, right),
            (left_is, right_is) => left_is.cmp(&right_is).then_with(|| left.cmp(right)),
        };
        let pairs = self.local.iter().zip(&other.local).map(|(left, right)| segment(left, right));
        pairs.chain([self.local.len().cmp(&other.local.len())]).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

/// Local version segments: `ubuntu-1` is `ubuntu.1`, numbers compare as numbers.
fn parse_local(local: &str) -> Option<Vec<String>> {
    local
        .split(['-', '_', '.'])
        .map(|segment| {
            let is_segment = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric());
            let is_number = segment.bytes().all(|b| b.is_ascii_digit());
            is_segment.then(|| if is_number { without_leading_zeros(segment) } else { segment.to_owned() })
        })
        .collect()
}

fn without_leading_zeros(digits: &str) -> String {
    match digits.trim_start_matches('0') {
        "" => String::from("0"),
        number => number.to_owned(),
    }
}

/// What is still to be read. Each method reads its part whole or nothing of it.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn literal(&mut self, literal: &str) -> bool {
        match self.0.strip_prefix(literal) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn number(&mut self) -> Option<String> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        if digits.is_empty() {
            return None;
        }
        self.0 = rest;
        Some(without_leading_zeros(digits))
    }

    fn release_component(&mut self) -> Option<String> {
        let mut ahead = Rest(self.0.strip_prefix('.')?);
        let number = ahead.number()?;
        self.0 = ahead.0;
        Some(number)
    }

    fn separator(&mut self) {
        self.0 = self.0.strip_prefix(['-', '_', '.']).unwrap_or(self.0);
    }

    fn pre(&mut self) -> Option<(Phase, String)> {
        PHASES.iter().find_map(|(label, phase)| Some((*phase, self.labelled(&[label])?)))
    }

    fn post(&mut self) -> Option<String> {
        if let Some(number) = self.labelled(&["post", "rev", "r"]) {
            return Some(number);
        }
        // The implicit form, `1.0-1`: a dash and digits, nothing optional.
        let mut ahead = Rest(self.0.strip_prefix('-')?);
        let number = ahead.number()?;
        self.0 = ahead.0;
        Some(number)
    }

    /// `[-_.]?LABEL[-_.]?[0-9]*`, where no number means 0. As in the regular expression of PEP 440, a separator that no
    /// number follows is read too (`1.0a.dev1`, and even `1.0a-`).
    fn labelled(&mut self, labels: &[&str]) -> Option<String> {
        let mut ahead = Rest(self.0);
        ahead.separator();
        if !labels.iter().any(|label| ahead.literal(label)) {
            return None;
        }
        ahead.separator();
        let number = ahead.number().unwrap_or_else(|| String::from("0"));
        self.0 = ahead.0;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    #[test]
    fn versions_are_in_the_order_of_pep_440() {
        let ordered = [
            "0.9",
            "1.0.dev0",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+abc.7.1",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1.10",
            "99999999999999999999999",
            "1!0.1",
        ];
        for (at, left) in ordered.iter().enumerate() {
            for (other, right) in ordered.iter().enumerate() {
                assert_eq!(version(left).compare(&version(right)), at.cmp(&other), "{left} and {right}");
            }
        }
    }

    #[test]
    fn spellings_of_one_version_are_equal() {
        for spellings in [
            &["1", "1.0", "1.0.0", "v1", "V1.0", "0!1", "01.00", "1.0.0.0"][..],
            &["0", "0.0", "0!0", "00"],
            &["1!2", "1!2.0", "01!2"],
            &["1.0a1", "1.0.a1", "1.0-a1", "1.0_a.1", "1.0alpha1", "1.0.ALPHA-1", "1a01"],
            &["1.0a", "1.0a0", "1.0.alpha", "1.0-a.0", "1.0a-"],
            &["1b2", "1.0beta2", "1.0.0-beta_2"],
            &["1rc3", "1c3", "1.0pre3", "1.0-preview-3", "1.0.RC.3", "1.pre.3"],
            &["1.0.post2", "1.0-2", "1.0post2", "1.0-r2", "1.0.rev2", "1.0-post.2", "1.0-02"],
            &["1.0.post", "1.0.post0", "1.0r", "1.0-0"],
            &["1.0.dev4", "1.0dev4", "1.0-dev_4", "1.DEV4", "1.0.dev.04"],
            &["1.0a.dev1", "1.0a0.dev1", "1.0-alpha-dev-1"],
            &["1.0a1.post2.dev3", "1.0-alpha.1-2-dev3", "1a1r2dev3"],
            &["1.0+ubuntu.1", "1.0+ubuntu-1", "1.0+Ubuntu_1", "1+ubuntu.01"],
            &["1.0+00", "1.0+0"],
        ] {
            for a in spellings {
                for b in spellings {
                    assert!(version(a).same_as(&version(b)), "{a} and {b}");
                }
            }
        }
    }

    #[test]
    fn different_versions_differ() {
        let versions = [
            "1.0",
            "1.0.1",
            "10",
            "1!1.0",
            "1.0a0",
            "1.0b0",
            "1.0rc0",
            "1.0.post0",
            "1.0.dev0",
            "1.0a0.dev0",
            "1.0a0.post0",
            "1.0+0",
            "1.0+cpu",
            "1.0+cpu.0",
            "0.1",
            "1.0+1a",
            "1.0+01a",
            "18446744073709551616",
            "18446744073709551617",
        ];
        for (i, a) in versions.iter().enumerate() {
            for (j, b) in versions.iter().enumerate() {
                assert_eq!(version(a).same_as(&version(b)), i == j, "{a} and {b}");
            }
        }
    }

    #[test]
    fn what_pep_440_refuses_is_refused() {
        for wrong in [
            "",
            "v",
            "a",
            "1.",
            ".1",
            "1..2",
            "1.0+",
            "1.0+a..b",
            "1.0+a+b",
            "1.0+-a",
            "1.0 ",
            " 1.0",
            "1.0\n",
            "1!",
            "!1",
            "1!2!3",
            "1.0--1",
            "1.0-",
            "1.0a1b1",
            "1.0.dev1.post1",
            "1.0.post1a1",
            "1.0.x",
            "1.0\u{661}",
            "vv1",
            "1.0-1-1",
            "1.0.*",
            "1e5",
            "-1",
        ] {
            assert!(matches!(Version::new(wrong), Err(ArtifactError::Version { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn the_text_stays_as_given() {
        assert_eq!(version("v1.0-RC_1").to_string(), "v1.0-RC_1");
    }
}
