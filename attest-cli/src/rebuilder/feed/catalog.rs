//! What can be rebuilt of a project, as the configured index has it: the wheel for any platform, with its digest.

use std::path::Path;

use attest_core::artifact::{ArtifactDigest, ProjectName, Version, WheelName};

use crate::index::{Index, IndexFile, Serials};
use crate::pip::Pip;
use crate::rebuilder::job::{Release, Wish};

/// The index.
#[derive(Debug)]
pub(crate) struct Catalog(Index);

impl Catalog {
    pub(crate) fn open(python: &Path, cache: &Path) -> anyhow::Result<Self> {
        let pip = Pip::query(python, &cache.join("tools"))?;
        Ok(Self(Index::new(pip.settings(), &cache.join("files"))?))
    }

    /// Not remembered: a list has thousands of projects, and pages are big.
    fn files(&self, project: &ProjectName) -> anyhow::Result<Vec<IndexFile>> {
        let files = self.0.project(project);
        self.0.forget(project);
        files
    }

    /// The last change of every project.
    pub(crate) fn serials(&self) -> anyhow::Result<Serials> {
        self.0.serials()
    }

    /// The wheel of a release.
    pub(crate) fn wheel(&self, release: &Release) -> anyhow::Result<Option<Wish>> {
        let files = self.files(&release.project)?;
        Ok(pure(&files).find(|(name, _)| name.version.same_as(&release.version)).map(wish))
    }

    /// The wheel that was uploaded last, pre-releases left out; of an index without times, the last one listed.
    pub(crate) fn newest(&self, project: &ProjectName) -> anyhow::Result<Option<Wish>> {
        let files = self.files(project)?;
        let stable = pure(&files).filter(|(name, _)| !is_early(&name.version));
        Ok(stable.max_by_key(|(_, file)| file.uploaded.clone()).map(wish))
    }

    /// Those of a release's files that can be rebuilt and have one of these digests.
    pub(crate) fn among(&self, project: &ProjectName, digests: &[ArtifactDigest]) -> anyhow::Result<Option<Wish>> {
        let files = self.files(project)?;
        let listed = |file: &IndexFile| file.digest.is_some_and(|digest| digests.contains(&digest));
        Ok(pure(&files).find(|(_, file)| listed(file)).map(wish))
    }
}

fn pure(files: &[IndexFile]) -> impl Iterator<Item = (WheelName, &IndexFile)> {
    let named = files.iter().filter_map(|file| Some((WheelName::parse(&file.name).ok()?, file)));
    named.filter(|(name, file)| is_pure(name) && file.digest.is_some())
}

/// Whether a wheel's name says that it is for any platform: the others cannot be rebuilt on this one alone.
pub(super) fn is_pure(name: &WheelName) -> bool {
    name.abi == "none" && name.platform == "any"
}

fn wish((name, file): (WheelName, &IndexFile)) -> Wish {
    Wish { release: Release { project: name.project, version: name.version }, sha256: file.digest, claim: None }
}

/// PEP 440: `a`, `b`, `rc` and `dev`, in whatever spelling, are the letters of versions that come before a release.
fn is_early(version: &Version) -> bool {
    let text = version.as_str().to_ascii_lowercase();
    let public = text.split('+').next().unwrap_or_default();
    let letters = public.replace("post", "").replace("rev", "").trim_start_matches('v').to_owned();
    letters.replace(".r", ".").replace("-r", "-").bytes().any(|byte| byte.is_ascii_alphabetic())
        || public.contains("rc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_versions_are_told_from_releases() {
        for (text, early) in [
            ("1.0", false),
            ("2024.1", false),
            ("1.0.post1", false),
            ("1!2.0+local.a1", false),
            ("1.0a1", true),
            ("1.0rc1", true),
            ("1.0.dev3", true),
            ("1.0b2.post1", true),
        ] {
            assert_eq!(is_early(&Version::new(text).unwrap()), early, "{text}");
        }
    }
}
