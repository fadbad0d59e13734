//! Where a thread cannot choose its CPUs, and nothing is built anyway.

/// Never had.
#[derive(Debug)]
pub(crate) struct FewerCpus;

impl FewerCpus {
    /// Nothing.
    pub(crate) fn begin() -> Option<Self> {
        None
    }
}

/// Nothing: a priority is the whole program's.
pub(crate) fn step_back() {}
