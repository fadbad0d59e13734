//! `attest-server`: the log and its mirror as one program. What it does is in the library; this is its exit code.

use std::{io::Write as _, process::ExitCode};

use attest_server::{command, config::Cli};
use clap::Parser as _;

fn main() -> ExitCode {
    match command::execute(Cli::parse()) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            // Nothing is left to do when even standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(command::EXIT_USAGE)
        }
    }
}
