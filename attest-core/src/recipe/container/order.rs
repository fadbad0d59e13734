//! The order of members: a permutation, as ranges.

use std::fmt;

use super::ContainerError;
use crate::artifact::excerpt;

/// `0-30 32-36 31`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order(Vec<u32>);

impl Order {
    pub(super) fn new(places: Vec<u32>, members: u32) -> Result<Self, ContainerError> {
        if places.len() != members as usize {
            return Err(ContainerError::Places { members, found: places.len() as u64 });
        }
        let mut seen = vec![false; places.len()];
        for &place in &places {
            match seen.get_mut(place as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(ContainerError::Order { members, found: place.into() }),
            }
        }
        if places.is_sorted() {
            return Err(ContainerError::Unmoved);
        }
        Ok(Self(places))
    }

    pub(super) fn parse(text: &str, members: u32) -> Result<Self, ContainerError> {
        let refuse = || ContainerError::Spelling { what: "order", found: excerpt(text) };
        let mut places = Vec::new();
        for item in text.split(' ') {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let (first, last): (u32, u32) = (first.parse().map_err(|_| refuse())?, last.parse().map_err(|_| refuse())?);
            // Before anything is allocated for it.
            if last >= members {
                return Err(ContainerError::Order { members, found: last.into() });
            }
            places.extend(first..=last);
            if places.len() > members as usize {
                return Err(ContainerError::Places { members, found: places.len() as u64 });
            }
        }
        let order = Self::new(places, members)?;
        if order.to_string() == text { Ok(order) } else { Err(refuse()) }
    }

    pub(super) fn places(&self) -> &[u32] {
        &self.0
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|one, next| one.checked_add(1) == Some(*next));
        for (at, run) in runs.enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            match run {
                [first, .., last] => write!(f, "{first}-{last}")?,
                one => one.iter().try_for_each(|place| write!(f, "{place}"))?,
            }
        }
        Ok(())
    }
}
