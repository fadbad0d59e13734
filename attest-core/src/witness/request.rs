//! The body of `add-checkpoint`.

use std::fmt;

use super::decide::{Refusal, SignedRequest};
use crate::checkpoint::{Checkpoint, CheckpointError, LogCheckpoint, parse_form};
use crate::merkle::{DecimalError, HashError, NodeHash, TreeSize};
use crate::note::{Note, NoteError, VerifierKey};

/// What stands in front of the old size.
const OLD: &str = "old ";

/// A parsed request; nothing in it is verified. Display prints it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: TreeSize,
    proof: Vec<NodeHash>,
    note: Note,
    claim: Checkpoint,
}

impl AddCheckpoint {
    /// Bytes of the largest request that is read: 64 lines in front, and a checkpoint with the 16 signatures that
    /// signed-note demands at least, each of nearly 5 kB when it is a post-quantum one. Sunlight's limit, too.
    pub const MAX_LEN: usize = 128 * 1024;
    /// "The client MUST NOT send more than 63 consistency proof lines."
    pub const MAX_PROOF: usize = 63;

    /// A request of a log. `proof` leads from the tree of size `old` to that of `checkpoint`.
    pub fn new(old: TreeSize, proof: Vec<NodeHash>, checkpoint: &LogCheckpoint) -> Result<Self, RequestError> {
        if proof.len() > Self::MAX_PROOF {
            return Err(RequestError::ProofLength { found: proof.len() });
        }
        Ok(Self { old, proof, note: checkpoint.note().clone(), claim: checkpoint.checkpoint().clone() })
    }

    /// Parses a request, to the last byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(RequestError::Length { found: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|e| RequestError::NotUtf8 { position: e.valid_up_to() })?;
        // The first empty line ends the proof; the note has one of its own before its signatures.
        let (lines, note) = text.split_once("\n\n").ok_or(RequestError::NoCheckpoint)?;
        let mut lines = lines.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix(OLD)).ok_or(RequestError::NoOldSize)?;
        let old = old.parse().map_err(RequestError::OldSize)?;
        // Counted before any is decoded.
        let found = lines.clone().count();
        if found > Self::MAX_PROOF {
            return Err(RequestError::ProofLength { found });
        }
        let proof = lines.map(str::parse).collect::<Result<_, _>>().map_err(RequestError::Proof)?;
        let note = Note::parse(note.as_bytes())?;
        let (claim, _) = parse_form(note.text())?;
        Ok(Self { old, proof, note, claim })
    }

    /// Size of the tree that the witness is believed to have cosigned last.
    pub fn old(&self) -> TreeSize {
        self.old
    }

    /// The log that this claims to be of.
    pub fn origin(&self) -> &str {
        &self.claim.origin
    }

    /// Checks everything that does not depend on what was cosigned before. `log` is the key of the log with this
    /// [origin](Self::origin), where it is watched.
    pub fn verify(self, log: Option<&VerifierKey>) -> Result<SignedRequest, Refusal> {
        let Some(log) = log.filter(|log| log.name().as_str() == self.claim.origin) else {
            return Err(Refusal::UnknownOrigin { found: self.claim.origin });
        };
        // Lines by unknown keys are ignored; one that names the log's key and does not verify refuses the note.
        self.note.verify(&[log]).map_err(Refusal::Signature)?;
        // What is cosigned is the text made again from what was parsed. It is another one exactly when there are extension
        // lines, which no monitor can audit (tlog-checkpoint, "Note text", 4).
        let text = self.claim.to_string();
        if text != self.note.text() {
            return Err(Refusal::Extension { expected: text, found: self.note.text().to_owned() });
        }
        if self.old > self.claim.head.size {
            return Err(Refusal::OldSize { old: self.old, size: self.claim.head.size });
        }
        Ok(SignedRequest::new(self.old, self.proof, self.claim, &self.note, log.clone()))
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{OLD}{}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

/// Why bytes are no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The note's text is not a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Larger than [`AddCheckpoint::MAX_LEN`].
    #[error("expected a request of at most {max} bytes, found {found}", max = AddCheckpoint::MAX_LEN)]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// No empty line behind the old size and the proof.
    #[error("expected an empty line and a checkpoint behind the old size and the proof, found none")]
    NoCheckpoint,
    /// Another first line.
    #[error("expected a first line of `old <size>`, found another one")]
    NoOldSize,
    /// What follows is no note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not UTF-8.
    #[error("expected a request in UTF-8, found an invalid sequence at byte {position}")]
    NotUtf8 {
        /// Where.
        position: usize,
    },
    /// The first line has no size.
    #[error("old size of the request: {0}")]
    OldSize(#[source] DecimalError),
    /// A line of the proof is no hash.
    #[error("consistency proof of the request: {0}")]
    Proof(#[source] HashError),
    /// More lines than any two trees need.
    #[error("expected at most {max} lines of consistency proof, found {found}", max = AddCheckpoint::MAX_PROOF)]
    ProofLength {
        /// Lines found.
        found: usize,
    },
}
