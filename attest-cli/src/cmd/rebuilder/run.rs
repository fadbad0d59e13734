//! `attest rebuilder run`, `attest rebuilder worker`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::{Data, init, options};
use crate::cmd::building::Building;
use crate::cmd::submit::Target;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::rebuilder::coordinator::{Coordinator, OwnWorkers, staff};
use crate::rebuilder::feed::Reader;
use crate::rebuilder::folder::Folder;
use crate::rebuilder::notary::Notary;
use crate::rebuilder::server;
use crate::rebuilder::settings::Settings;
use crate::rebuilder::worker::{self, Worker as Builder};
use crate::run::Run;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    data: Data,
    /// Workers on this machine
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: u16,
    /// Where the status page is, and where workers on other hosts come in. TLS is for a proxy in front
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(flatten)]
    building: Building,
}

#[derive(Debug, clap::Args)]
pub(super) struct Worker {
    /// Where the coordinator listens
    #[arg(long, value_name = "URL")]
    coordinator: String,
    /// What `attest rebuilder token` printed; `-`: the first line of standard input, whose end ends the worker
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    #[command(flatten)]
    building: Building,
}

pub(super) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let folder = args.data.folder();
    let settings = Settings::read(&folder.settings())?;
    // Held to the end: two coordinators would build everything twice.
    let _lock = folder.lock().map_err(|error| {
        Failure::usage(error.to_string())
            .hint("commands reach the coordinator that runs: there is no need for a second")
    })?;
    interrupt::watch()?;
    let say = |words: &str| run.out.note(words);
    let (notary, reader) = publishing(&folder, &settings, args, run)?;
    let coordinator = Arc::new(Coordinator::open(folder, settings, crate::run::now().secs(), &say)?);
    serve(args, &coordinator, notary, &reader, run)?;
    match coordinator.take_fatal() {
        Some(words) => Err(Failure::usage(words).hint("start it again once the disk is well: nothing is lost").into()),
        None => Ok(Exit::Pass),
    }
}

/// Everything that has to be right is opened before any work is given out.
fn publishing(folder: &Folder, settings: &Settings, args: &Args, run: &Run) -> anyhow::Result<(Notary, Reader)> {
    let card = init::read(folder)?;
    let signer = init::signer(folder, settings, &card)?;
    let logs = settings.logs.iter().map(|log| {
        let target = Target::open(&log.url, Some(&log.vkey), run)?;
        Ok((log.vkey.name().as_str().to_owned(), target))
    });
    let logs = logs.collect::<anyhow::Result<_>>()?;
    let own = signer.public().clone();
    let reader = Reader::new(folder.clone(), &args.building.python, &args.building.cache()?, own);
    let notary = Notary::new(folder.clone(), signer, card.introduction().id(), settings.abstentions, logs);
    Ok((notary, reader))
}

fn serve(
    args: &Args,
    coordinator: &Arc<Coordinator>,
    mut notary: Notary,
    reader: &Reader,
    run: &Run,
) -> anyhow::Result<()> {
    let say = |words: &str| run.out.note(words);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime
        .block_on(TcpListener::bind(args.listen))
        .with_context(|| Failure::usage(format!("cannot listen on {}", args.listen)))?;
    let address = listener.local_addr()?;
    let url = format!("http://{address}/");
    run.out.line(format_args!("listening on {url}"))?;
    let workers =
        OwnWorkers { count: args.workers, program: std::env::current_exe()?, options: args.building.arguments()? };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| coordinator.clock(&say));
        scope.spawn(|| coordinator.publish(&mut notary, &say));
        scope.spawn(|| coordinator.follow(reader, &say));
        scope.spawn(move || {
            staff::keep(coordinator, &workers, &url, &say);
            // Only now: a worker that ends gives its job back.
            let _gone = stop.send(());
        });
        let stopped = async {
            // An error would mean that the thread panicked, and then we are to end as well.
            let _ended = stopped.await;
        };
        let served = runtime.block_on(server::serve(listener, Arc::clone(coordinator), stopped));
        // However the server ended: nobody else goes on without it.
        interrupt::request();
        served
    })
}

pub(super) fn worker(args: &Worker, run: &Run) -> anyhow::Result<Exit> {
    interrupt::watch()?;
    let say = |words: &str| run.out.note(words);
    let token = worker::token(&args.token_file)?;
    Builder::open(&args.coordinator, token, options(&args.building)?, &say)?.run(&say);
    Ok(Exit::Pass)
}
