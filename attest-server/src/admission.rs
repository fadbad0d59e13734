//! Admission: which envelopes may enter the log.
//!
//! In scope: canonical form, size, a signature by a listed rebuilder, a statement that parses. Withdrawals and negatives
//! are statements like any other. Out of scope: whether a statement counts, which is for each user's policy to say.
//!
//! A signature costs tens of microseconds of pure computation, which would stall everything else on an async worker, so
//! the check runs on a few threads of its own behind a queue of bounded length.

use std::{
    borrow::Cow,
    cell::LazyCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use attest_core::{
    envelope::{Envelope, EnvelopeError, Signature},
    key::{KeyError, PublicKey, openpgp},
    tile::Entry,
};
use axum::body::Bytes;
use serde::Deserialize;
use tokio::sync::{oneshot, watch};

use crate::{
    rebuilders::{Rebuilder, Rebuilders},
    sequencer::Submission,
};

/// Envelopes that wait for a thread. At about 50 µs each, what is behind the last of them waits some 100 ms.
const QUEUE: usize = 4_096;

/// The checking threads. They end when this is dropped.
#[derive(Debug)]
pub struct Admission {
    queue: SyncSender<Job>,
}

/// Why an envelope may not enter.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// Not a canonical envelope, or not a statement in it.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// An OpenPGP signature outside the profile of docs/TRUST.md 2.3.
    #[error("the signature is not one that this log accepts: {0}")]
    SignatureForm(KeyError),
    /// No listed key made this signature.
    #[error("the signature was not made by the key of a rebuilder that this log lists{}", named(.claims.as_ref()))]
    UnknownSigner {
        /// The listed rebuilder whose URL the statement gives as `rebuilder.id`, when there is one.
        claims: Option<Claim>,
    },
    /// The queue is full.
    #[error("more submissions are waiting than can be checked in time")]
    Busy,
    /// The check itself failed, or the server is ending.
    #[error("the check of the signature did not finish")]
    Interrupted,
}

/// A listed rebuilder that a statement names as its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// As listed.
    pub name: String,
    /// Fingerprint of the listed key.
    pub key: String,
}

#[derive(Debug)]
struct Job {
    bytes: Bytes,
    answer: oneshot::Sender<Result<Submission, AdmissionError>>,
}

impl Admission {
    /// Starts `threads` threads that admit what the `rebuilders` sign that are listed at that moment.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(rebuilders: &watch::Receiver<Arc<Rebuilders>>, threads: usize) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let (rebuilders, jobs) = (rebuilders.clone(), Arc::clone(&jobs));
            thread::Builder::new().name(format!("verify-{number}")).spawn(move || work(&rebuilders, &jobs))?;
        }
        Ok(Self { queue })
    }

    /// Checks one envelope on one of the threads.
    pub async fn admit(&self, bytes: Bytes) -> Result<Submission, AdmissionError> {
        let (answer, result) = oneshot::channel();
        match self.queue.try_send(Job { bytes, answer }) {
            Ok(()) => result.await.unwrap_or(Err(AdmissionError::Interrupted)),
            Err(TrySendError::Full(_)) => Err(AdmissionError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(AdmissionError::Interrupted),
        }
    }
}

fn work(rebuilders: &watch::Receiver<Arc<Rebuilders>>, jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The guard is a temporary: it is released as soon as a job is there.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { bytes, answer }) = next else {
            return;
        };
        if answer.is_closed() {
            continue;
        }
        let listed = Arc::clone(&rebuilders.borrow());
        // A panic in a parser would be a bug; it must cost one request, not one of the few threads.
        let result = catch_unwind(AssertUnwindSafe(|| admit(&listed, bytes)));
        let _ = answer.send(result.unwrap_or(Err(AdmissionError::Interrupted)));
    }
}

