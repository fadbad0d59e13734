//! Reads a whole log over HTTP and re-derives every hash in it, as an auditor would.
//!
//! The tree is computed here a second time and straight from RFC 6962 section 2.1, so that a mistake in the product's tree
//! code does not confirm itself.

use anyhow::{Context, Result, bail, ensure};
use attest_core::{
    checkpoint::{LogCheckpoint, UnverifiedCheckpoint},
    merkle::{LeafHash, NodeHash, RootHash, TreeHead},
    note::VerifierKey,
    tile::{BundleId, Entry, Resource, TileId, decode_bundle, decode_tile},
};

use crate::http::Connection;

/// Entries under one tile or bundle.
const WIDTH: usize = 256;

/// Everything a log held at one checkpoint, found to be in order.
#[derive(Debug)]
pub struct Replica {
    checkpoint: LogCheckpoint,
    entries: Vec<Entry>,
    leaves: Vec<NodeHash>,
}

impl Replica {
    /// Reads the checkpoint, every entry bundle and every tile of every level.
    ///
    /// # Errors
    /// When anything is missing, malformed, or not what the entries hash to.
    pub async fn read(url: &str, log: &VerifierKey) -> Result<Self> {
        let mut connection = Connection::open(url).await?;
        let note = connection.get(&path(&Resource::Checkpoint)).await?.expect(200)?.body;
        let checkpoint = UnverifiedCheckpoint::parse(&note)?.verify(log)?;
        let size = usize::try_from(checkpoint.head().size.get())?;

        let mut entries = Vec::with_capacity(size);
        for (index, width) in pieces(size) {
            let id = BundleId::new(index, width)?;
            let answer = connection.get(&path(&Resource::Bundle(id))).await?.expect(200)?;
            entries.extend(decode_bundle(id, &answer.decoded()?).with_context(|| format!("in {id:?}"))?);
        }
        ensure!(entries.len() == size, "expected {size} entries, found {}", entries.len());

        let leaves: Vec<NodeHash> = entries.iter().map(|entry| LeafHash::of(entry.as_bytes()).into()).collect();
        let replica = Self { checkpoint, entries, leaves };
        replica.check_tiles(&mut connection).await?;
        let root = replica.root();
        ensure!(
            root == replica.head().root,
            "the entries hash to {root:?}, the checkpoint says {:?}",
            replica.head().root
        );
        Ok(replica)
    }

    /// The checkpoint that all was read under.
    pub fn checkpoint(&self) -> &LogCheckpoint {
        &self.checkpoint
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }

    /// The entries, by index.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Checks that other checkpoints of this log tell the same history, all in one pass over the leaves.
    ///
    /// # Errors
    /// When one is of a larger tree, or its root is not that of our first entries.
    pub fn check_history(&self, earlier: &[TreeHead]) -> Result<()> {
        let mut heads = earlier.to_vec();
        heads.sort_unstable_by_key(|head| head.size);
        heads.dedup();
        // The perfect subtrees so far, largest first, with their number of leaves.
        let mut subtrees: Vec<(usize, NodeHash)> = Vec::new();
        let mut leaves = self.leaves.iter();
        let mut size = 0;
        for head in heads {
            while size < usize::try_from(head.size.get())? {
                let Some(leaf) = leaves.next() else {
                    bail!("a checkpoint of size {} was seen, now the log has {size}", head.size.get());
                };
                subtrees.push((1, *leaf));
                size += 1;
                while let [.., (left_size, left), (right_size, right)] = subtrees[..]
                    && left_size == right_size
                {
                    subtrees.truncate(subtrees.len() - 2);
                    subtrees.push((left_size * 2, NodeHash::of_children(&left, &right)));
                }
            }
            let root = subtrees
                .iter()
                .rev()
                .map(|(_, hash)| *hash)
                .reduce(|right, left| NodeHash::of_children(&left, &right))
                .map_or_else(RootHash::of_empty, |hash| RootHash::from_bytes(*hash.as_bytes()));
            ensure!(root == head.root, "the log forked: what was signed at size {size} is not of this history");
        }
        Ok(())
    }

    async fn check_tiles(&self, connection: &mut Connection) -> Result<()> {
        let mut level = 0;
        let mut hashes = self.leaves.clone();
        while !hashes.is_empty() {
            for (index, width) in pieces(hashes.len()) {
                let id = TileId::new(level, index, width)?;
                let bytes = connection.get(&path(&Resource::Tile(id))).await?.expect(200)?.decoded()?;
                let start = usize::try_from(index)? * WIDTH;
                let derived = &hashes[start..start + usize::from(width)];
                ensure!(decode_tile(id, &bytes)? == derived, "{id:?} is not what the entries hash to");
            }
            hashes = hashes.chunks_exact(WIDTH).map(tree_hash).collect();
            level += 1;
        }
        Ok(())
    }

    fn root(&self) -> RootHash {
        if self.leaves.is_empty() {
            return RootHash::of_empty();
        }
        RootHash::from_bytes(*tree_hash(&self.leaves).as_bytes())
    }
}

/// RFC 6962 section 2.1: split at the largest power of two smaller than n.
fn tree_hash(leaves: &[NodeHash]) -> NodeHash {
    if let [one] = leaves {
        return *one;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    NodeHash::of_children(&tree_hash(left), &tree_hash(right))
}

/// Index and width of each tile or bundle over `count` hashes or entries.
fn pieces(count: usize) -> impl Iterator<Item = (u64, u16)> {
    (0..count.div_ceil(WIDTH)).map(move |index| {
        let width = (count - index * WIDTH).min(WIDTH);
        (index as u64, u16::try_from(width).unwrap_or(u16::MAX))
    })
}

fn path(resource: &Resource) -> String {
    format!("/{resource}")
}
