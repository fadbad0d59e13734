//! What the answers add up to (docs/TRUST.md 1.4), once, for every output format.

use std::fmt;

use serde::Serialize;

use crate::{
    gate::{Judged, Outcome},
    output::plural,
};

/// Every item in exactly one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    pub(crate) checked: usize,
    pub(crate) passed: usize,
    /// By a ratchet's pins.
    pub(crate) pinned: usize,
    pub(crate) refused: usize,
    pub(crate) undecided: usize,
    pub(crate) exempt: usize,
    pub(crate) not_attestable: usize,
    pub(crate) not_selectable: usize,
}

impl Summary {
    pub(crate) fn of(judged: &Judged<'_>) -> Self {
        let count = |outcome| judged.count(outcome);
        Self {
            checked: judged.answers.len(),
            passed: count(Outcome::Passed),
            pinned: count(Outcome::Pinned),
            refused: count(Outcome::Refused) + count(Outcome::Alarm),
            undecided: count(Outcome::Undecided),
            exempt: count(Outcome::Exempt),
            not_attestable: count(Outcome::NotAttestable),
            not_selectable: count(Outcome::NotSelectable),
        }
    }

    /// The parts in words. They add up to `checked`.
    fn parts(&self) -> [(usize, &'static str); 7] {
        [
            (self.passed, "ok"),
            (self.pinned, "pinned"),
            (self.exempt, "exempt"),
            (self.refused, "refused"),
            (self.undecided, "undecided"),
            (self.not_attestable, "not attestable"),
            (self.not_selectable, "not selectable here"),
        ]
    }
}

/// `112 files checked: 109 ok, 1 exempt, 2 refused`
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self
            .parts()
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        write!(f, "{} checked: {}", plural(self.checked, "file"), shown.join(", "))
    }
}
