//! HTTP client of a log or of a mirror of one: the C2SP tlog-tiles read API and the JSON of [`attest_core::api`].
//!
//! Nothing that comes back is believed here; bytes are bounded, parsed and handed on.

use std::{
    io::{self, Read},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use attest_core::{
    api,
    artifact::ArtifactDigest,
    merkle::NodeHash,
    tile::{self, Resource, TileId},
};
use reqwest::{
    StatusCode, Url,
    blocking::{Client, RequestBuilder, Response},
    redirect,
};
use serde::de::DeserializeOwned;

mod entries;
mod negatives;
pub(crate) mod post;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A verification waits this long for one answer before it calls a log unreachable.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// An answer that comes a few bytes at a time is given up after this: [`READ_TIMEOUT`] starts anew with each of them.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// An awaited submission includes the log's witnesses.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(60);
/// A note of a few lines: even a hundred cosignatures stay below.
const MAX_CHECKPOINT: u64 = 64 * 1024;
/// 256 hashes of 32 bytes.
const MAX_TILE: u64 = 8 * 1024;
/// An envelope of 65,535 bytes and a proof, both escaped as JSON strings.
const MAX_SUBMITTED: u64 = 512 * 1024;
/// [`api::MAX_LOOKUP`] digests with two dozen statements of 5 KiB each.
const MAX_FOUND: u64 = 128 * 1024 * 1024;
/// RFC 9457 problems are a few sentences.
const MAX_PROBLEM: u64 = 16 * 1024;
/// How much of an answer that makes no sense is shown.
const EXCERPT: usize = 80;
/// Connections, shared by all logs of a run.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// For addresses of this machine without TLS: reading the system's certificates takes longer than such an answer.
    local: Arc<OnceLock<Client>>,
    /// For all others.
    remote: Arc<OnceLock<Client>>,
}

impl Http {
    pub(crate) fn new() -> Self {
        // An error means that one is installed already: the same one.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        Self { local: Arc::default(), remote: Arc::default() }
    }

    fn client(&self, url: &Url) -> Result<Client, ClientError> {
        let local = url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "[::1]"));
        let place = if local { &self.local } else { &self.remote };
        if let Some(client) = place.get() {
            return Ok(client.clone());
        }
        let mut client = Client::builder()
            .user_agent(concat!("attest/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(READ_TIMEOUT)
            // A log's address is configuration; nobody but the user moves it.
            .redirect(redirect::Policy::none());
        if local {
            // No proxy is between this machine and itself, and none of its certificates would be needed.
            client = client.no_proxy().tls_certs_only([]);
        }
        let client = client.build().map_err(|source| ClientError::Setup { source })?;
        Ok(place.get_or_init(|| client).clone())
    }

    /// One file, by whatever it is.
    pub(crate) fn file(&self, url: &str, limit: u64) -> Result<Vec<u8>, ClientError> {
        let one = self.log(url)?;
        one.ask(one.client.get(url), limit)
    }

    /// The log, or a mirror of it, at a base URL.
    pub(crate) fn log(&self, base: &str) -> Result<LogClient, ClientError> {
        let url =
            Url::parse(base).map_err(|error| ClientError::Url { url: base.to_owned(), reason: error.to_string() })?;
        if !matches!(url.scheme(), "http" | "https") {
            let reason = format!("expected http or https, found `{}`", url.scheme());
            return Err(ClientError::Url { url: base.to_owned(), reason });
        }
        Ok(LogClient { client: self.client(&url)?, base: base.trim_end_matches('/').to_owned() })
    }
}

/// One base URL.
#[derive(Clone, Debug)]
pub(crate) struct LogClient {
    client: Client,
    base: String,
}

