//! From two builds to a verdict.

use attest_core::statement::{Difference, DifferenceKind};

use super::attempt::Attempt;
use super::compare::{self, Found, Sides};
use super::explain;
use super::record::Verdict;
use super::wheel::Wheel;

/// A statement holds no more (docs/TRUST.md 7); the report has all.
const MAX_DIFFERENCES: usize = 32;
/// A path in a statement holds no more.
const MAX_PATH: usize = 256;

/// What came out, and why.
#[derive(Debug)]
pub(crate) struct Finding {
    /// In one word.
    pub(crate) verdict: Verdict,
    /// All of them.
    pub(crate) differences: Vec<Found>,
    /// In words; empty for EXACT.
    pub(crate) explanation: Vec<String>,
}

impl Finding {
    /// The builds are compared with each other first: of a build that does not repeat nothing follows.
    pub(crate) fn of(published: &Wheel, attempt: &Attempt) -> Self {
        let (first, second) = match &attempt.built {
            Ok(built) => built,
            Err(error) => return Self::failed(error),
        };
        let (ours, again) = match (Wheel::read(&first.bytes), Wheel::read(&second.bytes)) {
            (Ok(ours), Ok(again)) => (ours, again),
            (Err(error), _) | (_, Err(error)) => {
                return Self::failed(&format!("the build made no wheel: {error}"));
            }
        };
        if first.bytes != second.bytes || first.name != second.name {
            return Self::nondeterministic(&ours, &again);
        }
        if ours.digest() == published.digest() {
            return Self { verdict: Verdict::Exact, differences: Vec::new(), explanation: Vec::new() };
        }
        Self::different(published, &ours, &attempt.recipe.guesses)
    }

    fn failed(error: &str) -> Self {
        let explanation = error.lines().map(explain::visible).collect();
        Self { verdict: Verdict::BuildFailed, differences: Vec::new(), explanation }
    }

    fn nondeterministic(first: &Wheel, second: &Wheel) -> Self {
        let differences = compare::compare(first, second, Sides::FirstAndSecond);
        let mut explanation = vec!["two builds of the same source do not agree with each other".to_owned()];
        explanation.extend(explain::explain(&differences, Sides::FirstAndSecond, &[]));
        Self { verdict: Verdict::Nondeterministic, differences, explanation }
    }

    fn different(published: &Wheel, rebuilt: &Wheel, guesses: &[String]) -> Self {
        let differences = compare::compare(published, rebuilt, Sides::PublishedAndRebuilt);
        let explanation = explain::explain(&differences, Sides::PublishedAndRebuilt, guesses);
        // Guessing wrong explains other metadata; it does not explain code that the source does not have.
        let is_guess = !guesses.is_empty()
            && differences.iter().any(is_content)
            && !differences.iter().any(|one| one.foreign_code);
        let verdict = if is_guess { Verdict::EnvironmentUnknown } else { Verdict::Different };
        Self { verdict, differences, explanation }
    }

    /// As many differences as a statement holds, with paths as it holds them.
    pub(crate) fn for_statement(&self) -> Vec<Difference> {
        let short = |one: &Found| Difference {
            path: one.path.chars().flat_map(char::escape_default).take(MAX_PATH).collect(),
            kind: one.kind,
        };
        self.differences.iter().take(MAX_DIFFERENCES).map(short).collect()
    }
}

fn is_content(found: &Found) -> bool {
    use DifferenceKind::{Compression, Content, OnlyInPublished, OnlyInRebuilt, Order, ZipMetadata};
    match found.kind {
        Content | OnlyInPublished | OnlyInRebuilt => true,
        ZipMetadata | Order | Compression => false,
    }
}
