//! Checkpoints that were kept somewhere, such as in an `attest.lock`: they may be older than what was seen since, which is
//! no fault of theirs, but must be of the same history (docs/TRUST.md 5.2).
//!
//! Tree heads that were once proven to be beginnings of what was seen are remembered, so that evidence of last week can
//! be used where nobody may be asked.

use std::{collections::BTreeSet, fs, io};

use attest_core::{
    checkpoint::LogCheckpoint,
    merkle::{NodeHash, TreeHead},
    note::VerifierKey,
    tile::TileId,
};

use super::{History, HistoryError, UnprovenError, origin, root_at, state};
use crate::files::{self, FileError, Mode};

/// Heads that are remembered of a log; of more, those proven last.
const MAX_HEADS: usize = 256;
/// A size, a root in base64, a space and a line end, each.
const MAX_FILE: u64 = 128 * MAX_HEADS as u64;

impl History {
    /// Holds a checkpoint that somebody kept to what was seen of the log. `read` fetches tiles of the larger tree.
    ///
    /// # Errors
    /// [`HistoryError::Fork`] where both cannot be true, with the evidence kept; otherwise what is missing to tell.
    pub(crate) fn hold<E: Into<UnprovenError>>(
        &self,
        log: &VerifierKey,
        kept: &LogCheckpoint,
        mut read: impl FnMut(TileId) -> Result<Vec<NodeHash>, E>,
    ) -> Result<(), HistoryError> {
        let read = |tiles: &BTreeSet<TileId>| tiles.iter().map(|id| read(*id).map_err(Into::into)).collect();
        let _lock = self.lock(log)?;
        let last = self.last(log)?;
        let Some(last) = last.filter(|last| kept.head().size < last.head().size) else {
            return self.admit_locked(log, kept, read).map(drop);
        };
        if self.earlier(log)?.contains(&line(kept.head())) {
            return Ok(());
        }
        let root = root_at(kept.head().size, last.head(), read).map_err(|source| HistoryError::Unproven {
            origin: origin(log),
            seen: last.head().size.get(),
            shown: kept.head().size.get(),
            source,
        })?;
        if root != kept.head().root {
            return Err(self.keep_fork(log, &last, kept));
        }
        self.remember_earlier(log, kept.head())
    }

    /// That a head is of the history seen; the caller has the lock, and has proven it.
    pub(super) fn remember_earlier(&self, log: &VerifierKey, head: TreeHead) -> Result<(), HistoryError> {
        let mut heads = self.earlier(log)?;
        heads.retain(|known| *known != line(head));
        heads.push(line(head));
        let newest = heads.split_off(heads.len().saturating_sub(MAX_HEADS));
        files::replace(&self.path(log, "earlier"), newest.concat().as_bytes(), Mode::Shared)
            .map_err(|error| state(log, error.into()))
    }

    /// For a log whose checkpoint nobody remembers: somebody removed it, to begin anew.
    pub(super) fn forget_earlier(&self, log: &VerifierKey) -> Result<(), HistoryError> {
        let path = self.path(log, "earlier");
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(state(log, FileError::Write { path, source }.into()))
            }
            _ => Ok(()),
        }
    }

    fn earlier(&self, log: &VerifierKey) -> Result<Vec<String>, HistoryError> {
        match files::read(&self.path(log, "earlier"), MAX_FILE) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).split_inclusive('\n').map(str::to_owned).collect()),
            Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(state(log, error.into())),
        }
    }
}

fn line(head: TreeHead) -> String {
    format!("{} {}\n", head.size, head.root)
}

#[cfg(test)]
mod tests {
    use attest_core::{
        checkpoint::Checkpoint,
        merkle::{Frontier, LeafHash, RootHash, TreeSize},
        note::{KeyName, KeyType, SignerKey},
        tile::TileId,
    };

    use super::*;

    fn key() -> SignerKey {
        SignerKey::from_seed(KeyName::new("log.test").unwrap(), KeyType::Ed25519, [7; 32])
    }

    fn leaf(nth: u8) -> LeafHash {
        LeafHash::of(&[nth])
    }

    fn signed(size: u8) -> LogCheckpoint {
        let mut tree = Frontier::new();
        (0..size).for_each(|nth| tree.append(leaf(nth)));
        Checkpoint { origin: "log.test".to_owned(), head: tree.head() }.sign(&key()).unwrap()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as those that can fail")]
    fn tiles(id: TileId) -> Result<Vec<NodeHash>, UnprovenError> {
        Ok((0..u8::try_from(id.width()).unwrap()).map(|nth| NodeHash::from(leaf(nth))).collect())
    }

    fn nobody(_: TileId) -> Result<Vec<NodeHash>, UnprovenError> {
        Err(UnprovenError::NotAsked)
    }

    #[test]
    fn an_older_checkpoint_is_held_once_it_is_proven_and_then_without_asking_anybody() {
        let folder = tempfile::tempdir().unwrap();
        let (history, key) = (History::new(folder.path()), key());
        history.hold(key.verifier(), &signed(5), nobody).unwrap();
        let unproven = history.hold(key.verifier(), &signed(3), nobody);
        assert!(matches!(unproven, Err(HistoryError::Unproven { .. })), "{unproven:?}");
        history.hold(key.verifier(), &signed(3), tiles).unwrap();
        history.hold(key.verifier(), &signed(3), nobody).unwrap();
        assert_eq!(history.last(key.verifier()).unwrap().unwrap().head().size.get(), 5, "no step back");
        // What was seen before it grew is known to be its beginning.
        history.hold(key.verifier(), &signed(7), tiles).unwrap();
        history.hold(key.verifier(), &signed(5), nobody).unwrap();
    }

    #[test]
    fn who_begins_anew_has_proven_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (history, key) = (History::new(folder.path()), key());
        history.hold(key.verifier(), &signed(5), nobody).unwrap();
        history.hold(key.verifier(), &signed(3), tiles).unwrap();
        std::fs::remove_file(history.path(key.verifier(), "checkpoint")).unwrap();
        let head = TreeHead { size: TreeSize::new(5), root: RootHash::from_bytes([9; 32]) };
        let other = Checkpoint { origin: "log.test".to_owned(), head }.sign(&key).unwrap();
        history.hold(key.verifier(), &other, nobody).unwrap();
        let unproven = history.hold(key.verifier(), &signed(3), nobody);
        assert!(matches!(unproven, Err(HistoryError::Unproven { .. })), "{unproven:?}");
    }

    #[test]
    fn an_older_checkpoint_of_another_history_is_a_fork_and_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (history, key) = (History::new(folder.path()), key());
        history.hold(key.verifier(), &signed(5), nobody).unwrap();
        let head = TreeHead { size: TreeSize::new(3), root: RootHash::from_bytes([9; 32]) };
        let forked = Checkpoint { origin: "log.test".to_owned(), head }.sign(&key).unwrap();
        let fork = history.hold(key.verifier(), &forked, tiles).unwrap_err();
        assert!(fork.proven_fork().is_some(), "{fork:?}");
        let kept = std::fs::read_dir(folder.path().join("logs")).unwrap().flatten();
        assert!(kept.map(|entry| entry.path()).any(|path| path.to_string_lossy().contains("fork-")));
    }
}
