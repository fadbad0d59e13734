//! One question to one witness, over HTTP, within limits of bytes and time.

use std::time::Duration;

use attest_core::{
    checkpoint::LogCheckpoint,
    cosignature::VerifiedCosignature,
    merkle::TreeSize,
    note::VerifierKey,
    time::Timestamp,
    tlog_policy::PolicyWitness,
    witness::{AddCheckpoint, RequestError, ResponseError, parse_cosignatures, parse_size},
};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::contradiction::JudgeError;

/// Bytes of an answer: some lines, or a checkpoint with those of a hundred post-quantum keys.
const MAX_ANSWER: usize = 512 * 1024;
/// Letters of an error's body that are shown.
const MAX_SHOWN: usize = 200;
/// Seconds that a witness's clock and ours may differ. An old cosignature of the same checkpoint, sent again, is refused
/// by this: it would make an idle log look fresh to us and stale to everybody else.
const MAX_SKEW: u64 = 300;

/// Where a witness is.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    client: Client,
    prefix: String,
}

/// What a witness says to a checkpoint.
#[derive(Debug)]
pub(super) enum Answer {
    /// 200, with a line that was verified.
    Cosigned(Box<VerifiedCosignature>),
    /// 409: what it cosigned last has this size.
    Conflict(TreeSize),
}

impl Endpoint {
    /// The submission prefix of a policy, without a slash at its end; the text itself when it is none.
    pub(super) fn parse(witness: &PolicyWitness) -> Result<String, String> {
        let text = witness.url().map(ToString::to_string).unwrap_or_default();
        let plain =
            |url: &Url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
        let url = Url::parse(&text).ok().filter(plain).ok_or(text)?;
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    pub(super) fn new(prefix: String, limit: Duration) -> Result<Self, reqwest::Error> {
        // The process may have chosen a provider before; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("attest-server/", env!("CARGO_PKG_VERSION")))
            // Over all of a request: a byte a second keeps nobody. Connections are kept ("Clients SHOULD use keep-alive").
            .timeout(limit)
            // A witness that moved is a line to change in the policy.
            .redirect(redirect::Policy::none())
            .no_gzip()
            .build()?;
        Ok(Self { client, prefix })
    }

    /// `add-checkpoint`. `now` is this machine's time, before the question.
    pub(super) async fn add(
        &self,
        witness: &VerifierKey,
        request: &AddCheckpoint,
        checkpoint: &LogCheckpoint,
        now: Timestamp,
    ) -> Result<Answer, AskError> {
        let url = format!("{}/add-checkpoint", self.prefix);
        let response = self.client.post(url).body(request.to_string()).send().await.map_err(AskError::transport)?;
        let (status, body) = read(response).await?;
        match status {
            StatusCode::OK => {
                let line = parse_cosignatures(&body, checkpoint.note().text(), witness)?;
                if line.time().secs().abs_diff(now.secs()) > MAX_SKEW {
                    return Err(AskError::Time { now, found: line.time() });
                }
                Ok(Answer::Cosigned(Box::new(line)))
            }
            StatusCode::CONFLICT => Ok(Answer::Conflict(parse_size(&body)?)),
            status => Err(AskError::status(status, &body)),
        }
    }

    /// The monitoring endpoint: what it cosigned last, as bytes that nobody looked at. `None` where it shows nothing.
    pub(super) async fn checkpoint(&self, origin_hash: &str) -> Result<Option<Vec<u8>>, AskError> {
        let url = format!("{}/{origin_hash}/checkpoint", self.prefix);
        let (status, body) = read(self.client.get(url).send().await.map_err(AskError::transport)?).await?;
        match status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(AskError::status(status, &body)),
        }
    }
}

async fn read(mut response: Response) -> Result<(StatusCode, Vec<u8>), AskError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(AskError::transport)? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(AskError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((response.status(), bytes))
}

/// Why a witness gave no cosignature. Nothing of it says anything about the log, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No answer, or one that broke off or took too long.
    #[error("no complete answer")]
    Transport(#[source] reqwest::Error),
    /// Another status than 200 and 409.
    #[error("expected status 200 or 409, found {status}: {text:?}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// The beginning of its body.
        text: String,
    },
    /// A body over the limit.
    #[error("expected an answer of at most {MAX_ANSWER} bytes, found more")]
    TooLarge,
    /// An answer that is none, or a line that does not verify.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// A cosignature from another time: sent again, or by a clock that is wrong.
    #[error("expected a cosignature within {MAX_SKEW} seconds of this machine's {now}, found one of {found}")]
    Time {
        /// This machine's clock.
        now: Timestamp,
        /// The cosignature's time.
        found: Timestamp,
    },
    /// A second conflict in a row.
    #[error("it said that it had cosigned size {first}, was asked from there, and says {second} now")]
    Conflict {
        /// Its first word.
        first: TreeSize,
        /// Its second.
        second: TreeSize,
    },
    /// A number that cannot be, and nothing signed to show for it.
    #[error("it says that it cosigned size {found}, but the log has only {size} entries")]
    Ahead {
        /// As it says.
        found: TreeSize,
        /// Entries of the log.
        size: TreeSize,
    },
    /// What it shows could not be compared with the log.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The request could not be made.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl AskError {
    fn transport(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }

    fn status(status: StatusCode, body: &[u8]) -> Self {
        Self::Status { status, text: String::from_utf8_lossy(body).chars().take(MAX_SHOWN).collect() }
    }
}
