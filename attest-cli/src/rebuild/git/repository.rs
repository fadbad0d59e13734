//! A stranger's repository: a bare copy of its branches and tags, kept by URL and fetched again each time.
//!
//! Only `refs/heads/*` and `refs/tags/*` are fetched. A forge serves commits of anybody's fork and pull request under the
//! URL of the original; in the history of no branch and tag, such a commit is refused (docs/TRUST.md 3.6).

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use attest_core::artifact::{ArtifactDigest, WheelName};
use attest_core::statement::is_ref;

use super::address::{GitAddress, Reference, RepositoryUrl};
use super::command::Git;
use super::error::GitError;
use super::{CommitId, tag};
use crate::interrupt;

const BRANCHES: &str = "+refs/heads/*:refs/heads/*";
const TAGS: &str = "+refs/tags/*:refs/tags/*";
/// All that a kept repository is configured to be. Written each time: what lies in a cache is not believed.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
/// How often a lock that another run holds is tried.
const LOOK: Duration = Duration::from_millis(50);
/// How many refs are named when there are too many.
const MAX_NAMED: usize = 8;

/// All branches and tags of one URL, as they are now.
#[derive(Debug)]
pub(crate) struct Repository<'a> {
    git: &'a Git,
    url: RepositoryUrl,
    folder: PathBuf,
    refs: Vec<String>,
    /// Held as long as this is used: two runs must not fetch into one folder.
    _lock: File,
}

/// One commit, and the branch or tag that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// `refs/tags/…` or `refs/heads/…`
    pub(crate) name: String,
    /// What it is.
    pub(crate) commit: CommitId,
}

impl<'a> Repository<'a> {
    /// Fetches all branches and tags into a folder below `cache`. A copy there that has become unusable is replaced.
    pub(crate) fn fetch(git: &'a Git, url: &RepositoryUrl, cache: &Path) -> Result<Self, GitError> {
        let parent = cache.join("repositories");
        fs::create_dir_all(&parent)?;
        let key = ArtifactDigest::of(url.as_str().as_bytes()).to_string();
        let folder = parent.join(&key);
        let lock = lock(&parent.join(format!("{key}.lock")))?;
        let kept = if folder.exists() { Some(update(git, url, &folder)) } else { None };
        match kept {
            Some(Ok(())) => {}
            // Anything but git's own word says nothing about the copy.
            Some(Err(error)) if !matches!(error, GitError::Failed { .. } | GitError::Io(_)) => return Err(error),
            _ => replace(git, url, &folder)?,
        }
        let mut listing = Git::in_repository(&folder);
        listing.args(["for-each-ref", "--format=%(refname)", "refs/heads/", "refs/tags/"]);
        let listing = git.run("list branches and tags", listing, &[])?;
        let refs = String::from_utf8_lossy(&listing).lines().map(str::to_owned).collect();
        Ok(Self { git, url: url.clone(), folder, refs, _lock: lock })
    }

    /// Where it came from.
    pub(crate) fn url(&self) -> &RepositoryUrl {
        &self.url
    }

