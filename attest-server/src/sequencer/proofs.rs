//! Many `.tlog-proof`s of one tree ([C2SP tlog-proof](https://c2sp.org/tlog-proof)) for little work.
//!
//! All leaves under one level-0 tile share the path above the tile and the checkpoint; below, a proof is at most eight
//! lines that were encoded once for the whole tile. So a proof is made by copying a kilobyte.

use std::fmt::Write as _;

use attest_core::{
    merkle::{LeafIndex, NodeHash},
    tile::TILE_WIDTH,
};

/// A line: 32 bytes in base64, and a newline.
const LINE: usize = 45;

/// The proofs of the leaves under one level-0 tile.
#[derive(Debug)]
pub(super) struct TileProofs {
    /// For every level inside the tile, its hashes as lines; the last level has one.
    levels: Vec<String>,
    /// The path above the tile, an empty line, and the checkpoint.
    shared: String,
}

impl TileProofs {
    /// `leaves`: the hashes of the tile, as wide as the tree has it. `path`: the inclusion proof of its first leaf.
    pub(super) fn new(leaves: Vec<NodeHash>, path: &[NodeHash], checkpoint: &str) -> Self {
        let mut levels = vec![lines(&leaves)];
        let mut hashes = leaves;
        while hashes.len() > 1 {
            // RFC 6962 section 2.1 splits at the largest power of two, so the last node without a sibling moves up as
            // it is.
            let parent = |pair: &[NodeHash]| match pair {
                [left, right] => NodeHash::of_children(left, right),
                alone => alone[0],
            };
            hashes = hashes.chunks(2).map(parent).collect();
            levels.push(lines(&hashes));
        }
        // The first leaf has a sibling on every level below the tile's top.
        let upper = path.get(levels.len() - 1..).unwrap_or_default();
        let shared = format!("{}\n{checkpoint}", lines(upper));
        Self { levels, shared }
    }

    /// The proof of the leaf at `index`, which is under this tile.
    pub(super) fn proof(&self, index: LeafIndex) -> String {
        let mut text = String::with_capacity(64 + self.levels.len() * LINE + self.shared.len());
        // Writing to a String does not fail.
        let _ = writeln!(text, "c2sp.org/tlog-proof@v1\nindex {}", index.get());
        let mut position = usize::try_from(index.get() % u64::from(TILE_WIDTH)).unwrap_or_default();
        for level in &self.levels {
            let sibling = (position ^ 1) * LINE;
            text.push_str(level.get(sibling..sibling + LINE).unwrap_or_default());
            position /= 2;
        }
        text.push_str(&self.shared);
        text
    }
}

fn lines(hashes: &[NodeHash]) -> String {
    let mut text = String::with_capacity(hashes.len() * LINE);
    for hash in hashes {
        let _ = writeln!(text, "{hash}");
    }
    text
}

#[cfg(test)]
mod tests {
    use attest_core::{
        merkle::{LeafHash, TreeSize},
        tile::{TileError, TileId, prove_inclusion, tile_root},
    };

    use super::*;

    #[test]
    fn every_proof_is_the_one_that_is_made_alone() {
        let leaves: Vec<NodeHash> = (0..1_100_u32).map(|n| LeafHash::of(&n.to_be_bytes()).into()).collect();
        let (full, _) = leaves.as_chunks::<256>();
        let roots: Vec<NodeHash> = full.iter().map(tile_root).collect();
        let read = |tile: TileId| {
            let level = if tile.level() == 0 { &leaves } else { &roots };
            let first = usize::try_from(tile.index() * 256).unwrap();
            Ok::<_, TileError>(level[first..first + usize::from(tile.width())].to_vec())
        };
        for size in [1_u64, 2, 3, 5, 100, 255, 256, 257, 258, 511, 512, 513, 700, 1_024, 1_025, 1_100] {
            for number in 0..size.div_ceil(256) {
                let first = number * 256;
                let width = (size - first).min(256);
                let tile = read(TileId::new(0, number, u16::try_from(width).unwrap()).unwrap()).unwrap();
                let path = prove_inclusion(LeafIndex::new(first), TreeSize::new(size), read).unwrap();
                let proofs = TileProofs::new(tile, &path, "note\n");
                for index in first..first + width {
                    let path = prove_inclusion(LeafIndex::new(index), TreeSize::new(size), read).unwrap();
                    let alone = format!("c2sp.org/tlog-proof@v1\nindex {index}\n{}\nnote\n", lines(&path));
                    assert_eq!(proofs.proof(LeafIndex::new(index)), alone, "{index} of {size}");
                }
            }
        }
    }
}
