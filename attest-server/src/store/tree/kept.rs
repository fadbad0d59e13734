//! The few results that were asked for last.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// At most so many values, the oldest forgotten first. Two who miss at once both do the work, and nobody waits.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    limit: usize,
    values: Mutex<VecDeque<(K, V)>>,
}

impl<K: PartialEq, V: Clone> Kept<K, V> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, values: Mutex::new(VecDeque::new()) }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.iter().find(|(kept, _)| kept == key).map(|(_, value)| value.clone())
    }

    pub(super) fn put(&self, key: K, value: V) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() == self.limit {
            values.pop_front();
        }
        values.push_back((key, value));
    }
}
