//! Submissions at a given rate over kept-alive connections, each awaited until its finished proof is there.

use std::{
    fs,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use attest_core::{api::Submitted, merkle::LeafHash, note::VerifierKey, proof::TlogProof};
use hyper::body::Bytes;
use tokio::{task::JoinSet, time};

use crate::{forge::Forge, http::Connection};

/// One proof in this many is verified while the load runs.
const CHECKED: usize = 100;

/// How to submit.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections, each with one submission in flight.
    pub clients: usize,
    /// Submissions per second over all connections. Without it each client submits as soon as it has its answer.
    pub rate: Option<f64>,
    /// No submission starts later than this.
    pub duration: Duration,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Time from a submission's turn to its proof, sorted. Where a rate was asked for, the turn is when the schedule says
    /// it is, so that waiting for a free connection counts.
    latencies: Vec<Duration>,
    /// From the first submission to the last proof.
    pub elapsed: Duration,
    /// Proofs that were verified, and held.
    pub checked: usize,
}

impl Report {
    /// Submissions that got their proof.
    pub fn submitted(&self) -> usize {
        self.latencies.len()
    }

    /// Submissions per second.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn per_second(&self) -> f64 {
        self.submitted() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this many of a thousand submissions stayed within.
    pub fn per_mille(&self, share: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * share / 1000).copied().unwrap_or_default()
    }
}

/// Signs `count` envelopes on all cores, before anything is measured.
///
/// # Errors
/// When a thread fails.
pub fn sign(forge: &Arc<Forge>, project: &str, count: usize) -> Result<Vec<Bytes>> {
    let threads = thread::available_parallelism()?.get();
    let signers: Vec<_> = (0..threads)
        .map(|part| {
            let (forge, project) = (Arc::clone(forge), project.to_owned());
            thread::spawn(move || {
                (part..count)
                    .step_by(threads)
                    .map(|n| Ok(Bytes::from(forge.reproduced(&project, n as u64)?.to_bytes())))
                    .collect::<Result<Vec<_>>>()
            })
        })
        .collect();
    let mut envelopes = Vec::with_capacity(count);
    for signer in signers {
        envelopes.extend(signer.join().map_err(|_| anyhow!("a signing thread panicked"))??);
    }
    Ok(envelopes)
}

/// Submits the envelopes, each once, until the time or the envelopes are over.
///
/// # Errors
/// When a submission is refused, a connection breaks, or a proof does not hold.
pub async fn run(url: &str, log: &VerifierKey, envelopes: Vec<Bytes>, plan: Plan) -> Result<Report> {
    ensure!(plan.clients > 0, "expected at least one client");
    let envelopes = Arc::new(envelopes);
    let mut connections = Vec::with_capacity(plan.clients);
    for _ in 0..plan.clients {
        connections.push(Connection::open(url).await?);
    }
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        clients.spawn(client(number, connection, log.clone(), Arc::clone(&envelopes), plan, started));
    }
    let mut report = Report { latencies: Vec::with_capacity(envelopes.len()), elapsed: Duration::ZERO, checked: 0 };
    while let Some(finished) = clients.join_next().await {
        let (latencies, checked) = finished??;
        report.latencies.extend(latencies);
        report.checked += checked;
    }
    report.elapsed = started.elapsed();
    report.latencies.sort_unstable();
    Ok(report)
}

async fn client(
    number: usize,
    mut connection: Connection,
    log: VerifierKey,
    envelopes: Arc<Vec<Bytes>>,
    plan: Plan,
    started: Instant,
) -> Result<(Vec<Duration>, usize)> {
    let (mut latencies, mut checked) = (Vec::new(), 0);
    for (n, envelope) in envelopes.iter().enumerate().skip(number).step_by(plan.clients) {
        #[expect(clippy::cast_precision_loss, reason = "a schedule in seconds; the count is far below 2^52")]
        let turn = match plan.rate {
            Some(rate) => started + Duration::from_secs_f64(n as f64 / rate),
            None => Instant::now(),
        };
        if turn.duration_since(started) > plan.duration {
            break;
        }
        time::sleep_until(turn.into()).await;
        let submitted = connection.submit(envelope.clone()).await?;
        latencies.push(turn.elapsed());
        if n.is_multiple_of(CHECKED) {
            check(&submitted, envelope, &log)?;
            checked += 1;
        }
    }
    Ok((latencies, checked))
}

/// Checks the proof of a new entry: the log's signature, the index, and the path from this very envelope.
///
/// # Errors
/// When one does not hold.
pub fn check(submitted: &Submitted, envelope: &[u8], log: &VerifierKey) -> Result<()> {
    let proof = TlogProof::parse(submitted.proof.as_bytes())?;
    ensure!(
        proof.index.get() == submitted.index,
        "the answer says index {}, its proof is for {}",
        submitted.index,
        proof.index.get()
    );
    proof.verify(LeafHash::of(envelope), log)?;
    Ok(())
}

/// CPU time, user and system, that a process has used so far.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("no CPU time of process {pid}"))?;
    // The second field is the program's name in parentheses, which may hold anything; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("no program name in /proc/PID/stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> Result<u64> { Ok(fields.next().context("too few fields in /proc/PID/stat")?.parse()?) };
    let used = ticks()? + ticks()?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(Duration::from_secs_f64(used as f64 / rustix::param::clock_ticks_per_second() as f64))
}
