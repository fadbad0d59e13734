//! What a witness decides, without a clock, a key or a disk.

use super::AddCheckpoint;
use crate::checkpoint::{Checkpoint, CheckpointError, LogCheckpoint, UnverifiedCheckpoint};
use crate::cosignature::{self, VerifiedCosignature};
use crate::merkle::{NodeHash, ProofError, RootHash, TreeHead, TreeSize, verify_consistency};
use crate::note::{Note, NoteError, SignerKey, VerifierKey};
use crate::time::Timestamp;

/// Decides on a request: [`AddCheckpoint::verify`], then [`SignedRequest::check`].
///
/// `log` is the key of the request's origin, where it is watched; `latest` what was cosigned last for it. Between reading
/// `latest` and having stored what comes of it, nobody else may do the same for this origin: two requests with one old
/// size would both be consistent with it, and the slower one would take the tree back.
pub fn decide(
    log: Option<&VerifierKey>,
    latest: Option<&Cosigned>,
    request: AddCheckpoint,
) -> Result<Consistent, Refusal> {
    request.verify(log)?.check(latest)
}

/// A request whose checkpoint the log signed; it comes from [`AddCheckpoint::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    old: TreeSize,
    proof: Vec<NodeHash>,
    claim: Checkpoint,
    /// The text made again, with the verified lines of the log's key and no others.
    note: Note,
    log: VerifierKey,
}

impl SignedRequest {
    pub(super) fn new(old: TreeSize, proof: Vec<NodeHash>, claim: Checkpoint, note: &Note, log: VerifierKey) -> Self {
        let note = note.clone().retain_lines(|line| log.made(line));
        Self { old, proof, claim, note, log }
    }

    /// The checkpoint that the log signed.
    pub fn claim(&self) -> &Checkpoint {
        &self.claim
    }

    /// The log-signed note. With one of the same size and another root it proves that the log forked.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Checks the request against what was cosigned last for this log.
    pub fn check(self, latest: Option<&Cosigned>) -> Result<Consistent, Refusal> {
        // "Or zero if it never cosigned a checkpoint for that origin."
        let held = latest.map_or(TreeHead { size: TreeSize::ZERO, root: RootHash::of_empty() }, Cosigned::head);
        if self.old != held.size {
            return Err(Refusal::Conflict { old: self.old, latest: held.size });
        }
        // The three reasons of a 422: the empty tree with another root, a proof that is surplus or does not verify, one
        // size with two roots.
        verify_consistency(held, self.claim.head, &self.proof).map_err(Refusal::Inconsistent)?;
        // Parsed once more, now with every rule of a checkpoint, from the text that was made from what was checked.
        let bytes = self.note.to_string();
        let checkpoint =
            UnverifiedCheckpoint::parse(bytes.as_bytes()).and_then(|checkpoint| checkpoint.verify(&self.log));
        let checkpoint = checkpoint.map_err(|source| Refusal::NotAgain { source: Box::new(source) })?;
        let not_before = latest.map_or(Timestamp::from_secs(0), Cosigned::time);
        Ok(Consistent { checkpoint, not_before })
    }
}

/// A checkpoint that is consistent with what was cosigned before. Not stored yet, and so not cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistent {
    checkpoint: LogCheckpoint,
    not_before: Timestamp,
}

impl Consistent {
    /// The checkpoint, with the log's signature alone.
    pub fn checkpoint(&self) -> &LogCheckpoint {
        &self.checkpoint
    }

    /// Cosigns, at `now` or, where the clock has gone back, at the time of the cosignature before.
    ///
    /// The caller stores the result, durably, before it shows any of it to anybody. If it crashes before that, nobody has
    /// seen the signature.
    pub fn cosign(self, key: &SignerKey, now: Timestamp) -> Result<Cosigned, CosignedError> {
        let time = now.max(self.not_before);
        // tlog-witness: "the timestamp MUST NOT be zero".
        if time == Timestamp::from_secs(0) {
            return Err(CosignedError::NoTime);
        }
        let line = cosignature::cosign(&self.checkpoint, key, time)?;
        let checkpoint = self.checkpoint.with_cosignature(line.clone())?;
        Ok(Cosigned { checkpoint, line })
    }
}

/// What a witness cosigned last for one log: the log's signature and its own, both verified, and no other line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    checkpoint: LogCheckpoint,
    line: VerifiedCosignature,
}

impl Cosigned {
    /// Reads back what was stored: the note, byte for byte.
    pub fn parse(bytes: &[u8], log: &VerifierKey, own: &VerifierKey) -> Result<Self, CosignedError> {
        let checkpoint = UnverifiedCheckpoint::parse(bytes)?.verify(log)?;
        let lines = checkpoint.note().signatures();
        let line = lines.iter().find(|line| own.made(line)).ok_or(CosignedError::NotCosigned)?;
        let line = cosignature::verify(checkpoint.note().text(), line, own)?;
        if let Some(other) = lines.iter().find(|line| !own.made(line) && !log.made(line)) {
            return Err(CosignedError::OtherLine { found: other.to_string() });
        }
        Ok(Self { checkpoint, line })
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }

    /// When it was cosigned.
    pub fn time(&self) -> Timestamp {
        self.line.time()
    }

    /// The note to store and to serve to monitors.
    pub fn note(&self) -> &Note {
        self.checkpoint.note()
    }

    /// The body of the answer: the witness's own line.
    pub fn body(&self) -> String {
        format!("{}\n", self.line.line())
    }
}

/// Why a request gets no cosignature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 404.
    #[error("expected a checkpoint of a log that is watched here, found one of {found:?}")]
    UnknownOrigin {
        /// The origin.
        found: String,
    },
    /// 403.
    #[error(transparent)]
    Signature(NoteError),
    /// 400.
    #[error("expected a checkpoint of three lines {expected:?}, found extension lines in {found:?}")]
    Extension {
        /// Its three lines.
        expected: String,
        /// Its text.
        found: String,
    },
    /// 400.
    #[error("expected an old size of at most the new one {size}, found {old}")]
    OldSize {
        /// As sent.
        old: TreeSize,
        /// Of the checkpoint.
        size: TreeSize,
    },
    /// 409, with the size in the body.
    #[error("expected the size that was cosigned last, {latest}, as the old one, found {old}")]
    Conflict {
        /// As sent.
        old: TreeSize,
        /// Cosigned last.
        latest: TreeSize,
    },
    /// 422.
    #[error(transparent)]
    Inconsistent(ProofError),
    /// 400: what was accepted does not print and parse to the same; no input is known that does this.
    #[error("expected the checkpoint to parse again as it was printed: {source}")]
    NotAgain {
        /// Why it did not.
        source: Box<CheckpointError>,
    },
}

impl Refusal {
    /// The status that tlog-witness gives it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::UnknownOrigin { .. } => 404,
            Self::Signature(_) => 403,
            Self::Extension { .. } | Self::OldSize { .. } | Self::NotAgain { .. } => 400,
            Self::Conflict { .. } => 409,
            Self::Inconsistent(_) => 422,
        }
    }
}

/// Why there is no cosigned checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignedError {
    /// Not a checkpoint of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No time to cosign at.
    #[error("expected a time after 1970 to cosign at: this machine's clock is not set")]
    NoTime,
    /// The witness's own line is missing.
    #[error("expected the cosignature of this witness, found none")]
    NotCosigned,
    /// The line cannot be made, or does not verify.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A line by somebody else.
    #[error("expected the lines of the log and of this witness only, found {found:?}")]
    OtherLine {
        /// The line.
        found: String,
    },
}

#[cfg(test)]
mod tests;