    /// Where it is kept, for taking a commit out of it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn git(&self) -> &Git {
        self.git
    }

    /// The commit that was asked for; where none was, that of the version's tag.
    pub(crate) fn find(&self, address: &GitAddress, wheel: &WheelName) -> Result<Found, GitError> {
        let found = match &address.reference {
            None => self.tag_of(wheel)?,
            Some(Reference::Commit(commit)) => self.name_of(commit, wheel)?,
            Some(Reference::Full(name)) => self.at(name)?.ok_or_else(|| self.no_ref(name))?,
            Some(Reference::Name(name)) => self.named(name)?,
        };
        match &address.commit {
            None => Ok(found),
            Some(commit) if found.commit == *commit => Ok(found),
            // A branch goes on; its history stays.
            Some(commit) if found.name.starts_with("refs/heads/") && self.leading_to(commit)?.contains(&found.name) => {
                Ok(Found { name: found.name, commit: commit.clone() })
            }
            Some(commit) => Err(GitError::Moved { name: found.name, expected: commit.clone(), found: found.commit }),
        }
    }

    /// What a ref leads to; nothing where there is no such ref, or it leads to no commit.
    fn at(&self, name: &str) -> Result<Option<Found>, GitError> {
        if !self.refs.iter().any(|known| known == name) {
            return Ok(None);
        }
        if !is_ref(name) {
            return Err(GitError::RefName { name: name.to_owned() });
        }
        let mut command = Git::in_repository(&self.folder);
        command.args(["rev-parse", "--verify", "--quiet"]).arg(format!("{name}^{{commit}}"));
        match self.git.run("find a commit", command, &[]) {
            Ok(answer) => {
                let commit = CommitId::parse(String::from_utf8_lossy(&answer).trim());
                Ok(commit.map(|commit| Found { name: name.to_owned(), commit }))
            }
            Err(GitError::Failed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn named(&self, name: &str) -> Result<Found, GitError> {
        let (tag, branch) = (self.at(&format!("refs/tags/{name}"))?, self.at(&format!("refs/heads/{name}"))?);
        match (tag, branch) {
            (Some(tag), Some(branch)) if tag.commit != branch.commit => Err(ambiguous(name, &[tag, branch])),
            (Some(found), _) | (None, Some(found)) => Ok(found),
            (None, None) if name.len() >= 4 && name.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Err(GitError::ShortId { found: name.to_owned() })
            }
            (None, None) => Err(self.no_ref(name)),
        }
    }

    /// The tag of a version, when all that are as close to it are the same commit.
    fn tag_of(&self, wheel: &WheelName) -> Result<Found, GitError> {
        let tags: Vec<&str> = self.refs.iter().filter_map(|name| name.strip_prefix("refs/tags/")).collect();
        let closest = tag::closest(&tags, &wheel.project, &wheel.version);
        let found = closest.iter().map(|tag| self.at(&format!("refs/tags/{tag}")));
        let found: Vec<Found> = found.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let Some(first) = found.first() else {
            let (version, url) = (wheel.version.as_str().to_owned(), self.url.to_string());
            return Err(GitError::NoTag { version, url, tags: tags.len() });
        };
        if found.iter().any(|other| other.commit != first.commit) {
            return Err(ambiguous(wheel.version.as_str(), &found));
        }
        Ok(first.clone())
    }

    /// A branch or tag with this commit in its history: the version's tag, or a tag that is this very commit, or any.
    fn name_of(&self, commit: &CommitId, wheel: &WheelName) -> Result<Found, GitError> {
        if let Some(found) = self.tag_of(wheel).ok().filter(|found| found.commit == *commit) {
            return Ok(found);
        }
        // A branch with a name that no statement can have stands in nobody's way.
        let leading: Vec<String> = self.leading_to(commit)?.into_iter().filter(|name| is_ref(name)).collect();
        for name in &leading {
            if self.at(name)?.is_some_and(|found| found.commit == *commit) {
                return Ok(Found { name: name.clone(), commit: commit.clone() });
            }
        }
        let name = leading.into_iter().next();
        let name = name.ok_or_else(|| GitError::Unreachable { commit: commit.clone(), url: self.url.to_string() })?;
        Ok(Found { name, commit: commit.clone() })
    }

    /// Branches and tags with a commit in their history; none for a commit that is not there at all.
    fn leading_to(&self, commit: &CommitId) -> Result<Vec<String>, GitError> {
        let mut command = Git::in_repository(&self.folder);
        command.args(["cat-file", "-e"]).arg(format!("{commit}^{{commit}}"));
        match self.git.run("look for a commit", command, &[]) {
            Ok(_) => {}
            Err(GitError::Failed { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        let mut command = Git::in_repository(&self.folder);
        command.args(["for-each-ref", "--format=%(refname)"]).arg(format!("--contains={commit}"));
        command.args(["refs/heads/", "refs/tags/"]);
        let answer = self.git.run("search the histories of branches and tags", command, &[])?;
        Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
    }

    fn no_ref(&self, name: &str) -> GitError {
        GitError::NoRef { name: name.to_owned(), url: self.url.to_string() }
    }
}

/// Waits for other runs, until Ctrl-C.
fn lock(path: &Path) -> Result<File, GitError> {
    let file = File::options().create(true).append(true).open(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if interrupt::requested() => return Err(GitError::Interrupted),
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
        }
    }
}

fn ambiguous(name: &str, found: &[Found]) -> GitError {
    let found = found.iter().take(MAX_NAMED).map(|one| format!("{} ({})", one.name, one.commit)).collect();
    GitError::Ambiguous { name: name.to_owned(), found }
}

/// A new copy beside the old one, then in its place.
fn replace(git: &Git, url: &RepositoryUrl, folder: &Path) -> Result<(), GitError> {
    let parent = folder.parent().unwrap_or(folder);
    let making = tempfile::Builder::new().prefix(".making-").tempdir_in(parent)?;
    let mut command = Git::in_repository(making.path());
    command.args(["init", "--bare", "--quiet", "--template=", "--object-format=sha1"]);
    git.run("make a repository", command, &[])?;
    update(git, url, making.path())?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::rename(making.keep(), folder)?)
}

fn update(git: &Git, url: &RepositoryUrl, folder: &Path) -> Result<(), GitError> {
    fs::write(folder.join("config"), CONFIG)?;
    let mut command = git.fetching(folder);
    command.args(["fetch", "--quiet", "--force", "--prune", "--no-tags", "--no-recurse-submodules"]).args([
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--",
        url.as_str(),
        BRANCHES,
        TAGS,
    ]);
    git.run_watched("fetch the repository", command, &[], Some(folder))?;
    Ok(())
}
