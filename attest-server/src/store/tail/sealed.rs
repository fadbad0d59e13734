//! Entries that are sealed before they are ever in the tail: a mirror's.

use attest_core::{merkle::NodeHash, tile::TILE_WIDTH};

use super::{Level, Tail};

impl Tail {
    /// Moves an empty tail on over `bundles` full bundles whose files are durable. `hashes` are the tile hashes (level,
    /// hash) that their entries complete.
    pub(in crate::store) fn skip(&mut self, bundles: u64, hashes: &[(u8, NodeHash)]) {
        self.base += bundles * u64::from(TILE_WIDTH);
        for (level, hash) in hashes {
            let level = usize::from(*level);
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, Level::default);
            }
            self.levels[level].hashes.push_back(*hash);
        }
        self.trim();
    }
}
