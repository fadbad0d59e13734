//! Command line, environment and configuration file.
//!
//! For every setting the flag wins over the environment (`ATTEST_SERVER_*`), and the environment over the file given with
//! `--config`. What decides trust (who may submit, which key a mirror believes, which proxy, which file configures that)
//! has no environment variable, so that no variable can loosen it (docs/TRUST.md 1.2).
//!
//! The file is TOML; its keys are the long flags of the command. Unknown keys are errors.
//!
//! ```toml
//! data = "/var/lib/attest"
//! listen = "127.0.0.1:8080"
//! rebuilders = "rebuilders.toml"     # relative to this file
//!
//! [http]
//! max-connections = 4096
//! trusted-proxy = ["127.0.0.1/32", "::1/128"]
//!
//! [quota]                            # of each rebuilder that has none of its own in the rebuilders file
//! per-minute = 600
//! burst = 5000
//!
//! [record]
//! coverage = "projects.txt"          # whose share that is rebuilt the home page shows
//! mirror = ["https://mirror.example.org"]    # whose state the page of the log shows
//!
//! [logging]
//! log-format = "json"
//! ```

mod arguments;
mod public_url;

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::ValueEnum;
use serde::Deserialize;

pub use arguments::{
    BackupArgs, Cli, Command, ExportArgs, FreezeArgs, FsckArgs, InitArgs, MirrorArgs, OutputFormat, RestoreArgs,
    RunArgs, WitnessArgs,
};
pub use public_url::{PublicUrl, PublicUrlError};

use crate::{
    quota::{addresses::AddressLimits, client::TrustedProxies, rebuilder::Quota},
    witnesses::Fail,
};

/// Settings of `run`, complete and checked.
#[derive(Debug)]
pub struct RunConfig {
    /// Folder of the log.
    pub data: PathBuf,
    /// Address to listen on.
    pub listen: String,
    /// Who may submit.
    pub rebuilders: PathBuf,
    /// New entries that a rebuilder may add, where that file does not say it.
    pub quota: Quota,
    /// Which witnesses cosign, and what to do without a quorum of them.
    pub witnesses: Option<(PathBuf, Fail)>,
    /// The public record.
    pub record: RecordConfig,
    /// Threads that check signatures.
    pub verify_threads: NonZeroUsize,
    /// Limits of the HTTP server.
    pub limits: Limits,
    /// Where metrics are served, when not beside everything else.
    pub metrics_listen: Option<String>,
    /// Where the site is for everybody else.
    pub public_url: Option<PublicUrl>,
    /// Logging.
    pub logging: Logging,
}

/// Settings of `mirror`, complete and checked.
#[derive(Debug)]
pub struct MirrorConfig {
    /// Folder of the mirror.
    pub data: PathBuf,
    /// Base URL of the log.
    pub upstream: String,
    /// Verifier key of the log, not parsed yet.
    pub vkey: String,
    /// Name of its cosignatures, for the first start.
    pub name: Option<String>,
    /// tlog-policy with the witnesses whose cosignatures are passed on.
    pub witness_policy: Option<PathBuf>,
    /// Whose statements are whose, for the public record.
    pub rebuilders: Option<PathBuf>,
    /// The public record.
    pub record: RecordConfig,
    /// Serve here, or only catch up once.
    pub serving: Serving,
    /// Time between two looks at the log's checkpoint.
    pub poll_interval: Duration,
    /// How long the log may stay silent before /readyz is 503.
    pub max_stale: Duration,
    /// For the User-Agent.
    pub contact: Option<String>,
    /// Limits of the HTTP server.
    pub limits: Limits,
    /// Where metrics are served, when not beside everything else.
    pub metrics_listen: Option<String>,
    /// Where the site is for everybody else.
    pub public_url: Option<PublicUrl>,
    /// Logging.
    pub logging: Logging,
}

/// Settings of `witness`, complete and checked.
#[derive(Debug)]
pub struct WitnessConfig {
    /// Folder of the witness.
    pub data: PathBuf,
    /// The logs that it cosigns.
    pub logs: PathBuf,
    /// Address to listen on.
    pub listen: String,
    /// Name of its cosignatures, for the first start.
    pub name: Option<String>,
    /// Limits of the HTTP server.
    pub limits: Limits,
    /// Logging.
    pub logging: Logging,
}

/// The public record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordConfig {
    /// Whether there is one.
    pub kept: bool,
    /// Names of projects of which it shows how many are rebuilt.
    pub coverage: Option<PathBuf>,
    /// Base URLs of mirrors that it shows the state of.
    pub mirrors: Vec<String>,
}

/// Whether a mirror stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Catch up and exit.
    Once,
    /// Serve on this address and follow the log.
    Listen(String),
}

/// Limits of the HTTP server. Body sizes are constants beside what they limit.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at a time.
    pub connections: NonZeroUsize,
    /// To send a request's head; also the idle time of a kept-alive connection.
    pub header: Duration,
    /// From a request's head to its answer.
    pub request: Duration,
    /// Without any progress in sending an answer.
    pub write: Duration,
    /// For requests in flight at shutdown.
    pub grace: Duration,
    /// For each client address.
    pub address: AddressLimits,
    /// Who is believed about the address of a client.
    pub trusted_proxies: TrustedProxies,
}

/// How to log.
#[derive(Clone, Debug)]
pub struct Logging {
    /// Form.
    pub format: LogFormat,
    /// tracing's filter directives.
    pub filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why the settings do not make a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting that has no default was not given.
    #[error("--{flag} is missing: give the flag, or `{flag}` in the file of --config{}",
        .variable.map(|name| format!(", or set {name}")).unwrap_or_default())]
    Missing {
        /// Long flag, without dashes.
        flag: &'static str,
        /// Its environment variable, when it has one.
        variable: Option<&'static str>,
    },
    /// The file could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML of the expected form.
    #[error("{} is not a configuration of this command", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
}
