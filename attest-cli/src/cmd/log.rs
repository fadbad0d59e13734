//! `attest log`: looking at logs, and keeping them.

use attest_core::note::VerifierKey;

use crate::{
    evidence::{self, Source},
    exit::{Exit, Failure},
    layers::Layers,
    run::Run,
};

mod compare;
mod proof;
mod status;
mod sync;
mod watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show what a log signs now, and whether it continues what was seen before
    Status(status::Args),
    /// Keep whole logs on this machine, so that nobody learns what is asked
    ///
    /// Downloads all entries, derives every hash of the tree from them and compares the root with the one that the log
    /// signed. From then on `attest verify` and all the others ask the copy: they fetch the log's checkpoint and what is
    /// new, and no server hears which files are about to be installed, or can leave out what speaks against them.
    Sync(sync::Args),
    /// Prove that a log shows the same history at all of its URLs: its own, its mirrors', its witnesses'
    ///
    /// Exit code 0 when all that answered go together, 3 when there are not two to compare or something that the log
    /// signed is not proven, 4 when the log contradicts itself: then the evidence is kept as a file.
    Compare(compare::Args),
    /// Write the proof that an entry is in a log, for anybody to check offline
    ///
    /// A C2SP tlog-proof: index, inclusion path and the checkpoint with its cosignatures. It is verified under the log's key
    /// before it is written, and the checkpoint must continue what was seen of the log.
    Proof(proof::Args),
    /// Follow logs, and tell what concerns your projects, files and keys
    ///
    /// Every entry is downloaded and proven, as `attest log sync` does. Told are contradictions, foreign code, disagreements, what
    /// your keys signed and you did not, lost attestations, forks, logs that stall and witnesses that fall behind: each once, by a
    /// program, a webhook, lines of JSON or an Atom feed (docs/watch.md).
    ///
    /// With --once, exit code 0 says that there was nothing to tell, 1 that something was told, 3 that a log or a receiver could
    /// not be had (the next run goes on from there), 4 that a log contradicts itself.
    Watch(Box<watch::Args>),
}

/// A log that is named on the command line.
#[derive(Debug, clap::Args)]
struct Named {
    /// The URL of a log or mirror [default: every log of the policy].
    #[arg(long, value_name = "URL", requires = "vkey")]
    log: Option<String>,
    /// The log's verifier key.
    #[arg(long, requires = "log")]
    vkey: Option<VerifierKey>,
}

impl Named {
    fn source(&self) -> Option<Source> {
        Some(Source { log: self.vkey.clone()?, urls: vec![self.log.clone()?], audited: false })
    }
}

/// Those of the policies, which have to name one.
fn of_policies(layers: &Layers) -> anyhow::Result<Vec<Source>> {
    let sources = evidence::sources(layers);
    if sources.is_empty() {
        return Err(Failure::usage("the policy names no log").hint("name one: --log URL --vkey VKEY").into());
    }
    Ok(sources)
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    match &args.what {
        What::Status(args) => status::run(args, run),
        What::Compare(args) => compare::run(args, run),
        What::Proof(args) => proof::run(args, run),
        What::Sync(args) => sync::run(args, run),
        What::Watch(args) => watch::run(args, run),
    }
}
