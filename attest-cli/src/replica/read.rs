//! Reading on: the entries themselves, for who follows a log.

use attest_core::{
    artifact::ArtifactDigest,
    checkpoint::LogCheckpoint,
    merkle::{LeafIndex, NodeHash, TreeHead, verify_inclusion},
    tile::{self, Entry, MAX_BUNDLE_LEN, Resource, TILE_WIDTH, TileId},
};

use super::{Locked, ReplicaError, bundle_id};
use crate::files;

impl Locked<'_> {
    /// The checkpoint that everything here was proven against, with all signatures that the log showed; `None` where no
    /// synchronisation was ever finished.
    pub(crate) fn checkpoint(&self) -> Result<Option<LogCheckpoint>, ReplicaError> {
        Ok(self.replica.state()?.map(|state| state.checkpoint))
    }

    /// The entries of a bundle, proven to be those of the tree that is held.
    pub(crate) fn bundle(&self, held: TreeHead, number: u64) -> Result<Vec<Entry>, ReplicaError> {
        let replica = self.replica;
        let id = bundle_id(number, held)?;
        let damaged = || replica.damaged("tile/entries", "the entries that were proven");
        let bytes = files::read(&replica.path(Resource::Bundle(id)), MAX_BUNDLE_LEN as u64)?;
        let entries = tile::decode_bundle(id, &bytes).map_err(|_| damaged())?;
        let leaves: Vec<NodeHash> = entries.iter().map(|entry| NodeHash::from(entry.leaf_hash())).collect();
        let read = |tile: TileId| -> Result<Vec<NodeHash>, ReplicaError> {
            if tile == id.tile() { Ok(leaves.clone()) } else { replica.tile(tile) }
        };
        // One proof is enough: the path of the first entry leads through the hashes of all others.
        let first = LeafIndex::new(number * u64::from(TILE_WIDTH));
        let path = tile::prove_inclusion(first, held.size, read)?;
        let leaf = entries.first().ok_or_else(damaged)?.leaf_hash();
        verify_inclusion(leaf, first, held, &path).map_err(|_| damaged())?;
        Ok(entries)
    }

    /// Hands out every entry about a file in log order, each proven. However many there are, one is in memory.
    pub(crate) fn about(&self, digest: ArtifactDigest, mut visit: impl FnMut(u64, &[u8])) -> Result<(), ReplicaError> {
        let Some(state) = self.replica.state()? else { return Ok(()) };
        self.each(&state, &[digest], |entry| {
            visit(entry.index.get(), &entry.envelope);
            Ok(())
        })
    }
}
