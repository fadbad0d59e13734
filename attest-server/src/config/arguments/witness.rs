//! `attest-server witness`, as flags or as a file.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::{beside, http::HttpArgs, logging::LoggingArgs, missing, read};
use crate::config::{ConfigError, WitnessConfig};

/// `attest-server witness`, as flags or as a file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WitnessArgs {
    /// Folder of the witness; made at the first start, with a key of its own (mode 0600)
    #[arg(long, value_name = "DIR", env = "ATTEST_SERVER_DATA")]
    data: Option<PathBuf>,
    /// The logs to cosign: one line `log <vkey>` each
    #[arg(long, value_name = "FILE")]
    logs: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", env = "ATTEST_SERVER_LISTEN")]
    listen: Option<String>,
    /// Name of its cosignatures for ever after, such as `witness.example.org`; needed at the first start
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    #[command(flatten)]
    #[serde(default)]
    http: HttpArgs,
    #[command(flatten)]
    #[serde(default)]
    logging: LoggingArgs,
}

impl WitnessArgs {
    /// Applies the precedence and fills in defaults.
    pub fn resolve(self) -> Result<WitnessConfig, ConfigError> {
        let file: Self = read(self.config.as_deref())?;
        let base = self.config.as_deref();
        Ok(WitnessConfig {
            data: self.data.or(beside(base, file.data)).ok_or(missing("data", Some("ATTEST_SERVER_DATA")))?,
            logs: self.logs.or(beside(base, file.logs)).ok_or(missing("logs", None))?,
            listen: self.listen.or(file.listen).ok_or(missing("listen", Some("ATTEST_SERVER_LISTEN")))?,
            name: self.name.or(file.name),
            limits: self.http.or(file.http).limits(),
            logging: self.logging.or(file.logging),
        })
    }
}
