//! `attest-server export`, `backup` and `restore`.

use std::{num::NonZeroU64, path::PathBuf};

use clap::{ArgGroup, Args};

use crate::{config::PublicUrl, export::files::Form};

/// What `export` does, and its exit codes.
pub(super) const EXPORT_CODES: &str = "\
Every entry is hashed and every tile computed on the way; everything is durable before the checkpoint, which is written \
last. The next export into the same folder adds what is new. A log that runs is exported from its URL, one that is stopped \
from its folder. Plain bundles can be served by anything; gzip bundles need a server that sends `Content-Encoding: gzip` \
for tile/entries/ (docs/export.md).

With --site the pages for people are written, as files that any web server serves (docs/feeds.md). Of a log that runs, make \
a mirror with `mirror --once` and export that.

Exit codes: 0 done, 2 usage, configuration or I/O, 3 undecided: the log could not be read, is behind the copy, or is not \
what was signed, 4 alarm: the log signed two trees of one size. After 3 and 4 the copy is what it was before.";

/// What `backup` does, and its exit codes.
pub(super) const BACKUP_CODES: &str = "\
A backup holds what the log has published, its name and its SECRET KEY: keep it as you keep the key. The next backup into \
the same folder adds what is new. A log that runs is saved from its own URL (--url), one that is stopped from its folder. \
Of a mirror it holds the key of its lists of negatives alone, which policies name; a new mirror replicates the rest.

Exit codes: 0 done, 2 usage, configuration or I/O, 3 undecided: the log could not be read, 4 alarm: it signed two trees of \
one size. After 3 and 4 an earlier backup is what it was.";

/// What `restore` does, and its exit codes.
pub(super) const RESTORE_CODES: &str = "\
Every hash is checked. The restored log is FROZEN: it serves, and signs nothing, until `attest-server freeze --off` was \
shown that nobody has seen more of it than it holds. Where a mirror has more than the backup, name it with --entries-from. \
A log that cannot be brought up to what was seen must not be run again: start a new one under a new name (docs/restore.md). \
From the backup of a mirror a new mirror is made, with the same auditor.

Exit codes: 0 done, 2 usage, configuration or I/O, 3 undecided: something could not be read, or is not what was signed.";

/// `attest-server export`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("from").required(true).args(["data", "url"])))]
pub struct ExportArgs {
    /// Folder of a log or mirror that no server uses
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Base URL of a log or mirror
    #[arg(long, value_name = "URL", requires = "vkey")]
    pub url: Option<String>,
    /// Verifier key of the log, as `init` printed it
    #[arg(long, value_name = "VKEY", conflicts_with = "data")]
    pub vkey: Option<String>,
    /// Folder of the copy; new, empty, or an earlier copy of this log
    #[arg(long, value_name = "DIR", required_unless_present = "site")]
    pub to: Option<PathBuf>,
    /// How entry bundles lie in it [default: plain, or as they do]
    #[arg(long, value_name = "FORM", requires = "to")]
    pub bundles: Option<Form>,
    /// Export again and again, with this pause, until SIGTERM or SIGINT
    #[arg(long, value_name = "SECONDS", conflicts_with = "data")]
    pub every: Option<NonZeroU64>,
    /// Write the pages for people instead, for any web server; folder, new, empty, or of an earlier export
    #[arg(long, value_name = "DIR", requires = "data", conflicts_with_all = ["to", "url"])]
    pub site: Option<PathBuf>,
    /// Whose statements the pages show by name, as for `run`; without it they are of nobody
    #[arg(long, value_name = "FILE", requires = "site")]
    pub rebuilders: Option<PathBuf>,
    /// Names of projects, one per line: the home page shows how many of them are rebuilt
    #[arg(long, value_name = "FILE", requires = "site")]
    pub coverage: Option<PathBuf>,
    /// URL that the pages will have: feeds and badges then have absolute links
    #[arg(long, value_name = "URL", requires = "site")]
    pub public_url: Option<PublicUrl>,
}

/// `attest-server backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Folder of the log or mirror
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// URL at which its server runs now; without it, no server may use the folder
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Folder of the backup; new, empty, or an earlier backup of this log
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Do not save the secret key: it is kept elsewhere
    #[arg(long)]
    pub without_key: bool,
}

/// `attest-server restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Folder of the backup, with log.id and the secret key
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Take the entries from here: a mirror or copy of the log that has more than the backup
    #[arg(long, value_name = "URL")]
    pub entries_from: Option<String>,
    /// Folder to make; it must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}
