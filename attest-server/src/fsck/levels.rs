//! The hashes of the right edge while a tree is computed again from the left, one full bundle at a time.

use attest_core::{
    merkle::{NodeHash, RootHash, TreeSize},
    tile::{TileError, root_from_tiles, tile_root},
};

/// What the tiles above the leaves hold so far: at most 255 hashes a level.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    /// Of level 1, level 2 and so on.
    above: Vec<Vec<NodeHash>>,
}

impl Levels {
    /// Adds the root of the next 256 leaves, and returns the tiles that it fills, lowest level first.
    pub(crate) fn push(&mut self, root: NodeHash) -> Vec<(u8, Vec<NodeHash>)> {
        let mut full = Vec::new();
        let mut hash = root;
        for level in 1.. {
            let at = usize::from(level) - 1;
            if self.above.len() <= at {
                self.above.push(Vec::new());
            }
            let hashes = &mut self.above[at];
            hashes.push(hash);
            let Ok(tile) = <&[NodeHash; 256]>::try_from(hashes.as_slice()) else {
                break;
            };
            hash = tile_root(tile);
            full.push((level, std::mem::take(hashes)));
        }
        full
    }

    /// The hashes of the last tile of `level`, from 1, while it is partial.
    pub(crate) fn partial(&self, level: u8) -> &[NodeHash] {
        let at = usize::from(level).checked_sub(1);
        at.and_then(|at| self.above.get(at)).map_or(&[], Vec::as_slice)
    }

    /// The root of the tree of `size`: the bundles so far, and `leaves` after them.
    pub(crate) fn root(&self, size: TreeSize, leaves: &[NodeHash]) -> Result<RootHash, TileError> {
        root_from_tiles(size, |tile| {
            let hashes = if tile.level() == 0 { leaves } else { self.partial(tile.level()) };
            Ok(hashes.get(..usize::from(tile.width())).unwrap_or(hashes).to_vec())
        })
    }
}

#[cfg(test)]
mod tests {
    use attest_core::merkle::{Frontier, LeafHash};

    use super::*;

    #[test]
    fn the_root_is_that_of_the_leaves_at_every_kind_of_size() {
        for size in [0u64, 1, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 131_072, 131_400] {
            let leaves: Vec<LeafHash> = (0..size).map(|n| LeafHash::of(&n.to_be_bytes())).collect();
            let mut frontier = Frontier::new();
            for leaf in &leaves {
                frontier.append(*leaf);
            }
            let hashes: Vec<NodeHash> = leaves.into_iter().map(NodeHash::from).collect();
            let (full, rest) = hashes.as_chunks::<256>();
            let mut levels = Levels::default();
            let tiles: usize = full.iter().map(|tile| levels.push(tile_root(tile)).len()).sum();
            assert_eq!(levels.root(TreeSize::new(size), rest).unwrap(), frontier.head().root, "{size}");
            assert_eq!(tiles, full.len() / 256);
        }
    }
}
