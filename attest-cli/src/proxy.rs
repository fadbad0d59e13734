//! The index proxy: what pip, uv and Poetry see of an index is what the policies let through.
//!
//! | module | what it is |
//! |---|---|
//! | [`upstream`], `netrc` | the indexes behind it, and the credentials that each of them alone gets |
//! | `listing`, `html` | what an index says about a project, or why that is not understood |
//! | [`judges`], `offer`, `pages` | one question for each project page; what came of it, for a minute |
//! | [`shelf`], `body`, `range`, `metadata` | files, that are what was judged before anybody has all of one |
//! | [`door`], [`server`], [`routes`], `answers`, `accept`, `client` | HTTP |
//! | [`tally`], `status` | what was kept back, and why |
//! | [`around`], `installer`, `environment`, `arrivals`, `standing` | one command with a proxy of its own |

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use reqwest::Url;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{output::Output, run::Run};

mod accept;
mod answers;
pub(crate) mod around;
mod arrivals;
mod body;
mod client;
pub(crate) mod door;
mod environment;
mod html;
mod installer;
pub(crate) mod judges;
mod listing;
mod metadata;
mod offer;
mod pages;
mod range;
pub(crate) mod routes;
pub(crate) mod server;
pub(crate) mod shelf;
mod standing;
mod status;
pub(crate) mod tally;
pub(crate) mod upstream;

use self::{
    door::Door,
    judges::Judges,
    routes::Routes,
    shelf::Shelf,
    tally::{Notice, Tally},
    upstream::Upstreams,
};

/// Threads that answer; the rest of the work has threads of its own.
const WORKERS: usize = 2;
/// For answers that are on their way when we end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a proxy is set up.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) listen: SocketAddr,
    pub(crate) door: Door,
    pub(crate) upstreams: Upstreams,
    /// Where files are kept, and how many bytes of them.
    pub(crate) folder: &'a Path,
    pub(crate) limit: u64,
    pub(crate) index_only: bool,
}

/// A proxy that answers.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) runtime: Runtime,
    /// With the token, and a slash at its end.
    pub(crate) url: Url,
    pub(crate) tally: Arc<Tally>,
}

/// Runs a proxy for as long as `work` takes.
pub(crate) fn during<T>(
    setup: Setup<'_>,
    run: &Run,
    work: impl FnOnce(&Proxy) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let (judges, cases) = Judges::new();
    let (tally, notices) = Tally::new();
    thread::scope(|scope| {
        for _ in 0..judges::BENCHES {
            scope.spawn(|| judges::sit(&cases, run));
        }
        scope.spawn(move || speak(&notices, &run.out));
        // Everything that hands in cases or notices is gone when this returns, and then those threads end.
        let proxy = open(setup, judges, tally)?;
        let outcome = work(&proxy);
        proxy.runtime.shutdown_timeout(LAST_WORDS);
        outcome
    })
}

fn open(setup: Setup<'_>, judges: Judges, tally: Tally) -> anyhow::Result<Proxy> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let tally = Arc::new(tally);
    let prefix = setup.door.prefix();
    let upstreams = Arc::new(setup.upstreams);
    let shelf = Shelf::new(Arc::clone(&upstreams), setup.folder, setup.limit)
        .with_context(|| format!("expected a folder for files at {}", setup.folder.display()))?;
    let routes = Routes::new(setup.door, upstreams, judges, Arc::new(shelf), Arc::clone(&tally), setup.index_only);
    let listener = runtime.block_on(TcpListener::bind(setup.listen));
    let listener = listener.with_context(|| format!("expected to listen on {}", setup.listen))?;
    let address = listener.local_addr()?;
    runtime.spawn(server::serve(listener, Arc::new(routes)));
    let url = Url::parse(&format!("http://{address}{prefix}")).map_err(io::Error::other)?;
    Ok(Proxy { runtime, url, tally })
}

fn speak(notices: &mpsc::Receiver<Notice>, out: &Output) {
    for notice in notices {
        match notice {
            Notice::Warning(words) => out.warning(words),
            Notice::Detail(words) => out.detail(words),
        }
    }
}
