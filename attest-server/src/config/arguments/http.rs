//! Settings of the HTTP server, which every command that serves has.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;

use crate::{
    config::Limits,
    quota::{Rate, addresses::AddressLimits, client::TrustedProxies},
};

#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct HttpArgs {
    /// Connections open at a time; more wait in the kernel's queue [default: 4096]
    #[arg(long, value_name = "N", env = "ATTEST_SERVER_MAX_CONNECTIONS")]
    max_connections: Option<NonZeroUsize>,
    /// Seconds a client may take to send a request's head, and to stay idle between requests [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_HEADER_TIMEOUT")]
    header_timeout: Option<NonZeroU64>,
    /// Seconds from a request's head to its answer [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_REQUEST_TIMEOUT")]
    request_timeout: Option<NonZeroU64>,
    /// Seconds a client may take to read anything at all of its answer [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_WRITE_TIMEOUT")]
    write_timeout: Option<NonZeroU64>,
    /// Seconds that requests in flight get to finish after SIGTERM or SIGINT [default: 30]
    #[arg(long, value_name = "SECONDS", env = "ATTEST_SERVER_SHUTDOWN_GRACE")]
    shutdown_grace: Option<NonZeroU64>,
    /// Connections open at a time from one client address (IPv6: from one /64) [default: 256]
    #[arg(long, value_name = "N", env = "ATTEST_SERVER_ADDRESS_CONNECTIONS")]
    address_connections: Option<NonZeroU32>,
    /// Requests of one client address that wait for their answer at a time [default: 256]
    #[arg(long, value_name = "N", env = "ATTEST_SERVER_ADDRESS_IN_FLIGHT")]
    address_in_flight: Option<NonZeroU32>,
    /// Reads per second from one client address, a lookup counts as 20; ten times as many at once [default: 2000]
    #[arg(long, value_name = "N", env = "ATTEST_SERVER_ADDRESS_READS")]
    address_reads: Option<NonZeroU32>,
    /// Submissions per second from one client address, accepted or not; ten times as many at once [default: 500]
    #[arg(long, value_name = "N", env = "ATTEST_SERVER_ADDRESS_SUBMISSIONS")]
    address_submissions: Option<NonZeroU32>,
    /// Network of a proxy in front, such as 127.0.0.1/32: from it, X-Forwarded-For tells the client's address. May be repeated
    #[arg(long, value_name = "CIDR")]
    trusted_proxy: Vec<IpNet>,
    /// Serve /metrics on this address instead of beside everything else
    #[arg(long, value_name = "ADDR", env = "ATTEST_SERVER_METRICS_LISTEN")]
    metrics_listen: Option<String>,
    /// Threads that check signatures of submissions [default: one per core, at most 4]
    #[arg(long, value_name = "N", env = "ATTEST_SERVER_VERIFY_THREADS")]
    verify_threads: Option<NonZeroUsize>,
}

impl HttpArgs {
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            max_connections: self.max_connections.or(file.max_connections),
            header_timeout: self.header_timeout.or(file.header_timeout),
            request_timeout: self.request_timeout.or(file.request_timeout),
            write_timeout: self.write_timeout.or(file.write_timeout),
            shutdown_grace: self.shutdown_grace.or(file.shutdown_grace),
            address_connections: self.address_connections.or(file.address_connections),
            address_in_flight: self.address_in_flight.or(file.address_in_flight),
            address_reads: self.address_reads.or(file.address_reads),
            address_submissions: self.address_submissions.or(file.address_submissions),
            trusted_proxy: if self.trusted_proxy.is_empty() { file.trusted_proxy } else { self.trusted_proxy },
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            verify_threads: self.verify_threads.or(file.verify_threads),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        let seconds = |given: Option<NonZeroU64>, default| Duration::from_secs(given.map_or(default, NonZeroU64::get));
        Limits {
            connections: self.max_connections.unwrap_or(NonZeroUsize::MIN.saturating_add(4095)),
            header: seconds(self.header_timeout, 30),
            request: seconds(self.request_timeout, 30),
            write: seconds(self.write_timeout, 30),
            grace: seconds(self.shutdown_grace, 30),
            address: self.address(),
            trusted_proxies: TrustedProxies::new(self.trusted_proxy.clone()),
        }
    }

    /// A mirror that catches up at full speed needs some 500 reads per second; a browser or `attest verify` a handful.
    fn address(&self) -> AddressLimits {
        let count =
            |given: Option<NonZeroU32>, default: u32| given.unwrap_or(NonZeroU32::MIN.saturating_add(default - 1));
        let rate = |count: NonZeroU32| {
            let burst = count.saturating_mul(NonZeroU32::MIN.saturating_add(9));
            Rate::new(count, Duration::from_secs(1), burst)
        };
        AddressLimits {
            connections: count(self.address_connections, 256),
            in_flight: count(self.address_in_flight, 256),
            reads: rate(count(self.address_reads, 2_000)),
            submissions: rate(count(self.address_submissions, 500)),
        }
    }

    pub(super) fn metrics_listen(&self) -> Option<String> {
        self.metrics_listen.clone()
    }

    pub(super) fn verify_threads(&self) -> NonZeroUsize {
        self.verify_threads.unwrap_or_else(default_verify_threads)
    }
}

/// More threads than this only take turns with the committer and the async workers.
fn default_verify_threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(NonZeroUsize::MIN.saturating_add(3))
}
