//! The recipe: everything that was inferred about how a wheel was built, as data that somebody else can replay.
//!
//! ```toml
//! schema = "https://w3id.org/attest/recipe/v1"
//! wheel = "idna-3.20-py3-none-any.whl"
//! generator = "flit 4.1.0"
//! guesses = []
//!
//! [backend]
//! name = "flit_core.buildapi"
//! path = []
//!
//! [requirements]
//! build = ["flit_core==4.1.0"]
//! cutoff = "2026-05-12T22:45:55Z"
//!
//! [time]
//! clock = "REAL"
//! zone = "UTC"
//!
//! [files]
//! umask = "0022"
//! modes = "RAW"
//!
//! [variables]
//! LC_ALL = "C.UTF-8"
//! PYTHONHASHSEED = "0"
//! ```
//!
//! A table `custom` makes it more than knobs: [`custom`](Custom).
//!
//! JSON Schema: `schemas/recipe.schema.json`. A statement whose recipe is INFERRED votes only with such a text inside,
//! because its signer's word for "knobs only" is no proof (docs/TRUST.md 3.3).

use std::collections::BTreeMap;

use crate::artifact::{WheelName, excerpt};
use crate::statement::{Clock, RecipeKind, is_variable};
use serde::{Deserialize, Serialize};

pub mod container;
mod custom;
mod error;
mod files;
mod paths;
mod python;
pub(crate) mod requirement;
mod time;

pub use container::Container;
pub use custom::{BuildLock, Custom, ImageRef, LockError, LockedFile, SourceTag, SystemPackage, Versions};
pub use error::RecipeError;
pub use files::{Files, LineEnds, Modes, Umask, ZipSystem};
pub use paths::{BuildPath, Paths, TemporaryName};
pub use python::{PythonTag, PythonVersion};
pub use requirement::is_plain_requirement;
pub use time::{Tick, Time};

/// The value of `schema`.
pub const SCHEMA: &str = "https://w3id.org/attest/recipe/v1";

/// What `variables` may name where a recipe is knobs only. `TZ` and `SOURCE_DATE_EPOCH` have places of their own under
/// `time`; others (`CFLAGS`, `PYTHONPATH`, `LD_PRELOAD`) can put code into a build.
const KNOBS: [&str; 3] = ["LANG", "LC_ALL", "PYTHONHASHSEED"];

/// Longer than the name of any locale.
const MAX_KNOB_VALUE: usize = 64;

/// How to build one wheel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// [`SCHEMA`].
    pub schema: String,
    /// The file that this builds.
    pub wheel: String,
    /// What the wheel says it was built by.
    pub generator: String,
    /// What no evidence was found for, in words. A difference then says little about the wheel.
    pub guesses: Vec<String>,
    /// What was found by trial, in words: other choices might give the same bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searched: Vec<String>,
    /// Which Python builds, where it matters; absent: any that can run the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<PythonVersion>,
    /// Which code builds.
    pub backend: Backend,
    /// What that code needs.
    pub requirements: Requirements,
    /// What time it is.
    pub time: Time,
    /// What files look like.
    pub files: Files,
    /// Where the build happens, where that shows in the wheel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Paths>,
    /// The rest of the environment. Nothing else is set but `HOME`, `PATH`, `TMPDIR` and what [`Time`] implies.
    pub variables: BTreeMap<String, String>,
    /// What is set in the finished wheel's zip: then the method is REPLAYED. Its own type has no room for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What makes it more than knobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<Custom>,
}

/// `[build-system]` of PEP 517, after inference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Backend {
    /// `build-backend`
    pub name: String,
    /// `backend-path`; empty where the backend is an installed one.
    pub path: Vec<String>,
    /// What setuptools is told in its user's configuration: `[bdist_wheel] python-tag`, which is also what `universal`
    /// comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python_tag: Option<PythonTag>,
}

/// What has to be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Requirements {
    /// Requirement lines (PEP 508), with what the wheel proves pinned.
    pub build: Vec<String>,
    /// Nothing that was uploaded after this is used. RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<String>,
}

