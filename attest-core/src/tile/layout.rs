//! Which tiles and bundles a tree of a given size has, and which of them a proof needs. No hashes here.

use std::collections::BTreeSet;

use super::{BundleId, MAX_LEVEL, TILE_HEIGHT, TILE_WIDTH, TileId};
use crate::merkle::subtree::{Node, Subtree, consistency_path, inclusion_path};
use crate::merkle::{LeafIndex, TreeSize};

/// The last tile of each level, full or partial, lowest level first: all that is needed to go on appending.
pub fn edge_tiles(size: TreeSize) -> Vec<TileId> {
    (0..=MAX_LEVEL)
        .map_while(|level| nodes_at(size, level).checked_sub(1).map(|last| tile_of(level, last, size)))
        .collect()
}

/// The tiles that a tree of `new` has and one of `old` has not, in order of level and index: those that became full in
/// between, then the partial one. With `old` zero, every tile of the tree.
pub fn new_tiles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = TileId> {
    (0..=MAX_LEVEL).take_while(move |level| nodes_at(new, *level) > 0).flat_map(move |level| {
        new_at(nodes_at(old, level), nodes_at(new, level)).map(move |(index, width)| TileId { level, index, width })
    })
}

/// The entry bundles that a tree of `new` has and one of `old` has not.
pub fn new_bundles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = BundleId> {
    new_at(old.get(), new.get()).map(|(index, width)| BundleId { index, width })
}

/// The tiles, as wide as they are in a tree of `size`, that an inclusion proof needs; none if there is no such leaf.
pub fn tiles_for_inclusion(index: LeafIndex, size: TreeSize) -> Vec<TileId> {
    tiles_for(&inclusion_path(index, size), size)
}

/// The tiles, as wide as they are in a tree of `new`, that a consistency proof needs; none if the proof is empty.
pub fn tiles_for_consistency(old: TreeSize, new: TreeSize) -> Vec<TileId> {
    tiles_for(&consistency_path(old, new), new)
}

/// The tiles that the root of a tree needs.
pub fn tiles_for_root(size: TreeSize) -> Vec<TileId> {
    tiles_for(Subtree::whole(size).as_slice(), size)
}

fn tiles_for(subtrees: &[Subtree], size: TreeSize) -> Vec<TileId> {
    let tiles: BTreeSet<TileId> = subtrees.iter().flat_map(|s| s.nodes()).map(|n| place_of(n, size).0).collect();
    tiles.into_iter().collect()
}

/// Where to find a perfect subtree of a tree of `size`: in a tile, at the `.1`th node of height `node.height % 8` over the
/// tile's hashes.
pub(super) fn place_of(node: Node, size: TreeSize) -> (TileId, usize) {
    let within = node.height % TILE_HEIGHT;
    let first = node.index << within;
    let tile = tile_of(level_of(node.height), first, size);
    let offset = first - tile.index * u64::from(TILE_WIDTH);
    #[expect(clippy::cast_possible_truncation, reason = "an offset in a tile is less than 256")]
    (tile, (offset >> within) as usize)
}

/// The level of the tiles that hold nodes of that height.
#[expect(clippy::cast_possible_truncation, reason = "a height is at most 64, so a level is at most 8")]
pub(super) const fn level_of(height: u32) -> u8 {
    (height / TILE_HEIGHT) as u8
}

/// floor(s / 256^level): hashes at that level of a tree (tlog-tiles, "Partial Tiles").
fn nodes_at(size: TreeSize, level: u8) -> u64 {
    size.get().checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// The tile of that level with its `node`th hash.
fn tile_of(level: u8, node: u64, size: TreeSize) -> TileId {
    let index = node / u64::from(TILE_WIDTH);
    TileId { level, index, width: width_of(index, nodes_at(size, level)) }
}

/// Width of tile `index` when its level has `nodes` hashes.
#[expect(clippy::cast_possible_truncation, reason = "a width is at most 256")]
fn width_of(index: u64, nodes: u64) -> u16 {
    let wide = u64::from(TILE_WIDTH);
    nodes.saturating_sub(index * wide).min(wide) as u16
}

/// Index and width of what a level of `new` hashes (or entries) has and one of `old` has not.
fn new_at(old: u64, new: u64) -> impl Iterator<Item = (u64, u16)> {
    let wide = u64::from(TILE_WIDTH);
    let range = if old < new { old / wide..new.div_ceil(wide) } else { 0..0 };
    range.map(move |index| (index, width_of(index, new)))
}
