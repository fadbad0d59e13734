//! `attest`: rebuild wheels, sign what was found, and install only what enough rebuilders reproduced.

use std::process::ExitCode;

mod amendment;
mod audit;
mod batch;
mod buildtools;
mod cache;
mod check;
mod cli;
mod client;
mod cmd;
mod cores;
mod coverage;
mod evidence;
mod exit;
mod fields;
mod files;
mod gate;
mod history;
mod host;
mod index;
mod input;
mod installed;
mod interrupt;
mod item;
mod layers;
mod locks;
mod negatives;
mod output;
mod pip;
mod places;
mod platform;
mod proxy;
mod reasons;
mod rebuild;
mod rebuilder;
mod recorded;
mod replica;
mod run;
mod sandbox;
mod signer;
mod snapshot;
mod temporary;
mod until;
mod watch;
mod wheels;

fn main() -> ExitCode {
    let (command, run) = match cli::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(exit) => return exit.into(),
    };
    match cmd::dispatch(&command, &run) {
        Ok(code) => code,
        Err(error) => {
            let (exit, hint) = exit::of(&error);
            run.out.error(&error, exit, hint.as_deref());
            exit.into()
        }
    }
}
