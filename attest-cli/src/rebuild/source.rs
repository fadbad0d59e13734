//! What is built from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use attest_core::artifact::{ArtifactDigest, ProjectName, Version, WheelName};
use attest_core::recipe::Files;
use attest_core::statement::{self, Digest, FromCommit, Origin};

use super::git::address::{AddressError, GitAddress, RepositoryUrl};
use super::git::checkout::Checkout;
use super::git::repository::{Found, Repository};
use super::git::{Git, GitLimits, forge};
use super::sdist;
use super::target::Published;
use super::tree::{Order, Tree};
use crate::index::{Index, IndexFile};
use crate::wheels;

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
        /// The commit that gives it, where that was seen.
        commit: Option<Box<statement::Source>>,
    },
    /// A commit.
    Git(Box<Checkout>),
}

/// What the user wants to build from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An sdist on disk.
    Sdist(PathBuf),
    /// A commit.
    Git(GitAddress),
}

impl FromStr for Wanted {
    type Err = AddressError;

    /// `git` and `git+…` are commits, everything else is a path: a file of that name is `./git`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "git" || text.starts_with("git+") {
            return Ok(Self::Git(text.parse()?));
        }
        Ok(Self::Sdist(PathBuf::from(text)))
    }
}

impl Wanted {
    /// What tells it from another one: an sdist by its content.
    pub(crate) fn identity(&self) -> anyhow::Result<String> {
        Ok(match self {
            Self::Sdist(path) => wheels::digest(path)?.to_string(),
            Self::Git(address) => format!("{address:?}"),
        })
    }
}

impl Source {
    /// What the user wants, or the sdist beside the wheel. `cache` is where repositories are kept.
    pub(crate) fn open(
        wanted: Option<&Wanted>,
        published: &Published,
        index: &Index,
        cache: &Path,
    ) -> anyhow::Result<Self> {
        match wanted {
            None => Self::find(index, &published.name),
            Some(Wanted::Sdist(path)) => Self::read(path),
            Some(Wanted::Git(address)) => Ok(Self::Git(Box::new(checkout(address, published, cache)?))),
        }
    }

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
        Self::beside(index, wheel)?
            .with_context(|| format!("expected an sdist (.tar.gz) beside {}, found none on the index", wheel.as_str()))
    }

    /// The same; nothing where there is none, or the index does not have the project at all.
    pub(crate) fn beside(index: &Index, wheel: &WheelName) -> anyhow::Result<Option<Self>> {
        let files = index.project(&wheel.project)?;
        let Some(file) = files.into_iter().find(|file| is_sdist_of(file, wheel)) else { return Ok(None) };
        let digest = file.digest.with_context(|| format!("expected the index to give a sha256 for {}", file.name))?;
        let bytes = index.fetch(&file, digest, sdist::MAX_FILE)?;
        Self::sdist(file.name, digest, &bytes).map(Some)
    }

    /// The sdist of this name, if the index has it with this digest.
    pub(crate) fn of_file(
        index: &Index,
        project: &ProjectName,
        name: &str,
        digest: ArtifactDigest,
    ) -> anyhow::Result<Self> {
        let files = index.project(project)?;
        let file = files.iter().find(|file| file.name == name);
        let file = file.with_context(|| format!("expected {name} on the index, found none: give it as --source"))?;
        let listed = file.digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        anyhow::ensure!(
            file.digest == Some(digest),
            "expected {name} with sha256 {digest} as the statement says, found that the index lists {listed}"
        );
        let bytes = index.fetch(file, digest, sdist::MAX_FILE)?;
        Self::sdist(name.to_owned(), digest, &bytes)
    }

    fn sdist(name: String, digest: ArtifactDigest, bytes: &[u8]) -> anyhow::Result<Self> {
        let tree = sdist::read(bytes).with_context(|| format!("{name} is not a source distribution"))?;
        Ok(Self::Sdist { name, digest, tree, commit: None })
    }

    /// Notes that a commit gives this sdist: a statement then names both (docs/TRUST.md 3.5). Only a commit that a
    /// statement can name.
    pub(crate) fn verify(&mut self, by: &Self) {
        if let (Self::Sdist { commit, .. }, Self::Git(checkout)) = (self, by) {
            *commit = Some(Box::new(checkout.statement())).filter(|_| checkout.url().is_canonical());
        }
    }

    /// For people.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Sdist { name, .. } => name.clone(),
            Self::Git(checkout) => checkout.name(),
        }
    }

    /// One line for people, with the digest.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Sdist { name, digest, .. } => format!("{name} sha256:{digest}"),
            Self::Git(checkout) => format!("{} commit {}", checkout.name(), checkout.commit()),
        }
    }

    /// Its files, for inference.
    pub(crate) fn tree(&self) -> &Tree {
        match self {
            Self::Sdist { tree, .. } => tree,
            Self::Git(checkout) => checkout.tree(),
        }
    }

    /// For the statement.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Sdist { .. } => Origin::Sdist,
            Self::Git(_) => Origin::Git,
        }
    }

    /// For the statement.
    pub(crate) fn statement(&self) -> Vec<statement::Source> {
        match self {
            Self::Sdist { name, digest, commit, .. } => {
                let from_commit = if commit.is_some() { FromCommit::Verified } else { FromCommit::Unverified };
                let sdist =
                    statement::Source::Sdist { name: name.clone(), digest: Digest { sha256: *digest }, from_commit };
                [sdist].into_iter().chain(commit.as_deref().cloned()).collect()
            }
            Self::Git(checkout) => vec![checkout.statement()],
        }
    }

    /// Lays it out for a build.
    pub(crate) fn lay_out(&self, folder: &Path, files: &Files, order: Order) -> io::Result<()> {
        match self {
            Self::Sdist { tree, .. } => tree.lay_out(folder, files.modes, order),
            Self::Git(checkout) => checkout.lay_out(folder, files.umask, order),
        }
    }
}

