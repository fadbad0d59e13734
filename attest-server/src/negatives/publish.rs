//! The log's own editions.
//!
//! Signed with the key of the log's checkpoints: what a log says about its negatives it can be held to, and a list that is
//! wrong is proven to anybody who has the entries. It is no auditor all the same; clients count other keys.

use std::{sync::Arc, time::Duration};

use attest_core::note::SignerKey;

use super::{Editions, ListError, Made};
use crate::reader::Published;

/// The least time between two editions. Mirrors look every five seconds by default, so that they sign the same sizes.
pub const INTERVAL: Duration = Duration::from_secs(10);

impl Editions {
    /// Makes the edition of a published checkpoint. Blocks.
    pub fn publish(&self, published: &Published, key: &SignerKey) -> Result<(), ListError> {
        let list = self.lister.list(published.head.size)?;
        let note = list.listing(key.verifier().name(), published.head)?.sign(key)?;
        self.keep(Made { note, list, checkpoint: Some(published.note.clone()) });
        Ok(())
    }
}

/// Makes an edition whenever the log has grown, at most one in `interval`, until the log ends.
pub async fn run(editions: Arc<Editions>, key: SignerKey, interval: Duration) {
    let (mut changes, key) = (editions.reader.changes(), Arc::new(key));
    let mut last = None;
    loop {
        let published = Arc::clone(&changes.borrow_and_update());
        if last != Some(published.head) {
            last = Some(published.head);
            let (editions, key) = (Arc::clone(&editions), Arc::clone(&key));
            let made = tokio::task::spawn_blocking(move || editions.publish(&published, &key)).await;
            if let Err(error) = made.unwrap_or(Err(ListError::Interrupted)) {
                // The older editions are still served; clients see by their age that something is wrong.
                tracing::warn!(error = &error as &dyn std::error::Error, "no list of negatives could be made");
                last = None;
            }
            tokio::time::sleep(interval).await;
        }
        if last.is_some() && changes.changed().await.is_err() {
            return;
        }
    }
}
