//! `attest rebuilder`: rebuild all the time, on private machines, and say in public what came out.

use std::path::PathBuf;
use std::time::Duration;

use crate::cmd::rebuild::default_cache;
use crate::exit::Exit;
use crate::rebuild::workshop::{Givens, Options};
use crate::rebuilder::folder::Folder;
use crate::run::Run;
use crate::sandbox::{Isolation, Limits};

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
    /// Run the coordinator, and workers on this machine
    Run(run::Args),
    /// Run a worker for a coordinator
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

/// How a worker rebuilds.
#[derive(Clone, Debug, clap::Args)]
struct Building {
    /// The Python that builds, and whose pip knows the index
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// How to keep builds from the network and the machine [default: the best that works here; never none]
    #[arg(long, value_name = "HOW")]
    isolation: Option<Isolation>,
    /// Where downloads and environments are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Seconds that one build may take
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    timeout: u64,
    /// Megabytes that one build may write
    #[arg(long, value_name = "MB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    disk: u64,
}

impl Building {
    fn cache(&self) -> anyhow::Result<PathBuf> {
        Ok(std::path::absolute(self.cache_dir.clone().map_or_else(default_cache, Ok)?)?)
    }

    /// `results` is set for each job.
    fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            python: self.python.clone(),
            cache: self.cache()?,
            results: PathBuf::new(),
            isolation: self.isolation,
            source: None,
            commit: None,
            given: Givens::default(),
            limits: Limits { time: Duration::from_secs(self.timeout), disk: self.disk << 20, ..Limits::default() },
        })
    }
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
