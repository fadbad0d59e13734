//! Files that say what an installer will install: locks, requirements, reports. One module for each format; each reads its
//! format as the installer does, or not at all, and gives [`crate::item::Item`]s.

pub(crate) mod report;
pub(crate) mod requirements;
