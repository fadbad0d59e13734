//! Just enough HTTP/1.1 to submit: the generator shares the cores with the server, so it must not cost much itself.
//!
//! A request is one buffer, made before anything is measured; an answer is a status and a body of a given length. That is
//! all that the log's server sends; anything else is an error here.

use anyhow::{Context, Result, ensure};
use attest_core::api;
use hyper::Uri;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Far more than the head of an answer and a proof have.
const MAX_ANSWER: usize = 256 * 1024;

/// One submission, ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    head: usize,
}

impl Request {
    /// The request that submits this envelope to the server at `authority`.
    pub fn new(authority: &str, envelope: &[u8]) -> Self {
        let (path, media, length) = (api::STATEMENTS, api::ENVELOPE_TYPE, envelope.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\r\n"
        );
        Self { bytes: [head.as_bytes(), envelope].concat(), head: head.len() }
    }

    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The envelope in it.
    pub fn envelope(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
}

/// The host and port of a URL.
///
/// # Errors
/// When it has none.
pub fn authority(url: &str) -> Result<String> {
    let uri: Uri = url.parse().with_context(|| format!("expected a URL, found {url:?}"))?;
    Ok(uri.authority().with_context(|| format!("no host in {url:?}"))?.to_string())
}

/// One kept-alive connection.
#[derive(Debug)]
pub struct Exchange {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Exchange {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(authority: &str) -> Result<Self> {
        let stream = TcpStream::connect(authority).await.with_context(|| format!("connecting to {authority}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(4096) })
    }

    /// Sends a request and waits for the body of its answer.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is not a success.
    pub async fn send(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let (body, end) = loop {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the server closed the connection");
            ensure!(self.answer.len() <= MAX_ANSWER, "expected an answer of at most {MAX_ANSWER} bytes");
            if let Some((body, end)) = bounds(&self.answer)?
                && end <= self.answer.len()
            {
                break (body, end);
            }
        };
        ensure!(end == self.answer.len(), "expected one answer, found more behind it");
        let refused = || String::from_utf8_lossy(&self.answer).into_owned();
        ensure!(self.answer.starts_with(b"HTTP/1.1 20"), "refused: {}", refused());
        Ok(&self.answer[body..])
    }
}

/// Where the body of this answer starts and ends; `None` while its head is not complete.
fn bounds(answer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let body = head + 4;
    let length = std::str::from_utf8(&answer[..head])?.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(Some((body, body + length.context("expected an answer with a content-length")??)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_announced_body_is_there() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nx: y\r\n\r\nabc";
        assert_eq!(bounds(answer).unwrap(), Some((answer.len() - 3, answer.len())));
        assert_eq!(bounds(&answer[..30]).unwrap(), None);
        assert!(bounds(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(bounds(b"HTTP/1.1 200 OK\r\ncontent-length: +\r\n\r\n").is_err());
    }
}
