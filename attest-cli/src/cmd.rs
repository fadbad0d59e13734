//! The commands: one file each.

use std::{path::PathBuf, process::ExitCode};

use attest_core::verify::Connection;

use crate::{exit::Failure, host, output::Format, run::Run};

mod building;
mod check;
mod completions;
mod doctor;
mod explain;
mod install;
mod key;
mod lock;
mod log;
mod man;
mod normalize;
mod policy;
mod proxy;
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
    /// Ask whether the policy accepts a lock, wheels or an environment
    Verify(verify::Args),
    /// Prune locks to what is accepted, with the evidence in attest.lock
    Lock(lock::Args),
    /// Install through pip or uv exactly what the policy accepts
    Install(install::Args),
    /// Be an index that shows installers only what the policy accepts
    Proxy(proxy::Args),
    /// Show everything known about a file, and what decides
    Explain(explain::Args),
    /// Write, check or change a policy
    Policy(policy::Args),
    /// Build a project twice, and say what differs and how to fix it
    Check(check::Args),
    /// Record what is tested or uploaded, check it, lock build tools
    Snapshot(snapshot::Args),
    /// Build published wheels again, and say whether they are the same
    Rebuild(Box<rebuild::Args>),
    /// Give wheels a container that depends on their content alone
    Normalize(normalize::Args),
    /// Rebuild all the time on private machines, publish the results
    Rebuilder(rebuilder::Args),
    /// Sign what a rebuild found
    Sign(sign::Args),
    /// Send statements to a log and check the proofs that it returns
    Submit(submit::Args),
    /// Take back a statement, for good
    Withdraw(withdraw::Args),
    /// Look at a log, compare its mirrors, or keep all of it here
    Log(log::Args),
    /// Make a signing key, or show the public half of one
    Key(key::Args),
    /// Say what this machine lacks for attest, and how to mend it
    Doctor(doctor::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print or write manual pages
    Man(man::Args),
}

impl Command {
    /// In which formats it answers. Those that name files of a project and what is wrong with them have all.
    pub(crate) const fn formats(&self) -> &'static [Format] {
        match self {
            Self::Verify(args) if args.is_audit() => &[Format::Text, Format::Json],
            Self::Verify(_) | Self::Install(_) | Self::Explain(_) => {
                &[Format::Text, Format::Json, Format::Sarif, Format::Github]
            }
            _ => &[Format::Text, Format::Json],
        }
    }

    /// Files of statements that were named as evidence.
    pub(crate) fn statements(&self) -> &[PathBuf] {
        match self {
            Self::Verify(args) => args.statements(),
            Self::Explain(args) => args.statements(),
            _ => &[],
        }
    }

    /// Whom it cannot do without.
    const fn asks(&self) -> Option<&'static str> {
        match self {
            Self::Log(_) | Self::Submit(_) => Some("a log"),
            Self::Proxy(_) | Self::Rebuild(_) => Some("an index"),
            _ => None,
        }
    }
}

/// Runs a command.
pub(crate) fn dispatch(command: &Command, run: &Run) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(_) => host::needs_linux("check")?,
        Command::Rebuild(_) => host::needs_linux("rebuild")?,
        Command::Rebuilder(_) => host::needs_linux("rebuilder")?,
        _ => {}
    }
    if let Some(whom) = command.asks().filter(|_| run.connection == Connection::Offline) {
        let failure = Failure::usage(format!("this command is for asking {whom}, and --offline asks nobody"));
        return Err(failure.hint("leave out --offline").into());
    }
    let exit = match command {
        Command::Verify(args) => verify::run(args, run),
        Command::Lock(args) => lock::run(args, run),
        Command::Install(args) => install::run(args, run),
        Command::Proxy(args) => proxy::run(args, run),
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
        Command::Doctor(args) => doctor::run(args, run),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args, run),
    }?;
    Ok(exit.into())
}
