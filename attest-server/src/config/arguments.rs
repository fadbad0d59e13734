//! The command line and the configuration file, which have one form.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, de::DeserializeOwned};

use super::{ConfigError, Limits, LogFormat, Logging, MirrorConfig, RunConfig, Serving};

const PRECEDENCE: &str = "\
Settings are taken from, in this order: the flag, the environment variable named beside it, the file given with --config \
(TOML; its keys are the long flags, those about HTTP under [http], about logging under [logging]).
What decides trust (--rebuilders, --vkey, --config) has no environment variable.

Exit codes: 0 done, 2 usage, configuration or I/O, 3 upstream unreachable or not usable (mirror --once), 4 alarm: the log \
was proven to contradict itself.";

/// The storage engines tell at `info` how they open their files, which is of no use to an operator.
const DEFAULT_FILTER: &str = "info,fjall=warn,lsm_tree=warn,sled=warn";

/// The transparency log of attest: append, publish, serve, mirror.
#[derive(Debug, Parser)]
#[command(name = "attest-server", version, about, after_help = PRECEDENCE)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One subcommand each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new log: keys (mode 0600), database, identity. Prints the verifier key; never overwrites
    Init(InitArgs),
    /// Run the log
    #[command(after_help = PRECEDENCE)]
    Run(RunArgs),
    /// Replicate a log, verify every byte of it, serve it and cosign it
    #[command(after_help = PRECEDENCE)]
    Mirror(MirrorArgs),
}

/// `attest-server init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder to make; it must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Name of the log for ever after, such as `log.example.org/attest`
    #[arg(long, value_name = "NAME")]
    pub origin: String,
}

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
    /// Seconds between two looks at the log's checkpoint [default: 5]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_POLL_INTERVAL")]
    poll_interval: Option<NonZeroU64>,
    /// Seconds without a usable answer of the log after which /readyz is 503 [default: 3600]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_MAX_STALE")]
    max_stale: Option<u64>,
    /// Mail address or URL for the operator of the log, sent in the User-Agent
    #[arg(long, value_name = "TEXT", env = "ATTEST_SERVER_CONTACT")]
    contact: Option<String>,
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

#[derive(Clone, Copy, Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct HttpArgs {
    /// Connections open at a time; more wait in the kernel's queue [default: 4096]
    #[arg(long, value_name = "N", env = "ATTEST_SERVER_MAX_CONNECTIONS")]
    max_connections: Option<NonZeroUsize>,
    /// Seconds a client may take to send a request's head, and to stay idle between requests [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_HEADER_TIMEOUT")]
    header_timeout: Option<NonZeroU64>,
    /// Seconds from a request's head to its answer [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_REQUEST_TIMEOUT")]
    request_timeout: Option<NonZeroU64>,
    /// Seconds a client may take to read anything at all of its answer [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_WRITE_TIMEOUT")]
    write_timeout: Option<NonZeroU64>,
    /// Seconds that requests in flight get to finish after SIGTERM or SIGINT [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_SHUTDOWN_GRACE")]
    shutdown_grace: Option<NonZeroU64>,
    /// Threads that check signatures of submissions [default: one per core, at most 4]
    #[arg(long, value_name = "N", env = "ATTEST_SERVER_VERIFY_THREADS")]
    verify_threads: Option<NonZeroUsize>,
}

#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct LoggingArgs {
    /// Form of the logs on standard error [default: text]
    #[arg(long, value_name = "FORMAT", env = "ATTEST_SERVER_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// What to log, such as `debug` or `attest_server=debug` [default: info, of the storage engines warn]
    #[arg(long, value_name = "FILTER", env = "ATTEST_SERVER_LOG")]
    log_filter: Option<String>,
}

impl RunArgs {
    /// Applies the precedence and fills in defaults.
    pub fn resolve(self) -> Result<RunConfig, ConfigError> {
        let file: Self = read(self.config.as_deref())?;
        let base = self.config.as_deref();
        let http = self.http.or(file.http);
        Ok(RunConfig {
            data: self.data.or(beside(base, file.data)).ok_or(missing("data", Some("ATTEST_SERVER_DATA")))?,
            listen: self.listen.or(file.listen).ok_or(missing("listen", Some("ATTEST_SERVER_LISTEN")))?,
            rebuilders: self.rebuilders.or(beside(base, file.rebuilders)).ok_or(missing("rebuilders", None))?,
            verify_threads: http.verify_threads.unwrap_or_else(default_verify_threads),
            limits: http.limits(),
            logging: self.logging.or(file.logging),
        })
    }
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
        let poll = self.poll_interval.or(file.poll_interval).map_or(5, NonZeroU64::get);
        Ok(MirrorConfig {
            data: self.data.or(beside(base, file.data)).ok_or(missing("data", Some("ATTEST_SERVER_DATA")))?,
            upstream: self.upstream.or(file.upstream).ok_or(missing("upstream", Some("ATTEST_SERVER_UPSTREAM")))?,
            vkey: self.vkey.or(file.vkey).ok_or(missing("vkey", None))?,
            name: self.name.or(file.name),
            serving,
            poll_interval: Duration::from_secs(poll),
            max_stale: Duration::from_secs(self.max_stale.or(file.max_stale).unwrap_or(3600)),
            contact: self.contact.or(file.contact),
            limits: self.http.or(file.http).limits(),
            logging: self.logging.or(file.logging),
        })
    }
}

