//! A log's tiles in memory, made by appending, as a server makes them.

use std::collections::HashMap;

use attest_core::merkle::{LeafHash, NodeHash, TreeHead};
use attest_core::tile::{Edge, TileError, TileId};

#[derive(Clone, Default)]
pub(crate) struct Tiles {
    edge: Edge,
    widest: HashMap<(u8, u64), Vec<NodeHash>>,
}

impl Tiles {
    pub(crate) fn append(&mut self, leaf: LeafHash) {
        let widest = &mut self.widest;
        self.edge.append(leaf, |tile, hashes| {
            assert!(tile.is_full());
            widest.insert((tile.level(), tile.index()), hashes.to_vec());
        });
    }

    /// Stores the partial tiles too, as has to be done for every published size.
    pub(crate) fn publish(&mut self) -> TreeHead {
        for (tile, hashes) in self.edge.partial_tiles() {
            assert_eq!(hashes.len(), usize::from(tile.width()));
            self.widest.insert((tile.level(), tile.index()), hashes.to_vec());
        }
        self.edge.head()
    }

    /// Hands out as much of a tile as there is, which may be more than asked for.
    pub(crate) fn read(&self, tile: TileId) -> Result<Vec<NodeHash>, TileError> {
        let hashes = self.widest.get(&(tile.level(), tile.index()));
        hashes.cloned().ok_or(TileError::TileNarrow { tile, found: 0 })
    }

    /// The tile exactly as wide as its name says.
    pub(crate) fn exact(&self, tile: TileId) -> Vec<NodeHash> {
        let mut hashes = self.read(tile).unwrap();
        hashes.truncate(usize::from(tile.width()));
        assert_eq!(hashes.len(), usize::from(tile.width()));
        hashes
    }
}
