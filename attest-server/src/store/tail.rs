//! The end of the log that is not sealed yet, in memory.
//!
//! Entries from a multiple of 256 on, the hashes of every tile that is not a file yet, and the index over those
//! entries. It is derived: a start rebuilds it from the database's pending entries and the tile files.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    merkle::{LeafIndex, NodeHash, TreeSize},
    tile::{TILE_WIDTH, TileId},
};

use super::record::Record;

mod sealed;

const WIDTH: u64 = TILE_WIDTH as u64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tail {
    base: u64,
    /// Of the entries in `records`.
    bytes: usize,
    records: VecDeque<Arc<Record>>,
    levels: Vec<Level>,
    artifacts: HashMap<ArtifactDigest, VecDeque<u64>>,
    projects: HashMap<ProjectName, VecDeque<u64>>,
}

/// The hashes of one tile level, from a tile's beginning on.
#[derive(Debug, Default)]
struct Level {
    first: u64,
    hashes: VecDeque<NodeHash>,
}

impl Tail {
    /// A tail that starts at `base`, a multiple of 256, with the hashes of the partial tiles that end there.
    pub(super) fn new(base: TreeSize, partial: impl IntoIterator<Item = (TileId, Vec<NodeHash>)>) -> Self {
        let mut levels: Vec<Level> = Vec::new();
        let mut nodes = base.get();
        while nodes > 0 {
            levels.push(Level { first: nodes - nodes % WIDTH, hashes: VecDeque::new() });
            nodes /= WIDTH;
        }
        for (tile, hashes) in partial {
            if let Some(level) = levels.get_mut(usize::from(tile.level())) {
                level.hashes = hashes.into();
            }
        }
        Self { base: base.get(), levels, ..Self::default() }
    }

    /// Index of the first entry in it.
    pub(super) const fn base(&self) -> u64 {
        self.base
    }

    /// Index after the last entry in it.
    pub(super) fn size(&self) -> u64 {
        self.base + self.records.len() as u64
    }

    /// Bytes of the entries in it.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends entries and the tile hashes (level, hash) that they complete, lowest level first for each entry.
    pub(super) fn extend(&mut self, records: &[Arc<Record>], hashes: &[(u8, NodeHash)]) {
        for record in records {
            let index = self.size();
            if let Some((artifact, project)) = &record.keys().subject {
                self.artifacts.entry(*artifact).or_default().push_back(index);
                match self.projects.get_mut(project) {
                    Some(indexes) => indexes.push_back(index),
                    None => drop(self.projects.insert(project.clone(), VecDeque::from([index]))),
                }
            }
            self.bytes += record.entry().as_bytes().len();
            self.records.push_back(Arc::clone(record));
        }
        for (level, hash) in hashes {
            let level = usize::from(*level);
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, Level::default);
            }
            self.levels[level].hashes.push_back(*hash);
        }
    }

    /// Forgets the entries below `upto`, a multiple of 256, and the tiles that are full with them.
    pub(super) fn forget(&mut self, upto: TreeSize) {
        while self.base < upto.get() {
            let Some(record) = self.records.pop_front() else {
                break;
            };
            if let Some((artifact, project)) = &record.keys().subject {
                pop(&mut self.artifacts, artifact);
                pop(&mut self.projects, project);
            }
            self.bytes -= record.entry().as_bytes().len();
            self.base += 1;
        }
        self.trim();
    }

    /// Drops the hashes of tiles that are full below the base: those are files.
    fn trim(&mut self) {
        let mut nodes = self.base;
        for level in &mut self.levels {
            let first = nodes - nodes % WIDTH;
            let gone = usize::try_from(first - level.first).unwrap_or(usize::MAX).min(level.hashes.len());
            level.hashes.drain(..gone);
            level.first = first;
            nodes /= WIDTH;
        }
    }

    /// The entry at `index`.
    pub(super) fn record(&self, index: LeafIndex) -> Option<&Arc<Record>> {
        let at = index.get().checked_sub(self.base)?;
        self.records.get(usize::try_from(at).ok()?)
    }

    /// The entries of a range; `None` unless all of them are here.
    pub(super) fn records(&self, from: u64, below: u64) -> Option<Vec<Arc<Record>>> {
        let start = usize::try_from(from.checked_sub(self.base)?).ok()?;
        let end = usize::try_from(below.checked_sub(self.base)?).ok()?;
        (start <= end && end <= self.records.len()).then(|| self.records.range(start..end).cloned().collect())
    }

    /// The hashes of a tile; `None` unless all of them are here.
    pub(super) fn hashes(&self, tile: TileId) -> Option<Vec<NodeHash>> {
        let level = self.levels.get(usize::from(tile.level()))?;
        let start = (tile.index() * WIDTH).checked_sub(level.first)?;
        let start = usize::try_from(start).ok()?;
        let end = start + usize::from(tile.width());
        (end <= level.hashes.len()).then(|| level.hashes.range(start..end).copied().collect())
    }

    /// Entries about this artifact with `from` <= index < `below`.
    pub(super) fn artifact(&self, digest: &ArtifactDigest, from: LeafIndex, below: TreeSize) -> Vec<LeafIndex> {
        between(self.artifacts.get(digest), from, below)
    }

    /// Entries about this project with `from` <= index < `below`.
    pub(super) fn project(&self, project: &ProjectName, from: LeafIndex, below: TreeSize) -> Vec<LeafIndex> {
        between(self.projects.get(project), from, below)
    }
}

fn pop<K: Hash + Eq>(map: &mut HashMap<K, VecDeque<u64>>, key: &K) {
    if let Some(indexes) = map.get_mut(key) {
        indexes.pop_front();
        if indexes.is_empty() {
            map.remove(key);
        }
    }
}

fn between(indexes: Option<&VecDeque<u64>>, from: LeafIndex, below: TreeSize) -> Vec<LeafIndex> {
    let indexes = indexes.into_iter().flatten().copied().map(LeafIndex::new);
    indexes.filter(|index| *index >= from && below.contains(*index)).collect()
}
