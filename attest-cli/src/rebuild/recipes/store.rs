//! Recipes by digest, with the files that they name: `recipes/sha256/HEX/{recipe.toml,build.sh,build.lock}`.
//!
//! Nothing in it is trusted: what is read is hashed again. The same folder on a web server serves recipes to others.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use attest_core::artifact::ArtifactDigest;

use super::{Given, LOCK, MAX_RECIPE, RECIPE, SCRIPT, read_beside};
use crate::{cache, files};

/// A folder of recipes by digest.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// Below the folder in which everything is kept.
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("recipes/sha256") }
    }

    /// Keeps a recipe, and what its digest covers.
    pub(crate) fn keep(&self, text: &str, script: Option<&[u8]>, lock: Option<&str>) -> anyhow::Result<PathBuf> {
        let digest = ArtifactDigest::of(text.as_bytes());
        let folder = self.folder.join(digest.to_string());
        cache::make_once(&folder, |folder| {
            fs::write(folder.join(RECIPE), text)?;
            for (name, bytes) in [(SCRIPT, script), (LOCK, lock.map(str::as_bytes))] {
                if let Some(bytes) = bytes {
                    fs::write(folder.join(name), bytes)?;
                }
            }
            Ok(())
        })?;
        Ok(folder.join(RECIPE))
    }

    /// The recipe with this digest.
    pub(crate) fn read(&self, digest: ArtifactDigest) -> anyhow::Result<Given> {
        let path = self.folder.join(digest.to_string()).join(RECIPE);
        ensure!(path.is_file(), "expected a recipe with sha256 {digest} below {}, found none", self.folder.display());
        let text = files::read(&path, MAX_RECIPE)?;
        let given = Given::read(&text, |name, limit| read_beside(&path, name, limit));
        let given = given.with_context(|| format!("{} is no recipe to follow", path.display()))?;
        ensure!(
            given.digest() == digest,
            "expected a recipe with sha256 {digest}, found {} in its place",
            given.digest()
        );
        Ok(given)
    }
}
