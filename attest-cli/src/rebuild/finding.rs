//! From two builds to a verdict.

use attest_core::statement::{Difference, DifferenceKind};

use super::attempt::Attempt;
use super::compare::{self, Found, Sides};
use super::explain;
use super::native::{self, Evidence};
use super::record::Verdict;
use super::target::Published;
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
    /// Of a wheel with compiled code: what it says about where it was built.
    pub(crate) native: Option<Evidence>,
}

impl Finding {
    /// The builds are compared with each other first: of a build that does not repeat nothing follows.
    pub(crate) fn of(published: &Published, attempt: &Attempt) -> Self {
        let native = Evidence::of(&published.name, &published.wheel);
        Self { native, ..Self::compared(published, attempt) }
    }

    fn compared(published: &Published, attempt: &Attempt) -> Self {
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
        if ours.digest() == published.wheel.digest() {
            return Self { verdict: Verdict::Exact, differences: Vec::new(), explanation: Vec::new(), native: None };
        }
        Self::different(published, &ours, &attempt.recipe.guesses)
    }

    fn failed(error: &str) -> Self {
        let explanation = error.lines().map(explain::visible).collect();
        Self { verdict: Verdict::BuildFailed, differences: Vec::new(), explanation, native: None }
    }

    fn nondeterministic(first: &Wheel, second: &Wheel) -> Self {
        let differences = compare::compare(first, second, Sides::FirstAndSecond);
        let mut explanation = vec!["two builds of the same source do not agree with each other".to_owned()];
        explanation.extend(explain::explain(&differences, Sides::FirstAndSecond, &[]));
        Self { verdict: Verdict::Nondeterministic, differences, explanation, native: None }
    }

    fn different(published: &Published, rebuilt: &Wheel, guesses: &[String]) -> Self {
        let mut differences = compare::compare(&published.wheel, rebuilt, Sides::PublishedAndRebuilt);
        let mut explanation = Vec::new();
        if let Some(evidence) = Evidence::of(&published.name, &published.wheel) {
            native::excuse_vendored(&mut differences, &evidence);
            explanation = evidence.unlike(Evidence::of(&published.name, rebuilt).as_ref());
        }
        let is_elsewhere = !explanation.is_empty();
        explanation.extend(explain::explain(&differences, Sides::PublishedAndRebuilt, guesses));
        // Guessing wrong explains other metadata, and another machine other compiled code; neither explains code that the
        // source does not have.
        let is_guess = (is_elsewhere || !guesses.is_empty())
            && differences.iter().any(is_content)
            && !differences.iter().any(|one| one.foreign_code);
        let verdict = if is_guess { Verdict::EnvironmentUnknown } else { Verdict::Different };
        Self { verdict, differences, explanation, native: None }
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
