//! Ranges of versions, for recipes that build more than one.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::artifact::{Version, excerpt};
use crate::recipe::RecipeError;

/// `>=1.7,<1.8`: from the first version on and before the second. Epochs and numbers alone are compared, so `1.8rc1` is
/// not before `1.8`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Versions {
    from: Version,
    before: Version,
}

impl Versions {
    /// Whether a version is among them.
    pub fn contain(&self, version: &Version) -> bool {
        self.from.compare_release(version) != Ordering::Greater
            && version.compare_release(&self.before) == Ordering::Less
    }
}

impl PartialEq for Versions {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Versions {}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ">={},<{}", self.from, self.before)
    }
}

impl FromStr for Versions {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        let refused = || RecipeError::Versions { found: excerpt(text) };
        let bounds = text.strip_prefix(">=").and_then(|rest| rest.split_once(",<")).ok_or_else(refused)?;
        let version = |text: &str| Version::new(text).map_err(|_| refused());
        let (from, before) = (version(bounds.0)?, version(bounds.1)?);
        if from.compare_release(&before) != Ordering::Less {
            return Err(refused());
        }
        Ok(Self { from, before })
    }
}

impl TryFrom<String> for Versions {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        text.parse()
    }
}

impl From<Versions> for String {
    fn from(versions: Versions) -> Self {
        versions.to_string()
    }
}
