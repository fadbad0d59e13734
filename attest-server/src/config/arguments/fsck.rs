//! `attest-server fsck`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

/// Exit codes of `fsck`; the numbers are those of every command.
pub(super) const FSCK_CODES: &str = "\
Nothing is changed. The folder of a log that runs is in use: check that log by its URL.

Exit codes: 0 all of it holds; 2 usage, configuration or I/O (the folder is in use, or is none); 3 undecided: something \
could not be fetched; 4 alarm: something is not what was signed or recorded. Each fault names the file, what was expected \
and what was found. Entries that are no statements, or that nobody on --rebuilders signed, are counted and are no faults.";

/// `attest-server fsck`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("place").required(true).args(["data", "url"])))]
pub struct FsckArgs {
    /// Folder of a log or mirror that no server uses
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Base URL of any C2SP tlog-tiles log, mirror or copy of one
    #[arg(long, value_name = "URL", requires = "vkey")]
    pub url: Option<String>,
    /// Verifier key of the log, as `init` printed it
    #[arg(long, value_name = "VKEY", conflicts_with = "data")]
    pub vkey: Option<String>,
    /// Check the statements' signatures too: count whose are by rebuilders on this list and whose are not
    #[arg(long, value_name = "FILE")]
    pub rebuilders: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output_format: OutputFormat,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}
