//! A file over HTTP, bounded in size and time.

use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::blocking::Client;

const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn get(url: &str, limit: u64) -> anyhow::Result<Vec<u8>> {
    // An error means that one is installed already: the same one.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client =
        Client::builder().user_agent(concat!("attest/", env!("CARGO_PKG_VERSION"))).timeout(TIMEOUT).build()?;
    let response = client.get(url).send().with_context(|| format!("expected an answer from {url}"))?;
    ensure!(response.status().is_success(), "expected {url} to answer, found status {}", response.status());
    let mut bytes = Vec::new();
    response.take(limit + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= limit, "expected at most {limit} bytes from {url}");
    Ok(bytes)
}