impl LogClient {
    /// Without a trailing slash.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The note as published.
    pub(crate) fn checkpoint(&self) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}/{}", self.base, Resource::Checkpoint);
        self.ask(self.client.get(url), MAX_CHECKPOINT)
    }

    /// The newest checkpoint of a log that a witness cosigned, where the base URL is a witness's monitoring prefix (C2SP
    /// tlog-witness, "Monitoring").
    pub(crate) fn witnessed(&self, origin: &str) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}/{}/{}", self.base, ArtifactDigest::of(origin.as_bytes()), Resource::Checkpoint);
        self.ask(self.client.get(url), MAX_CHECKPOINT)
    }

    /// The hashes of a tile, cut from the full one where the partial one is gone.
    pub(crate) fn tile(&self, id: TileId) -> Result<Vec<NodeHash>, ClientError> {
        let get = |id| self.ask(self.client.get(format!("{}/{}", self.base, Resource::Tile(id))), MAX_TILE);
        let (found, bytes) = match get(id) {
            Err(ClientError::NotALog { .. }) if !id.is_full() => (id.full(), get(id.full())?),
            other => (id, other?),
        };
        let mut hashes =
            tile::decode_tile(found, &bytes).map_err(|_| self.garbage("a tile of 32-byte hashes", &bytes))?;
        hashes.truncate(usize::from(id.width()));
        Ok(hashes)
    }

    /// Appends an envelope and waits for its proof.
    pub(crate) fn submit(&self, envelope: &[u8]) -> Result<api::Submitted, ClientError> {
        let request = self
            .client
            .post(format!("{}{}", self.base, api::STATEMENTS))
            .header("content-type", api::ENVELOPE_TYPE)
            .timeout(SUBMIT_TIMEOUT)
            .body(envelope.to_vec());
        self.ask_json(request, MAX_SUBMITTED, "the answer to a submission")
    }

    /// Everything logged about these digests, at most [`api::MAX_LOOKUP`] of them, under one checkpoint.
    pub(crate) fn lookup(&self, digests: &[ArtifactDigest]) -> Result<api::Found, ClientError> {
        let request =
            self.client.post(format!("{}{}", self.base, api::LOOKUP)).json(&api::Lookup { digests: digests.to_vec() });
        self.ask_json(request, MAX_FOUND, "the answer to a lookup")
    }

    /// The entries about one digest from a log index on.
    pub(crate) fn artifact(&self, digest: ArtifactDigest, from: u64) -> Result<api::Found, ClientError> {
        let url = format!("{}{}/{digest}?from={from}", self.base, api::ARTIFACTS);
        self.ask_json(self.client.get(url), MAX_FOUND, "the entries of an artifact")
    }

    fn ask_json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        limit: u64,
        expected: &'static str,
    ) -> Result<T, ClientError> {
        let bytes = self.ask(request, limit)?;
        serde_json::from_slice(&bytes).map_err(|_| self.garbage(expected, &bytes))
    }

    fn ask(&self, request: RequestBuilder, limit: u64) -> Result<Vec<u8>, ClientError> {
        let response = request.send().map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return self.read(response, limit);
        }
        let bytes = self.read(response, MAX_PROBLEM)?;
        Err(self.problem(status, &bytes))
    }

    fn read(&self, response: Response, limit: u64) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        Until { inner: response.take(limit + 1), end: Instant::now() + ANSWER_TIMEOUT }
            .read_to_end(&mut bytes)
            .map_err(|source| ClientError::Broken { url: self.base.clone(), source })?;
        if bytes.len() as u64 > limit {
            return Err(ClientError::Oversized { url: self.base.clone(), limit });
        }
        Ok(bytes)
    }

    fn problem(&self, status: StatusCode, bytes: &[u8]) -> ClientError {
        let url = self.base.clone();
        let problem: Option<api::Problem> = serde_json::from_slice(bytes).ok();
        let (detail, hint) = match problem {
            Some(problem) if problem.detail.is_empty() => (problem.title, problem.hint),
            Some(problem) => (problem.detail, problem.hint),
            None => (excerpt(bytes), None),
        };
        let (detail, hint) = (printable(&detail), hint.as_deref().map(printable));
        match status.as_u16() {
            300..=399 | 404 | 405 => ClientError::NotALog { url, status: status.as_u16() },
            408 | 429 | 500.. => ClientError::Busy { url, status: status.as_u16(), detail },
            _ => ClientError::Refused { url, status: status.as_u16(), detail, hint },
        }
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        // The URL is in our own message, with or without credentials as the user wrote it.
        ClientError::Unreachable { url: self.base.clone(), source: source.without_url() }
    }

    fn garbage(&self, expected: &'static str, bytes: &[u8]) -> ClientError {
        ClientError::Garbage { url: self.base.clone(), expected, found: excerpt(bytes) }
    }
}

/// Reads until a moment.
struct Until<R> {
    inner: R,
    end: Instant,
}

impl<R: Read> Read for Until<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the answer takes too long"));
        }
        self.inner.read(buffer)
    }
}

/// The start of an answer, safe to print.
fn excerpt(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(EXCERPT)];
    format!("{:?}", String::from_utf8_lossy(start))
}

/// A log's own words, without the means to rewrite the user's terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Why a log gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{url:?} is no address of a log: {reason}")]
    Url { url: String, reason: String },
    #[error("no HTTP client could be set up")]
    Setup { source: reqwest::Error },
    #[error("{url} cannot be reached")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} broke off its answer")]
    Broken { url: String, source: std::io::Error },
    #[error("{url} answered more than {limit} bytes")]
    Oversized { url: String, limit: u64 },
    #[error("{url} cannot answer now (HTTP {status}): {detail}")]
    Busy { url: String, status: u16, detail: String },
    #[error("{url} refuses (HTTP {status}): {detail}")]
    Refused { url: String, status: u16, detail: String, hint: Option<String> },
    #[error("{url} answered HTTP {status} where a log answers")]
    NotALog { url: String, status: u16 },
    #[error("{url} answered garbage: expected {expected}, found {found}")]
    Garbage { url: String, expected: &'static str, found: String },
}

impl ClientError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => hint.clone(),
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Busy { .. } => {
                Some("try again, or name a mirror of the log in the policy".to_owned())
            }
            Self::NotALog { .. } => Some("check the URL: a log answers at URL/checkpoint".to_owned()),
            Self::Url { .. } | Self::Setup { .. } | Self::Oversized { .. } | Self::Garbage { .. } => None,
        }
    }
}
