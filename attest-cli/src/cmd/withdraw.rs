//! `attest withdraw STATEMENT --signer S --reason TEXT -o FILE`

use std::path::PathBuf;

use attest_core::statement::{Predicate, Statement, Withdrawal};

use crate::{
    cmd::sign::{self, Signed},
    evidence::folder::read_envelope,
    exit::{Exit, Failure},
    run::Run,
    signer::{Signer, SignerSpec},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The signed statement to take back.
    statement: PathBuf,
    /// Signs the withdrawal: the key of the statement, or another current key of its group.
    #[arg(long, value_name = "FILE|gpg:FINGERPRINT")]
    signer: SignerSpec,
    /// Why, for everybody to read.
    #[arg(long)]
    reason: String,
    /// The signed withdrawal [default: among your own statements].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let (envelope, statement) = read_envelope(&args.statement)?;
    if matches!(statement.predicate(), Predicate::Withdrawn(_)) {
        let message = format!("{} is a withdrawal, which is final", args.statement.display());
        return Err(Failure::usage(message).into());
    }
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("--reason is empty: say why, for everybody to read").into());
    }
    let signer = Signer::open(&args.signer)?;
    if envelope.verify(signer.public()).is_err() {
        run.out.warning(
            "the statement was signed by another key: the withdrawal counts only where a policy has both in one group",
        );
    }
    let withdrawal = Withdrawal { statement_id: envelope.statement_id(), reason: args.reason.clone() };
    let withdrawn = Statement::new(statement.subject().clone(), Predicate::Withdrawn(withdrawal))?;
    let made = Signed::make(&withdrawn, &signer)?;
    let path = sign::keep(&made, args.output.as_deref(), run)?;
    sign::report(&made, &path, run)?;
    run.out.hint(format_args!("others see it once it is logged: `attest submit {} --log URL`", path.display()));
    Ok(Exit::Pass)
}
