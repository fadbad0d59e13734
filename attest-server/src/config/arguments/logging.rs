//! Settings of logging, which every command that stays has.

use clap::Args;
use serde::Deserialize;

use crate::config::{LogFormat, Logging};

/// The storage engine tells at `info` how it opens its files, which is of no use to an operator.
const DEFAULT_FILTER: &str = "info,sled=warn";

#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct LoggingArgs {
    /// Form of the logs on standard error [default: text]
    #[arg(long, value_name = "FORMAT", env = "ATTEST_SERVER_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// What to log, such as `debug` or `attest_server=debug` [default: info, of the storage engines warn]
    #[arg(long, value_name = "FILTER", env = "ATTEST_SERVER_LOG")]
    log_filter: Option<String>,
}

impl LoggingArgs {
    pub(super) fn or(self, file: Self) -> Logging {
        Logging {
            format: self.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            filter: self.log_filter.or(file.log_filter).unwrap_or_else(|| DEFAULT_FILTER.to_owned()),
        }
    }
}
