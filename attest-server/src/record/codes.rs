//! The numbers that stand for the words of statements in the tables.

use attest_core::{
    api::record::{DisagreementKind, NoVote, Standing},
    statement::{Method, Origin, Outcome},
};

/// A word that is stored as its place in a list. A list only ever grows at its end, or the version of the tables changes.
pub(super) trait Coded: Copy + PartialEq + 'static {
    const ALL: &'static [Self];

    fn code(self) -> i64 {
        let at = Self::ALL.iter().position(|word| *word == self).unwrap_or(Self::ALL.len());
        i64::try_from(at).unwrap_or(i64::MAX)
    }

    fn of_code(code: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

impl Coded for Standing {
    const ALL: &'static [Self] = &[
        Self::Other,
        Self::Reproduced,
        Self::Equivalent,
        Self::Abstained,
        Self::Contradicted,
        Self::ForeignCode,
        Self::Withdrawal,
        Self::NoVote,
    ];
}

impl Coded for NoVote {
    const ALL: &'static [Self] = &[
        Self::Network,
        Self::Repeat,
        Self::CustomRecipe,
        Self::HiddenRecipe,
        Self::RecipeNotInline,
        Self::RecipeNotKnobs,
        Self::RecipeImage,
        Self::RecipeEnvironment,
        Self::Sources,
    ];
}

impl Coded for Outcome {
    const ALL: &'static [Self] =
        &[Self::Different, Self::Nondeterministic, Self::BuildFailed, Self::SourceNotFound, Self::EnvironmentUnknown];
}

impl Coded for Origin {
    const ALL: &'static [Self] = &[Self::Git, Self::Sdist];
}

impl Coded for Method {
    const ALL: &'static [Self] = &[Self::Exact, Self::Replayed];
}

impl Coded for DisagreementKind {
    const ALL: &'static [Self] = &[Self::SameInputs, Self::ForeignCode, Self::Withdrawn];
}