impl Recipe {
    /// Reads a recipe; unknown fields are errors, since a builder that skips one builds something else.
    ///
    /// # Errors
    /// When it is not TOML of this form and version.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text)?;
        if recipe.schema != SCHEMA {
            return Err(RecipeError::Schema { found: recipe.schema });
        }
        let variable = |(name, value): &(&String, &String)| !is_variable(name) || value.contains('\0');
        if let Some((name, _)) = recipe.variables.iter().find(variable) {
            return Err(RecipeError::VariableForm { found: excerpt(name) });
        }
        if let Some(custom) = &recipe.custom {
            custom.check()?;
        }
        Ok(recipe)
    }

    /// Whether it builds the file of this name.
    ///
    /// # Errors
    /// When it builds another one.
    pub fn check_builds(&self, name: &WheelName) -> Result<(), RecipeError> {
        let ranged = self.custom.as_ref().is_some_and(|custom| custom.builds(&self.wheel, name));
        if self.wheel == name.as_str() || ranged {
            return Ok(());
        }
        Err(RecipeError::Wheel { expected: name.as_str().to_owned(), found: excerpt(&self.wheel) })
    }

    /// INFERRED for knobs only, CUSTOM for everything else, wherever it came from.
    pub fn kind(&self) -> RecipeKind {
        if self.knobs_only().is_ok() { RecipeKind::Inferred } else { RecipeKind::Custom }
    }

    /// Whether it only turns knobs: names no variable, requirement or module that could bring code of the recipe's
    /// author into the build (docs/TRUST.md 3.3).
    ///
    /// # Errors
    /// The first thing that does more.
    pub fn knobs_only(&self) -> Result<(), RecipeError> {
        if self.custom.is_some() {
            return Err(RecipeError::Custom);
        }
        let knob = |name: &&String| KNOBS.contains(&name.as_str());
        if let Some(name) = self.variables.keys().find(|name| !knob(name)) {
            return Err(RecipeError::Variable { found: excerpt(name) });
        }
        if let Some((name, value)) = self.variables.iter().find(|(_, value)| !is_knob_value(value)) {
            return Err(RecipeError::VariableValue { name: excerpt(name), found: excerpt(value) });
        }
        self.time.check()?;
        self.paths.as_ref().map_or(Ok(()), Paths::check)?;
        if let Some(line) = self.requirements.build.iter().find(|line| !is_plain_requirement(line)) {
            return Err(RecipeError::Requirement { found: excerpt(line) });
        }
        let mut places = self.backend.path.iter();
        let outside = places.find(|path| !is_inside(path));
        let name = Some(&self.backend.name).filter(|name| !is_module(name));
        match outside.or(name) {
            Some(found) => Err(RecipeError::Backend { found: excerpt(found) }),
            None => Ok(()),
        }
    }

    /// The text whose SHA-256 is the recipe's digest.
    ///
    /// # Errors
    /// Never for a recipe that was parsed: its fields all have a form in TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        let time = match (self.time.clock, self.time.source_date_epoch) {
            (Clock::SourceDateEpoch, Some(epoch)) => format!("SOURCE_DATE_EPOCH={epoch}"),
            (Clock::Replayed, _) => "the source's own times, clock replayed".to_owned(),
            _ => format!("the source's own times, zone {}", self.time.zone),
        };
        format!("{}, {time}, umask {}", self.generator, String::from(self.files.umask))
    }

    /// The distribution that has the backend, by the name of its module: close enough for a line of text.
    pub fn backend_package(&self) -> &str {
        match self.backend.name.split(['.', ':']).next().unwrap_or_default() {
            "poetry" => "poetry-core",
            "pdm" => "pdm-backend",
            module => module,
        }
    }

    /// Where the source is during the build.
    pub fn build_path(&self) -> &str {
        let build = self.paths.as_ref().and_then(|paths| paths.build.as_ref());
        build.map_or(paths::SOURCE, BuildPath::as_str)
    }

    /// The variables of the build, `SOURCE_DATE_EPOCH` and `TZ` included.
    pub fn all_variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.variables.clone();
        variables.insert("TZ".to_owned(), self.time.zone.clone());
        if let Some(epoch) = self.time.source_date_epoch {
            variables.insert("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string());
        }
        variables
    }
}

/// A locale or a number: text that no shell, search path or loader reads as anything else.
fn is_knob_value(value: &str) -> bool {
    value.len() <= MAX_KNOB_VALUE && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b))
}

/// A folder inside the source, as PEP 517 has it.
fn is_inside(path: &str) -> bool {
    !path.starts_with('/')
        && !path.contains(['\\', ':'])
        && !path.contains(char::is_control)
        && path.split('/').all(|part| part != "..")
}

fn is_module(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:".contains(&b))
}

#[cfg(test)]
mod tests;
