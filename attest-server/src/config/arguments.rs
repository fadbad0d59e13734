//! The command line and the configuration file, which have one form.

mod freeze;
mod fsck;
mod http;
mod keep;
mod logging;
mod mirror;
mod quota;
mod record;
mod run;
mod witness;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;

use super::ConfigError;
pub use freeze::FreezeArgs;
pub use fsck::{FsckArgs, OutputFormat};
pub use keep::{BackupArgs, ExportArgs, RestoreArgs};
pub use mirror::MirrorArgs;
pub use run::RunArgs;
pub use witness::WitnessArgs;

const PRECEDENCE: &str = "\
Settings are taken from, in this order: the flag, the environment variable named beside it, the file given with --config \
(TOML; its keys are the long flags, those about HTTP under [http], about logging under [logging], about the public record under [record]; \
--quota-per-day is per-day under [quota]).
What decides trust (--rebuilders, --vkey, --witness-policy, --witness-fail, --logs, --trusted-proxy, --config) has no environment variable.

Exit codes: 0 done, 2 usage, configuration or I/O, 3 upstream unreachable or not usable (mirror --once), 4 alarm: the log \
was proven to contradict itself, or (run) is behind what its witnesses have seen.";

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
    /// Check a log: derive every hash again, check every signature and index
    #[command(after_help = fsck::FSCK_CODES)]
    Fsck(FsckArgs),
    /// Cosign the checkpoints of logs that only ever grow
    #[command(after_help = PRECEDENCE)]
    Witness(WitnessArgs),
    /// Keep a verified copy of a log that any static server can serve
    #[command(after_help = keep::EXPORT_CODES)]
    Export(ExportArgs),
    /// Save all that it takes to bring a log back
    #[command(after_help = keep::BACKUP_CODES)]
    Backup(BackupArgs),
    /// Bring a log back, frozen
    #[command(after_help = keep::RESTORE_CODES)]
    Restore(RestoreArgs),
    /// Close a log: reads go on, nothing new is accepted or signed
    #[command(after_help = freeze::FREEZE_CODES)]
    Freeze(FreezeArgs),
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

    /// Everybody sees it on the page of the log.
    #[test]
    fn the_url_of_a_mirror_has_no_password_in_it() {
        let secret = "https://user:secret@mirror.example";
        assert!(Cli::try_parse_from(["attest-server", "run", "--mirror", secret]).is_err());
        for (url, is_fine) in [("https://mirror.example", true), (secret, false)] {
            let text = format!("data = 'd'\nlisten = 'a:1'\nrebuilders = '/r.toml'\n[record]\nmirror = ['{url}']\n");
            let dir = file(&text);
            let path = dir.path().join("server.toml");
            let config = run(&["--config", path.to_str().unwrap()]).resolve();
            assert_eq!(config.is_ok(), is_fine, "{url}");
        }
        let config = run(&["--data", "d", "--listen", "a:1", "--rebuilders", "r", "--mirror", "http://m:1"]).resolve();
        assert_eq!(config.unwrap().record.mirrors, ["http://m:1/"]);
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
                let trusted =
                    ["rebuilders", "vkey", "witness_policy", "witness_fail", "logs", "trusted_proxy", "config"]
                        .contains(&argument.get_id().as_str());
                assert!(!(trusted && argument.get_env().is_some()), "{argument}");
            }
        }
        command.debug_assert();
    }

    #[test]
    fn quotas_and_proxies_are_read_from_the_file_too() {
        let text = "data = 'd'\nlisten = 'a:1'\nrebuilders = 'r'\n[quota]\nper-day = 7\n[http]\ntrusted-proxy = ['10.0.0.0/8']\n";
        let dir = file(text);
        let path = dir.path().join("server.toml");
        let config = run(&["--quota-burst", "3", "--config", path.to_str().unwrap()]).resolve().unwrap();
        assert_eq!((config.quota.per_day.unwrap().get(), config.quota.burst.unwrap().get()), (7, 3));
        assert!(config.limits.trusted_proxies.connection([10, 1, 1, 1].into()).is_none());
        let bad = file(&text.replace("10.0.0.0/8", "10.0.0.0/33"));
        let path = bad.path().join("server.toml");
        assert!(run(&["--config", path.to_str().unwrap()]).resolve().is_err());
    }

    #[test]
    fn the_packaged_settings_are_settings() {
        let packaged = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
        let config = run(&["--config", packaged.join("server.toml").to_str().unwrap()]).resolve().unwrap();
        assert_eq!(config.rebuilders, packaged.join("rebuilders.toml"));
        assert!(config.quota.per_day.is_some());
        let file = packaged.join("mirror.toml");
        let cli = Cli::parse_from(["attest-server", "mirror", "--config", file.to_str().unwrap()]);
        let Command::Mirror(args) = cli.command else { panic!("not mirror") };
        args.resolve().unwrap();
        let file = packaged.join("witness.toml");
        let cli = Cli::parse_from(["attest-server", "witness", "--config", file.to_str().unwrap()]);
        let Command::Witness(args) = cli.command else { panic!("not witness") };
        assert_eq!(args.resolve().unwrap().logs, packaged.join("witness-logs"));
    }

    #[test]
    fn a_witness_policy_comes_with_what_to_do_when_it_is_not_met() {
        let given = ["--data", "d", "--listen", "a:1", "--rebuilders", "r"];
        let resolve = |more: &[&str]| run(&[given.as_slice(), more].concat()).resolve();
        assert!(resolve(&[]).unwrap().witnesses.is_none());
        let error = resolve(&["--witness-policy", "w"]).unwrap_err();
        assert!(matches!(error, ConfigError::Missing { flag: "witness-fail", .. }), "{error}");
        let error = resolve(&["--witness-fail", "open"]).unwrap_err();
        assert!(matches!(error, ConfigError::Missing { flag: "witness-policy", .. }), "{error}");
        let (policy, fail) =
            resolve(&["--witness-policy", "w", "--witness-fail", "closed"]).unwrap().witnesses.unwrap();
        assert_eq!((policy.as_path(), fail), (Path::new("w"), crate::witnesses::Fail::Closed));
    }

    #[test]
    fn limits_of_zero_are_refused() {
        for flag in ["--max-connections", "--header-timeout", "--request-timeout", "--address-reads", "--quota-per-day"]
        {
            assert!(Cli::try_parse_from(["attest-server", "run", flag, "0"]).is_err(), "{flag}");
        }
    }
}
