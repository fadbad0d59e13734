//! Keys and values in the database's one tree.

use attest_core::{
    merkle::{RootHash, TreeHead, TreeSize},
    time::Timestamp,
};

use crate::store::{DatabaseError, Epoch, Head, StoredCheckpoint};

/// Key of the head: epoch, size, root, time.
pub(super) const HEAD: &[u8] = b"h";
/// Key of the sealed size.
pub(super) const SEALED: &[u8] = b"s";
/// First byte of the keys of the signed checkpoint: size and note, in chunks. The first chunk's key is this byte alone.
pub(super) const CHECKPOINT: u8 = b'c';
/// First byte of the keys of pending entries: first index and chunk number of a run.
pub(super) const ENTRIES: u8 = b'e';

pub(super) fn chunk_key(first: u64, chunk: u32) -> [u8; 13] {
    let mut key = [ENTRIES; 13];
    key[1..9].copy_from_slice(&first.to_be_bytes());
    key[9..].copy_from_slice(&chunk.to_be_bytes());
    key
}

/// Key of a chunk of the checkpoint. A note with the cosignatures of many witnesses is longer than one value may be.
pub(super) fn checkpoint_key(chunk: u8) -> Vec<u8> {
    if chunk == 0 { vec![CHECKPOINT] } else { vec![CHECKPOINT, chunk] }
}

pub(super) fn encode_checkpoint(checkpoint: &StoredCheckpoint) -> Vec<u8> {
    let mut value = checkpoint.size.get().to_be_bytes().to_vec();
    value.extend_from_slice(checkpoint.note.as_bytes());
    value
}

pub(super) fn decode_chunk_key(key: &[u8]) -> Result<(u64, u32), DatabaseError> {
    let damaged = || DatabaseError::Damaged {
        what: "a key of pending entries",
        expected: "13 bytes",
        found: format!("{} bytes", key.len()),
    };
    let key: &[u8; 13] = key.try_into().map_err(|_| damaged())?;
    let first = key[1..9].try_into().map_err(|_| damaged())?;
    let chunk = key[9..].try_into().map_err(|_| damaged())?;
    Ok((u64::from_be_bytes(first), u32::from_be_bytes(chunk)))
}

pub(super) fn encode_head(head: &Head) -> Vec<u8> {
    let mut value = Vec::with_capacity(56);
    value.extend_from_slice(&head.epoch.get().to_be_bytes());
    value.extend_from_slice(&head.tree.size.get().to_be_bytes());
    value.extend_from_slice(head.tree.root.as_bytes());
    value.extend_from_slice(&head.time.secs().to_be_bytes());
    value
}

pub(super) fn decode_head(value: &[u8]) -> Result<Head, DatabaseError> {
    let damaged =
        || DatabaseError::Damaged { what: "the head", expected: "56 bytes", found: format!("{} bytes", value.len()) };
    let value: &[u8; 56] = value.try_into().map_err(|_| damaged())?;
    let number = |at: usize| value[at..at + 8].try_into().map(u64::from_be_bytes).map_err(|_| damaged());
    let root = value[16..48].try_into().map_err(|_| damaged())?;
    Ok(Head {
        epoch: Epoch::new(number(0)?),
        tree: TreeHead { size: TreeSize::new(number(8)?), root: RootHash::from_bytes(root) },
        time: Timestamp::from_secs(number(48)?),
    })
}

pub(super) fn decode_checkpoint(value: &[u8]) -> Result<StoredCheckpoint, DatabaseError> {
    let damaged = || DatabaseError::Damaged {
        what: "the stored checkpoint",
        expected: "a size and a note",
        found: format!("{} bytes", value.len()),
    };
    let (size, note) = value.split_first_chunk::<8>().ok_or_else(damaged)?;
    let note = String::from_utf8(note.to_vec()).map_err(|_| damaged())?;
    Ok(StoredCheckpoint { size: TreeSize::new(u64::from_be_bytes(*size)), note })
}

pub(super) fn decode_number(what: &'static str, value: &[u8]) -> Result<u64, DatabaseError> {
    let found = || format!("{} bytes", value.len());
    let number = value.try_into().map_err(|_| DatabaseError::Damaged { what, expected: "8 bytes", found: found() })?;
    Ok(u64::from_be_bytes(number))
}