impl HttpArgs {
    fn or(self, file: Self) -> Self {
        Self {
            max_connections: self.max_connections.or(file.max_connections),
            header_timeout: self.header_timeout.or(file.header_timeout),
            request_timeout: self.request_timeout.or(file.request_timeout),
            write_timeout: self.write_timeout.or(file.write_timeout),
            shutdown_grace: self.shutdown_grace.or(file.shutdown_grace),
            verify_threads: self.verify_threads.or(file.verify_threads),
        }
    }

    fn limits(self) -> Limits {
        let seconds = |given: Option<NonZeroU64>, default| Duration::from_secs(given.map_or(default, NonZeroU64::get));
        Limits {
            connections: self.max_connections.unwrap_or(NonZeroUsize::MIN.saturating_add(4095)),
            header: seconds(self.header_timeout, 30),
            request: seconds(self.request_timeout, 30),
            write: seconds(self.write_timeout, 30),
            grace: seconds(self.shutdown_grace, 30),
        }
    }
}

impl LoggingArgs {
    fn or(self, file: Self) -> Logging {
        Logging {
            format: self.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            filter: self.log_filter.or(file.log_filter).unwrap_or_else(|| DEFAULT_FILTER.to_owned()),
        }
    }
}

/// More threads than this only take turns with the committer and the async workers.
fn default_verify_threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(NonZeroUsize::MIN.saturating_add(3))
}

const fn missing(flag: &'static str, variable: Option<&'static str>) -> ConfigError {
    ConfigError::Missing { flag, variable }
}

fn read<T: DeserializeOwned + Default>(path: Option<&Path>) -> Result<T, ConfigError> {
    let Some(path) = path else {
        return Ok(T::default());
    };
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source })
}

/// Relative paths in a file are relative to that file, wherever the server was started.
fn beside(config: Option<&Path>, path: Option<PathBuf>) -> Option<PathBuf> {
    let folder = config.and_then(Path::parent).unwrap_or(Path::new(""));
    path.map(|path| folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(flags: &[&str]) -> RunArgs {
        let cli = Cli::parse_from([["attest-server", "run"].as_slice(), flags].concat());
        let Command::Run(args) = cli.command else { panic!("not run") };
        args
    }

    fn file(text: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("server.toml"), text).unwrap();
        dir
    }

    #[test]
    fn an_unknown_key_in_the_file_is_an_error_that_names_it() {
        for text in ["lsten = '127.0.0.1:0'", "[http]\nmax-conections = 3", "once = true"] {
            let dir = file(text);
            let path = dir.path().join("server.toml");
            let error = run(&["--config", path.to_str().unwrap()]).resolve().unwrap_err();
            assert!(matches!(error, ConfigError::Parse { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn a_flag_wins_over_the_file_and_paths_in_the_file_are_beside_it() {
        let dir = file("data = 'd'\nlisten = 'a:1'\nrebuilders = '/r.toml'\n[http]\nmax-connections = 7\n");
        let path = dir.path().join("server.toml");
        let config = run(&["--listen", "b:2", "--config", path.to_str().unwrap()]).resolve().unwrap();
        assert_eq!(config.listen, "b:2");
        assert_eq!(config.data, dir.path().join("d"));
        assert_eq!(config.rebuilders, Path::new("/r.toml"));
        assert_eq!(config.limits.connections.get(), 7);
    }

    #[test]
    fn what_is_missing_is_named_with_where_it_can_be_given() {
        let error = run(&["--data", "d", "--listen", "a:1"]).resolve().unwrap_err();
        assert_eq!(
            error.to_string(),
            "--rebuilders is missing: give the flag, or `rebuilders` in the file of --config"
        );
    }

    #[test]
    fn nothing_that_decides_trust_can_be_set_by_the_environment() {
        let command = <Cli as clap::CommandFactory>::command();
        for subcommand in command.get_subcommands() {
            for argument in subcommand.get_arguments() {
                let trusted = ["rebuilders", "vkey", "config"].contains(&argument.get_id().as_str());
                assert!(!(trusted && argument.get_env().is_some()), "{argument}");
            }
        }
        command.debug_assert();
    }

    #[test]
    fn limits_of_zero_are_refused() {
        for flag in ["--max-connections", "--header-timeout", "--request-timeout"] {
            assert!(Cli::try_parse_from(["attest-server", "run", flag, "0"]).is_err(), "{flag}");
        }
    }
}
