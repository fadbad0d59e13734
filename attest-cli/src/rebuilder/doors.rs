//! One request at a time for each attempt: a result whose files change while it is looked at, or that comes in twice at
//! once, is nobody's.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::job::Given;

/// Attempts that somebody is at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doors(Arc<Mutex<HashSet<Given>>>);

/// Nobody else is at this attempt as long as this lives.
#[derive(Debug)]
pub(crate) struct Inside {
    doors: Doors,
    given: Given,
}

impl Doors {
    /// Nothing while somebody is inside.
    pub(crate) fn enter(&self, given: Given) -> Option<Inside> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(given).then(|| Inside { doors: self.clone(), given })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.doors.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.given);
    }
}
