//! `attest policy ...`: makes, shows and changes policies.

use std::path::PathBuf;

use crate::{exit::Exit, run::Run};

mod add;
mod check;
mod exempt;
mod init;
mod preset;
mod ratchet;
mod retire;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write a policy to begin with; overwrites nothing
    Init(init::Init),
    /// Read policies, and print what they come to, each value with its line
    Check {
        /// A policy [default: all that judge here].
        file: Option<PathBuf>,
    },
    /// Show what applies to one package, in every policy that judges here
    Show(check::Show),
    /// Pin what a lock lacks today, drop the pins that are not needed, and let nothing get worse
    Ratchet(ratchet::Args),
    /// Take a file without votes, with a reason and an end
    Exempt(exempt::Exempt),
    /// Live with one contradiction, with a reason and an end
    Dismiss(exempt::Dismiss),
    /// Add a rebuilder from its introduction card
    AddRebuilder(add::AddRebuilder),
    /// Let a rebuilder's key vote only for what is in the logs now
    RetireKey(retire::RetireKey),
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    match &args.what {
        What::Init(args) => init::run(args, run),
        What::Check { file } => check::check(file.as_ref(), run),
        What::Show(args) => check::show(args, run),
        What::Ratchet(args) => ratchet::run(args, run),
        What::Exempt(args) => exempt::exempt(args, run),
        What::Dismiss(args) => exempt::dismiss(args, run),
        What::AddRebuilder(args) => add::run(args, run),
        What::RetireKey(args) => retire::run(args, run),
    }
}
