//! How a standing looks: a shape and a word, so that nothing rests on colour.

use attest_core::api::record::{Counts, Standing};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// In the stylesheet.
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    /// Path data in a square of 16 units, filled even-odd.
    pub(super) sign: &'static str,
}

impl Look {
    pub(super) const REPRODUCED: Self = Self {
        class: "reproduced",
        word: "reproduced",
        sign: "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0M11 4.4l1.4 1.3-5.3 5.9-3.5-3.4L5 6.8l2 2z",
    };
    const NO_VOTE: Self = Self {
        class: "no-vote",
        word: "reproduced, no vote",
        sign: "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0m0 1.6a6.4 6.4 0 1 1 0 12.8A6.4 6.4 0 0 1 8 1.6M11 4.4l1.4 1.3-5.3 \
               5.9-3.5-3.4L5 6.8l2 2z",
    };
    const EQUIVALENT: Self = Self {
        class: "equivalent",
        word: "equivalent",
        sign: "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0m0 1.6a6.4 6.4 0 1 1 0 12.8A6.4 6.4 0 0 1 8 1.6M4 6.2c1.3-1.7 2.7-1.6 \
               4-.8s2.7.8 4-.8v1.9c-1.3 1.7-2.7 1.6-4 .8s-2.7-.8-4 .8zm0 3.4c1.3-1.7 2.7-1.6 \
               4-.8s2.7.8 4-.8v1.9c-1.3 1.7-2.7 1.6-4 .8s-2.7-.8-4 .8z",
    };
    pub(super) const ABSTAINED: Self = Self {
        class: "abstained",
        word: "abstained",
        sign: "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0m0 1.6a6.4 6.4 0 1 1 0 12.8A6.4 6.4 0 0 1 8 1.6M4.5 7.1h7v1.8h-7z",
    };
    pub(super) const CONTRADICTED: Self = Self {
        class: "contradicted",
        word: "contradicted",
        sign: "M4.7 0h6.6L16 4.7v6.6L11.3 16H4.7L0 11.3V4.7zM5.5 4.3L4.3 5.5 6.8 8l-2.5 2.5 1.2 1.2L8 9.2l2.5 \
               2.5 1.2-1.2L9.2 8l2.5-2.5-1.2-1.2L8 6.8z",
    };
    const FOREIGN_CODE: Self = Self {
        class: "foreign-code",
        word: "foreign code",
        sign: "M8 .6L16 15.2H0zM7.1 5.6h1.8v4.8H7.1zM7.1 11.7h1.8v1.8H7.1z",
    };
    const WITHDRAWAL: Self = Self {
        class: "withdrawal",
        word: "withdrawal",
        sign: "M6 1.5v3h4.2a5 5 0 0 1 0 10H4v-2h6.2a3 3 0 0 0 0-6H6v3L1 5.5z",
    };
    /// What a later statement took back.
    const WITHDRAWN: Self = Self { class: "withdrawn", word: "taken back", sign: "M2 7.1h12v1.8H2z" };
    const OTHER: Self = Self {
        class: "other",
        word: "not counted",
        sign: "M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4",
    };
    /// Where nobody said anything.
    pub(super) const NOTHING: Self = Self {
        class: "nothing",
        word: "nothing yet",
        sign: "M2 7.2h2.4v1.6H2zM6.8 7.2h2.4v1.6H6.8zM11.6 7.2H14v1.6h-2.4z",
    };

    /// Of a standing.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references to references")]
    pub(super) const fn of(standing: &Standing) -> Self {
        match standing {
            Standing::Reproduced => Self::REPRODUCED,
            Standing::NoVote => Self::NO_VOTE,
            Standing::Equivalent => Self::EQUIVALENT,
            Standing::Abstained => Self::ABSTAINED,
            Standing::Contradicted => Self::CONTRADICTED,
            Standing::ForeignCode => Self::FOREIGN_CODE,
            Standing::Withdrawal => Self::WITHDRAWAL,
            Standing::Other => Self::OTHER,
        }
    }

    /// What there is of each, without those that there is nothing of.
    pub(super) fn tally(counts: &Counts) -> Vec<(Self, u64)> {
        let mut tally = vec![
            (Self::REPRODUCED, counts.reproduced),
            (Self::EQUIVALENT, counts.equivalent),
            (Self::NO_VOTE, counts.no_votes),
            (Self::ABSTAINED, counts.abstained),
            (Self::CONTRADICTED, counts.contradicted),
            (Self::WITHDRAWN, counts.withdrawn),
            (Self::WITHDRAWAL, counts.withdrawals),
            (Self::OTHER, counts.others),
        ];
        tally.retain(|(_, count)| *count > 0);
        tally
    }
}
