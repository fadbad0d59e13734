//! What operators watch: counters and histograms of this process, in the OpenMetrics text format that Prometheus reads.
//!
//! What happens is counted where it happens, in instruments that the whole process shares ([`instruments`]); an
//! observation costs tens of nanoseconds. What merely *is* (sizes, ages, states) is read when somebody asks ([`scrape`]).
//! The names are part of the interface: docs/operating.md lists them with the alerts worth having.

pub mod census;
pub mod instrument;
mod process;
pub mod scrape;

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use instrument::{Counters, Entries, Gauges, Seconds};

/// The instruments of this process.
pub fn instruments() -> &'static Instruments {
    static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(Instruments::new);
    &INSTRUMENTS
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Instruments {
    /// Requests and connections.
    pub http: Http,
    /// Where the time of a submission goes.
    pub stages: Stages,
    /// Entries that were committed together.
    pub batch: Entries,
    /// Submissions that were answered with a proof, by whether the entry is new.
    pub submissions: Counters,
    /// Refusals because somebody asked for too much, by the limit.
    pub quota: Counters,
    /// Readings of the rebuilders file after the first, by whether the list was taken.
    pub reloads: Counters,
    /// Bytes on disk, by part of the data folder.
    pub store: Gauges,
    registry: Registry,
}

/// Of HTTP.
#[derive(Debug)]
pub struct Http {
    requests: Family<Answered, Counter>,
    seconds: [Seconds; Endpoint::NAMES.len()],
    /// Answers that are an error, by its kind.
    pub problems: Counters,
    /// Connections that are open.
    pub connections: Gauge,
    /// Connections closed at once, because their address had too many.
    pub refused: Counter,
}

/// Labels of `attest_http_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    endpoint: &'static str,
    code: u16,
}

/// Where the time of a submission goes.
#[derive(Debug)]
pub struct Stages {
    /// Waiting for a checking thread, and the check of form and signature.
    pub verify: Seconds,
    /// From there until the committer takes it up.
    pub queue: Seconds,
    /// One batch: hashing and the durable write, barrier included.
    pub commit: Seconds,
    /// The part of a commit that waits for the disk.
    pub barrier: Seconds,
    /// One round: highwater mark, signature, checkpoint, answers.
    pub publish: Seconds,
    /// From the request's head to its answer.
    pub total: Seconds,
}

/// What a path is for. Few, whatever clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the name of the endpoint says it")]
pub enum Endpoint {
    Checkpoint,
    Tile,
    Entries,
    Lookup,
    Statements,
    Health,
    Record,
    Other,
}

impl Instruments {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("attest");
        let all = &mut registry;
        Self {
            http: Http::register(all),
            stages: Stages::register(all),
            batch: Entries::register(all, "batch_entries", "Entries that were committed together"),
            submissions: Counters::register(
                all,
                "submissions",
                "Submissions that were answered with a proof",
                "outcome",
            ),
            quota: Counters::register(all, "quota_refusals", "Refusals because of a quota, by the limit", "limit"),
            reloads: Counters::register(
                all,
                "rebuilders_reloads",
                "Readings of the rebuilders file after the first",
                "result",
            ),
            store: Gauges::register(all, "store_bytes", "Size on disk, measured every ten minutes", "part"),
            registry,
        }
    }
}

impl Http {
    fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        registry.register("http_requests", "Requests that were answered", requests.clone());
        let about = ("http_request_seconds", "From a request's head to its answer");
        let seconds = Seconds::register(registry, about, "endpoint", Endpoint::NAMES);
        let problems =
            Counters::register(registry, "http_problems", "Answers that are an error, by its kind", "reason");
        let connections = Gauge::default();
        registry.register("http_connections", "Connections that are open", connections.clone());
        let refused = Counter::default();
        let help = "Connections closed at once because their address had too many";
        registry.register("http_connections_refused", help, refused.clone());
        Self { requests, seconds, problems, connections, refused }
    }

    /// Counts one answer.
    pub fn answered(&self, endpoint: Endpoint, code: u16, took: Duration) {
        self.requests.get_or_create(&Answered { endpoint: endpoint.name(), code }).inc();
        self.seconds[endpoint as usize].observe(took);
    }
}

impl Stages {
    fn register(registry: &mut Registry) -> Self {
        let about = ("submission_stage_seconds", "Where the time of a submission goes");
        let stages = ["verify", "queue", "commit", "barrier", "publish", "total"];
        let [verify, queue, commit, barrier, publish, total] = Seconds::register(registry, about, "stage", stages);
        Self { verify, queue, commit, barrier, publish, total }
    }
}

impl Endpoint {
    /// In the order of the variants.
    const NAMES: [&'static str; 8] =
        ["checkpoint", "tile", "entries", "lookup", "statements", "health", "record", "other"];

    const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}
