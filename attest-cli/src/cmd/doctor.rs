//! `attest doctor`: what this machine has for attest, what each missing thing costs, and the command that mends it.
//!
//! It changes nothing, and asks nobody but the index that pip is told to use and the logs of the policy.

use std::path::PathBuf;

use attest_core::verify::Connection;

use self::check::{Check, State};
use crate::{cmd::building, exit::Exit, output::Style, run::Run};

mod check;
mod judging;
mod programs;
mod python;
mod room;

/// Say what this machine has for attest, what a missing thing costs, and how to mend it
///
/// Exit code 0 when what is set up works, although something optional may be missing; 2 when something does not work that
/// was set up, or that no command does without; 3 when an index or a log does not answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The Python that builds, and whose pip knows the index
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// Where downloads and environments are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let cache = building::cache(args.cache_dir.as_deref())?;
    let mut checks = {
        let _task = run.out.task("looking at Python and pip");
        let found = python::look(&args.python, &cache);
        let mut checks = found.checks;
        checks.push(room::check(found.pip.as_ref()));
        checks.extend(programs::rebuilding());
        if let Some(pip) = &found.pip {
            checks.extend(python::indexes(pip, &cache, run.connection == Connection::Online));
        }
        checks
    };
    checks.push(programs::signing());
    {
        let _task = run.out.task("asking the logs of the policy");
        checks.extend(judging::look(run)?);
    }
    let exit = checks.iter().fold(Exit::Pass, |exit, check| exit.worst(check.state.exit()));
    if run.out.is_json() {
        run.out.json(&serde_json::json!({ "schema": "attest.doctor/v1", "checks": checks, "exit": exit.code() }))?;
        return Ok(exit);
    }
    print(&checks, run)?;
    Ok(exit)
}

fn print(checks: &[Check], run: &Run) -> anyhow::Result<()> {
    let out = &run.out;
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in checks {
        let style = match check.state {
            State::Ok => Style::Good,
            State::Missing | State::Unasked => Style::Caution,
            State::Broken | State::Unreachable => Style::Bad,
        };
        // Padded before it is painted: escape sequences have no width.
        let word = out.paint(style, format_args!("{:<11}", check.state.word()));
        let mut found = check.found.lines();
        out.line(format_args!("{word}  {:<width$}  {}", check.name, found.next().unwrap_or_default()))?;
        for line in found {
            out.line(format_args!("{:15}{:width$}{line}", "", ""))?;
        }
        for (word, text) in [("costs", &check.costs), ("mend", &check.mend)] {
            if let Some(text) = text {
                out.line(format_args!("{:13}{:<width$}  {text}", "", word))?;
            }
        }
    }
    let count = |state: State| checks.iter().filter(|check| check.state == state).count();
    let states = [State::Ok, State::Missing, State::Broken, State::Unreachable, State::Unasked];
    let counts = states.map(|state| (count(state), state.word()));
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    out.line(counts.collect::<Vec<_>>().join(", "))?;
    Ok(())
}
