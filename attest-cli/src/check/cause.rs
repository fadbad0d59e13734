//! Why two builds differ: what their bytes give away first, then what building again shows.

use serde::Serialize;

use super::symptom::{Kind, Symptom};
use super::variation::Variation;

/// Why something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// The folder of the tree.
    Path,
    /// A temporary folder that a build tool made.
    Temporary,
    /// The folder of the build environment.
    Environment,
    /// The clock, or times of files.
    Time,
    /// Permissions of new files.
    Umask,
    /// `PYTHONHASHSEED`
    HashSeed,
    /// The order in which folders list.
    Order,
    /// `LC_ALL`
    Locale,
    /// `TZ`
    Zone,
    /// `HOME`
    Home,
    /// The user's name, or the account in an sdist.
    User,
    /// The machine's name.
    Host,
    /// How many CPUs there are.
    Cpus,
    /// How busy they are.
    Load,
    /// Two builds alike in all that is varied differ: a clock, or something random.
    Repeat,
    /// Not found.
    Unknown,
}

impl Cause {
    /// In words, after "because of".
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Path => "the build path",
            Self::Temporary => "a temporary folder of the build tool",
            Self::Environment => "the path of the build environment",
            Self::Time => "the time",
            Self::Umask => "the umask",
            Self::HashSeed => "the hash seed: the order of a set",
            Self::Order => "the order in which a folder lists its files",
            Self::Locale => "the locale",
            Self::Zone => "the time zone",
            Self::Home => "the home directory",
            Self::User => "the user",
            Self::Host => "the name of the machine",
            Self::Cpus => "the number of CPUs",
            Self::Load => "how busy the machine is: the order in which parallel work ends",
            Self::Repeat => "a clock or something random: it differs even when nothing is varied",
            Self::Unknown => "something that was not found",
        }
    }
}

impl From<Variation> for Cause {
    fn from(variation: Variation) -> Self {
        match variation {
            Variation::Path => Self::Path,
            Variation::HashSeed => Self::HashSeed,
            Variation::Order => Self::Order,
            Variation::Umask => Self::Umask,
            Variation::Locale => Self::Locale,
            Variation::Zone => Self::Zone,
            Variation::Home => Self::Home,
            Variation::User => Self::User,
            Variation::Host => Self::Host,
            Variation::Cpus => Self::Cpus,
            Variation::Load => Self::Load,
            Variation::Date => Self::Time,
        }
    }
}

/// How a cause is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Evidence {
    /// The differing bytes hold it.
    Found,
    /// A build that varied nothing else has the same difference.
    Narrowed,
    /// What such a difference nearly always comes from.
    Usual,
    /// Nothing.
    None,
}

/// A difference with its cause.
#[derive(Clone, Debug)]
pub(crate) struct Diagnosis {
    /// What differs.
    pub(crate) symptom: Symptom,
    /// Why.
    pub(crate) cause: Cause,
    /// How that is known.
    pub(crate) evidence: Evidence,
}

impl Diagnosis {
    /// From one comparison alone. `umask` is whether it was varied.
    pub(crate) fn at_sight(symptom: Symptom, umask: bool) -> Self {
        let (cause, evidence) = match (&symptom.trace, symptom.kind) {
            (Some(trace), _) => (trace.cause, Evidence::Found),
            (None, Kind::Time) => (Cause::Time, Evidence::Found),
            (None, Kind::Mode) if umask => (Cause::Umask, Evidence::Usual),
            (None, Kind::Owner) => (Cause::User, Evidence::Found),
            (None, _) => (Cause::Unknown, Evidence::None),
        };
        Self { symptom, cause, evidence }
    }

    /// Building again may tell more.
    pub(crate) fn is_open(&self) -> bool {
        self.cause == Cause::Unknown
    }

    /// A build that varied only this has the same difference.
    pub(crate) fn narrow(&mut self, cause: Cause) {
        (self.cause, self.evidence) = (cause, Evidence::Narrowed);
    }
}
