//! `attest completions SHELL`

use std::io;

use clap_complete::Shell;

use crate::{cli, exit::Exit};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell reads it.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "attest", &mut script);
    match io::Write::write_all(&mut io::stdout().lock(), &script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Pass),
    }
}
