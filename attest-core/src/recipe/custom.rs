//! `[custom]`: a build that is more than knobs.
//!
//! ```toml
//! [custom]
//! build-sh = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
//! build-lock = "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7"
//! versions = ">=1.7,<1.8"
//! image = "quay.io/pypa/manylinux_2_28_x86_64@sha256:50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"
//!
//! [custom.source]
//! url = "https://github.com/scikit-learn/scikit-learn"
//! tag = "{version}"
//!
//! [[custom.packages]]
//! name = "ccache"
//! version = "4.11.3"
//! file = "ccache-4.11.3-1.el8.x86_64.rpm"
//! sha256 = "9a271f2a916b0b6ee6cecb2426f0b3206ef074578be55d9bc94f6f3fe3ab86aa"
//! url = "https://packages.example/ccache-4.11.3-1.el8.x86_64.rpm"
//! ```
//!
//! The recipe's digest covers `build.sh` and `build.lock`, which lie beside it, through theirs. Such a recipe is code of
//! its author: it votes only where a policy lists that digest (docs/TRUST.md 3.3). docs/recipes.md is for people.

use serde::{Deserialize, Serialize};

use super::RecipeError;
use crate::artifact::{ArtifactDigest, Version, WheelName, excerpt};
use crate::statement::{Source, is_file_name, is_ref, is_repository};

mod image;
mod lock;
mod versions;

pub use image::ImageRef;
pub use lock::{BuildLock, LockError, LockedFile};
pub use versions::Versions;

/// Stands for the version in a recipe of several: in `wheel` and in the source's tag.
const VERSION: &str = "{version}";

/// How to build where turning knobs is not enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Custom {
    /// SHA-256 of `build.sh`, which is run in the source's folder.
    pub build_sh: ArtifactDigest,
    /// SHA-256 of `build.lock`, a [`BuildLock`]; nothing where the image has all that is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_lock: Option<ArtifactDigest>,
    /// Which versions it builds, where `wheel` has `{version}` in place of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// What is around the build; nothing: the clean room of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// Where the project publishes its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceTag>,
    /// Files beside the image that `build.sh` installs or unpacks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub packages: Vec<SystemPackage>,
}

/// A repository, and the tag that a version has in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceTag {
    /// `https://HOST/PATH`, as docs/TRUST.md 3.6 has it.
    pub url: String,
    /// `{version}` in it stands for the wheel's version: `v{version}`.
    pub tag: String,
}

/// A file of a distribution of packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SystemPackage {
    /// Its name there.
    pub name: String,
    /// Its version there.
    pub version: String,
    /// File name, as `build.sh` finds it.
    pub file: String,
    /// Of the file.
    pub sha256: ArtifactDigest,
    /// Where it can be had; nothing: in an archive of dependencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Custom {
    /// The rules that no single field's type has.
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        if let Some(source) = &self.source {
            source.check()?;
        }
        for (at, package) in self.packages.iter().enumerate() {
            package.check()?;
            if self.packages[..at].iter().any(|earlier| earlier.file == package.file) {
                return Err(RecipeError::PackageTwice { found: package.file.clone() });
            }
        }
        Ok(())
    }

    /// Whether it builds a wheel of this name, when `wheel` is what the recipe says.
    pub(super) fn builds(&self, wheel: &str, name: &WheelName) -> bool {
        self.versions.as_ref().is_some_and(|versions| {
            versions.contain(&name.version) && wheel.replace(VERSION, file_version(name)) == name.as_str()
        })
    }
}

impl SourceTag {
    /// The tag of a version, as a whole ref.
    pub fn reference(&self, version: &Version) -> String {
        format!("refs/tags/{}", self.tag.replace(VERSION, version.as_str()))
    }

    /// Whether a source is what this names.
    pub fn is(&self, source: &Source, version: &Version) -> bool {
        match source {
            Source::Git { uri, r#ref, .. } => {
                uri.strip_prefix("git+") == Some(&self.url) && *r#ref == self.reference(version)
            }
            Source::Sdist { .. } => false,
        }
    }

    fn check(&self) -> Result<(), RecipeError> {
        if !is_repository(&format!("git+{}", self.url)) {
            return Err(RecipeError::SourceUrl { found: excerpt(&self.url) });
        }
        if self.tag.starts_with('-') || !is_ref(&format!("refs/tags/{}", self.tag.replace(VERSION, "0"))) {
            return Err(RecipeError::SourceTag { found: excerpt(&self.tag) });
        }
        Ok(())
    }
}

impl SystemPackage {
    fn check(&self) -> Result<(), RecipeError> {
        let word = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if let Some(found) = [&self.name, &self.version].into_iter().find(|text| !word(text)) {
            return Err(RecipeError::Package { found: excerpt(found) });
        }
        // It becomes a path, and an argument of whatever unpacks it.
        if self.file.starts_with(['-', '.']) || !is_file_name(&self.file) {
            return Err(RecipeError::PackageFile { found: excerpt(&self.file) });
        }
        let web = |url: &String| url.starts_with("https://") && url.bytes().all(|b| b.is_ascii_graphic());
        match self.url.as_ref().filter(|url| !web(url)) {
            Some(url) => Err(RecipeError::PackageUrl { found: excerpt(url) }),
            None => Ok(()),
        }
    }
}

/// The version as the file's name has it: `1.0+cpu` is not spelled alike everywhere.
fn file_version(name: &WheelName) -> &str {
    name.as_str().split('-').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests;
