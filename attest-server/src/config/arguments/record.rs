//! The public record, which every server that serves a log has.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::beside;
use crate::config::{PublicUrl, RecordConfig};

#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct RecordArgs {
    /// Keep no public record: no pages about projects, files and rebuilders, and nothing of them under /api/v1
    #[arg(long, env = "ATTEST_SERVER_NO_RECORD")]
    no_record: bool,
    /// Names of projects, one per line: the record shows how many of them are rebuilt
    #[arg(long, value_name = "FILE", env = "ATTEST_SERVER_COVERAGE")]
    coverage: Option<PathBuf>,
    /// Base URL of a mirror of the log: its checkpoint is compared with this server's every minute, and shown on the page of
    /// the log. May be repeated
    #[arg(long, value_name = "URL")]
    mirror: Vec<PublicUrl>,
}

impl RecordArgs {
    /// `base`: the file that `file` is from.
    pub(super) fn or(self, file: Self, base: Option<&Path>) -> RecordConfig {
        let mirrors = if self.mirror.is_empty() { file.mirror } else { self.mirror };
        RecordConfig {
            kept: !(self.no_record || file.no_record),
            coverage: self.coverage.or(beside(base, file.coverage)),
            mirrors: mirrors.iter().map(|url| url.join("")).collect(),
        }
    }
}
