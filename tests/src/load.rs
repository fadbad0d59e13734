//! Submissions at a given rate over kept-alive connections, each awaited until its finished proof is there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use attest_core::{api::Submitted, merkle::LeafHash, note::VerifierKey, proof::TlogProof};
use hyper::body::Bytes;
use tokio::{task::JoinSet, time};

use crate::forge::Forge;
use exchange::{Exchange, Request};

pub mod exchange;
pub mod usage;

/// One proof in this many is verified while the load runs.
const CHECKED: usize = 100;

/// How to submit.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections, each with one submission in flight.
    pub clients: usize,
    /// Submissions per second, on a schedule that no answer holds up (an open loop): a submission whose turn finds every
    /// connection busy waits, and its wait counts. Without a rate each client submits as soon as it has its answer.
    pub rate: Option<f64>,
    /// No submission starts later than this.
    pub duration: Duration,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Time from a submission's turn to its proof, sorted. Where a rate was asked for, the turn is when the schedule says
    /// it is, so that a stall delays everybody behind it and is not hidden.
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

/// What is submitted: signed before anything is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// "I reproduced this file", as a rebuilder says it about a small wheel: about 2.4 KB.
    Vote,
    /// A withdrawal with a long reason: an envelope of about 1 KiB. No vote is that short.
    Withdrawal,
}

/// Signs `count` envelopes on all cores.
///
/// # Errors
/// When a thread fails.
pub fn sign(forge: &Arc<Forge>, kind: Kind, project: &str, count: usize) -> Result<Vec<Bytes>> {
    let threads = thread::available_parallelism()?.get();
    let signers: Vec<_> = (0..threads)
        .map(|part| {
            let (forge, project) = (Arc::clone(forge), project.to_owned());
            let sign = move |n: usize| match kind {
                Kind::Vote => forge.reproduced(&project, n as u64),
                Kind::Withdrawal => forge.withdrawal(&project, n as u64),
            };
            let envelopes = (part..count).step_by(threads).map(move |n| Ok(Bytes::from(sign(n)?.to_bytes())));
            thread::spawn(|| envelopes.collect::<Result<Vec<_>>>())
        })
        .collect();
    let mut envelopes = Vec::with_capacity(count);
    for signer in signers {
        envelopes.extend(signer.join().map_err(|_| anyhow!("a signing thread panicked"))??);
    }
    Ok(envelopes)
}

/// A run that all its clients share.
#[derive(Debug)]
struct Run {
    requests: Vec<Request>,
    log: VerifierKey,
    plan: Plan,
    started: Instant,
    next: AtomicUsize,
}

/// Submits the envelopes, each once, until the time or the envelopes are over.
///
/// # Errors
/// When a submission is refused, a connection breaks, or a proof does not hold.
pub async fn run(url: &str, log: &VerifierKey, envelopes: Vec<Bytes>, plan: Plan) -> Result<Report> {
    ensure!(plan.clients > 0, "expected at least one client");
    let authority = exchange::authority(url)?;
    let mut connections = Vec::with_capacity(plan.clients);
    for _ in 0..plan.clients {
        connections.push(Exchange::open(&authority).await?);
    }
    let count = envelopes.len();
    let requests = envelopes.into_iter().map(|envelope| Request::new(&authority, &envelope)).collect();
    let run = Arc::new(Run { requests, log: log.clone(), plan, started: Instant::now(), next: AtomicUsize::new(0) });
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn(client(connection, Arc::clone(&run)));
    }
    let mut report = Report { latencies: Vec::with_capacity(count), elapsed: Duration::ZERO, checked: 0 };
    while let Some(finished) = clients.join_next().await {
        let (latencies, checked) = finished??;
        report.latencies.extend(latencies);
        report.checked += checked;
    }
    report.elapsed = run.started.elapsed();
    report.latencies.sort_unstable();
    Ok(report)
}

/// Takes the next submission that nobody has taken, waits for its turn, submits.
async fn client(mut connection: Exchange, run: Arc<Run>) -> Result<(Vec<Duration>, usize)> {
    let (mut latencies, mut checked) = (Vec::new(), 0);
    loop {
        let n = run.next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = run.requests.get(n) else { break };
        #[expect(clippy::cast_precision_loss, reason = "a schedule in seconds; the count is far below 2^52")]
        let turn = run.plan.rate.map(|rate| run.started + Duration::from_secs_f64(n as f64 / rate));
        let turn = turn.unwrap_or_else(Instant::now);
        if turn.duration_since(run.started) > run.plan.duration {
            break;
        }
        if run.plan.rate.is_some() {
            time::sleep_until(turn.into()).await;
        }
        let answer = connection.send(request.bytes()).await?;
        latencies.push(turn.elapsed());
        if n.is_multiple_of(CHECKED) {
            let submitted = serde_json::from_slice(answer).context("expected the answer to a submission")?;
            check(&submitted, request.envelope(), &run.log)?;
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
