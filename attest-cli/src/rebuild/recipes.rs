//! Finding recipes that others wrote: in a file or folder, on a web server, by digest among those kept here, or in the
//! project's own source.
//!
//! Wherever one comes from, it is read by [`Given`], and the files beside it are held to the digests in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};
use attest_core::artifact::{ArtifactDigest, WheelName};
use attest_core::recipe::Recipe;
use reqwest::Url;

use super::tree::Tree;
use crate::files;
use crate::index::Index;

mod given;
mod store;

pub(crate) use given::{Given, GivenError, LOCK, MAX_RECIPE, SCRIPT};
pub(crate) use store::Store;

/// The name of a recipe's file.
pub(crate) const RECIPE: &str = "recipe.toml";
/// Where a project keeps a recipe of its own.
const PROJECT_FOLDER: &str = ".attest";
/// How deep a folder of recipes is searched: `PROJECT/VERSION/recipe.toml` and one more.
const MAX_DEPTH: usize = 3;
/// How many entries of a folder of recipes are looked at.
const MAX_ENTRIES: usize = 20_000;

/// `--recipe`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecipeSpec {
    /// `sha256:HEX`: one that is kept here.
    Digest(ArtifactDigest),
    /// A recipe, a folder with one, or a folder of recipes.
    Path(PathBuf),
    /// `project`: the source's own, `.attest/recipe.toml`.
    Project,
    /// A recipe on a web server.
    Web {
        /// Where.
        url: Url,
        /// What it must hash to.
        pinned: Option<ArtifactDigest>,
    },
}

impl FromStr for RecipeSpec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text == "project" {
            return Ok(Self::Project);
        }
        if let Some(hex) = text.strip_prefix("sha256:") {
            return Ok(Self::Digest(hex.parse()?));
        }
        if !text.contains("://") {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        let mut url = Url::parse(text)?;
        ensure!(
            matches!(url.scheme(), "https" | "http"),
            "expected a recipe over https, found {}:// (a file is named by its path)",
            url.scheme()
        );
        let pinned = match url.fragment() {
            Some(fragment) => Some(
                fragment
                    .strip_prefix("sha256=")
                    .with_context(|| format!("expected #sha256=HEX, found #{fragment}"))?
                    .parse()?,
            ),
            None => None,
        };
        url.set_fragment(None);
        Ok(Self::Web { url, pinned })
    }
}

impl RecipeSpec {
    /// What tells the recipe for a wheel from another one: wherever it lies, its content and that of the files beside it,
    /// which may change.
    pub(crate) fn identity(&self, wheel: &WheelName, index: &Index) -> anyhow::Result<String> {
        Ok(match self {
            Self::Path(path) => at_path(path, wheel)?.identity(),
            Self::Web { url, pinned } => fetch(index, url, *pinned)?.identity(),
            // The one is named by its content, the other is part of the source.
            Self::Digest(_) | Self::Project => format!("{self:?}"),
        })
    }
}

/// Where recipes are looked for.
pub(crate) struct Library<'a> {
    /// Fetches from the web.
    pub(crate) index: &'a Index,
    /// Keeps recipes by digest.
    pub(crate) store: &'a Store,
    /// The project's source.
    pub(crate) source: &'a Tree,
}

impl Library<'_> {
    /// The recipe that is named, if it builds `wheel`.
    pub(crate) fn find(&self, spec: &RecipeSpec, wheel: &WheelName) -> anyhow::Result<Given> {
        let given = match spec {
            RecipeSpec::Digest(digest) => self.store.read(*digest)?,
            RecipeSpec::Path(path) => at_path(path, wheel)?,
            RecipeSpec::Project => self.of_project()?,
            RecipeSpec::Web { url, pinned } => self.fetch(url, *pinned)?,
        };
        given.recipe().check_builds(wheel)?;
        Ok(given)
    }

    fn of_project(&self) -> anyhow::Result<Given> {
        // A tree's files are files: what a link in the source points to is not read.
        let file = |name: &str| self.source.file(&format!("{PROJECT_FOLDER}/{name}")).map(|file| file.content.clone());
        let text = file(RECIPE).with_context(|| {
            format!("expected the source to have a recipe of its own in {PROJECT_FOLDER}/{RECIPE}, found none")
        })?;
        Ok(Given::read(&text, |name, _| Ok(file(name)))?)
    }

    /// The recipe at `url`, and what lies beside it.
    pub(crate) fn fetch(&self, url: &Url, pinned: Option<ArtifactDigest>) -> anyhow::Result<Given> {
        fetch(self.index, url, pinned)
    }
}

