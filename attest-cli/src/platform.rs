//! Where files are to be installed, as far as it decides which of a lock's files an installer would take.
//!
//! Whoever gets this wrong leaves a file out that is installed then, unseen. So everything here says only what is surely
//! not taken: what no Python was asked about, and what is not understood, counts.

use std::{cell::LazyCell, collections::BTreeMap, path::PathBuf};

use attest_core::artifact::WheelName;

use crate::{
    item::Elsewhere,
    locks::marker::{self, Truth},
};

use self::tags::Tags;

pub(crate) mod find;
mod probe;
pub(crate) mod tags;

/// A Python that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// The real file.
    pub(crate) executable: PathBuf,
    /// Nothing where it is not known which wheels installers take there (no Linux, no CPython or PyPy).
    pub(crate) tags: Option<Tags>,
    /// The variables of environment markers.
    markers: BTreeMap<String, String>,
}

impl Python {
    /// A variable of environment markers; those that change behind a remembered answer are not among them.
    pub(crate) fn marker(&self, name: &str) -> Option<&str> {
        self.markers.get(name).map(String::as_str)
    }

    /// `CPython 3.11.7 on linux x86_64`
    pub(crate) fn describe(&self) -> String {
        let of = |name| self.marker(name).unwrap_or("unknown");
        let [implementation, version] = ["platform_python_implementation", "python_full_version"].map(of);
        format!("{implementation} {version} on {} {}", of("sys_platform"), of("platform_machine"))
    }
}

type Asking<'a> = Box<dyn FnOnce() -> Option<Python> + 'a>;

/// Which files count.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    /// All of them, wherever they could be installed.
    Everywhere,
    /// What may be installed on this machine, by a Python that is asked when something depends on it.
    Here(LazyCell<Option<Python>, Asking<'a>>),
}

impl<'a> Target<'a> {
    /// This machine with the Python that `ask` finds, if it finds one.
    pub(crate) fn here(ask: impl FnOnce() -> Option<Python> + 'a) -> Self {
        Self::Here(LazyCell::new(Box::new(ask)))
    }

    /// This machine with whatever Python.
    pub(crate) fn some_python() -> Self {
        Self::here(|| None)
    }

    fn python(&self) -> Option<&Python> {
        match self {
            Self::Everywhere => None,
            Self::Here(python) => python.as_ref(),
        }
    }

    /// Why no installer takes a wheel here, if that is certain.
    pub(crate) fn refuses(&self, wheel: &WheelName) -> Option<Elsewhere> {
        let python = self.python()?;
        let refused = python.tags.as_ref().is_some_and(|tags| tags.refuse(wheel));
        refused.then(|| Elsewhere::Tags { python: python.describe() })
    }

    /// Whether any installer takes a wheel here.
    pub(crate) fn takes(&self, wheel: &WheelName) -> bool {
        let universal = || {
            let has = |tags: &str, tag: &str| tags.split('.').any(|other| other == tag);
            has(&wheel.python, "py3") && has(&wheel.abi, "none") && has(&wheel.platform, "any")
        };
        match self {
            Self::Everywhere => false,
            Self::Here(_) => {
                self.python().and_then(|python| python.tags.as_ref()).map_or_else(universal, |tags| tags.take(wheel))
            }
        }
    }

    /// Whether an environment marker is false here, surely.
    pub(crate) fn rules_out(&self, marker: &str) -> bool {
        if matches!(self, Self::Everywhere) {
            return false;
        }
        // Most markers ask for the system alone.
        match marker::evaluate(marker, &marker::of_system) {
            Truth::No => true,
            Truth::Yes => false,
            Truth::Unknown => {
                self.python().is_some_and(|python| marker::evaluate(marker, &|name| python.marker(name)) == Truth::No)
            }
        }
    }
}

#[cfg(test)]
impl Python {
    pub(crate) fn new(executable: &str, tags: &[&str], markers: &[(&str, &str)]) -> Self {
        Self {
            executable: executable.into(),
            tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>().into()),
            markers: markers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }
}
