//! `attest-server freeze`.

use std::path::PathBuf;

use clap::Args;

/// What `freeze` does, and its exit codes.
pub(super) const FREEZE_CODES: &str = "\
A frozen log answers every read and refuses every submission with 403, the reason and --next. It signs nothing. The state \
is in DIR/frozen and survives restarts; a server that runs takes notice within a second.

A log made by `restore` is frozen until --off shows that nobody has seen more of it than it holds: name every witness and \
mirror. Its server has to be stopped for that.

Exit codes: 0 done, 2 usage, configuration or I/O, 3 undecided: somebody who was named did not answer, 4 alarm: more of \
the log was seen than it holds, or something else; it stays frozen.";

/// `attest-server freeze`.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// Folder of the log
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Why, for whoever submits
    #[arg(long, value_name = "TEXT", conflicts_with = "off")]
    pub reason: Option<String>,
    /// Where statements go instead
    #[arg(long, value_name = "TEXT", conflicts_with = "off")]
    pub next: Option<String>,
    /// Open the log again
    #[arg(long)]
    pub off: bool,
    /// A place with a checkpoint of this log: a file, or the base URL of a mirror or copy (may be repeated)
    #[arg(long, value_name = "FILE|URL", requires = "off")]
    pub seen: Vec<String>,
    /// Monitoring URL of a witness of this log (may be repeated)
    #[arg(long, value_name = "URL", requires = "off")]
    pub witness: Vec<String>,
}
