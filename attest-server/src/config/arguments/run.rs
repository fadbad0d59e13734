//! `attest-server run`, as flags or as a file.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::{beside, http::HttpArgs, logging::LoggingArgs, missing, quota::QuotaArgs, read, record::RecordArgs};
use crate::{
    config::{ConfigError, PublicUrl, RunConfig},
    witnesses::Fail,
};

/// `attest-server run`, as flags or as a file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunArgs {
    /// Folder made by `init`
    #[arg(long, value_name = "DIR", env = "ATTEST_SERVER_DATA")]
    data: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", env = "ATTEST_SERVER_LISTEN")]
    listen: Option<String>,
    /// Who may submit: TOML, `[[rebuilder]]` with name, url, contact, key or certificate
    #[arg(long, value_name = "FILE")]
    rebuilders: Option<PathBuf>,
    /// Who cosigns: a C2SP tlog-policy, each witness with the URL of its add-checkpoint
    #[arg(long, value_name = "FILE")]
    witness_policy: Option<PathBuf>,
    /// As long as too few witnesses cosign: publish nothing and answer nobody (closed), or wait a moment and publish with
    /// the cosignatures that there are (open); has no default
    #[arg(long, value_name = "MODE")]
    witness_fail: Option<Fail>,
    /// URL of this site for everybody else: feeds and badges then have absolute links
    #[arg(long, value_name = "URL", env = "ATTEST_SERVER_PUBLIC_URL")]
    public_url: Option<PublicUrl>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    #[command(flatten)]
    #[serde(default)]
    quota: QuotaArgs,
    #[command(flatten)]
    #[serde(default)]
    record: RecordArgs,
    #[command(flatten)]
    #[serde(default)]
    http: HttpArgs,
    #[command(flatten)]
    #[serde(default)]
    logging: LoggingArgs,
}

impl RunArgs {
    /// Applies the precedence and fills in defaults.
    pub fn resolve(self) -> Result<RunConfig, ConfigError> {
        let file: Self = read(self.config.as_deref())?;
        let base = self.config.as_deref();
        let http = self.http.or(file.http);
        let policy = self.witness_policy.or(beside(base, file.witness_policy));
        let witnesses = match (policy, self.witness_fail.or(file.witness_fail)) {
            (Some(policy), Some(fail)) => Some((policy, fail)),
            (Some(_), None) => return Err(missing("witness-fail", None)),
            (None, Some(_)) => return Err(missing("witness-policy", None)),
            (None, None) => None,
        };
        Ok(RunConfig {
            data: self.data.or(beside(base, file.data)).ok_or(missing("data", Some("ATTEST_SERVER_DATA")))?,
            listen: self.listen.or(file.listen).ok_or(missing("listen", Some("ATTEST_SERVER_LISTEN")))?,
            rebuilders: self.rebuilders.or(beside(base, file.rebuilders)).ok_or(missing("rebuilders", None))?,
            witnesses,
            record: self.record.or(file.record, base),
            verify_threads: http.verify_threads(),
            limits: http.limits(),
            metrics_listen: http.metrics_listen(),
            public_url: self.public_url.or(file.public_url),
            quota: self.quota.or(file.quota),
            logging: self.logging.or(file.logging),
        })
    }
}
