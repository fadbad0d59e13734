//! Why a text is no container.

use super::MAX_MEMBERS;

/// Why a text is no container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// None, or more than a zip has.
    #[error("expected a container of 1 to {MAX_MEMBERS} members, found {found}")]
    Members {
        /// How many.
        found: u64,
    },
    /// Sets nothing.
    #[error("expected a container that sets something, found none of order, times, modes and systems")]
    Nothing,
    /// A value that cannot be set.
    #[error("expected {expected} in a container, found {found:?}")]
    Value {
        /// What may be set.
        expected: &'static str,
        /// As given, shortened.
        found: String,
    },
    /// Not one value for each member.
    #[error("expected a value for each of {expected} members in a container's {what}, found {found}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many members there are.
        expected: u32,
        /// How many values, as far as they were counted.
        found: u64,
    },
    /// Not every member once.
    #[error(
        "expected each of {members} members once in a container's order, found member {found} twice or not among them"
    )]
    Order {
        /// How many members there are.
        members: u32,
        /// The place of the build's member.
        found: u64,
    },
    /// Too few places.
    #[error("expected a container's order to have a place for each of {members} members, found {found}")]
    Places {
        /// How many members there are.
        members: u32,
        /// How many places.
        found: u64,
    },
    /// An order in which nothing moves.
    #[error("expected no order in a container where nothing moves")]
    Unmoved,
    /// Another spelling of what has one.
    #[error("expected a container's {what} in the one spelling that it has, found {found:?}")]
    Spelling {
        /// Of what.
        what: &'static str,
        /// As given, shortened.
        found: String,
    },
}
