//! Finished proofs for those who wait.

use attest_core::{
    merkle::LeafIndex,
    tile::{Prover, TILE_WIDTH, TileId},
};

use super::{
    Ack,
    pool::{Item, Outcome},
    proofs::TileProofs,
    publisher::PublishError,
};
use crate::{
    reader::{Published, ReadError},
    store::tree::LogTree,
};

/// Gives everybody a finished proof; they come in index order.
pub(super) fn answer(
    tree: &LogTree,
    published: &Published,
    waiters: impl Iterator<Item = (LeafIndex, Item)>,
) -> Result<(), PublishError> {
    let size = published.head.size;
    let mut prover = Prover::new(size, |tile| tree.hashes(tile));
    let mut current: Option<(u64, TileProofs)> = None;
    for (index, item) in waiters {
        let number = index.get() / u64::from(TILE_WIDTH);
        let proofs = match current.take() {
            Some((of, proofs)) if of == number => proofs,
            _ => {
                let first = number * u64::from(TILE_WIDTH);
                let width = (size.get() - first).min(u64::from(TILE_WIDTH));
                let width = u16::try_from(width).unwrap_or(TILE_WIDTH);
                let leaves = tree.hashes(TileId::new(0, number, width).map_err(ReadError::from)?)?;
                let path = prover.inclusion(LeafIndex::new(first))?;
                TileProofs::new(leaves, &path, &published.note)
            }
        };
        let Item { reply, permit, .. } = item;
        // Whoever hung up does not hear it.
        let _ = reply.send(Outcome::Logged(Ack { index, duplicate: None, proof: proofs.proof(index) }));
        drop(permit);
        current = Some((number, proofs));
    }
    Ok(())
}
