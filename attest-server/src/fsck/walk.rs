//! Computes a whole tree again from its entries and compares it with every tile and every signed or recorded root.
//!
//! A wrong byte in one file shows as a contradiction between two: between a bundle and its tile, or between a tile and
//! what lies below it. Which of the two is wrong is decided by the hash in the tile above, where that is kept, and
//! otherwise by the next recorded root: the tree is computed twice, believing the entries and believing the tiles.

use std::{path::PathBuf, sync::Arc};

use attest_core::{
    merkle::{NodeHash, RootHash, TreeHead, TreeSize},
    tile::{BundleId, Resource, TILE_WIDTH, TileError, TileId, edge_tiles, new_bundles},
};

use super::{
    ahead::Ahead,
    block::{Block, Conflict, root},
    finding::{Fault, Findings, KEPT},
    inspect::{Counts, Inspector},
    levels::Levels,
    progress::Progress,
    source::{Source, SourceError},
};
use crate::logging::chain;

const WIDTH: u64 = TILE_WIDTH as u64;

/// A root that the entries below its size must have.
#[derive(Clone, Debug)]
pub(crate) struct Milestone {
    /// Where it was recorded.
    pub(crate) path: PathBuf,
    /// What is recorded.
    pub(crate) head: TreeHead,
}

/// What was gone through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walked {
    pub(crate) counts: Counts,
    pub(crate) bundles: u64,
    pub(crate) tiles: u64,
}

/// Why the walk did not come to its end. Nothing is known then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    /// A piece could not be had.
    #[error("{path} could not be read")]
    Outage {
        path: String,
        #[source]
        source: SourceError,
    },
    /// The shape of a tree that cannot be.
    #[error(transparent)]
    Tile(#[from] TileError),
}

/// Goes through the tree of the largest of `milestones`.
pub(crate) async fn walk(
    source: &Source,
    mut milestones: Vec<Milestone>,
    inspector: Inspector,
    findings: &mut Findings,
) -> Result<Walked, WalkError> {
    milestones.sort_by_key(|milestone| std::cmp::Reverse(milestone.head.size));
    let size = milestones.first().map_or(TreeSize::ZERO, |milestone| milestone.head.size);
    let inspector = Arc::new(inspector);
    let tasks = new_bundles(TreeSize::ZERO, size).map(|id| {
        let (source, inspector) = (source.clone(), Arc::clone(&inspector));
        tokio::spawn(async move { (id, Block::read(source, id, inspector).await) })
    });
    let mut blocks = Ahead::new(tasks);
    let mut progress = Progress::new("checked", size.get());
    let mut walker = Walker::new(source, size, milestones, findings);
    while let Some(task) = blocks.next().await {
        let outage = |id: Option<BundleId>, source| {
            let path = id.map_or_else(|| "a bundle".to_owned(), |id| Resource::Bundle(id).to_string());
            WalkError::Outage { path, source }
        };
        let (id, block) = task.map_err(|_| outage(None, SourceError::Interrupted))?;
        walker.take(block.map_err(|source| outage(Some(id), source))?).await?;
        progress.at(id.index() * WIDTH);
    }
    walker.finish().await
}

struct Walker<'a> {
    source: &'a Source,
    size: TreeSize,
    /// Largest first.
    milestones: Vec<Milestone>,
    findings: &'a mut Findings,
    /// The tree that the entries give, and the one that the tiles over them give.
    by_entries: Levels,
    by_tiles: Levels,
    /// Contradictions since the last root that decided.
    conflicts: Vec<Conflict>,
    /// Part of the tree is gone: nothing above it can be computed.
    lost: bool,
    walked: Walked,
}

impl<'a> Walker<'a> {
    fn new(source: &'a Source, size: TreeSize, milestones: Vec<Milestone>, findings: &'a mut Findings) -> Self {
        Self {
            source,
            size,
            milestones,
            findings,
            by_entries: Levels::default(),
            by_tiles: Levels::default(),
            conflicts: Vec::new(),
            lost: false,
            walked: Walked::default(),
        }
    }

    /// The next block.
    async fn take(&mut self, mut block: Block) -> Result<(), WalkError> {
        self.walked.counts.add(block.counts);
        self.walked.bundles += 1;
        self.walked.tiles += 1;
        let faults = std::mem::take(&mut block.faults);
        for fault in faults {
            self.findings.fault(fault);
        }
        if let Some(conflict) = block.conflict() {
            self.decide(&mut block, conflict).await?;
        }
        // What one file does not say, the other has to.
        block.by_entries = block.by_entries.or_else(|| block.by_tile.clone());
        block.by_tile = block.by_tile.or_else(|| block.by_entries.clone());
        let end = (block.id.index() + 1) * WIDTH;
        let leaves = [&block.by_entries, &block.by_tile].map(|hashes| hashes.as_deref().unwrap_or_default());
        self.check_roots(|size| size.get() < end, leaves)?;
        if !block.id.is_full() {
            self.lost |= block.by_entries.is_none();
            return Ok(());
        }
        let mut roots = [&block.by_entries, &block.by_tile].map(|hashes| root(hashes.as_ref()));
        if roots == [None, None] {
            roots = [self.above(block.id).await?; 2];
        }
        let [Some(by_entries), Some(by_tile)] = roots else {
            self.lost = true;
            return Ok(());
        };
        if self.lost {
            return Ok(());
        }
        let full = self.by_entries.push(by_entries);
        let other = self.by_tiles.push(by_tile);
        for ((level, hashes), (_, other)) in full.into_iter().zip(other) {
            let index = block.id.index().checked_shr(8 * u32::from(level)).unwrap_or(0);
            self.check_tile(TileId::new(level, index, TILE_WIDTH)?, [&hashes, &other]).await?;
        }
        Ok(())
    }

