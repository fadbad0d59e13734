//! Events posted to a URL, in the headers of [Standard
//! Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): id, time of sending, and
//! HMAC-SHA256 over both and the body, by a secret that both sides have. A receiver checks the signature, refuses a time that is
//! minutes off, and drops an id that it had before.
//!
//! ```text
//! webhook-id: 0c5f…            the event's id
//! webhook-timestamp: 1795345200
//! webhook-signature: v1,BASE64 of HMAC-SHA256(secret, "ID.TIMESTAMP.BODY")
//! ```

use std::path::{Path, PathBuf};

use attest_core::time::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use reqwest::Url;
use sha2::Sha256;

use super::super::event::Event;
use crate::{
    client::{Http, post::PostError},
    files::{self, FileError},
    host, run,
};

/// Of a secret, in a file or as Standard Webhooks writes it.
const SECRET_PREFIX: &str = "whsec_";
/// Standard Webhooks, "Symmetric": "between 24 bytes (192 bits) and 64 bytes (512 bits)".
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const MAX_FILE: u64 = 1024;

/// An address, and what both sides know.
pub(crate) struct Webhook {
    url: Url,
    secret: Secret,
    http: Http,
}

/// Never printed.
struct Secret(Hmac<Sha256>);

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

/// There is no webhook, or it did not take an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error("expected the URL of a webhook with https, or http to this machine; found {scheme:?} to {host:?}")]
    Scheme { scheme: String, host: String },
    #[error("expected the URL of a webhook")]
    Url,
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: expected {SECRET_PREFIX} and 24 to 64 bytes in base64", .path.display())]
    Secret { path: PathBuf },
    #[error("{}: expected a file that only its owner can read and write, found mode {mode:04o}", .path.display())]
    Readable { path: PathBuf, mode: u32 },
    #[error("{host}: {source}")]
    Post { host: String, source: PostError },
    #[error("an event cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl WebhookError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Readable { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Self::Secret { .. } => Some("make one: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"".to_owned()),
            _ => None,
        }
    }
}

impl Webhook {
    pub(crate) fn open(url: &str, secret: &Path, http: &Http) -> Result<Self, WebhookError> {
        let url = Url::parse(url).map_err(|_| WebhookError::Url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_local = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        match url.scheme() {
            "https" => {}
            // What is told is signed and not secret; but whoever is between could keep it back.
            "http" if is_local => {}
            scheme => return Err(WebhookError::Scheme { scheme: scheme.to_owned(), host }),
        }
        Ok(Self { url, secret: Secret::read(secret)?, http: http.clone() })
    }

    /// Posts one event.
    pub(crate) fn tell(&self, event: &Event) -> Result<(), WebhookError> {
        let body = serde_json::to_vec(event)?;
        let (id, now) = (event.id.to_string(), run::now());
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("webhook-signature", self.secret.sign(&id, now, &body)),
            ("webhook-timestamp", now.secs().to_string()),
            ("webhook-id", id),
        ];
        self.http
            .post(&self.url, &headers, body)
            .map_err(|source| WebhookError::Post { host: self.url.host_str().unwrap_or_default().to_owned(), source })
    }
}

impl Secret {
    fn read(path: &Path) -> Result<Self, WebhookError> {
        let bytes = files::read(path, MAX_FILE)?;
        let data = path.metadata().map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        let mode = host::mode(&data);
        if mode & 0o077 != 0 {
            return Err(WebhookError::Readable { path: path.to_owned(), mode });
        }
        Self::parse(&bytes).ok_or_else(|| WebhookError::Secret { path: path.to_owned() })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim();
        let secret = STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
        let secret = Some(secret).filter(|secret| SECRET_BYTES.contains(&secret.len()))?;
        Hmac::new_from_slice(&secret).ok().map(Self)
    }

    fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let signed = self.0.clone().chain_update(format!("{id}.{}.", at.secs())).chain_update(body);
        format!("v1,{}", STANDARD.encode(signed.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: [u8; 32]) -> String {
        attest_core::artifact::ArtifactDigest::from_bytes(bytes).to_string()
    }

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // Test cases 1, 2 and 6 of section 4.
        for (key, text, expected) in [
            (&[0x0b; 20][..], &b"Hi There"[..], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            let code = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize();
            assert_eq!(hex(code.into_bytes().into()), expected);
        }
    }

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        // The vector of its reference libraries.
        let secret = Secret::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signature = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_secs(1_614_265_330),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_short_or_bare_is_none() {
        for text in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"] {
            assert!(Secret::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_and_an_address_without_tls_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        host::set_mode(&path, 0o644).unwrap();
        let http = Http::new();
        let open = |url: &str| Webhook::open(url, &path, &http).map(drop);
        assert!(matches!(open("https://hooks.example/x"), Err(WebhookError::Readable { mode: 0o644, .. })));
        host::set_mode(&path, 0o600).unwrap();
        open("https://hooks.example/x").unwrap();
        open("http://127.0.0.1:8/x").unwrap();
        assert!(matches!(open("http://hooks.example/x"), Err(WebhookError::Scheme { .. })));
        assert!(matches!(open("file:///x"), Err(WebhookError::Scheme { .. })));
        assert!(matches!(open("x"), Err(WebhookError::Url)));
    }
}
