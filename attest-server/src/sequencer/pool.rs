//! What waits for the committer.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use attest_core::{
    envelope::StatementId,
    key::PublicKey,
    merkle::{LeafIndex, TreeSize},
};
use tokio::sync::oneshot;

use super::{Ack, duplicates::SignerId, waiting::Permit};
use crate::store::record::Record;

/// Bytes of entries in one batch.
const MAX_BATCH_BYTES: usize = 4 << 20;
/// After a batch of this size there is load, and waiting for a moment makes fewer, larger batches. Below it, waiting
/// would only make a lone client slower.
const GATHER_FROM: usize = 16;

/// One submission on its way.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) record: Arc<Record>,
    pub(super) id: StatementId,
    pub(super) signer: SignerId,
    pub(super) key: PublicKey,
    /// The index was searched for duplicates, and covered the entries below this.
    pub(super) looked_below: TreeSize,
    pub(super) reply: oneshot::Sender<Outcome>,
    /// Held until the answer is given.
    pub(super) permit: Permit,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Logged(Ack),
    Duplicate(LeafIndex),
    NotStored,
}

/// A queue that the committer empties in batches. One lock per submission, and no more.
#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    arrived: Condvar,
    gather: Duration,
}

#[derive(Debug)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    last_batch: usize,
    open: bool,
}

impl Pool {
    pub(super) fn new(gather: Duration) -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, last_batch: 0, open: true };
        Self { state: Mutex::new(state), arrived: Condvar::new(), gather }
    }

    /// Adds a submission; gives it back when the pool is closed.
    pub(super) fn push(&self, item: Item) -> Result<(), Box<Item>> {
        let mut state = self.state();
        if !state.open {
            return Err(Box::new(item));
        }
        state.bytes += item.record.entry().as_bytes().len();
        state.items.push_back(item);
        // The committer sleeps only on an empty pool, or until its moment of gathering is over.
        let wake = state.items.len() == 1 || state.bytes >= MAX_BATCH_BYTES;
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// The next batch, in order of arrival; `None` when the pool is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Item>> {
        let mut state = self.state();
        while state.items.is_empty() {
            if !state.open {
                return None;
            }
            // An idle moment ends the load: the next entry is not kept waiting.
            state.last_batch = 0;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.last_batch >= GATHER_FROM {
            state = self.gather(state);
        }
        let mut bytes = 0;
        let fits = |item: &&Item| {
            bytes += item.record.entry().as_bytes().len();
            bytes <= MAX_BATCH_BYTES
        };
        // An entry is far smaller than a batch, so at least one fits.
        let count = state.items.iter().take_while(fits).count();
        let batch: Vec<Item> = state.items.drain(..count).collect();
        state.bytes -= batch.iter().map(|item| item.record.entry().as_bytes().len()).sum::<usize>();
        state.last_batch = batch.len();
        Some(batch)
    }

    fn gather<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let until = Instant::now() + self.gather;
        while state.open && state.bytes < MAX_BATCH_BYTES {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().open
    }

    /// Takes no more; what is in it is still handed out.
    pub(super) fn close(&self) {
        self.state().open = false;
        self.arrived.notify_all();
    }

    /// Takes no more and answers nobody: whoever waits learns that the log has stopped. For the end of the committer,
    /// after which nothing would ever be handed out.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.open = false;
        let items = std::mem::take(&mut state.items);
        drop(state);
        drop(items);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
