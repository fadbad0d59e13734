//! What was found: faults, which fail the check, and notes, which do not.

use serde::Serialize;

/// Faults that are kept word for word; the rest is counted.
pub(crate) const KEPT: usize = 100;

/// One thing that is not as it was signed or recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, below the folder or URL.
    pub path: String,
    /// What had to be there.
    pub expected: String,
    /// What is.
    pub found: String,
}

impl Fault {
    pub(crate) fn new(
        path: &(impl std::fmt::Display + ?Sized),
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { path: path.to_string(), expected: expected.into(), found: found.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: expected {}, found {}", self.path, self.expected, self.found)
    }
}

/// All of it, in bounded memory however much is broken.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    faults: Vec<Fault>,
    total: u64,
    notes: Vec<String>,
}

impl Findings {
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.total += 1;
        if self.faults.len() < KEPT {
            self.faults.push(fault);
        }
    }

    pub(crate) fn note(&mut self, note: String) {
        if self.notes.len() < KEPT {
            self.notes.push(note);
        }
    }

    /// The first faults.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many there are in all.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// What an operator may want to know and nobody has to repair.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}
