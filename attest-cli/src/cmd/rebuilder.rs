//! `attest rebuilder`: rebuild all the time, on private machines, and say in public what came out.

use std::path::PathBuf;

use crate::cmd::building::Building;
use crate::exit::Exit;
use crate::rebuild::workshop::{Givens, Options};
use crate::rebuilder::folder::Folder;
use crate::run::Run;

mod init;
mod queue;
mod review;
mod run;
mod status;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a rebuilder: key, settings, introduction card
    Init(init::Init),
    /// Print the introduction card, or what a log or a policy writes into its file
    Card(init::CardArgs),
    /// Make the token of a worker on another host; printed once
    Token(init::Token),
    /// Ask for wheels to be rebuilt
    Add(queue::Add),
    /// List jobs
    List(queue::List),
    /// Try failed jobs again
    Retry(queue::Jobs),
    /// Take jobs off the queue
    Remove(queue::Jobs),
    /// Decide about accusations: nothing is said against a file without a person's word
    Review(review::Args),
    /// Run the coordinator, and workers on this machine, which never build without isolation
    Run(run::Args),
    /// Run a worker for a coordinator, which never builds without isolation
    Worker(run::Worker),
    /// Say how it stands
    Status(status::Args),
}

/// Where the rebuilder is.
#[derive(Debug, clap::Args)]
struct Data {
    /// The rebuilder's folder
    #[arg(long = "data", value_name = "DIR")]
    data: PathBuf,
}

impl Data {
    fn folder(&self) -> Folder {
        Folder::new(&self.data)
    }
}

/// How a worker rebuilds; `results` is set for each job.
fn options(building: &Building) -> anyhow::Result<Options> {
    Ok(Options {
        python: building.python.clone(),
        cache: building.cache()?,
        results: PathBuf::new(),
        isolation: building.isolation,
        source: None,
        commit: None,
        diffoscope: false,
        given: Givens::default(),
        limits: building.limits(),
    })
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    match &args.what {
        What::Init(args) => init::init(args, run),
        What::Card(args) => init::card(args, run),
        What::Token(args) => init::token(args, run),
        What::Add(args) => queue::add(args, run),
        What::List(args) => queue::list(args, run),
        What::Retry(args) => queue::retry(args, run),
        What::Remove(args) => queue::remove(args, run),
        What::Review(args) => review::run(args, run),
        What::Run(args) => run::run(args, run),
        What::Worker(args) => run::worker(args, run),
        What::Status(args) => status::run(args, run),
    }
}