    /// Which of a bundle and its tile is wrong: the hash in the tile above says so, if it is one of the two.
    async fn decide(&mut self, block: &mut Block, conflict: Conflict) -> Result<(), WalkError> {
        let above = self.above(block.id).await?;
        if above.is_some() && above == root(block.by_entries.as_ref()) {
            self.findings.fault(conflict.blame_tile());
            block.by_tile.clone_from(&block.by_entries);
        } else if above.is_some() && above == root(block.by_tile.as_ref()) {
            self.findings.fault(conflict.blame_bundle());
            block.by_entries.clone_from(&block.by_tile);
        } else if self.conflicts.len() < KEPT {
            self.conflicts.push(conflict);
        } else {
            self.findings.fault(conflict.blame_both());
        }
        Ok(())
    }

    /// The hash of a full block in the tile above, as stored.
    async fn above(&self, id: BundleId) -> Result<Option<NodeHash>, WalkError> {
        if !id.is_full() {
            return Ok(None);
        }
        let (index, at) = (id.index() / WIDTH, id.index() % WIDTH);
        let width = (self.size.get() / WIDTH - index * WIDTH).min(WIDTH);
        let tile = TileId::new(1, index, u16::try_from(width).unwrap_or(TILE_WIDTH))?;
        let hashes = match self.source.tile(tile).await {
            Ok(hashes) => hashes.unwrap_or_default(),
            Err(source) if source.is_outage() => return Err(outage(tile, source)),
            // Reported when the tile itself is looked at.
            Err(_) => Vec::new(),
        };
        Ok(usize::try_from(at).ok().and_then(|at| hashes.get(at).copied()))
    }

    /// Compares a stored tile above the leaves with what lies below it.
    async fn check_tile(&mut self, tile: TileId, [by_entries, by_tiles]: [&[NodeHash]; 2]) -> Result<(), WalkError> {
        self.walked.tiles += 1;
        let stored = match self.source.tile(tile).await {
            Ok(None) => return Ok(()),
            Ok(Some(stored)) => stored,
            Err(source) if source.is_outage() => return Err(outage(tile, source)),
            Err(error) => {
                let expected = format!("{} hashes", tile.width());
                self.findings.fault(Fault::new(&Resource::Tile(tile), expected, chain(&error)));
                return Ok(());
            }
        };
        let differs = stored.iter().zip(by_entries).zip(by_tiles).position(|((s, e), t)| s != e && s != t);
        if let Some(at) = differs {
            let below = tile.index() * WIDTH + at as u64;
            let from = TileId::new(tile.level() - 1, below, TILE_WIDTH)?;
            let expected = format!("hash {at} to be {}, the root of {}", by_entries[at], Resource::Tile(from));
            self.findings.fault(Fault::new(&Resource::Tile(tile), expected, stored[at].to_string()));
        }
        Ok(())
    }

    /// Compares the recorded roots of the sizes that `due` names; `leaves` follow the full bundles so far.
    fn check_roots(&mut self, due: impl Fn(TreeSize) -> bool, leaves: [&[NodeHash]; 2]) -> Result<(), WalkError> {
        while let Some(Milestone { path, head }) = self.milestones.pop_if(|next| due(next.head.size)) {
            let path = path.display();
            let expected = format!("the root {} of the first {} entries", head.root, head.size);
            let rest = head.size.get() % WIDTH;
            let known = leaves.iter().all(|leaves| leaves.len() as u64 >= rest);
            if self.lost || !known {
                let found = "it cannot be computed: part of the tree is gone";
                self.findings.fault(Fault::new(&path, expected, found));
                continue;
            }
            let by_entries = self.by_entries.root(head.size, leaves[0])?;
            let by_tiles = self.by_tiles.root(head.size, leaves[1])?;
            self.settle(by_entries == head.root, by_tiles == head.root);
            if by_entries != head.root && by_tiles != head.root {
                self.findings.fault(Fault::new(&path, expected, differing(by_entries, by_tiles)));
            }
        }
        Ok(())
    }

    /// A recorded root was reached by believing the entries, or the tiles, or neither.
    fn settle(&mut self, entries: bool, tiles: bool) {
        if entries && tiles {
            // Decides nothing: what contradicts itself lies behind this size.
            return;
        }
        for conflict in std::mem::take(&mut self.conflicts) {
            self.findings.fault(match (entries, tiles) {
                (true, false) => conflict.blame_tile(),
                (false, true) => conflict.blame_bundle(),
                _ => conflict.blame_both(),
            });
        }
        if entries && !tiles {
            self.by_tiles = self.by_entries.clone();
        } else if tiles && !entries {
            self.by_entries = self.by_tiles.clone();
        }
    }

    async fn finish(mut self) -> Result<Walked, WalkError> {
        self.check_roots(|_| true, [&[]; 2])?;
        self.settle(false, false);
        for tile in edge_tiles(self.size) {
            if tile.level() == 0 || tile.is_full() || self.lost {
                continue;
            }
            let hashes = [&self.by_entries, &self.by_tiles].map(|levels| levels.partial(tile.level()).to_vec());
            self.check_tile(tile, [&hashes[0], &hashes[1]]).await?;
        }
        Ok(self.walked)
    }
}

fn differing(by_entries: RootHash, by_tiles: RootHash) -> String {
    if by_entries == by_tiles { by_entries.to_string() } else { format!("{by_entries}, and {by_tiles} by the tiles") }
}

fn outage(tile: TileId, source: SourceError) -> WalkError {
    WalkError::Outage { path: Resource::Tile(tile).to_string(), source }
}