/// Fetches a repository and takes one commit out of it.
pub(crate) fn checkout(address: &GitAddress, published: &Published, cache: &Path) -> anyhow::Result<Checkout> {
    let git = Git::find(GitLimits::default())?;
    let metadata = published.wheel.metadata("METADATA").map_or(&[][..], |member| &member.content);
    let url = address.url.clone().map_or_else(|| forge::repository(metadata), Ok)?;
    let repository = Repository::fetch(&git, &url, cache).with_context(|| format!("expected a repository at {url}"))?;
    let found = repository.find(address, &published.name)?;
    let name = format!("{} ({})", found.name, found.commit);
    Checkout::new(&repository, found).with_context(|| format!("cannot build from {name}"))
}

/// Whether an address still leads to the commit that an older result was made from: tags and branches move, and a tag may have
/// come that is nearer to the version. A repository that does not answer leads nowhere.
pub(crate) fn still_leads(address: &GitAddress, to: &statement::Source, wheel: &WheelName, cache: &Path) -> bool {
    let statement::Source::Git { uri, r#ref, digest, .. } = to else { return false };
    let found = || -> anyhow::Result<Found> {
        let git = Git::find(GitLimits::default())?;
        let url = RepositoryUrl::parse(uri.strip_prefix("git+").unwrap_or(uri))?;
        Ok(Repository::fetch(&git, &url, cache)?.find(address, wheel)?)
    };
    found().is_ok_and(|found| found.name == *r#ref && found.commit.as_str() == digest.git_commit)
}

fn is_sdist_of(file: &IndexFile, wheel: &WheelName) -> bool {
    let Some((name, version)) = file.name.strip_suffix(".tar.gz").and_then(|stem| stem.rsplit_once('-')) else {
        return false;
    };
    ProjectName::new(name).is_ok_and(|name| name == wheel.project)
        && Version::new(version).is_ok_and(|version| version.same_as(&wheel.version))
}
