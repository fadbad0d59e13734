//! Load on the read side of a log: checkpoints, full tiles and full bundles a second, over connections that are kept.
//!
//! ```text
//! cargo run --release -p attest-tests --bin reads -- --url http://127.0.0.1:8090 --url http://127.0.0.1:8091
//! ```
//!
//! With several URLs, they take turns, so that a log and a file server over the same files are measured in one run.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use attest_core::{
    checkpoint::UnverifiedCheckpoint,
    tile::{BundleId, Resource, TILE_WIDTH, TileId},
};
use clap::Parser;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// Bytes of an answer's head.
const MAX_HEAD: usize = 8 * 1024;

/// Reads from logs on this machine as fast as they answer.
#[derive(Debug, Parser)]
struct Args {
    /// http://ADDRESS:PORT of a log, or of a file server over its files and checkpoint
    #[arg(long = "url", required = true)]
    urls: Vec<String>,
    /// Connections, each with one request in flight
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// How long for each kind and URL
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Checkpoint,
    Tiles,
    Bundles,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Tiles => "full tiles",
            Self::Bundles => "full bundles",
        }
    }

    /// The path of the n-th request, in a log with so many full tiles.
    fn path(self, n: u64, full: u64) -> Result<String> {
        // Neighbours are far apart, and every one is asked for (a multiplier without a factor in common with most counts).
        let index = n.wrapping_mul(1_000_003) % full.max(1);
        let resource = match self {
            Self::Checkpoint => Resource::Checkpoint,
            Self::Tiles => Resource::Tile(TileId::new(0, index, TILE_WIDTH)?),
            Self::Bundles => Resource::Bundle(BundleId::new(index, TILE_WIDTH)?),
        };
        Ok(resource.to_string())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let duration = Duration::from_secs(args.seconds.into());
    for kind in [Kind::Checkpoint, Kind::Tiles, Kind::Bundles] {
        for url in &args.urls {
            let address = loopback(url)?;
            let (answers, bytes) = load(address, kind, args.clients, duration).await?;
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            let (answers, megabytes) = (answers as f64, bytes as f64 / 1e6);
            let seconds = duration.as_secs_f64();
            println!("{:<14} {url:<28} {:>8.0}/s {:>8.0} MB/s", kind.name(), answers / seconds, megabytes / seconds);
        }
    }
    Ok(())
}

/// Somebody else's log is not for load tests.
fn loopback(url: &str) -> Result<SocketAddr> {
    let address = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let address = address.and_then(|address| address.parse().ok());
    let address: SocketAddr = address.with_context(|| format!("expected http://ADDRESS:PORT, found {url:?}"))?;
    ensure!(address.ip().is_loopback(), "expected an address of this machine such as 127.0.0.1, found {url:?}");
    Ok(address)
}

/// Number of answers, and bytes of their bodies.
async fn load(address: SocketAddr, kind: Kind, clients: u16, duration: Duration) -> Result<(u64, u64)> {
    let mut first = Connection::open(address).await?;
    first.get("checkpoint").await?;
    let full = UnverifiedCheckpoint::parse(&first.body)?.claim().head.size.get() / u64::from(TILE_WIDTH);
    if full == 0 && !matches!(kind, Kind::Checkpoint) {
        bail!("expected a log with at least {TILE_WIDTH} entries");
    }
    let next = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + duration;
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let next = Arc::clone(&next);
        running.spawn(async move {
            let (mut connection, mut answers, mut bytes) = (Connection::open(address).await?, 0, 0);
            while Instant::now() < until {
                let path = kind.path(next.fetch_add(1, Ordering::Relaxed), full)?;
                bytes += connection.get(&path).await?;
                answers += 1;
            }
            anyhow::Ok((answers, bytes))
        });
    }
    let mut sum = (0, 0);
    while let Some(client) = running.join_next().await {
        let (answers, bytes) = client??;
        sum = (sum.0 + answers, sum.1 + bytes);
    }
    Ok(sum)
}

/// As little of HTTP as a load needs: the client runs on the cores of the server that it measures.
struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, body: Vec::new() })
    }

    /// Gets a path into `body`; returns its length.
    async fn get(&mut self, path: &str) -> Result<u64> {
        let request = format!("GET /{path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.stream.write_all(request.as_bytes()).await?;
        self.body.clear();
        let head = loop {
            ensure!(
                self.stream.read_buf(&mut self.body).await? > 0,
                "the connection ended before the answer to {path}"
            );
            if let Some(end) = self.body.windows(4).take(MAX_HEAD).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(self.body.len() < MAX_HEAD, "expected a head of at most {MAX_HEAD} bytes");
        };
        let length = length(&self.body[..head]).with_context(|| format!("expected 200 with a length for {path}"))?;
        self.body.drain(..head);
        self.body.reserve(length.saturating_sub(self.body.len()));
        while self.body.len() < length {
            ensure!(self.stream.read_buf(&mut self.body).await? > 0, "the connection ended inside {path}");
        }
        Ok(length as u64)
    }
}

/// The length of the body of an answer with status 200.
fn length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?.strip_prefix("HTTP/1.1 200 ")?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next()?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_put_under_load() {
        for url in ["http://127.0.0.1:1", "http://127.0.0.1:8090/", "http://[::1]:80"] {
            assert!(loopback(url).is_ok(), "{url}");
        }
        for url in ["http://192.0.2.1:80", "https://127.0.0.1:1", "http://127.0.0.1", "http://log.example:80"] {
            assert!(loopback(url).is_err(), "{url}");
        }
    }
}
