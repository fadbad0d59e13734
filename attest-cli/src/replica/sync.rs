//! Brings a replica up to date: downloads the entries that are new, re-derives every hash of the tree from them, and takes
//! them over when the root is the one that the log signed.
//!
//! Killed at any moment, it leaves what was proven before. Full bundles that were downloaded by then are hashed again by
//! the next run instead of being downloaded again. A few bundles are in memory at a time, however large the log is.

use std::{collections::BTreeSet, fs, io, ops::Range, path::PathBuf, thread};

use attest_core::{
    artifact::ArtifactDigest,
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    envelope::Envelope,
    merkle::{TreeHead, TreeSize},
    statement::Statement,
    tile::{self, BundleId, Edge, Entry, MAX_BUNDLE_LEN, Resource, TILE_WIDTH},
    time::Timestamp,
};

use super::{Index, Locked, Record, Replica, ReplicaError, State, index};
use crate::{
    client::LogClient,
    files::{self, FileError, Mode},
    history::History,
};

/// Bundles that are asked for at once, and the most that are in memory.
const AT_ONCE: usize = 8;
const PREFIX: usize = 2;

/// A replica that is up to date.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Synced {
    /// Entries that were held before.
    pub(crate) before: u64,
    /// What is held now.
    pub(crate) head: TreeHead,
}

