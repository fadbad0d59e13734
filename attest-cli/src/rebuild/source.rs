//! What is built from.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use attest_core::artifact::{ArtifactDigest, ProjectName, Version, WheelName};
use attest_core::recipe::Modes;
use attest_core::statement::{self, Digest, FromCommit, Origin};

use super::sdist;
use super::tree::{Order, Tree};
use crate::index::{Index, IndexFile};

/// What is built from, whole, with its digest.
#[derive(Debug)]
pub(crate) enum Source {
    /// A source distribution.
    Sdist {
        /// File name.
        name: String,
        /// Of its bytes.
        digest: ArtifactDigest,
        /// What is in it.
        tree: Tree,
    },
}

impl Source {
    /// An sdist that the user gave.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let size = fs::metadata(path).with_context(|| format!("expected an sdist at {}", path.display()))?.len();
        anyhow::ensure!(
            size <= sdist::MAX_FILE,
            "expected an sdist of at most {} bytes, found {size}",
            sdist::MAX_FILE
        );
        let bytes = fs::read(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::sdist(name, ArtifactDigest::of(&bytes), &bytes)
    }

    /// The `.tar.gz` that the index lists beside the wheel.
    pub(crate) fn find(index: &Index, wheel: &WheelName) -> anyhow::Result<Self> {
        let files = index.project(&wheel.project)?;
        let file = files.into_iter().find(|file| is_sdist_of(file, wheel)).with_context(|| {
            format!("expected an sdist (.tar.gz) beside {}, found none on the index", wheel.as_str())
        })?;
        let digest = file.digest.with_context(|| format!("expected the index to give a sha256 for {}", file.name))?;
        let bytes = index.fetch(&file, digest, sdist::MAX_FILE)?;
        Self::sdist(file.name, digest, &bytes)
    }

    fn sdist(name: String, digest: ArtifactDigest, bytes: &[u8]) -> anyhow::Result<Self> {
        let tree = sdist::read(bytes).with_context(|| format!("{name} is not a source distribution"))?;
        Ok(Self::Sdist { name, digest, tree })
    }

    /// For people.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Sdist { name, .. } => name,
        }
    }

    /// One line for people, with the digest.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Sdist { name, digest, .. } => format!("{name} sha256:{digest}"),
        }
    }

    /// Its files, for inference.
    pub(crate) fn tree(&self) -> &Tree {
        match self {
            Self::Sdist { tree, .. } => tree,
        }
    }

    /// For the statement.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Sdist { .. } => Origin::Sdist,
        }
    }

    /// For the statement.
    pub(crate) fn statement(&self) -> Vec<statement::Source> {
        match self {
            Self::Sdist { name, digest, .. } => vec![statement::Source::Sdist {
                name: name.clone(),
                digest: Digest { sha256: *digest },
                from_commit: FromCommit::Unverified,
            }],
        }
    }

    /// Lays it out for a build.
    pub(crate) fn lay_out(&self, folder: &Path, modes: Modes, order: Order) -> io::Result<()> {
        match self {
            Self::Sdist { tree, .. } => tree.lay_out(folder, modes, order),
        }
    }
}

fn is_sdist_of(file: &IndexFile, wheel: &WheelName) -> bool {
    let Some((name, version)) = file.name.strip_suffix(".tar.gz").and_then(|stem| stem.rsplit_once('-')) else {
        return false;
    };
    ProjectName::new(name).is_ok_and(|name| name == wheel.project)
        && Version::new(version).is_ok_and(|version| version.same_as(&wheel.version))
}
