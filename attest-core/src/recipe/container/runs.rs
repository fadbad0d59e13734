//! Values of members, one after the other, as runs of equal ones.

use std::fmt;

use super::ContainerError;
use super::value::Value;
use crate::artifact::excerpt;

/// `100644x36 100664`: no two neighbours are equal, no run is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runs<T>(Vec<(T, u32)>);

impl<T: Value> Runs<T> {
    pub(super) fn new(values: Vec<T>) -> Self {
        let mut runs: Vec<(T, u32)> = Vec::new();
        for value in values {
            match runs.last_mut() {
                Some((last, count)) if *last == value => *count = count.saturating_add(1),
                _ => runs.push((value, 1)),
            }
        }
        Self(runs)
    }

    pub(super) fn parse(text: &str) -> Result<Self, ContainerError> {
        let refuse = || ContainerError::Spelling { what: T::WHAT, found: excerpt(text) };
        let mut runs: Vec<(T, u32)> = Vec::new();
        for item in text.split(' ') {
            let (value, count) = match item.split_once('x') {
                Some((value, count)) => (value, count.parse().map_err(|_| refuse())?),
                None => (item, 1),
            };
            let before = runs.last().map(|(value, _)| *value);
            let value = T::parse(value, before)
                .ok_or_else(|| ContainerError::Value { expected: T::EXPECTED, found: excerpt(value) })?;
            if count == 0 || before == Some(value) {
                return Err(refuse());
            }
            runs.push((value, count));
        }
        let runs = Self(runs);
        if runs.to_string() == text { Ok(runs) } else { Err(refuse()) }
    }

    /// A value for each member, no more and no fewer.
    pub(super) fn check(&self, members: u32) -> Result<(), ContainerError> {
        let found = self.0.iter().map(|(_, count)| u64::from(*count)).sum();
        if found == u64::from(members) {
            return Ok(());
        }
        Err(ContainerError::Count { what: T::WHAT, expected: members, found })
    }
}

impl<T: Copy> Runs<T> {
    pub(super) fn values(&self) -> impl Iterator<Item = T> {
        self.0.iter().flat_map(|&(value, count)| std::iter::repeat_n(value, count as usize))
    }
}

impl<T: Value> fmt::Display for Runs<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for &(value, count) in &self.0 {
            if before.is_some() {
                f.write_str(" ")?;
            }
            f.write_str(&value.print(before))?;
            if count > 1 {
                write!(f, "x{count}")?;
            }
            before = Some(value);
        }
        Ok(())
    }
}
