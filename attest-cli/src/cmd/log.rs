//! `attest log`: looking at logs.

use crate::{exit::Exit, run::Run};

mod compare;
mod status;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show what a log signs now, and whether it continues what was seen before
    Status(status::Args),
    /// Prove that a log shows the same history at all of its URLs: its own, its mirrors', its witnesses'
    ///
    /// Exit code 0 when all that answered go together, 3 when there are not two to compare or something that the log
    /// signed is not proven, 4 when the log contradicts itself: then the evidence is kept as a file.
    Compare(compare::Args),
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    match &args.what {
        What::Status(args) => status::run(args, run),
        What::Compare(args) => compare::run(args, run),
    }
}
