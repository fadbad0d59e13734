//! `[paths]`: where the build happens, as far as it can be read in what it made.
//!
//! ```toml
//! [paths]
//! build = "/tmp/build-env-abcdefgh/demo-1.0"
//! environment = "/tmp/pip-build-env-q1w2e3r4/overlay"
//! temporary = [".mesonpy-a1b2c3d4", "tmpa1b2c3d4"]
//! ```
//!
//! Compilers write the folder that they run in into debug information, and so into the build id: a wheel that was built
//! below a random name comes out again only below that name.
//!
//! A path is text that the recipe's author chooses and that a build sees: in an unquoted shell command, in a search path, in
//! an option. So it holds nothing but letters, digits and the few signs that real paths of builds have.

use serde::{Deserialize, Serialize};

use super::RecipeError;
use crate::artifact::excerpt;

/// Longer than any that a tool makes, and short enough for every build (`PATH_MAX` is 4096, a Unix socket's 108).
const MAX_PATH: usize = 200;
/// Tools make one or two folders whose names are seen in a binary.
const MAX_TEMPORARY: usize = 8;
/// Where the room has something of its own, and `/build` itself. Nothing is built in, or over, one of these.
const OCCUPIED: [&str; 14] = [
    "/bin", "/boot", "/build", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/nix", "/proc", "/run", "/sbin", "/sys",
    "/usr",
];
/// Folders with other things in them: below them is free, they themselves are not.
const SHARED: [&str; 6] = ["/home", "/mnt", "/opt", "/root", "/tmp", "/var"];

/// Where the room has the source unless the recipe says otherwise, and so `buildPath` in a statement.
pub(super) const SOURCE: &str = "/build/src";

/// Where the build happens. What is absent is the room's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Paths {
    /// The top folder of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildPath>,
    /// The environment with the build requirements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<BuildPath>,
    /// Names of temporary folders, which Python's `tempfile` gives out in place of random ones.
    pub temporary: Vec<TemporaryName>,
}

impl Paths {
    /// The rules that take more than one field: neither folder lies in the other one, and there are not too many names.
    ///
    /// # Errors
    /// The first one that is broken.
    pub fn check(&self) -> Result<(), RecipeError> {
        if self.temporary.len() > MAX_TEMPORARY {
            return Err(RecipeError::TemporaryNames { limit: MAX_TEMPORARY, found: self.temporary.len() });
        }
        match (&self.build, &self.environment) {
            (Some(build), Some(environment)) if environment.is_in(build) || build.is_in(environment) => {
                Err(RecipeError::NestedPaths { build: build.0.clone(), environment: environment.0.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// An absolute path in one spelling, outside of what the room needs itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BuildPath(String);

impl BuildPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_in(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl TryFrom<String> for BuildPath {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        let below =
            |folder: &str| text.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let good = text.len() <= MAX_PATH
            && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_name))
            && !OCCUPIED.iter().any(|folder| below(folder))
            && !SHARED.contains(&text.as_str());
        if good { Ok(Self(text)) } else { Err(RecipeError::Path { found: excerpt(&text) }) }
    }
}

impl From<BuildPath> for String {
    fn from(path: BuildPath) -> Self {
        path.0
    }
}

/// One folder's name as `tempfile.mkdtemp` makes it: a prefix, then eight of `a-z`, `0-9` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemporaryName(String);

impl TemporaryName {
    /// How many characters `tempfile` makes up.
    pub const RANDOM: usize = 8;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TemporaryName {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        let random = text.len().checked_sub(Self::RANDOM).and_then(|at| text.as_bytes().get(at..));
        let is_random = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
        let good = is_name(&text) && random.is_some_and(|random| random.iter().all(is_random));
        if good { Ok(Self(text)) } else { Err(RecipeError::TemporaryName { found: excerpt(&text) }) }
    }
}

impl From<TemporaryName> for String {
    fn from(name: TemporaryName) -> Self {
        name.0
    }
}

/// One part of a path, which no tool takes for an option or for another folder.
fn is_name(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 64
        && !matches!(part, "." | "..")
        && !part.starts_with('-')
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
}
