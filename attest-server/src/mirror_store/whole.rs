//! Full bundles, many in one step: files, then the head that counts them, then the index.

use attest_core::{merkle::LeafIndex, tile::TILE_WIDTH};

use super::{MirrorError, MirrorStore, stages::Stage};
use crate::store::{
    Commit, Head,
    tree::{SealError, Staged, whole::WholeBundle},
};

impl MirrorStore {
    /// Stores full bundles that follow [`MirrorStore::head`], which is at the end of one; durable on return. The caller
    /// has verified that they are the log's, down from a signed root.
    ///
    /// If we crash in here, all of them are stored or none; the index may lack them, and the next start adds them.
    ///
    /// # Errors
    /// When they do not follow, or could not be stored. After an error of the index they are stored all the same.
    pub fn append_whole(&self, bundles: Vec<WholeBundle>) -> Result<(), MirrorError> {
        if !self.space.has_room() {
            return Err(MirrorError::Full);
        }
        let mut state = self.state();
        // What an earlier step committed and could not seal goes first.
        self.store(&mut state, &[])?;
        let old = state.head.tree.size;
        let width = u64::from(TILE_WIDTH);
        let count = bundles.len() as u64;
        let in_order = (old.get() / width..).zip(&bundles).all(|(next, bundle)| bundle.index() == next);
        if state.frontier.size() != old || !old.get().is_multiple_of(width) || !in_order {
            return Err(MirrorError::OutOfOrder { stored: old, bundle: bundles.first().map_or(0, WholeBundle::index) });
        }
        let staged = self.stages.measure(Stage::Tree, || Staged::whole(&state.frontier, &bundles));
        let tree = staged.frontier.head();
        let keys = self.stages.measure(Stage::Files, || self.tree.put_whole(old, bundles, &staged))?;
        // If we crash here, the files are there and nothing counts them: they are put again, with the same content.
        let head = Head { tree, time: self.clock.now().max(state.head.time), ..state.head };
        let commit = Commit { head, sealed: tree.size, entries: &[] };
        self.stages.measure(Stage::Commit, || self.database.commit(&state.head, &commit))?;
        state.head = head;
        state.frontier = self.tree.skip(count, staged);
        // If we crash here, the index covers less than is stored, which a start makes good. The other way round it would
        // cover entries that are not stored, and be made anew.
        let indexed = self.stages.measure(Stage::Index, || self.tree.index_whole(LeafIndex::new(old.get()), &keys));
        Ok(indexed.map_err(SealError::from)?)
    }
}
