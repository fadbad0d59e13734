//! The commands: settings in, exit code out.

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use attest_core::note::KeyName;

use crate::{
    backup,
    clock::Clock,
    config::{Cli, Command, InitArgs, LogFormat, Logging},
    export, freeze, fsck, init, logging, mirror, restore, run, witness,
};

/// Usage, configuration or I/O (docs/TRUST.md 1.5).
pub const EXIT_USAGE: u8 = 2;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All done.
    Done,
    /// The log that is mirrored could not be reached, or what it gave cannot be used.
    Undecided,
    /// The log, one that is mirrored or this one, was proven to contradict itself.
    Alarm,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Undecided => 3,
            Outcome::Alarm => 4,
        })
    }
}

/// Runs one command to its end.
pub fn execute(cli: Cli) -> anyhow::Result<Outcome> {
    match cli.command {
        Command::Init(args) => init(&args),
        Command::Run(args) => {
            let config = args.resolve()?;
            start(&config.logging)?;
            runtime()?.block_on(run::run(config))
        }
        Command::Mirror(args) => {
            let config = args.resolve()?;
            start(&config.logging)?;
            runtime()?.block_on(mirror::run(config))
        }
        Command::Fsck(args) => {
            quiet()?;
            runtime()?.block_on(fsck::command(args))
        }
        Command::Witness(args) => {
            let config = args.resolve()?;
            start(&config.logging)?;
            runtime()?.block_on(witness::run(config))
        }
        Command::Export(args) => {
            quiet()?;
            runtime()?.block_on(export::command(args))
        }
        Command::Backup(args) => {
            quiet()?;
            runtime()?.block_on(backup::command(args))
        }
        Command::Restore(args) => {
            quiet()?;
            runtime()?.block_on(restore::command(args))
        }
        Command::Freeze(args) => {
            quiet()?;
            runtime()?.block_on(freeze::command::command(args))
        }
    }
}

fn init(args: &InitArgs) -> anyhow::Result<Outcome> {
    let origin = KeyName::new(&args.origin)
        .with_context(|| format!("--origin: expected the name of a log, found {:?}", args.origin))?;
    // The name is for ever: one that reads like an address ties the log to how it is served today.
    anyhow::ensure!(
        !args.origin.contains("://"),
        "--origin: expected the name of a log without a scheme, such as log.example.org/attest, found {:?}",
        args.origin
    );
    let vkey = init::init_log(&args.data, origin, Clock::system().now())?;
    writeln!(std::io::stdout(), "{vkey}")?;
    Ok(Outcome::Done)
}

fn start(logging: &Logging) -> anyhow::Result<()> {
    logging::start(logging).with_context(|| format!("{:?} is not a log filter", logging.filter))?;
    raise_open_files();
    Ok(())
}

/// Commands that end by themselves say what they found, and log only what is odd.
fn quiet() -> anyhow::Result<()> {
    start(&Logging { format: LogFormat::Text, filter: "warn".to_owned() })
}

/// Reads of tiles and the index block; this many at a time keep the disk busy without a thread for each request.
const BLOCKING_THREADS: usize = 64;

/// A connection is a file descriptor, and the usual soft limit of 1,024 is far below `--max-connections`.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("could not start the runtime")
}
