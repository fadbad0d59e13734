//! Flags of every command that builds: with which Python, in what room, within what limits.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::sandbox::{Isolation, Limits};

/// How a wheel is built.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Building {
    /// The Python that builds, and whose pip knows the index
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    pub(crate) python: PathBuf,
    /// How to keep the build from the network and the machine [default: the best that works here]
    #[arg(long, value_name = "HOW")]
    pub(crate) isolation: Option<Isolation>,
    /// Where downloads and environments are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Seconds that one build may take
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    timeout: u64,
    /// Megabytes that one build may write
    #[arg(long, value_name = "MB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    disk: u64,
}

impl Building {
    /// As [`cache`].
    pub(crate) fn cache(&self) -> anyhow::Result<PathBuf> {
        cache(self.cache_dir.as_deref())
    }

    /// How much a build may use.
    pub(crate) fn limits(&self) -> Limits {
        Limits { time: Duration::from_secs(self.timeout), disk: self.disk << 20, ..Limits::default() }
    }

    /// The same flags, for a process of our own.
    pub(crate) fn arguments(&self) -> anyhow::Result<Vec<OsString>> {
        let mut arguments: Vec<OsString> = vec![
            "--python".into(),
            self.python.clone().into(),
            "--cache-dir".into(),
            self.cache()?.into(),
            "--timeout".into(),
            self.timeout.to_string().into(),
            "--disk".into(),
            self.disk.to_string().into(),
        ];
        if let Some(isolation) = self.isolation.as_ref().and_then(ValueEnum::to_possible_value) {
            arguments.extend(["--isolation".into(), isolation.get_name().into()]);
        }
        Ok(arguments)
    }
}

/// The folder that was named, or `$XDG_CACHE_HOME/attest`: nothing in it is trusted, all of it is hashed again. Absolute,
/// since it is mounted into a room that has another working directory.
pub(crate) fn cache(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(std::path::absolute(named)?);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::home_dir().map(|home| home.join(".cache"));
    let cache = cache.or_else(home).context("expected a home directory, found none: name a folder with --cache-dir")?;
    Ok(cache.join("attest"))
}
