//! Client of another log's read API, [C2SP tlog-tiles](https://c2sp.org/tlog-tiles), over HTTP.
//!
//! In scope: time limits, size limits before and while decompressing, retries, the way back from a partial tile that is
//! gone to the full one. Out of scope: whether anything of it is true. The caller checks every byte against a checkpoint.

use std::time::Duration;

use attest_core::{
    merkle::NodeHash,
    tile::{BundleId, Entry, MAX_BUNDLE_LEN, Resource, TILE_WIDTH, TileError, TileId, decode_bundle, decode_tile},
};
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, RETRY_AFTER},
    redirect,
};

mod gzip;
mod negatives;

/// Bytes of a checkpoint. A hundred lines of ML-DSA signatures have half of that.
pub const MAX_CHECKPOINT: usize = 1 << 20;
const MAX_TILE: usize = TILE_WIDTH as usize * 32;
/// Gzip makes what it cannot compress longer by some bytes in a thousand.
const GZIP_SLACK: usize = 64 * 1024;
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// What a server asks for in `Retry-After` is followed up to here.
const MAX_PAUSE: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two reads of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Of one attempt as a whole: a server that sends a byte a second keeps no one for long.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);
const REDIRECTS: usize = 3;

/// A log, or a mirror of one, by its base URL.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client,
    base: String,
}

/// Why something could not be fetched. Never a statement about the log: any of it can be an outage.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a base URL.
    #[error("expected an http or https URL of a log, found {found:?}")]
    Url {
        /// As given.
        found: String,
    },
    /// The client could not be set up.
    #[error("could not set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// No answer, or one that broke off.
    #[error("no complete answer from {url}")]
    Transport {
        /// What was asked for.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Another status than 200.
    #[error("expected status 200 from {url}, found {found}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer's status.
        found: StatusCode,
    },
    /// More bytes than the resource can have.
    #[error("expected at most {limit} bytes from {url}, found more")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// An encoding that was not asked for.
    #[error("expected content encoding gzip or none from {url}, found {found:?}")]
    Encoding {
        /// What was asked for.
        url: String,
        /// As sent.
        found: String,
    },
    /// Gzip that does not decompress.
    #[error("what {url} sent as gzip does not decompress")]
    Gzip {
        /// What was asked for.
        url: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a tile or bundle of the asked width.
    #[error("{resource} of the log is malformed")]
    Malformed {
        /// Which.
        resource: Resource,
        /// Why.
        source: TileError,
    },
}

impl FetchError {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Status { found, .. } if *found == StatusCode::NOT_FOUND || *found == StatusCode::GONE)
    }

    /// Worth another try: what a moment can change.
    fn is_transient(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !source.is_redirect() && !source.is_builder(),
            Self::Status { found, .. } => {
                found.is_server_error() || matches!(*found, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            _ => false,
        }
    }
}

/// Compressed or not, as it came.
#[derive(Debug)]
struct Body {
    url: String,
    bytes: Vec<u8>,
    gzip: bool,
}

/// A bundle as it came; nobody looked at it.
#[derive(Debug)]
pub struct SentBundle {
    /// What came: where a partial bundle is gone, the full one.
    found: BundleId,
    /// Entries that were asked for.
    width: usize,
    body: Body,
}

/// The entries of a bundle; whether they are the log's is not known yet.
#[derive(Debug)]
pub struct OpenedBundle {
    /// As many as were asked for.
    pub entries: Vec<Entry>,
    /// The gzip that they came in, where it is of the plain form that can be stored and served as it is.
    pub gzip: Option<Vec<u8>>,
}

impl Body {
    /// Decompressed, within `limit` bytes.
    fn plain(self, limit: usize) -> Result<Vec<u8>, FetchError> {
        let Self { url, bytes, gzip } = self;
        let plain = if gzip {
            match gzip::decompress(&bytes, limit) {
                Ok(plain) => plain,
                Err(source) => return Err(FetchError::Gzip { url, source }),
            }
        } else {
            bytes
        };
        if plain.len() > limit {
            return Err(FetchError::TooLarge { url, limit });
        }
        Ok(plain)
    }
}

impl SentBundle {
    /// Bytes that it came in.
    pub fn len(&self) -> usize {
        self.body.bytes.len()
    }

    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.body.bytes.is_empty()
    }

    /// Decompresses and decodes it. Takes CPU time: call it from a thread that may block.
    pub fn open(self) -> Result<OpenedBundle, FetchError> {
        let Self { found, width, body } = self;
        let member = body.gzip.then(|| gzip::plain_member(&body.bytes, MAX_BUNDLE_LEN)).flatten();
        let (plain, gzip) = match member {
            Some(plain) => (plain, Some(body.bytes).filter(|_| usize::from(found.width()) == width)),
            None => (body.plain(MAX_BUNDLE_LEN)?, None),
        };
        let resource = Resource::Bundle(found);
        let mut entries = decode_bundle(found, &plain).map_err(|source| FetchError::Malformed { resource, source })?;
        entries.truncate(width);
        Ok(OpenedBundle { entries, gzip })
    }
}

