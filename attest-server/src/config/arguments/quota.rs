//! The quota of rebuilders that have none of their own.

use std::num::NonZeroU32;

use clap::Args;
use serde::Deserialize;

use crate::quota::rebuilder::Quota;

#[derive(Clone, Copy, Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct QuotaArgs {
    /// New entries per minute of a rebuilder that has no quota in the rebuilders file [default: not limited]
    #[arg(long = "quota-per-minute", value_name = "N", env = "ATTEST_SERVER_QUOTA_PER_MINUTE")]
    per_minute: Option<NonZeroU32>,
    /// New entries at once, above which --quota-per-minute holds [default: as many as in a minute]
    #[arg(long = "quota-burst", value_name = "N", env = "ATTEST_SERVER_QUOTA_BURST")]
    burst: Option<NonZeroU32>,
    /// New entries per day of a rebuilder that has no quota in the rebuilders file [default: not limited]
    #[arg(long = "quota-per-day", value_name = "N", env = "ATTEST_SERVER_QUOTA_PER_DAY")]
    per_day: Option<NonZeroU32>,
}

impl QuotaArgs {
    pub(super) fn or(self, file: Self) -> Quota {
        Quota {
            per_minute: self.per_minute.or(file.per_minute),
            burst: self.burst.or(file.burst),
            per_day: self.per_day.or(file.per_day),
        }
    }
}