fn fetch(index: &Index, url: &Url, pinned: Option<ArtifactDigest>) -> anyhow::Result<Given> {
    ensure!(
        pinned.is_some() || Index::is_safe(url),
        "expected https, or the recipe's digest as #sha256=HEX, for {url}"
    );
    let text = index.web(url, MAX_RECIPE).with_context(|| format!("expected a recipe at {url}"))?;
    let found = ArtifactDigest::of(&text);
    if let Some(expected) = pinned.filter(|expected| *expected != found) {
        bail!("expected the recipe at {url} to have sha256 {expected}, found {found}");
    }
    let beside = |name: &str, limit| index.web_if_there(&url.join(name)?, limit);
    Ok(Given::read(&text, beside)?)
}

fn at_path(path: &Path, wheel: &WheelName) -> anyhow::Result<Given> {
    if path.is_dir() { in_folder(path, wheel) } else { from_file(path) }
}

fn from_file(path: &Path) -> anyhow::Result<Given> {
    let text = files::read(path, MAX_RECIPE)?;
    let given = Given::read(&text, |name, limit| read_beside(path, name, limit));
    given.with_context(|| format!("{} is no recipe to follow", path.display()))
}

fn read_beside(path: &Path, name: &str, limit: u64) -> anyhow::Result<Option<Vec<u8>>> {
    let path = path.with_file_name(name);
    Ok(if path.exists() { Some(files::read(&path, limit)?) } else { None })
}

/// The one recipe for a wheel in a folder of recipes: one that names it before one for a range of versions.
fn in_folder(folder: &Path, wheel: &WheelName) -> anyhow::Result<Given> {
    let mut seen = 0;
    let mut paths = Vec::new();
    collect(folder, MAX_DEPTH, &mut seen, &mut paths)?;
    paths.sort();
    let (mut fitting, mut unread) = (Vec::new(), Vec::new());
    for path in paths {
        let text = files::read(&path, MAX_RECIPE).map_err(anyhow::Error::from);
        let recipe = text.and_then(|text| Ok(Recipe::parse(std::str::from_utf8(&text)?)?));
        match recipe {
            Ok(recipe) if recipe.check_builds(wheel).is_ok() => fitting.push((recipe.wheel != wheel.as_str(), path)),
            Ok(_) => {}
            Err(error) => unread.push(format!("{} does not read: {error:#}", path.display())),
        }
    }
    fitting.sort();
    match fitting.as_slice() {
        [] => bail!(
            "expected a recipe for {} below {}, found none\n{}",
            wheel.as_str(),
            folder.display(),
            unread.join("\n")
        ),
        [(ranged, _), (other, _), ..] if ranged == other => {
            let paths: Vec<_> = fitting.iter().map(|(_, path)| path.display().to_string()).collect();
            bail!("expected one recipe for {}, found {}: name one", wheel.as_str(), paths.join(", "))
        }
        [(_, path), ..] => from_file(path),
    }
}

/// Links are not followed: they could lead round in circles.
fn collect(folder: &Path, depth: usize, seen: &mut usize, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        *seen += 1;
        ensure!(*seen <= MAX_ENTRIES, "expected a folder of recipes with at most {MAX_ENTRIES} entries");
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, seen, paths)?;
        } else if kind.is_file() && entry.file_name() == RECIPE {
            paths.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