/// The check itself: canonical envelope, signature by a listed key, statement.
pub fn admit(rebuilders: &Rebuilders, bytes: Bytes) -> Result<Submission, AdmissionError> {
    let envelope = Envelope::parse(&bytes)?;
    if let Signature::OpenPgp(packet) = envelope.signature() {
        openpgp::packet(packet).map_err(AdmissionError::SignatureForm)?;
    }
    let claimed = LazyCell::new(|| claimed_id(envelope.payload()));
    let claims = |rebuilder: &Rebuilder| claimed.as_deref() == Some(rebuilder.url());
    let suited = |rebuilder: &&Rebuilder| {
        matches!(
            (rebuilder.key(), envelope.signature()),
            (PublicKey::Ed25519(_), Signature::Ed25519(_)) | (PublicKey::OpenPgp(_), Signature::OpenPgp(_))
        )
    };
    let mut candidates: Vec<&Rebuilder> = rebuilders.iter().filter(suited).collect();
    if candidates.len() > 1 {
        // What the statement says of its author is only a hint about which key to try first.
        candidates.sort_by_key(|one| !claims(one));
    }
    for rebuilder in candidates {
        match envelope.verify(rebuilder.key()) {
            Ok(statement) => {
                // Canonical, so these bytes are what the envelope would be written as; and they are not copied.
                let found = bytes.len();
                let entry = Entry::new(bytes.into()).map_err(|_| EnvelopeError::TooLong { found })?;
                return Ok(Submission::new(entry, &statement));
            }
            Err(EnvelopeError::Key(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AdmissionError::UnknownSigner {
        claims: rebuilders
            .iter()
            .find(|one| claims(one))
            .map(|rebuilder| Claim { name: rebuilder.name().to_owned(), key: rebuilder.key().fingerprint() }),
    })
}

/// `predicate.rebuilder.id` of a payload that nobody verified. Duplicate keys and other tricks may make this differ from
/// what the statement's parser finds; then the first key that is tried is the wrong one, and nothing else happens.
fn claimed_id(payload: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Statement<'a> {
        #[serde(borrow)]
        predicate: Predicate<'a>,
    }
    #[derive(Deserialize)]
    struct Predicate<'a> {
        #[serde(borrow)]
        rebuilder: Author<'a>,
    }
    #[derive(Deserialize)]
    struct Author<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    serde_json::from_slice::<Statement<'_>>(payload).ok().map(|statement| statement.predicate.rebuilder.id)
}

fn named(claims: Option<&Claim>) -> String {
    claims.map_or_else(String::new, |claim| {
        format!(": the statement names the listed rebuilder {:?}, whose key {} did not make it", claim.name, claim.key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_than_the_queue_holds_is_busy_at_once() {
        let nobody = Rebuilders::parse("rebuilder = []", std::path::Path::new("")).unwrap();
        let admission = Admission::start(&watch::channel(Arc::new(nobody)).1, 1).unwrap();
        let error = admission.admit(Bytes::from_static(b"{}")).await.unwrap_err();
        assert!(matches!(error, AdmissionError::Envelope(_)), "{error}");
        // A queue that no thread empties.
        let (queue, waiting) = sync_channel(1);
        let full = Admission { queue };
        let (answer, _unheard) = oneshot::channel();
        let first = Job { bytes: Bytes::new(), answer };
        full.queue.try_send(first).unwrap();
        let error = full.admit(Bytes::new()).await.unwrap_err();
        assert!(matches!(error, AdmissionError::Busy), "{error}");
        drop(waiting);
        let error = full.admit(Bytes::new()).await.unwrap_err();
        assert!(matches!(error, AdmissionError::Interrupted), "{error}");
    }

    #[test]
    fn the_claimed_author_is_read_without_believing_the_rest() {
        let cases: [(&[u8], Option<&str>); 4] = [
            (
                br#"{"x":[1,{"y":2}],"predicate":{"rebuilder":{"id":"https://a.example","v":{}}}}"#,
                Some("https://a.example"),
            ),
            (br#"{"predicate":{"statementId":"00","reason":"withdrawn"}}"#, None),
            (br#"{"predicate":{"rebuilder":{"id":7}}}"#, None),
            (b"\xff", None),
        ];
        for (payload, expected) in cases {
            assert_eq!(claimed_id(payload).as_deref(), expected);
        }
    }
}
