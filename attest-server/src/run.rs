//! The log as a process: open the store, admit, serve, and on a signal finish in order.

use std::{future::Future, sync::Arc};

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::{
    admission::Admission,
    config::RunConfig,
    http::{self, Role, Site},
    rebuilders::Rebuilders,
    sequencer::{Options, Sequencer},
    store::identity::{Identity, Kind},
};

/// Runs the log until SIGTERM or SIGINT.
pub async fn run(config: RunConfig) -> anyhow::Result<()> {
    let rebuilders = Rebuilders::read(&config.rebuilders)
        .with_context(|| format!("{} cannot be used", config.rebuilders.display()))?;
    let stop = stop_signal()?;
    let listener = bind(&config.listen).await?;
    serve_log(config, rebuilders, listener, stop).await
}

/// Runs the log in `config.data` on `listener` until `stop` resolves.
async fn serve_log(
    config: RunConfig,
    rebuilders: Rebuilders,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (identity, _) = Identity::read(&config.data, Kind::Log)?;
    let options = Options::default();
    let clock = options.clock.clone();
    let (sequencer, reader) = Sequencer::open(&config.data, options)?;
    let rebuilders = Arc::new(rebuilders);
    let site = Arc::new(Site {
        reader,
        origin: identity.log().name().as_str().to_owned(),
        vkeys: vec![identity.log().to_string()],
        role: Role::Log {
            sequencer: sequencer.clone(),
            admission: Admission::start(&rebuilders, config.verify_threads.get())?,
            rebuilders,
        },
        data: config.data,
        clock,
        request_timeout: config.limits.request,
    });
    announce(&listener)?;
    http::serve::serve(listener, http::router(&site), config.limits, stop).await;
    // Every connection has ended: nobody submits any more, and whoever was promised an answer has it.
    sequencer.shutdown().await;
    tracing::info!("ended");
    Ok(())
}

/// Prints and logs the address, which with port 0 only now is known. Scripts wait for this line.
pub(crate) fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    use std::io::Write as _;
    let address = listener.local_addr()?;
    tracing::info!(%address, "listening");
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}/")?;
    out.flush()?;
    Ok(())
}

pub(crate) async fn bind(address: &str) -> anyhow::Result<TcpListener> {
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