impl Upstream {
    /// A client for the log at `base`. `contact` goes into the User-Agent, for the log's operator.
    pub fn new(base: &str, contact: Option<&str>) -> Result<Self, FetchError> {
        let url = Url::parse(base).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
        });
        let url = url.ok_or_else(|| FetchError::Url { found: base.to_owned() })?;
        // The process may have chosen a provider before; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let version = env!("CARGO_PKG_VERSION");
        let agent = contact.map_or_else(
            || format!("attest-server/{version}"),
            |contact| format!("attest-server/{version} ({contact})"),
        );
        let client = Client::builder()
            .user_agent(agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .redirect(redirect::Policy::limited(REDIRECTS))
            // Decompression is ours: within a limit, and only where the answer says gzip.
            .no_gzip()
            .build()
            .map_err(FetchError::Client)?;
        Ok(Self { client, base: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The newest checkpoint, as bytes that nobody looked at.
    pub async fn checkpoint(&self) -> Result<Vec<u8>, FetchError> {
        self.resource(Resource::Checkpoint, MAX_CHECKPOINT).await
    }

    /// The hashes of a tile, cut from the full tile where the partial one is gone.
    pub async fn tile(&self, id: TileId) -> Result<Vec<NodeHash>, FetchError> {
        let (id, width) = (id, usize::from(id.width()));
        let (found, bytes) = match self.resource(Resource::Tile(id), MAX_TILE).await {
            // tlog-tiles "Partial Tiles": a log may delete them once the full tile is there.
            Err(error) if error.is_gone() && !id.is_full() => {
                (id.full(), self.resource(Resource::Tile(id.full()), MAX_TILE).await?)
            }
            other => (id, other?),
        };
        let mut hashes = decode_tile(found, &bytes)
            .map_err(|source| FetchError::Malformed { resource: Resource::Tile(found), source })?;
        hashes.truncate(width);
        Ok(hashes)
    }

    /// A bundle; the full one where the partial one is gone.
    pub async fn bundle(&self, id: BundleId) -> Result<SentBundle, FetchError> {
        let (found, body) = match self.body(Resource::Bundle(id), MAX_BUNDLE_LEN).await {
            Err(error) if error.is_gone() && !id.is_full() => {
                (id.full(), self.body(Resource::Bundle(id.full()), MAX_BUNDLE_LEN).await?)
            }
            other => (id, other?),
        };
        Ok(SentBundle { found, width: usize::from(id.width()), body })
    }

    /// One resource, decompressed, within `limit` bytes.
    async fn resource(&self, resource: Resource, limit: usize) -> Result<Vec<u8>, FetchError> {
        self.body(resource, limit).await?.plain(limit)
    }

    /// One resource as it is sent, not much more than `limit` bytes.
    async fn body(&self, resource: Resource, limit: usize) -> Result<Body, FetchError> {
        let url = format!("{}/{resource}", self.base);
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let (error, asked) = match self.attempt(&url, limit).await {
                Ok(body) => return Ok(body),
                Err(failed) => failed,
            };
            if attempt == ATTEMPTS || !error.is_transient() {
                return Err(error);
            }
            tracing::debug!(%error, attempt, "will try again");
            tokio::time::sleep(asked.unwrap_or(pause).min(MAX_PAUSE)).await;
            pause *= 2;
            attempt += 1;
        }
    }

    /// One request. With an error comes the time that the server asked to wait.
    async fn attempt(&self, url: &str, limit: usize) -> Result<Body, (FetchError, Option<Duration>)> {
        let transport = |source: reqwest::Error| {
            let url = url.to_owned();
            (FetchError::Transport { url, source: source.without_url() }, None)
        };
        let request = self.client.get(url).header(ACCEPT_ENCODING, "gzip, identity");
        let mut response = request.send().await.map_err(transport)?;
        if response.status() != StatusCode::OK {
            let (url, found) = (url.to_owned(), response.status());
            return Err((FetchError::Status { url, found }, retry_after(&response)));
        }
        let gzip = is_gzip(&response).map_err(|found| {
            let url = url.to_owned();
            (FetchError::Encoding { url, found }, None)
        })?;
        let limit = if gzip { limit + GZIP_SLACK } else { limit };
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if bytes.len() + chunk.len() > limit {
                let url = url.to_owned();
                return Err((FetchError::TooLarge { url, limit }, None));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { url: url.to_owned(), bytes, gzip })
    }
}

fn is_gzip(response: &Response) -> Result<bool, String> {
    let Some(value) = response.headers().get(CONTENT_ENCODING) else {
        return Ok(false);
    };
    match value.to_str() {
        Ok("gzip" | "x-gzip") => Ok(true),
        Ok("identity") => Ok(false),
        _ => Err(String::from_utf8_lossy(value.as_bytes()).into_owned()),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn sent(bytes: Vec<u8>) -> Body {
        Body { url: "u".to_owned(), bytes, gzip: true }
    }

    #[test]
    fn a_gzip_bomb_is_cut_off_at_the_limit() {
        let bomb = gzip(&vec![0; 4 << 20]);
        assert!(bomb.len() < 8192);
        assert!(matches!(sent(bomb).plain(8192), Err(FetchError::TooLarge { limit: 8192, .. })));
        assert_eq!(sent(gzip(&[7; 8192])).plain(8192).unwrap(), [7; 8192]);
    }

    #[test]
    fn gzip_that_breaks_off_is_an_error() {
        let whole = gzip(b"some bytes");
        for end in 0..whole.len() {
            assert!(
                matches!(sent(whole[..end].to_vec()).plain(100), Err(FetchError::Gzip { .. })) || end == 0,
                "{end}"
            );
        }
    }

    #[test]
    fn only_http_and_https_urls_are_logs() {
        for url in ["", "log.example", "file:///etc/passwd", "https://log.example/?q", "https://log.example/#f"] {
            assert!(matches!(Upstream::new(url, None), Err(FetchError::Url { .. })), "{url}");
        }
        assert_eq!(Upstream::new("https://log.example/attest/", None).unwrap().url(), "https://log.example/attest");
    }
}
