//! The commands: one file each.

use std::process::ExitCode;

use crate::host;
use crate::run::Run;

mod building;
mod check;
mod completions;
mod explain;
mod install;
mod key;
mod log;
mod normalize;
mod policy;
mod rebuild;
mod rebuilder;
pub(crate) mod sign;
mod snapshot;
pub(crate) mod submit;
mod verify;
mod withdraw;

/// Everything that can be asked for.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Ask whether the policy accepts wheels, or what a requirements file pins
    Verify(verify::Args),
    /// Install through pip, exactly the files that the policy accepts
    Install(install::Args),
    /// Show everything known about a file, and what decides
    Explain(explain::Args),
    /// Write or check a policy
    Policy(policy::Args),
    /// Build a project twice, in different places and ways, and say what differs and how to fix it
    Check(check::Args),
    /// Write down what is about to be tested or uploaded, check it afterwards, or lock the build tools
    Snapshot(snapshot::Args),
    /// Build published wheels again, and say whether they are the same
    Rebuild(Box<rebuild::Args>),
    /// Give wheels a container that depends on nothing but their content
    Normalize(normalize::Args),
    /// Rebuild all the time, on private machines, and publish what came out
    Rebuilder(rebuilder::Args),
    /// Sign what a rebuild found
    Sign(sign::Args),
    /// Send statements to a log and check the proofs that it returns
    Submit(submit::Args),
    /// Take back a statement, for good
    Withdraw(withdraw::Args),
    /// Look at a log
    Log(log::Args),
    /// Make a signing key, or show the public half of one
    Key(key::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Runs a command.
pub(crate) fn dispatch(command: &Command, run: &Run) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(_) => host::needs_linux("check")?,
        Command::Rebuild(_) => host::needs_linux("rebuild")?,
        Command::Rebuilder(_) => host::needs_linux("rebuilder")?,
        _ => {}
    }
    let exit = match command {
        Command::Verify(args) => verify::run(args, run),
        Command::Install(args) => install::run(args, run),
        Command::Explain(args) => explain::run(args, run),
        Command::Policy(args) => policy::run(args, run),
        Command::Check(args) => check::run(args, run),
        Command::Snapshot(args) => snapshot::run(args, run),
        Command::Rebuild(args) => return rebuild::run(args, run),
        Command::Rebuilder(args) => rebuilder::run(args, run),
        Command::Normalize(args) => normalize::run(args, &run.out),
        Command::Sign(args) => sign::run(args, run),
        Command::Submit(args) => submit::run(args, run),
        Command::Withdraw(args) => withdraw::run(args, run),
        Command::Log(args) => log::run(args, run),
        Command::Key(args) => key::run(args, run),
        Command::Completions(args) => completions::run(args),
    }?;
    Ok(exit.into())
}
