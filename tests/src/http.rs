//! A small HTTP/1.1 client on one kept-alive connection.

use std::io::Read;

use anyhow::{Context, Result, bail};
use attest_core::{api, tile::Entry};
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// Content type of a submitted envelope.
pub use attest_core::api::ENVELOPE_TYPE as ENVELOPE;
/// Largest decoded entry bundle: 256 entries with their two bytes of length.
const MAX_DECODED: u64 = 256 * (2 + Entry::MAX_LEN as u64);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as it was sent, content encoding included.
    pub body: Bytes,
}

impl Answer {
    /// Passes the answer on when its status is the one that was claimed.
    ///
    /// # Errors
    /// When it is another one; the error shows the body.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status.as_u16() == status {
            return Ok(self);
        }
        bail!("expected status {status}, found {}: {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// The body without its content encoding.
    ///
    /// # Errors
    /// When it is neither plain nor gzip, or decodes to more than an entry bundle can hold.
    pub fn decoded(&self) -> Result<Vec<u8>> {
        match self.headers.get(CONTENT_ENCODING).map(hyper::header::HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(self.body.to_vec()),
            Some(b"gzip") => {
                let mut decoded = Vec::new();
                GzDecoder::new(&self.body[..]).take(MAX_DECODED + 1).read_to_end(&mut decoded)?;
                if decoded.len() as u64 > MAX_DECODED {
                    bail!("expected at most {MAX_DECODED} decoded bytes, found more");
                }
                Ok(decoded)
            }
            Some(other) => bail!("expected content encoding gzip, found {:?}", String::from_utf8_lossy(other)),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not what was expected.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("in {}", String::from_utf8_lossy(&self.body)))
    }
}

/// One connection, used for one request after another.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    /// Connects to the server of `base`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(base: &str) -> Result<Self> {
        let uri: Uri = base.parse().with_context(|| format!("expected a URL, found {base:?}"))?;
        let authority = uri.authority().with_context(|| format!("no host in {base:?}"))?.to_string();
        let stream = TcpStream::connect(&authority).await.with_context(|| format!("connecting to {authority}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender; an error of the connection is the error of the request that is waiting on it.
        tokio::spawn(connection);
        Ok(Self { sender, authority })
    }

    /// `GET`.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(Request::builder().method(Method::GET).uri(path), Bytes::new()).await
    }

    /// `GET`, as a browser asks.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn page(&mut self, path: &str) -> Result<Answer> {
        let request = Request::builder().method(Method::GET).uri(path).header(ACCEPT, "text/html,*/*;q=0.8");
        self.send(request, Bytes::new()).await
    }

    /// `POST` of a body of the given content type.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn post(&mut self, path: &str, content_type: &str, body: Bytes) -> Result<Answer> {
        self.send(Request::builder().method(Method::POST).uri(path).header(CONTENT_TYPE, content_type), body).await
    }

    /// Submits an envelope and waits for its proof.
    ///
    /// # Errors
    /// When the connection breaks, or the log refuses it.
    pub async fn submit(&mut self, envelope: Bytes) -> Result<api::Submitted> {
        let answer = self.post(api::STATEMENTS, ENVELOPE, envelope).await?;
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => answer.json(),
            status => bail!("refused with {status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }

    async fn send(&mut self, request: hyper::http::request::Builder, body: Bytes) -> Result<Answer> {
        let request = request.header(HOST, &self.authority).body(Full::new(body))?;
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }
}

/// Runs asynchronous steps from a test that is not.
///
/// # Errors
/// Those of the steps, and when the runtime cannot be made.
pub fn block_on<T>(steps: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(steps)
}

/// One `GET` on a connection of its own. `path` begins with a slash.
///
/// # Errors
/// When the connection cannot be made or breaks.
pub fn get(base: &str, path: &str) -> Result<Answer> {
    block_on(async { Connection::open(base).await?.get(path).await })
}

/// One `POST` on a connection of its own. `path` begins with a slash.
///
/// # Errors
/// When the connection cannot be made or breaks.
pub fn post(base: &str, path: &str, content_type: &str, body: impl Into<Bytes>) -> Result<Answer> {
    let body = body.into();
    block_on(async { Connection::open(base).await?.post(path, content_type, body).await })
}
