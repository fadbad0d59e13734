//! The log as a process: open the store, admit, serve, and on a signal finish in order.

use std::{future::Future, sync::Arc};

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::{
    admission::Admission,
    command::Outcome,
    config::RunConfig,
    freeze,
    http::{self, Listeners, Role, Site, health::Progress},
    mirrors::{Mirrors, Own},
    negatives::{Editions, publish},
    rebuilders::live::LiveRebuilders,
    record::{self, Record},
    sequencer::{EVIDENCE, Options, Sequencer},
    store::{
        evidence,
        identity::{Identity, Kind},
    },
    witnesses::Settings,
};

/// Runs the log until SIGTERM or SIGINT.
pub async fn run(config: RunConfig) -> anyhow::Result<Outcome> {
    if let Some(path) = evidence::found(&config.data, EVIDENCE)? {
        tracing::error!(
            "{} proves that this log's key signed two histories, or that this folder is older than the log: nothing is \
             signed\nhint: docs/witness.md says how to go on",
            path.display()
        );
        return Ok(Outcome::Alarm);
    }
    let rebuilders = LiveRebuilders::open(&config.rebuilders, config.quota)
        .with_context(|| format!("{} cannot be used", config.rebuilders.display()))?;
    let stop = stop_signal()?;
    let listeners = bind(&config.listen, config.metrics_listen.as_deref()).await?;
    serve_log(config, rebuilders, listeners, stop).await
}

/// Runs the log in `config.data` on `listeners` until `stop` resolves.
async fn serve_log(
    config: RunConfig,
    rebuilders: LiveRebuilders,
    listeners: Listeners,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Outcome> {
    let (identity, key) = Identity::read(&config.data, Kind::Log)?;
    let witnesses = config.witnesses.map(|(policy, fail)| Settings::read(&policy, fail, identity.log())).transpose()?;
    let options = Options { witnesses, ..Options::default() };
    let (clock, room) = (options.clock.clone(), options.room);
    let (sequencer, reader) = Sequencer::open(&config.data, options)?;
    let record = Record::configured(&config.record, &config.data, |coverage| record::Source {
        reader: reader.clone(),
        vkey: identity.log().to_string(),
        rebuilders: rebuilders.subscribe(),
        coverage,
        floor: record::floor(room),
    })?;
    let reloading = tokio::spawn(rebuilders.watch()?);
    let negatives = Arc::new(Editions::new(reader.clone()));
    let mirrors = Mirrors::new(&config.record.mirrors, None)?;
    let own = Own {
        reader: reader.clone(),
        log: identity.log().clone(),
        data: config.data.clone(),
        kind: Kind::Log,
        clock: clock.clone(),
    };
    let watching = tokio::spawn(mirrors.clone().watch(own));
    let signs = !freeze::may_be_old(&config.data);
    let listing = signs.then(|| tokio::spawn(publish::run(Arc::clone(&negatives), key, publish::INTERVAL)));
    let site = Arc::new(Site {
        reader,
        mirrors,
        negatives,
        origin: identity.log().name().as_str().to_owned(),
        public_url: config.public_url,
        vkeys: vec![identity.log().to_string()],
        role: Role::Log {
            sequencer: sequencer.clone(),
            admission: Admission::start(&rebuilders.subscribe(), config.verify_threads.get())?,
            rebuilders,
        },
        freeze: freeze::Watch::new(&config.data),
        data: config.data,
        clock,
        request_timeout: config.limits.request,
        progress: Progress::default(),
        record,
    });
    announce(&listeners)?;
    let mut outcome = Outcome::Done;
    let until = async {
        tokio::select! {
            () = stop => {}
            // The publisher has said why; it signs nothing any more.
            _ = sequencer.alarmed() => outcome = Outcome::Alarm,
        }
    };
    http::serve(&site, listeners, config.limits, until).await;
    reloading.abort();
    watching.abort();
    if let Some(listing) = listing {
        listing.abort();
    }
    // Every connection has ended: nobody submits any more, and whoever was promised an answer has it.
    sequencer.shutdown().await;
    tracing::info!("ended");
    Ok(outcome)
}

/// Prints and logs the address, which with port 0 only now is known. Scripts wait for this line.
pub(crate) fn announce(listeners: &Listeners) -> anyhow::Result<()> {
    use std::io::Write as _;
    let address = listeners.main.local_addr()?;
    tracing::info!(%address, "listening");
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}/")?;
    if let Some(metrics) = &listeners.metrics {
        writeln!(out, "metrics on http://{}/metrics", metrics.local_addr()?)?;
    }
    out.flush()?;
    Ok(())
}

pub(crate) async fn bind(main: &str, metrics: Option<&str>) -> anyhow::Result<Listeners> {
    let metrics = match metrics {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    Ok(Listeners { main: listen(main).await?, metrics })
}

async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("could not listen on {address}"))
}

/// Resolves at the first SIGTERM or SIGINT. Registered at once, so that a signal during start-up is not lost.
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "ending");
    })
}
