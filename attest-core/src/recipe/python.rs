//! Which Python builds, and for which Pythons.

use serde::{Deserialize, Serialize};

use super::RecipeError;
use crate::artifact::excerpt;

/// The longest tag: all that were ever seen have less than 30 bytes.
const MAX_TAG: usize = 64;

/// The feature release of the Python that builds. Text: `3.8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PythonVersion(u8);

impl PythonVersion {
    /// Python 3 with this second number.
    pub fn new(minor: u8) -> Self {
        Self(minor)
    }

    /// Whether an interpreter that says it is `version`, `3.11.7` or `3.13.0rc1`, is of this feature release.
    pub fn is_release(self, version: &str) -> bool {
        version.strip_prefix(&self.to_string()).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl std::fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "3.{}", self.0)
    }
}

impl From<PythonVersion> for String {
    fn from(version: PythonVersion) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for PythonVersion {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        let minor = text.strip_prefix("3.").and_then(|minor| minor.parse().ok()).map(Self);
        // Printed again it must be the same: no second spelling.
        match minor {
            Some(version) if version.to_string() == text => Ok(version),
            _ => Err(RecipeError::Python { found: excerpt(&text) }),
        }
    }
}

/// The first part of a wheel's tag ([PEP 425](https://peps.python.org/pep-0425/)), for setuptools' option of this name.
/// It goes into a configuration file, so it is nothing but names with dots between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PythonTag(String);

impl PythonTag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<PythonTag> for String {
    fn from(tag: PythonTag) -> Self {
        tag.0
    }
}

impl TryFrom<String> for PythonTag {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        let name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if text.len() <= MAX_TAG && text.split('.').all(name) {
            Ok(Self(text))
        } else {
            Err(RecipeError::PythonTag { found: excerpt(&text) })
        }
    }
}
