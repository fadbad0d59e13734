//! From two builds to a verdict.

use attest_core::statement::{Difference, DifferenceKind, Equivalence, abridged};

use super::attempt::Attempt;
use super::build::Built;
use super::compare::{self, Found, Sides};
use super::equivalence;
use super::explain;
use super::native::{self, Evidence};
use super::record::Verdict;
use super::replay::{self, Replayed};
use super::target::Published;
use super::wheel::Wheel;

/// What a statement calls the order of all members, which is a difference of none of them.
const ALL_MEMBERS: &str = "(all members)";

/// What came out, and why.
#[derive(Debug)]
pub(crate) struct Finding {
    /// In one word.
    pub(crate) verdict: Verdict,
    /// All of them; where a container was replayed, those that it made up for.
    pub(crate) differences: Vec<Found>,
    /// In words; empty for EXACT.
    pub(crate) explanation: Vec<String>,
    /// Of a wheel with compiled code: what it says about where it was built.
    pub(crate) native: Option<Evidence>,
    /// The wheel after the recipe's container was set, and that container.
    pub(crate) replayed: Option<Replayed>,
    /// For EQUIVALENT: what differs.
    pub(crate) equivalent: Option<Vec<Equivalence>>,
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
            return Self::unequal(published, &ours, &again);
        }
        let replayed = match &attempt.recipe.container {
            // A recipe that was given is followed as it is, and what it does not set stays as it was built.
            None if attempt.given.is_some() => None,
            None => replay::derive(&published.wheel, &ours, &first.bytes),
            Some(container) => match replay::apply(container, &first.bytes) {
                Ok(bytes) => Some(Replayed { container: container.clone(), bytes }),
                Err(error) => {
                    let mut finding = Self::different(published, &ours, &attempt.recipe.guesses);
                    finding.explanation.insert(0, format!("the recipe's container was not set: {error}"));
                    return finding;
                }
            },
        };
        match replayed {
            Some(replayed) => Self::replayed(published, &ours, replayed, attempt),
            None => Self::as_built(published, &ours, attempt),
        }
    }

    /// What the build emitted is the result.
    fn as_built(published: &Published, ours: &Wheel, attempt: &Attempt) -> Self {
        if ours.digest() == published.wheel.digest() {
            return Self::new(Verdict::Exact, Vec::new(), Vec::new());
        }
        if let Some(members) = equivalence::members(&published.wheel, ours) {
            return Self::equivalent(published, ours, members);
        }
        Self::different(published, ours, &attempt.recipe.guesses)
    }

    /// What the recipe's container made of it is the result.
    fn replayed(published: &Published, ours: &Wheel, replayed: Replayed, attempt: &Attempt) -> Self {
        let finding = match Wheel::read(&replayed.bytes) {
            Ok(result) if result.digest() == published.wheel.digest() => {
                let differences = compare::compare(&published.wheel, ours, Sides::PublishedAndRebuilt);
                let set = &replayed.container;
                let said = format!(
                    "every file is the build's own, byte for byte; in the zip around them these were set as published: {set}"
                );
                Self::new(Verdict::Replayed, differences, vec![said])
            }
            Ok(result) => Self::as_built(published, &result, attempt),
            // It was a wheel before its times, modes and order were set.
            Err(error) => Self::failed(&format!("the recipe's container made no wheel: {error}")),
        };
        Self { replayed: Some(replayed), ..finding }
    }

    /// Two builds that disagree are equivalent where each of them is: what they disagree in is on the closed list.
    fn unequal(published: &Published, first: &Wheel, second: &Wheel) -> Self {
        match (equivalence::members(&published.wheel, first), equivalence::members(&published.wheel, second)) {
            (Some(members), Some(_)) => Self::equivalent(published, first, members),
            _ => Self::nondeterministic(first, second),
        }
    }

    fn equivalent(published: &Published, ours: &Wheel, members: Vec<Equivalence>) -> Self {
        let differences = compare::compare(&published.wheel, ours, Sides::PublishedAndRebuilt);
        let mut explanation =
            vec!["every file is the same but generated SBOMs and their RECORD rows (docs/TRUST.md 3.4)".to_owned()];
        explanation.extend(explain::explain(&differences, Sides::PublishedAndRebuilt, &[]));
        Self { equivalent: Some(members), ..Self::new(Verdict::Equivalent, differences, explanation) }
    }

    fn new(verdict: Verdict, differences: Vec<Found>, explanation: Vec<String>) -> Self {
        Self { verdict, differences, explanation, native: None, replayed: None, equivalent: None }
    }

    fn failed(error: &str) -> Self {
        let explanation = error.lines().map(explain::visible).collect();
        Self::new(Verdict::BuildFailed, Vec::new(), explanation)
    }

    fn nondeterministic(first: &Wheel, second: &Wheel) -> Self {
        let differences = compare::compare(first, second, Sides::FirstAndSecond);
        let mut explanation = vec!["two builds of the same source do not agree with each other".to_owned()];
        explanation.extend(explain::explain(&differences, Sides::FirstAndSecond, &[]));
        Self::new(Verdict::Nondeterministic, differences, explanation)
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
        Self::new(verdict, differences, explanation)
    }

    /// As many differences as a statement holds, with paths as it holds them.
    pub(crate) fn for_statement(&self) -> Vec<Difference> {
        let named = |one: &Found| Difference {
            path: if one.path.is_empty() { ALL_MEMBERS } else { &one.path }.to_owned(),
            kind: one.kind,
        };
        abridged(self.differences.iter().map(named).collect())
    }

    /// What to keep of two builds, of which `shown` tells most.
    pub(crate) fn output<'a>(&'a self, shown: Option<&'a Built>) -> Option<&'a [u8]> {
        let replayed = self.replayed.as_ref().map(|replayed| replayed.bytes.as_slice());
        replayed.or(shown.map(|built| built.bytes.as_slice()))
    }
}

fn is_content(found: &Found) -> bool {
    use DifferenceKind::{Compression, Content, OnlyInPublished, OnlyInRebuilt, Order, ZipMetadata};
    match found.kind {
        Content | OnlyInPublished | OnlyInRebuilt => true,
        ZipMetadata | Order | Compression => false,
    }
}
