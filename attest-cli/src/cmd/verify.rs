//! `attest verify [PATHS...]`

use std::path::PathBuf;

use crate::{
    buildtools::BuildTools,
    coverage, evidence,
    exit::Exit,
    gate::{self, report::Report},
    input,
    layers::LayerError,
    platform::find::Selection,
    run::Run,
};

mod audit;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Locks (uv.lock, pylock.toml, poetry.lock, pdm.lock, Pipfile.lock), requirements with hashes, pip reports, wheels,
    /// folders of wheels, - for standard input [default: the project's lock].
    paths: Vec<PathBuf>,
    /// Every file of a lock counts, not only what may be installed on this machine.
    #[arg(long)]
    all_files: bool,
    /// The Python that will install: which files of a lock count depends on it [default: of the project's environment, or
    /// python3].
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// Without a policy: a log to ask what it has about the files. Nothing of its answer is checked.
    #[arg(long, value_name = "URL")]
    log: Vec<String>,
    /// A signed statement that counts like your own: for the keys that a policy lists under [[self]], and without a log. May
    /// be given more than once.
    #[arg(long, value_name = "FILE")]
    statement: Vec<PathBuf>,
    /// Ask the same question about everything that the rebuilders built with, and show how much of it is attested. Does
    /// not change which files pass; an alarm about a build tool is one.
    #[arg(long)]
    build_deps: bool,
    /// Audit what is installed: a Python, or the folder of a virtual environment. The paths are then locks that say which
    /// files it should be; without them the configured index is asked.
    #[arg(long, value_name = "PYTHON", conflicts_with_all = ["log", "build_deps"])]
    env: Option<PathBuf>,
}

impl Args {
    /// Of what is installed: its answer is about files on a disk and not about lines of a lock.
    pub(crate) const fn is_audit(&self) -> bool {
        self.env.is_some()
    }

    /// `--statement`.
    pub(crate) fn statements(&self) -> &[PathBuf] {
        &self.statement
    }
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    evidence::are_envelopes(&args.statement)?;
    let selection = Selection { all_files: args.all_files, python: args.python.clone() };
    if let Some(python) = &args.env {
        return audit::run(python, &args.paths, &selection, run);
    }
    let items = input::items(&args.paths, &selection, run)?;
    let layers = match run.layers() {
        Err(error @ LayerError::None { .. }) => return coverage::tell(&items, &args.log, error, run),
        layers => layers?,
    };
    if !args.log.is_empty() {
        run.out.note("the logs of the policy are asked: --log is for a look without one");
    }
    let judged = gate::judge(&items, &layers, run)?;
    let tools = args.build_deps.then(|| BuildTools::ask(&judged, &layers, run)).transpose()?;
    let report = Report { tools: tools.as_ref(), ..Report::new("attest.verify/v1", &judged, &layers) };
    Ok(report.print(run)?)
}
