//! Requests, as bytes and headers, without decompression.

use std::sync::LazyLock;

use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    header::{HeaderMap, HeaderName},
};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

/// One runtime for the requests of all tests.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Media type of what is submitted.
pub(crate) use attest_core::api::ENVELOPE_TYPE as ENVELOPE;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

pub(crate) fn request(method: Method, url: &str, build: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Answer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    RUNTIME.block_on(async {
        let client = Client::builder().no_gzip().no_proxy().build().unwrap();
        let response = build(client.request(method, url)).send().await.unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    })
}

pub(crate) fn get(url: &str) -> Answer {
    request(Method::GET, url, |request| request)
}

pub(crate) fn post(url: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    request(Method::POST, url, |request| request.header("content-type", content_type).body(body.into()))
}

pub(crate) fn submit(log: &str, envelope: impl Into<Vec<u8>>) -> Answer {
    post(&format!("{log}/api/v1/statements"), ENVELOPE, envelope)
}
