//! Connections: HTTP/1.1 within limits, and an end that finishes what was begun.

use std::{
    future::Future,
    io,
    net::IpAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, http::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

use super::{
    impatient::Impatient,
    request::{Doors, Visitor},
};
use crate::{
    config::Limits,
    metrics::instruments,
    quota::{
        Moment,
        addresses::{Addresses, Presence},
    },
};

/// Bytes of a request's head. Ours have a few hundred.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after a failed accept: out of file descriptors does not get better by trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` until `shutdown` resolves, then finishes requests in flight within the grace time.
///
/// Over the limit of connections nothing is accepted: clients wait in the kernel's queue.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: impl Future<Output = ()>) {
    let doors = Arc::new(Doors { proxies: limits.trusted_proxies, addresses: Addresses::new(limits.address) });
    let timeouts = Timeouts { header: limits.header, write: limits.write };
    let slots = Arc::new(Semaphore::new(limits.connections.get()));
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer, slot)) => {
                let visitor = Visitor { peer, doors: Arc::clone(&doors) };
                let Ok(open) = Open::new(&visitor, slot) else {
                    instruments().http.refused.inc();
                    continue;
                };
                let connection = connection(stream, router.clone(), visitor, timeouts, end.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(open);
                });
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // From here the kernel refuses new connections; the ones that are open end after the request they are in.
    drop(listener);
    ending.send_replace(true);
    let finished = tokio::time::timeout(limits.grace, async { while connections.join_next().await.is_some() {} });
    if finished.await.is_err() {
        tracing::warn!(open = connections.len(), "requests in flight did not finish in time");
        connections.shutdown().await;
    }
}

#[derive(Clone, Copy, Debug)]
struct Timeouts {
    header: Duration,
    write: Duration,
}

/// A connection, as far as it is counted.
struct Open {
    _slot: OwnedSemaphorePermit,
    _presence: Option<Presence>,
}

/// Its address has as many as it may.
struct TooManyConnections;

impl Open {
    fn new(visitor: &Visitor, slot: OwnedSemaphorePermit) -> Result<Self, TooManyConnections> {
        let Visitor { peer, doors } = visitor;
        let presence = match doors.proxies.connection(*peer) {
            Some(client) => {
                let now = Moment::of(Instant::now());
                Some(doors.addresses.connect(client, now).ok_or(TooManyConnections)?)
            }
            None => None,
        };
        instruments().http.connections.inc();
        Ok(Self { _slot: slot, _presence: presence })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        instruments().http.connections.dec();
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are small and written at once; waiting to fill a packet only delays them. An error here means that the
    // client is gone already, which the first read will tell.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer.ip(), slot))
}

/// A client that was gone before it was accepted: nothing to pause for.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

async fn connection(
    stream: TcpStream,
    router: Router,
    visitor: Visitor,
    limits: Timeouts,
    mut end: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(visitor.clone());
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(MAX_HEAD)
        .serve_connection(Impatient::new(TokioIo::new(stream), limits.write), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        result = &mut served => Some(result),
        () = async { let _ = end.wait_for(|ending| *ending).await; } => None,
    };
    let result = if let Some(result) = ended {
        result
    } else {
        served.as_mut().graceful_shutdown();
        served.await
    };
    if let Err(error) = result {
        // A client that went away or was too slow: its own affair.
        tracing::debug!(%error, "connection ended early");
    }
}