impl Replica {
    /// Removes everything, the wish to keep the log included.
    pub(crate) fn forget(&self) -> Result<(), FileError> {
        match fs::remove_dir_all(&self.folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(FileError::Write { path: self.folder.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

impl Locked<'_> {
    /// Removes what is held.
    pub(crate) fn forget(&self) -> Result<(), ReplicaError> {
        let folder = &self.replica.folder;
        // The state first: without it, nothing is held, whatever is left of the rest.
        for name in ["state", "index", "tile"] {
            let path = folder.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(FileError::Write { path, source }.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes over what the log signs now. `progress` hears how many entries are here and how many there will be.
    pub(crate) fn sync(
        &self,
        client: &LogClient,
        history: &History,
        now: Timestamp,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Synced, ReplicaError> {
        let replica = self.replica;
        let held = replica.state()?;
        let shown = self.shown(client, history)?;
        let new = shown.head();
        let old = held
            .as_ref()
            .map_or(TreeHead { size: TreeSize::ZERO, root: Edge::new().head().root }, |state| state.checkpoint.head());
        if new.size < old.size {
            let (held, shown) = (old.size.get(), new.size.get());
            return Err(ReplicaError::Smaller { url: client.base().to_owned(), held, shown });
        }
        let index = held.map_or_else(Index::empty, |state| state.index);
        index.truncate(&replica.folder)?;
        let mut growth = Growth { replica, edge: replica.edge(old)?, touched: BTreeSet::new(), written: Vec::new() };
        while growth.edge.size() < new.size {
            let next: Vec<BundleId> = tile::new_bundles(growth.edge.size(), new.size).take(AT_ONCE).collect();
            for (id, entries) in next.iter().zip(fetch(replica, client, &next)) {
                growth.append(*id, entries?)?;
            }
            progress(growth.edge.size().get(), new.size.get());
        }
        let found = growth.edge.head();
        if found != new {
            replica.remove_since(old.size, new.size);
            index.truncate(&replica.folder)?;
            return Err(ReplicaError::OtherEntries {
                url: client.base().to_owned(),
                origin: replica.log.name().as_str().to_owned(),
                size: new.size.get(),
                expected: new.root.to_string(),
                found: found.root.to_string(),
            });
        }
        let index = if new.size == old.size { index } else { growth.finish(&index)? };
        let state = State { shown_at: now, checkpoint: shown, index };
        // From here on it is held.
        state.write(&replica.folder)?;
        replica.remove_partial(old.size, new.size);
        Ok(Synced { before: old.size.get(), head: new })
    }

    /// Signed by the log, and a continuation of all that was seen of it.
    fn shown(&self, client: &LogClient, history: &History) -> Result<LogCheckpoint, ReplicaError> {
        let log = &self.replica.log;
        let bytes = client.checkpoint()?;
        let shown = UnverifiedCheckpoint::parse(&bytes).and_then(|note| note.verify(log)).map_err(|source| {
            let origin = log.name().as_str().to_owned();
            ReplicaError::Checkpoint { url: client.base().to_owned(), origin, source }
        })?;
        history.admit(log, &shown, |id| client.tile(id))?;
        Ok(shown)
    }
}

/// A tree that grows beyond what was proven.
struct Growth<'r> {
    replica: &'r Replica,
    edge: Edge,
    /// Shards of the index that got records.
    touched: BTreeSet<u8>,
    /// Files that must last before the state says that they are there.
    written: Vec<PathBuf>,
}

impl Growth<'_> {
    /// Appends those entries of a bundle that the tree does not have yet, and writes what they complete.
    fn append(&mut self, id: BundleId, mut entries: Vec<Entry>) -> Result<(), ReplicaError> {
        let first = id.index() * u64::from(TILE_WIDTH);
        // Those that were proven are not taken from anybody again.
        let known = u16::try_from(self.edge.size().get() - first).unwrap_or(TILE_WIDTH);
        if known > 0 {
            let held = downloaded(self.replica, BundleId::new(id.index(), known)?);
            let held = held.ok_or_else(|| self.replica.damaged("tile/entries", "the last bundle that is held"))?;
            entries.splice(..usize::from(known), held);
        }
        self.write(Resource::Bundle(id), &tile::encode_bundle(&entries))?;
        let (mut records, mut tiles) = (Vec::new(), Vec::new());
        let mut offset = 0;
        for (at, entry) in entries.iter().enumerate() {
            let place = offset + PREFIX..offset + PREFIX + entry.as_bytes().len();
            offset = place.end;
            if at < usize::from(known) {
                continue;
            }
            records.extend(record(entry, first + at as u64, &place));
            self.edge.append(entry.leaf_hash(), |id, hashes| tiles.push((id, tile::encode_tile(hashes))));
        }
        for (id, hashes) in tiles {
            self.write(Resource::Tile(id), &hashes)?;
        }
        self.touched.extend(index::append(&self.replica.folder, &records)?);
        Ok(())
    }

    /// Writes the tiles that are not full, makes all of it last, and gives its index.
    fn finish(&mut self, held: &Index) -> Result<Index, ReplicaError> {
        let partial: Vec<_> = self.edge.partial_tiles().map(|(id, hashes)| (id, tile::encode_tile(hashes))).collect();
        for (id, hashes) in partial {
            self.write(Resource::Tile(id), &hashes)?;
        }
        let folder = &self.replica.folder;
        let shards = self.touched.iter().map(|shard| index::path(folder, *shard));
        files::sync(self.written.iter().cloned().chain(shards))?;
        held.grown(folder, &self.touched)
    }

    fn write(&mut self, resource: Resource, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.replica.path(resource);
        files::replace_unsynced(&path, bytes, Mode::Private)?;
        self.written.push(path);
        Ok(())
    }
}

impl Replica {
    /// The right edge of what is held, if its tiles are still those of the tree.
    fn edge(&self, held: TreeHead) -> Result<Edge, ReplicaError> {
        let edge = Edge::from_tiles(held.size, |id| self.tile(id))?;
        if edge.head() != held {
            return Err(self.damaged("tile", "the hashes of the tree that is held"));
        }
        Ok(edge)
    }

    /// Forgets bundles and tiles beyond what was proven. One that cannot be removed is found wrong again.
    fn remove_since(&self, old: TreeSize, new: TreeSize) {
        let bundles = tile::new_bundles(old, new).map(Resource::Bundle);
        for resource in bundles.chain(tile::new_tiles(old, new).map(Resource::Tile)) {
            let _ = fs::remove_file(self.path(resource));
        }
    }

    /// Removes what was only as wide as an older tree: space, and nothing else, depends on it.
    fn remove_partial(&self, old: TreeSize, new: TreeSize) {
        let last = |size: TreeSize| tile::new_bundles(TreeSize::new(size.get().saturating_sub(1)), size).last();
        let bundle = last(old).filter(|id| !id.is_full() && last(new) != Some(*id)).map(Resource::Bundle);
        let edge = tile::edge_tiles(new);
        let tiles = tile::edge_tiles(old).into_iter().filter(|id| !id.is_full() && !edge.contains(id));
        for resource in bundle.into_iter().chain(tiles.map(Resource::Tile)) {
            let _ = fs::remove_file(self.path(resource));
        }
    }
}

/// What an entry is about; bytes that are no statement are about nothing.
fn record(entry: &Entry, index: u64, place: &Range<usize>) -> Option<Record> {
    let digest = subject(entry.as_bytes())?;
    let (offset, len) = (u32::try_from(place.start).ok()?, u32::try_from(place.len()).ok()?);
    Some(Record { digest, index, offset, len })
}

fn subject(entry: &[u8]) -> Option<ArtifactDigest> {
    let envelope = Envelope::parse(entry).ok()?;
    Some(Statement::parse(envelope.payload()).ok()?.subject().digest)
}

/// The entries of some bundles, at once: from an earlier run that did not get to the end, or from the log.
fn fetch(replica: &Replica, client: &LogClient, ids: &[BundleId]) -> Vec<Result<Vec<Entry>, ReplicaError>> {
    thread::scope(|scope| {
        let asking: Vec<_> = ids
            .iter()
            .map(|id| {
                scope.spawn(|| match downloaded(replica, *id) {
                    Some(entries) => Ok(entries),
                    None => Ok(client.entries(*id)?),
                })
            })
            .collect();
        let died = |_| Err(replica.damaged("tile/entries", "a download that ends"));
        asking.into_iter().map(|thread| thread.join().unwrap_or_else(died)).collect()
    })
}

fn downloaded(replica: &Replica, id: BundleId) -> Option<Vec<Entry>> {
    let bytes = files::read(&replica.path(Resource::Bundle(id)), MAX_BUNDLE_LEN as u64).ok()?;
    tile::decode_bundle(id, &bytes).ok()
}
