//! Sending something to an address that the user named: a webhook.

use std::time::Duration;

use reqwest::{StatusCode, Url};

use super::Http;

/// Whoever takes longer to take a message is asked again later.
const POST_TIMEOUT: Duration = Duration::from_secs(15);

/// A message was not taken. Its address is left out: it may hold a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("no HTTP client could be set up")]
    Setup(#[source] Box<super::ClientError>),
    #[error("it cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("it answered HTTP {0}, expected 200 to 299")]
    Status(StatusCode),
}

impl Http {
    /// Posts a body once. No redirect is followed, and the answer's body is not looked at.
    pub(crate) fn post(&self, url: &Url, headers: &[(&str, String)], body: Vec<u8>) -> Result<(), PostError> {
        let client = self.client(url).map_err(|error| PostError::Setup(Box::new(error)))?;
        let mut request = client.post(url.clone()).timeout(POST_TIMEOUT).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().map_err(|error| PostError::Unreachable(error.without_url()))?;
        if response.status().is_success() { Ok(()) } else { Err(PostError::Status(response.status())) }
    }
}
