//! How pending entries lie in the database: one run per commit, cut into chunks.
//!
//! A run is the entries of one commit in the form of a tlog-tiles bundle (16-bit big-endian length, bytes) without its
//! limit of 256. Cutting the run and not each entry saves keys: what a key costs the database is the same for 30 bytes
//! as for 3,000. Chunks stay well below 8 KiB, where sled moves a value to a file of its own that no barrier covers.

use attest_core::tile::Entry;

use super::DatabaseError;

/// Bytes of one chunk.
pub(super) const CHUNK: usize = 3 * 1024;

/// The run of these entries.
pub(super) fn encode(entries: &[&[u8]]) -> Vec<u8> {
    let mut run = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.len()).sum());
    for entry in entries {
        // Entry::MAX_LEN fits in 16 bits; a longer one does not come from an `Entry`.
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        run.extend_from_slice(&length.to_be_bytes());
        run.extend_from_slice(&entry[..usize::from(length)]);
    }
    run
}

/// The entries of a run; trailing bytes are damage.
pub(super) fn decode(mut run: &[u8]) -> Result<Vec<Entry>, DatabaseError> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = run.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, rest) = rest.split_at_checked(length).ok_or_else(|| damaged(length, rest.len()))?;
        entries.push(Entry::new(entry.to_vec()).map_err(|_| damaged(length, rest.len()))?);
        run = rest;
    }
    if run.is_empty() { Ok(entries) } else { Err(damaged(2, run.len())) }
}

fn damaged(expected: usize, left: usize) -> DatabaseError {
    DatabaseError::Damaged {
        what: "a run of pending entries",
        expected: "whole entries, each after its length",
        found: format!("{left} bytes where {expected} had to follow"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_comes_back_as_it_was() {
        let largest = vec![9; Entry::MAX_LEN];
        let entries: [&[u8]; 4] = [b"a", b"", &[1; 300], &largest];
        let decoded = decode(&encode(&entries)).unwrap();
        assert!(decoded.iter().map(Entry::as_bytes).eq(entries));
    }

    #[test]
    fn a_run_without_its_end_is_damaged() {
        let run = encode(&[b"abc", b"defg"]);
        for end in 1..run.len() {
            assert!(end == 5 || decode(&run[..end]).is_err(), "{end}");
        }
    }
}
