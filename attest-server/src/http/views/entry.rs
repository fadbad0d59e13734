//! Entries with the paths that prove them.

use attest_core::{
    api::record::{EntryRow, EntryView, PathStep, Side},
    checkpoint::UnverifiedCheckpoint,
    envelope::Envelope,
    merkle::{LeafHash, LeafIndex, NodeHash, Step, climb},
    proof::TlogProof,
    tile::Prover,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    reader::{Published, ReadError},
    record::{RecordError, query::Moment},
};

/// An entry, and its path to the root of a published tree.
pub(super) struct Proven {
    row: EntryRow,
    pub(super) entry: Vec<u8>,
    pub(super) path: Vec<NodeHash>,
}

impl Proven {
    pub(super) const fn index(&self) -> LeafIndex {
        LeafIndex::new(self.row.index)
    }
}

/// The entries of these rows, with their paths in one published tree.
pub(super) fn proven(
    moment: &Moment<'_>,
    published: &Published,
    rows: Vec<EntryRow>,
) -> Result<Vec<Proven>, RecordError> {
    let reader = moment.reader();
    // It hashes every tile once, however many entries are below it.
    let mut prover = Prover::new(published.head.size, |tile| reader.tree().hashes(tile));
    let prove = |row: EntryRow| {
        let index = LeafIndex::new(row.index);
        Ok(Proven { entry: reader.entry(index)?, path: prover.inclusion(index)?, row })
    };
    rows.into_iter().map(prove).collect()
}

/// As it is shown.
pub(super) fn view(published: &Published, proven: Proven) -> Result<EntryView, RecordError> {
    let Proven { row, entry, path } = proven;
    let (leaf, index, head) = (LeafHash::of(&entry), LeafIndex::new(row.index), published.head);
    // Nothing is shown that does not end in the published root.
    let steps = climb(leaf, index, head, &path).map_err(ReadError::Proof)?;
    let checkpoint = UnverifiedCheckpoint::parse(published.note.as_bytes()).map_err(ReadError::Note)?;
    let proof = TlogProof { extra: None, index, path, checkpoint }.to_string();
    let statement = Envelope::parse(&entry).ok().and_then(|envelope| serde_json::from_slice(envelope.payload()).ok());
    let (envelope, entry_base64) = match String::from_utf8(entry) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    };
    Ok(EntryView {
        // Only what was counted as a statement is shown as one.
        statement: statement.filter(|_| row.about.is_some()),
        row,
        envelope,
        entry_base64,
        leaf_hash: leaf.to_string(),
        path: steps.iter().map(step).collect(),
        root_hash: head.root.to_string(),
        size: head.size.get(),
        proof,
    })
}

fn step(step: &Step) -> PathStep {
    PathStep {
        side: if step.is_left { Side::Left } else { Side::Right },
        hash: step.sibling.to_string(),
        first: step.first,
        end: step.end,
        parent: step.parent.to_string(),
    }
}
