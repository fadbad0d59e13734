//! Awaited submissions, a fixed number of them in flight.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use attest_server::sequencer::Sequencer;
use tokio::task::JoinSet;

use crate::{entries::Rebuilders, quantiles, to_f64};

/// A number of submissions.
pub(crate) struct Fill {
    sequencer: Sequencer,
    clients: u16,
    first: u64,
    count: u64,
    /// Whether how long each was waited for is kept, and takes memory.
    measured: bool,
}

/// What came of it.
pub(crate) struct Filled {
    bytes: u64,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Fill {
    pub(crate) fn new(sequencer: &Sequencer, clients: u16, count: u64) -> Self {
        // Numbers of its own for each fill: after a kill nobody knows which ones are logged.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(now.as_millis()).unwrap_or_default() << 20;
        Self { sequencer: sequencer.clone(), clients, first, count, measured: false }
    }

    pub(crate) fn measured(self) -> Self {
        Self { measured: true, ..self }
    }

    pub(crate) async fn run(self) -> Result<Filled> {
        let (next, rebuilders) = (Arc::new(AtomicU64::new(0)), Arc::new(Rebuilders::new()));
        let started = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            let (next, rebuilders, sequencer) = (Arc::clone(&next), Arc::clone(&rebuilders), self.sequencer.clone());
            let Self { first, count, measured, .. } = self;
            clients.spawn(async move {
                let (mut latencies, mut bytes) = (Vec::new(), 0);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return anyhow::Ok((latencies, bytes));
                    }
                    let submission = rebuilders.submission(first + number)?;
                    bytes += submission.entry().as_bytes().len() as u64;
                    let asked = Instant::now();
                    sequencer.submit(submission).await?;
                    if measured {
                        latencies.push(asked.elapsed());
                    }
                }
            });
        }
        let mut filled = Filled { bytes: 0, elapsed: Duration::ZERO, latencies: Vec::new() };
        while let Some(client) = clients.join_next().await {
            let (latencies, bytes) = client??;
            filled.latencies.extend(latencies);
            filled.bytes += bytes;
        }
        filled.elapsed = started.elapsed();
        Ok(filled)
    }
}

impl Filled {
    pub(crate) fn report(mut self) -> String {
        let count = to_f64(self.latencies.len() as u64);
        format!(
            "  rate                           {:.0}/s, {:.0} bytes each\n  answered within                {}\n",
            count / self.elapsed.as_secs_f64(),
            to_f64(self.bytes) / count,
            quantiles(&mut self.latencies)
        )
    }
}
