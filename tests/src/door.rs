//! A server before a server: passes requests on, and remembers what clients asked for.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::{
    http,
    stub::{Reply, Request, Stub},
};

/// Passes requests on, and remembers their methods and paths.
#[derive(Debug)]
pub struct Door {
    stub: Stub,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Door {
    /// Before the server at this URL.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn before(server: &str) -> Result<Self> {
        Self::changing(server, |_, reply| reply)
    }

    /// The same; `change` is what becomes of the answer to a path. A client gets it once `change` is done.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn changing(server: &str, change: impl Fn(&str, Reply) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (server, asked) = (server.to_owned(), Arc::clone(&heard));
        let stub = Stub::serve(move |request: &Request| {
            let line = format!("{} {}", request.method, request.path);
            asked.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            let path = request.path.replace("//", "/");
            passed_on(&server, request, &path).map_or_else(|_| Reply::status(502), |reply| change(&path, reply))
        })?;
        Ok(Self { stub, heard })
    }

    /// Base URL, with a slash at its end.
    pub fn url(&self) -> String {
        self.stub.url()
    }

    /// What was asked since the last call: `GET /checkpoint`.
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn passed_on(server: &str, request: &Request, path: &str) -> Result<Reply> {
    let answer = match request.method.as_str() {
        "POST" => http::post(server, path, "application/json", request.body.clone())?,
        _ => http::get(server, path)?,
    };
    let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).unwrap_or("text/plain");
    Ok(Reply::ok(kind, answer.body.to_vec()).with_status(answer.status.as_u16()).encoded(header(CONTENT_ENCODING)))
}
