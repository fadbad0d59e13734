//! How long pages take, as browsers get them: over loopback, each on a connection of its own, asked for one after the other.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use attest_core::{artifact::ProjectName, envelope::StatementId};
use attest_server::{
    config::Limits,
    http::{self, Listeners, Site, views},
    quota::{Rate, addresses::AddressLimits, client::TrustedProxies},
};

use crate::{
    ask::Anywhere,
    entries::{self, Wheel},
    process,
    took::Took,
};

/// Name of the threads that answer.
const THREAD: &str = "serve";
/// What a page shall take at most.
const GOAL: Duration = Duration::from_millis(50);

/// Asks for every kind of page so many times.
pub(crate) fn measure(site: Site, any: Anywhere, asked: u64) -> Result<()> {
    let ids: Vec<_> =
        views::rebuilders(&site, None)?.into_iter().flat_map(|page| page.items).map(|row| row.id).collect();
    let site = Arc::new(site);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name(THREAD)
        // A thread that ends takes its CPU time along.
        .thread_keep_alive(Duration::from_secs(3_600))
        .build()?;
    let main = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let server = Server { address: main.local_addr()?, asked };
    let serving = runtime.spawn({
        let site = Arc::clone(&site);
        async move { http::serve(&site, Listeners { main, metrics: None }, limits(), std::future::pending()).await }
    });

    let project = |wheel: &Wheel| ProjectName::new(&wheel.project).map(|name| name.as_str().to_owned());
    let path = |wheel: &Wheel, rest: &str| Ok(format!("project/{}/{rest}", project(wheel)?));
    let rebuilder = |n: u64| Ok(format!("rebuilder/{}/", ids[usize::try_from(n)? % ids.len()]));
    let statement = |n: u64| -> Result<StatementId> { Ok(entries::envelope(any.entry(n))?.statement_id()) };

    server.each("home", |_| Ok(String::new()))?;
    server.each("projects", |n| Ok(format!("projects/after/{}/", project(&any.wheel(n))?)))?;
    server.each("project", |n| path(&any.wheel(n), ""))?;
    server.each("project, older entries", |n| path(&any.wheel(n), &format!("before/{}/", any.entry(n) + 1)))?;
    server.each("release", |n| path(&any.wheel(n), &format!("{}/", any.wheel(n).version)))?;
    server.each("file", |n| Ok(format!("file/{}/", any.wheel(n).digest)))?;
    server.each("entry", |n| Ok(format!("entry/{}/", any.entry(n))))?;
    server.each("entries", |n| Ok(format!("entries/before/{}/", any.entry(n) + 1)))?;
    server.each("rebuilders", |_| Ok("rebuilders/".to_owned()))?;
    server.each("rebuilder", rebuilder)?;
    server.each("rebuilder, older entries", |n| Ok(format!("{}before/{}/", rebuilder(n)?, any.entry(n) + 1)))?;
    server.each("disagreements", |n| Ok(format!("disagreements/before/{}/", any.entry(n) + 1)))?;
    server.each("log", |_| Ok("log/".to_owned()))?;
    let search = |what: String| Ok(format!("search/?q={what}"));
    server.each("search: a name", |n| search(any.wheel(n).project))?;
    server.each("search: the beginning of names", |n| search(format!("project-{}", n % 100)))?;
    server.each("search: a file name", |n| search(any.wheel(n).file))?;
    server.each("search: a digest", |n| search(any.wheel(n).digest.to_string()))?;
    server.each("search: a statement", |n| search(statement(n)?.to_string()))?;
    server.each("search: a commit", |n| search(any.commit(n)))?;
    server.each("search: nothing", |n| search(format!("nobody-said-{n}")))?;

    server.each("badge of a project", |n| path(&any.wheel(n), "badge.svg"))?;
    server.each("badge of a release", |n| path(&any.wheel(n), &format!("{}/badge.svg", any.wheel(n).version)))?;
    server.each("feed of everything", |_| Ok("feed.atom".to_owned()))?;
    server.each("feed of a project", |n| path(&any.wheel(n), "feed.atom"))?;
    server.each("feed of a rebuilder", |n| Ok(rebuilder(n)? + "feed.atom"))?;
    server.each("feed of disagreements", |_| Ok("disagreements/feed.atom".to_owned()))?;

    println!("the largest");
    let [releases, files, said, more] = &Wheel::large();
    server.each("project of 2,000 releases", |_| path(releases, ""))?;
    server.each("  its badge", |_| path(releases, "badge.svg"))?;
    server.each("release of 300 files", |_| path(files, "1.0/"))?;
    server.each("  its badge", |_| path(files, "1.0/badge.svg"))?;
    server.each("file with 198 statements", |_| Ok(format!("file/{}/", said.digest)))?;
    server.each("file with 1,902 statements", |_| Ok(format!("file/{}/", more.digest)))?;
    serving.abort();
    runtime.shutdown_background();
    Ok(())
}

/// As `attest-server run` has them, but for how much one address may ask.
fn limits() -> Limits {
    let (minute, many) = (Duration::from_secs(60), NonZeroU32::MIN.saturating_add(1_000_000));
    let rate = Rate::new(many, Duration::from_secs(1), many);
    Limits {
        connections: NonZeroUsize::MIN.saturating_add(63),
        header: minute,
        request: minute,
        write: minute,
        grace: minute,
        address: AddressLimits { connections: many, in_flight: many, reads: rate, submissions: rate },
        trusted_proxies: TrustedProxies::new(Vec::new()),
    }
}

struct Server {
    address: SocketAddr,
    asked: u64,
}

impl Server {
    /// Asks for one kind of page and prints what that took.
    fn each(&self, what: &str, path: impl Fn(u64) -> Result<String>) -> Result<()> {
        let paths = (0..self.asked).map(path).collect::<Result<Vec<_>>>()?;
        let (mut took, mut busy, mut bytes, mut late) = (Took::default(), Took::default(), 0, 0);
        for path in &paths {
            let (started, before) = (Instant::now(), cpu()?);
            bytes += self.get(path)?;
            late += u64::from(started.elapsed() > GOAL);
            took.add(started.elapsed());
            busy.add(cpu()?.saturating_sub(before));
        }
        let [median, most] = [50, 100].map(|share| busy.at(share).as_secs_f64() * 1e3);
        let late = if late == 0 { String::new() } else { format!(", {late} took more than the goal") };
        let kilobytes = bytes / 1_000 / paths.len().max(1);
        println!("  {what:<32} {}, CPU {median:6.2} to {most:6.2} ms, {kilobytes:4} kB{late}", took.told());
        Ok(())
    }

    /// Bytes of an answer that has to be there.
    fn get(&self, path: &str) -> Result<usize> {
        let mut stream = TcpStream::connect(self.address)?;
        let head = format!(
            "GET /{path} HTTP/1.1\r\nHost: record.example\r\nAccept: text/html,*/*;q=0.8\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let status = answer.get(..12).context("an answer without a status")?;
        // A search for what there is one of leads there.
        ensure!(matches!(status, b"HTTP/1.1 200" | b"HTTP/1.1 303"), "/{path}: {}", String::from_utf8_lossy(&answer));
        Ok(answer.len())
    }
}

/// Of the threads that answer.
fn cpu() -> Result<Duration> {
    Ok(process::cpu_by_thread()?.get(THREAD).copied().unwrap_or_default())
}
