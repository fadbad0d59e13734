//! `attest-server mirror`, as flags or as a file.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::Args;
use serde::Deserialize;

use super::{beside, http::HttpArgs, logging::LoggingArgs, missing, read, record::RecordArgs};
use crate::config::{ConfigError, MirrorConfig, PublicUrl, Serving};

/// `attest-server mirror`, as flags or as a file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MirrorArgs {
    /// Folder of the mirror; made at the first start
    #[arg(long, value_name = "DIR", env = "ATTEST_SERVER_DATA")]
    data: Option<PathBuf>,
    /// Base URL of the log (or of another mirror of it)
    #[arg(long, value_name = "URL", env = "ATTEST_SERVER_UPSTREAM")]
    upstream: Option<String>,
    /// Verifier key of the log, as `init` printed it
    #[arg(long, value_name = "VKEY")]
    vkey: Option<String>,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", env = "ATTEST_SERVER_LISTEN")]
    listen: Option<String>,
    /// Catch up once and exit, without serving
    #[arg(long)]
    #[serde(skip)]
    once: bool,
    /// Name of this mirror's cosignatures, chosen at the first start [default: made from the log's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// C2SP tlog-policy with the witnesses of the log: their cosignatures are passed on beside this mirror's own, so that
    /// it can stand in for the log where a client counts witnesses
    #[arg(long, value_name = "FILE")]
    witness_policy: Option<PathBuf>,
    /// Seconds between two looks at the log's checkpoint [default: 5]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_POLL_INTERVAL")]
    poll_interval: Option<NonZeroU64>,
    /// Seconds without a usable answer of the log after which /readyz is 503 [default: 3600]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_MAX_STALE")]
    max_stale: Option<u64>,
    /// Mail address or URL for the operator of the log, sent in the User-Agent
    #[arg(long, value_name = "TEXT", env = "ATTEST_SERVER_CONTACT")]
    contact: Option<String>,
    /// URL of this site for everybody else: feeds and badges then have absolute links
    #[arg(long, value_name = "URL", env = "ATTEST_SERVER_PUBLIC_URL")]
    public_url: Option<PublicUrl>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// The log's list of rebuilders, as its operator publishes it: the public record tells by it whose a statement is, and
    /// without one they are nobody's
    #[arg(long, value_name = "FILE")]
    rebuilders: Option<PathBuf>,
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

impl MirrorArgs {
    /// Applies the precedence and fills in defaults.
    pub fn resolve(self) -> Result<MirrorConfig, ConfigError> {
        let file: Self = read(self.config.as_deref())?;
        let base = self.config.as_deref();
        let serving = if self.once {
            Serving::Once
        } else {
            Serving::Listen(self.listen.or(file.listen).ok_or(missing("listen", Some("ATTEST_SERVER_LISTEN")))?)
        };
        let http = self.http.or(file.http);
        let poll = self.poll_interval.or(file.poll_interval).map_or(5, NonZeroU64::get);
        Ok(MirrorConfig {
            data: self.data.or(beside(base, file.data)).ok_or(missing("data", Some("ATTEST_SERVER_DATA")))?,
            upstream: self.upstream.or(file.upstream).ok_or(missing("upstream", Some("ATTEST_SERVER_UPSTREAM")))?,
            vkey: self.vkey.or(file.vkey).ok_or(missing("vkey", None))?,
            name: self.name.or(file.name),
            witness_policy: self.witness_policy.or(beside(base, file.witness_policy)),
            rebuilders: self.rebuilders.or(beside(base, file.rebuilders)),
            record: self.record.or(file.record, base),
            serving,
            poll_interval: Duration::from_secs(poll),
            max_stale: Duration::from_secs(self.max_stale.or(file.max_stale).unwrap_or(3600)),
            contact: self.contact.or(file.contact),
            limits: http.limits(),
            metrics_listen: http.metrics_listen(),
            public_url: self.public_url.or(file.public_url),
            logging: self.logging.or(file.logging),
        })
    }
}
