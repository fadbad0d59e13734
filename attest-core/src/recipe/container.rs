//! `[container]`: what is set in the finished wheel's zip after the build, and nothing else (docs/TRUST.md 3.4).
//!
//! ```toml
//! [container]
//! members = 37
//! order = "0-30 32-36 31"
//! times = "2024-02-25T23:17:32x30 +2x6 +86400"
//! modes = "100644x36 100664"
//! systems = "0x37"
//! ```
//!
//! In scope: order, modification time, mode and system of the members that the build made. Members have no names here: they are
//! counted, `order` in the order in which the build wrote them, the rest as they lie in the finished wheel. So a recipe can
//! neither add, drop nor rename a member, and there is no place for content. What is absent stays as built.
//!
//! `order` is a permutation, as ranges of the build's members; it is absent where nothing moves. The others are runs,
//! `VALUE` or `VALUExCOUNT`: of times the first as a date and then by how many seconds each differs from the one before,
//! modes in octal with or without the type of a file or folder, systems 3 (Unix) or 0 (MS-DOS, which Windows writes).
//! Each has one spelling. So a thousand members with a time each still fit into a statement.

use std::fmt;
use std::iter;

use serde::{Deserialize, Serialize};

mod error;
mod order;
mod runs;
mod value;

pub use error::ContainerError;
pub use value::{ZipMode, ZipSystem, ZipTime};

use order::Order;
use runs::Runs;

/// The most members of a zip: one more is the mark of zip64 (APPNOTE 4.4.22).
const MAX_MEMBERS: u32 = 65_534;

/// What is set in a finished wheel's zip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Container {
    members: u32,
    order: Option<Order>,
    times: Option<Runs<ZipTime>>,
    modes: Option<Runs<ZipMode>>,
    systems: Option<Runs<ZipSystem>>,
}

/// What [`Container::new`] makes one of: a list is given for what differs from the build. All but `order` are in the
/// order of the finished wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many members the wheel has.
    pub members: usize,
    /// For each place in the finished wheel, the place of its member in the build's.
    pub order: Option<Vec<u32>>,
    /// Modification times.
    pub times: Option<Vec<ZipTime>>,
    /// Unix modes.
    pub modes: Option<Vec<ZipMode>>,
    /// Systems.
    pub systems: Option<Vec<ZipSystem>>,
}

impl Container {
    /// The container that sets these.
    ///
    /// # Errors
    /// When a list has not one value for each member, the order is no permutation, or there is nothing to set.
    pub fn new(settings: Settings) -> Result<Self, ContainerError> {
        let members = settings.members;
        let Some(members) = u32::try_from(members).ok().filter(|members| (1..=MAX_MEMBERS).contains(members)) else {
            return Err(ContainerError::Members { found: members as u64 });
        };
        Self {
            members,
            order: settings.order.map(|order| Order::new(order, members)).transpose()?,
            times: settings.times.map(Runs::new),
            modes: settings.modes.map(Runs::new),
            systems: settings.systems.map(Runs::new),
        }
        .checked()
    }

    fn checked(self) -> Result<Self, ContainerError> {
        self.times.as_ref().map_or(Ok(()), |runs| runs.check(self.members))?;
        self.modes.as_ref().map_or(Ok(()), |runs| runs.check(self.members))?;
        self.systems.as_ref().map_or(Ok(()), |runs| runs.check(self.members))?;
        if self.order.is_none() && self.times.is_none() && self.modes.is_none() && self.systems.is_none() {
            return Err(ContainerError::Nothing);
        }
        Ok(self)
    }

    /// How many members the wheel has: another wheel is not meant.
    pub fn members(&self) -> usize {
        self.members as usize
    }

    /// For each place in the finished wheel, the place of its member in the build's.
    pub fn order(&self) -> impl Iterator<Item = usize> {
        let moved = self.order.as_ref().map(Order::places);
        let unmoved = if moved.is_some() { 0 } else { self.members };
        moved.into_iter().flatten().copied().chain(0..unmoved).map(|place| place as usize)
    }

    /// The times, as the members lie in the finished wheel; `None`: as built.
    pub fn times(&self) -> impl Iterator<Item = Option<ZipTime>> {
        values(self.times.as_ref(), self.members)
    }

    /// The modes, likewise.
    pub fn modes(&self) -> impl Iterator<Item = Option<ZipMode>> {
        values(self.modes.as_ref(), self.members)
    }

    /// The systems, likewise.
    pub fn systems(&self) -> impl Iterator<Item = Option<ZipSystem>> {
        values(self.systems.as_ref(), self.members)
    }
}

impl fmt::Display for Container {
    /// What it sets: `order, times, modes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [
            ("order", self.order.is_some()),
            ("times", self.times.is_some()),
            ("modes", self.modes.is_some()),
            ("systems", self.systems.is_some()),
        ];
        let set: Vec<_> = set.into_iter().filter_map(|(name, is_set)| is_set.then_some(name)).collect();
        f.write_str(&set.join(", "))
    }
}

fn values<T: Copy>(runs: Option<&Runs<T>>, members: u32) -> impl Iterator<Item = Option<T>> {
    let unset = if runs.is_some() { 0 } else { members as usize };
    runs.into_iter().flat_map(Runs::values).map(Some).chain(iter::repeat_n(None, unset))
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wire {
    members: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    systems: Option<String>,
}

impl From<Container> for Wire {
    fn from(container: Container) -> Self {
        Self {
            members: container.members,
            order: container.order.map(|order| order.to_string()),
            times: container.times.map(|runs| runs.to_string()),
            modes: container.modes.map(|runs| runs.to_string()),
            systems: container.systems.map(|runs| runs.to_string()),
        }
    }
}

impl TryFrom<Wire> for Container {
    type Error = ContainerError;

    fn try_from(wire: Wire) -> Result<Self, ContainerError> {
        let members = wire.members;
        if members == 0 || members > MAX_MEMBERS {
            return Err(ContainerError::Members { found: members.into() });
        }
        Self {
            members,
            order: wire.order.map(|text| Order::parse(&text, members)).transpose()?,
            times: wire.times.map(|text| Runs::parse(&text)).transpose()?,
            modes: wire.modes.map(|text| Runs::parse(&text)).transpose()?,
            systems: wire.systems.map(|text| Runs::parse(&text)).transpose()?,
        }
        .checked()
    }
}

#[cfg(test)]
mod tests;
