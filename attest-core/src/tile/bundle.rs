//! Entry bundles: entries, each behind its length as a big-endian uint16 (tlog-tiles, "Log entries").

use super::{BundleId, TILE_WIDTH, TileError};
use crate::merkle::LeafHash;

const PREFIX_LEN: usize = 2;

/// Bytes of the largest bundle: 256 entries of 65,535 bytes, each with its length. What is fetched compressed must be
/// cut off there while it is decompressed.
pub const MAX_BUNDLE_LEN: usize = TILE_WIDTH as usize * (PREFIX_LEN + Entry::MAX_LEN);

/// Bytes of a log entry, at most [`Entry::MAX_LEN`]; the only constructor refuses more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(Vec<u8>);

impl Entry {
    /// 65,535: what a uint16 length can say (tlog-tiles, "Log entries").
    pub const MAX_LEN: usize = u16::MAX as usize;

    /// The entry with these bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, TileError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(TileError::EntryLength { found: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The hash under which the tree holds it.
    pub fn leaf_hash(&self) -> LeafHash {
        LeafHash::of(&self.0)
    }
}

/// Bytes of a bundle.
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        // Entry::new holds the length to a uint16, so the lower two bytes are all of it.
        let [.., high, low] = entry.0.len().to_be_bytes();
        bytes.extend([high, low]);
        bytes.extend_from_slice(&entry.0);
    }
    bytes
}

/// Entries of a bundle from its (decompressed) bytes: as many as the bundle is wide, and nothing after them.
pub fn decode_bundle(id: BundleId, bytes: &[u8]) -> Result<Vec<Entry>, TileError> {
    if bytes.len() > MAX_BUNDLE_LEN {
        return Err(TileError::BundleLength { found: bytes.len() });
    }
    let width = id.width();
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for entry in 0..width {
        let truncated = TileError::BundleTruncated { width, entry };
        let Some((prefix, after)) = rest.split_first_chunk::<PREFIX_LEN>() else {
            return Err(truncated);
        };
        let len = usize::from(u16::from_be_bytes(*prefix));
        let Some((data, after)) = after.split_at_checked(len) else {
            return Err(truncated);
        };
        entries.push(Entry(data.to_vec()));
        rest = after;
    }
    if !rest.is_empty() {
        return Err(TileError::BundleTrailing { width, found: rest.len() });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(width: u16) -> BundleId {
        BundleId::new(0, width).unwrap()
    }

    #[test]
    fn an_entry_longer_than_its_length_prefix_can_say_is_refused() {
        assert_eq!(Entry::new(vec![0; 65_536]), Err(TileError::EntryLength { found: 65_536 }));
        let largest = Entry::new(vec![1; 65_535]).unwrap();
        let bytes = encode_bundle([&largest]);
        assert_eq!(bytes[..2], [0xff, 0xff]);
        assert_eq!(decode_bundle(bundle(1), &bytes), Ok(vec![largest]));
    }

    #[test]
    fn a_bundle_that_ends_early_or_late_is_refused() {
        let truncated = |width, entry| Err(TileError::BundleTruncated { width, entry });
        let two = [0, 1, b'a', 0, 0];
        assert_eq!(decode_bundle(bundle(2), &two).unwrap().len(), 2);
        assert_eq!(decode_bundle(bundle(3), &two), truncated(3, 2));
        assert_eq!(decode_bundle(bundle(2), &two[..4]), truncated(2, 1));
        assert_eq!(decode_bundle(bundle(2), &two[..2]), truncated(2, 0));
        assert_eq!(decode_bundle(bundle(1), &[]), truncated(1, 0));
        assert_eq!(decode_bundle(bundle(1), &two), Err(TileError::BundleTrailing { width: 1, found: 2 }));
    }

    #[test]
    fn a_bundle_larger_than_any_can_be_is_refused_unread() {
        let found = MAX_BUNDLE_LEN + 1;
        assert_eq!(decode_bundle(bundle(256), &vec![0; found]), Err(TileError::BundleLength { found }));
        assert_eq!(MAX_BUNDLE_LEN, 256 * 65_537);
    }
}
