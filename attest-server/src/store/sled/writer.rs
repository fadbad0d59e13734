//! What is stored, in memory: the database has one writer, which knows.

use std::{collections::VecDeque, path::Path};

use super::codec::{
    CHECKPOINT, ENTRIES, HEAD, SEALED, decode_checkpoint, decode_chunk_key, decode_head, decode_number,
};
use crate::store::{DatabaseError, Head, StoredCheckpoint};

/// What is stored, as the one writer knows it.
pub(super) struct Writer {
    pub(super) head: Head,
    pub(super) sealed: u64,
    pub(super) published: Option<StoredCheckpoint>,
    /// Values that the checkpoint takes.
    pub(super) checkpoint_chunks: u8,
    /// The runs of entries, in order.
    pub(super) runs: VecDeque<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u64,
    pub(super) chunks: u32,
}

impl Writer {
    /// Reads what is stored.
    pub(super) fn load(tree: &::sled::Db, path: &Path) -> Result<Self, DatabaseError> {
        let sled = |source| DatabaseError::Sled { path: path.display().to_string(), source };
        let head = tree.get(HEAD).map_err(sled)?;
        let head = head.ok_or_else(|| DatabaseError::Empty { path: path.display().to_string() })?;
        let head = decode_head(&head)?;
        let sealed = match tree.get(SEALED).map_err(sled)? {
            None => 0,
            Some(value) => decode_number("the sealed size", &value)?,
        };
        let (mut checkpoint, mut checkpoint_chunks) = (Vec::new(), 0);
        for chunk in tree.scan_prefix([CHECKPOINT]).values() {
            checkpoint.extend_from_slice(&chunk.map_err(sled)?);
            checkpoint_chunks += 1;
        }
        let published = if checkpoint_chunks == 0 { None } else { Some(decode_checkpoint(&checkpoint)?) };
        let mut runs: VecDeque<Run> = VecDeque::new();
        for key in tree.scan_prefix([ENTRIES]).keys() {
            let (first, chunk) = decode_chunk_key(&key.map_err(sled)?)?;
            match runs.back_mut() {
                Some(run) if run.first == first && run.chunks == chunk => run.chunks += 1,
                _ if chunk == 0 => runs.push_back(Run { first, chunks: 1 }),
                _ => {
                    return Err(DatabaseError::Gap { expected: first, found: first });
                }
            }
        }
        // Runs below `sealed`, whose deletion a crash cut short, go with the next seal.
        Ok(Self { head, sealed, published, checkpoint_chunks, runs })
    }

    /// The oldest run, if all of it is sealed: the next one starts in the sealed part, or nothing follows it there.
    pub(super) fn take_sealed_run(&mut self) -> Option<Run> {
        let next = self.runs.get(1).map(|next| next.first);
        let end = next.unwrap_or(self.head.tree.size.get());
        if end > self.sealed { None } else { self.runs.pop_front() }
    }
}
