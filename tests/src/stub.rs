//! A server on loopback that answers what the test wants: a package index, a log that talks nonsense, a log that lies.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

/// Largest body that a test sends.
const MAX_BODY: u64 = 1 << 20;

/// A request, as far as a test needs to know it.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What is sent back.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    content_type: String,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    delay: Duration,
}

impl Reply {
    /// 200 with this body.
    pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            content_type: content_type.to_owned(),
            body: body.into(),
            headers: Vec::new(),
            delay: Duration::ZERO,
        }
    }

    /// A status with a line of text.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::ok("text/plain", format!("{status}\n")) }
    }

    /// What is in it.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Adds a `Content-Encoding`.
    #[must_use]
    pub fn encoded(mut self, encoding: Option<&str>) -> Self {
        self.headers.extend(encoding.map(|encoding| ("Content-Encoding".to_owned(), encoding.to_owned())));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends head and half of the body at once, the rest after a while.
    #[must_use]
    pub fn slowly(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

/// Stops accepting when dropped.
#[derive(Debug)]
pub struct Stub {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Stub {
    /// Answers every request with what `answer` says, each connection in a thread of its own.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn serve(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let answer = Arc::clone(&answer);
                // A client that hangs up early is the client's affair.
                thread::spawn(move || one(&stream, &*answer).ok());
            }
        });
        Ok(Self { address, stopped })
    }

    /// Base URL, with a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, so that it sees the flag.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

fn one(stream: &TcpStream, answer: &(dyn Fn(&Request) -> Reply + Send + Sync)) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().context("no method")?.to_owned();
    let path = words.next().context("no path")?.to_owned();
    let mut length = 0;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse::<u64>()?.min(MAX_BODY);
            }
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let head_only = method == "HEAD";
    let reply = answer(&Request { method, path, headers, body });
    let mut out = stream;
    write!(out, "HTTP/1.1 {} stub\r\nContent-Type: {}\r\n", reply.status, reply.content_type)?;
    for (name, value) in &reply.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    write!(out, "Content-Length: {}\r\nConnection: close\r\n\r\n", reply.body.len())?;
    if !head_only {
        let half = if reply.delay.is_zero() { 0 } else { reply.body.len() / 2 };
        out.write_all(&reply.body[..half])?;
        thread::sleep(reply.delay);
        out.write_all(&reply.body[half..])?;
    }
    Ok(out.flush()?)
}
