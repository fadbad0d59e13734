//! `[time]`: what the build believes about time.

use serde::{Deserialize, Serialize};

use super::RecipeError;
use crate::statement::Clock;

/// What the build believes about time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Time {
    /// Which of the following holds.
    pub clock: Clock,
    /// With [`Clock::SourceDateEpoch`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_date_epoch: Option<i64>,
    /// With [`Clock::Replayed`]: Python's `time.gmtime` and `time.localtime` show this for every time since the build began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<i64>,
    /// `TZ`: `UTC`, or a POSIX rule, which needs no database of zones.
    pub zone: String,
}

impl Time {
    /// Every clock has its own time, and no other one's.
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        let expected = match self.clock {
            Clock::Real => (false, false),
            Clock::SourceDateEpoch => (true, false),
            Clock::Replayed => (false, true),
        };
        if (self.source_date_epoch.is_some(), self.stamp.is_some()) == expected {
            Ok(())
        } else {
            Err(RecipeError::Time)
        }
    }
}
