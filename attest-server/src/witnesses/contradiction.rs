//! Whether what a witness shows can be of the same log as what is held here.

use std::sync::Arc;

use attest_core::{
    checkpoint::{CheckpointError, LogCheckpoint, UnverifiedCheckpoint},
    cosignature,
    merkle::{RootHash, TreeHead, TreeSize},
    note::{NoteError, VerifierKey},
    tile::{prove_consistency, root_from_tiles},
    witness::{AddCheckpoint, RequestError},
};

use crate::store::tree::{LogTree, ReadError};

/// Something that the log's key signed and that is not of the tree held here: this folder is older than the log, or a
/// second server signs with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Who showed it.
    pub witness: String,
    /// What it showed, signed by this log's key.
    pub seen: LogCheckpoint,
    /// Entries here.
    pub size: TreeSize,
    /// The root here at the size that was shown; none where the tree here is smaller.
    pub root: Option<RootHash>,
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TreeHead { size, root } = self.seen.head();
        let Self { witness, size: held, .. } = self;
        match self.root {
            None => write!(
                f,
                "witness {witness} shows a checkpoint of {size} entries that this log's key signed, and there are only \
                 {held} here"
            ),
            Some(held) => write!(
                f,
                "witness {witness} shows a checkpoint of {size} entries with root {root} that this log's key signed, and \
                 the root of the first {size} entries here is {held}"
            ),
        }
    }
}

/// The tree, as far as it is durable.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) tree: Arc<LogTree>,
    pub(super) log: VerifierKey,
}

/// What a checkpoint that a witness shows is worth.
#[derive(Debug)]
pub(super) enum Shown {
    /// Of this tree, and cosigned by the witness.
    Same(TreeSize),
    /// Signed by this log's key, and not of this tree.
    Other(Box<Contradiction>),
}

impl Held {
    /// Entries that are durable here.
    pub(super) fn size(&self) -> TreeSize {
        self.tree.size()
    }

    /// Compares what `witness` shows with the tree. Reads tiles.
    pub(super) fn judge(&self, name: &str, witness: &VerifierKey, shown: &[u8]) -> Result<Shown, JudgeError> {
        let seen = UnverifiedCheckpoint::parse(shown)?.verify(&self.log)?;
        let (size, head) = (self.size(), seen.head());
        let root = if head.size > size { None } else { Some(self.root(head.size)?) };
        // The log's signature is enough to prove it, whoever shows it.
        if root != Some(head.root) {
            let (witness, seen) = (name.to_owned(), seen.log_signed_only());
            return Ok(Shown::Other(Box::new(Contradiction { witness, seen, size, root })));
        }
        // For the log nothing follows from a checkpoint that the witness did not cosign: anybody can show an old one.
        let line = seen.note().signatures().iter().find(|line| witness.made(line)).ok_or(JudgeError::NotCosigned)?;
        cosignature::verify(seen.note().text(), line, witness)?;
        Ok(Shown::Same(head.size))
    }

    fn root(&self, size: TreeSize) -> Result<RootHash, ReadError> {
        root_from_tiles(size, |tile| self.tree.hashes(tile))
    }

    /// The request that leads from `old` to `checkpoint`. Reads tiles.
    pub(super) fn request(&self, old: TreeSize, checkpoint: &LogCheckpoint) -> Result<AddCheckpoint, JudgeError> {
        let new = checkpoint.head().size;
        let proof = if old == TreeSize::ZERO || old == new {
            Vec::new()
        } else {
            prove_consistency(old, new, |tile| self.tree.hashes(tile))?
        };
        Ok(AddCheckpoint::new(old, proof, checkpoint)?)
    }
}

/// Why what a witness shows says nothing.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// Not a checkpoint that this log's key signed.
    #[error("what it shows is no checkpoint of this log")]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint of this log without the witness's cosignature.
    #[error("what it shows is not cosigned by it")]
    NotCosigned,
    /// A cosignature that does not verify.
    #[error("what it shows has a cosignature of its own that is wrong")]
    Cosignature(#[from] NoteError),
    /// The tree here could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The request could not be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A thread ended early.
    #[error("this process is ending")]
    Interrupted,
}
